"""
Hypothesis strategies for the values of the core: whatever is legal, the odd corners included.

Each function gives a strategy, the same one each time for the same arguments, since making one costs
more than drawing from it. What it draws obeys the rules of the core, so a store or a service
that refuses it, or gives back something else, has a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tasques.core import lifecycle
from tasques.core.archive import ArchivedTask
from tasques.core.documents import Operation, Version
from tasques.core.json_object import MAX_DIGITS, JsonObject, JsonValue
from tasques.core.leadership import LeaderLock
from tasques.core.queues import MAX_ID_BYTES, MAX_QUEUE_BYTES, QueueName, TaskId, WorkerId
from tasques.core.recurring import (
    MAX_COUNTED,
    CatchUp,
    Pending,
    Recurrence,
    RecurringTask,
    RecurringTaskId,
    Slot,
    SlotOutcome,
    TaskDefinition,
)
from tasques.core.tasks import (
    MAX_PRIORITY,
    MAX_RETRY_TIMES,
    MIN_PRIORITY,
    Claim,
    ClaimId,
    Ended,
    EndReason,
    Extensions,
    NewTask,
    Report,
    Result,
    State,
    StoredTask,
    Task,
    TaskKey,
    Verdict,
)
from tasques.core.values import NANOSECONDS_PER_SECOND, ZERO_INSTANT, Duration, Instant

_MAX_INT64: Final = 2**63 - 1

#: The years 1 to 9999.
EARLIEST: Final = ZERO_INSTANT
LATEST: Final = Instant.parse("9999-12-31T23:59:59.999999999Z")


# ----------------------------------------------------------------------------------- names


@cache
def queue_names() -> SearchStrategy[QueueName]:
    """Names of queues: short plain ones mostly, any legal script, and the longest allowed."""
    plain = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.+=@", min_size=1, max_size=20)
    any_script = st.text(
        st.characters(
            codec="utf-8",
            exclude_categories=("Cs", "Cc", "Lu", "Lt"),
            exclude_characters='\\/*?"<>| ,#:',
        ).filter(lambda c: c == c.lower()),
        min_size=1,
        max_size=60,
    )
    longest = st.sampled_from(["q" * MAX_QUEUE_BYTES, "日" * (MAX_QUEUE_BYTES // 3)])
    return (plain | any_script | longest).filter(_is_queue_name).map(QueueName)


def _is_queue_name(text: str) -> bool:
    # A few scripts lower-case a letter by its neighbours (Σ at the end of a word), so the whole
    # is looked at again.
    return (
        not text.startswith(("_", "-", "+"))
        and text not in (".", "..")
        and text == text.lower()
        and len(text.encode()) <= MAX_QUEUE_BYTES
    )


@cache
def task_ids() -> SearchStrategy[TaskId]:
    """Ids of tasks: as Tasques makes them, whatever text a producer may choose, the longest."""
    made = st.uuids(version=4).map(lambda uuid: uuid.hex)
    chosen = st.text(
        st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=40
    ).filter(lambda text: text not in (".", ".."))
    awkward = st.sampled_from(
        ["a b", "a%20b", "a?b#c", "a+b", "..a", "-1", "null", "é", "e\u0301", "\u0000", "日本", "🜚"]
    )
    longest = st.sampled_from(["i" * MAX_ID_BYTES, "é" * (MAX_ID_BYTES // 2)])
    return (made | chosen | awkward | longest).map(TaskId)


@cache
def worker_ids() -> SearchStrategy[WorkerId]:
    """Ids of workers: any text without white space around it."""
    return (
        st.text(max_size=30).map(str.strip).filter(bool) | st.sampled_from(["worker-1", "Worker-1"])
    ).map(WorkerId)


@cache
def kinds() -> SearchStrategy[str]:
    """Kinds of tasks: any text that is not empty."""
    return st.sampled_from(["sayHello", "resize"]) | st.text(min_size=1, max_size=30)


# ----------------------------------------------------------------------------------- times


@cache
def instants(earliest: Instant = EARLIEST, latest: Instant = LATEST) -> SearchStrategy[Instant]:
    """Instants between the two, to the nanosecond, the ends and whole seconds among them."""
    first, last = earliest.nanoseconds, latest.nanoseconds
    whole = st.integers(-(-first // NANOSECONDS_PER_SECOND), last // NANOSECONDS_PER_SECOND)
    return st.integers(first, last).map(Instant) | whole.map(
        lambda seconds: Instant(seconds * NANOSECONDS_PER_SECOND)
    )


@cache
def durations(
    shortest: Duration = Duration(-(2**63)), longest: Duration = Duration(_MAX_INT64)
) -> SearchStrategy[Duration]:
    """Durations between the two; by default all there are, negative ones too."""
    low, high = shortest.nanoseconds, longest.nanoseconds
    exact = st.integers(low, high)
    readable = st.builds(
        lambda count, unit: count * unit,
        st.integers(-1000, 1000),
        st.sampled_from([1, 1_000, 1_000_000, NANOSECONDS_PER_SECOND, 60 * NANOSECONDS_PER_SECOND]),
    ).filter(lambda nanoseconds: low <= nanoseconds <= high)
    # Where the range is narrow the readable ones hardly ever fit, and Hypothesis would complain.
    wide = low <= 0 and high >= NANOSECONDS_PER_SECOND
    return (exact | readable if wide else exact).map(Duration)


@cache
def timeouts() -> SearchStrategy[Duration]:
    """Durations that make sense as a processing timeout: not negative."""
    return durations(Duration(0), Duration(_MAX_INT64))


@cache
def jitters() -> SearchStrategy[float]:
    """Numbers in ``[0, 1)``."""
    return st.floats(0, 1, exclude_max=True)


# ------------------------------------------------------------------------------------ JSON


@cache
def json_integers() -> SearchStrategy[int]:
    """Integers up to a thousand digits, the corners of doubles and 64 bits among them."""
    corners = [0, 2**53 + 1, -(2**53) - 1, 2**63, 2**64, -(2**63) - 1]
    longest = [10**MAX_DIGITS - 1, -(10**MAX_DIGITS) + 1]
    return st.integers() | st.sampled_from(corners + longest)


@cache
def json_values(max_leaves: int = 8) -> SearchStrategy[JsonValue]:
    """Whatever JSON can say, within the limits of :mod:`tasques.core.json_object`."""
    scalars: SearchStrategy[JsonValue] = st.one_of(
        st.none(),
        st.booleans(),
        json_integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
    )
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=max_leaves,
    )


@cache
def json_objects(max_leaves: int = 8) -> SearchStrategy[JsonObject]:
    """Free-form objects, as in ``args``, ``context`` and ``data``."""
    return st.dictionaries(st.text(max_size=8), json_values(max_leaves), max_size=4).map(
        JsonObject.of
    )


# ----------------------------------------------------------------------------------- tasks


@cache
def versions() -> SearchStrategy[Version]:
    """Versions such as stores give."""
    return st.builds(Version, st.integers(1, 2**31), st.integers(0, 2**53))


def new_tasks(
    queues: SearchStrategy[QueueName] | None = None,
    ids: SearchStrategy[TaskId | None] | None = None,
) -> SearchStrategy[NewTask]:
    """
    What producers ask for.

    Args:
        queues: Where to put them; any queue by default.
        ids: Their ids; by default one, or None to have one made.
    """
    return st.builds(
        NewTask,
        queue=queues if queues is not None else queue_names(),
        id=ids if ids is not None else st.none() | task_ids(),
        kind=kinds(),
        retry_times=retry_times(),
        priority=priorities(),
        processing_timeout=timeouts(),
        run_at=st.none() | st.just(ZERO_INSTANT) | instants(),
        args=st.none() | json_objects(),
        context=st.none() | json_objects(),
        recurring_task_id=st.none() | st.text(min_size=1, max_size=20),
        expires_at=st.none() | instants(),
    )


@cache
def retry_times(least: int = 0) -> SearchStrategy[int]:
    """How often a task may be retried: few times mostly, up to the most that can be stored."""
    return st.integers(least, 3) | st.integers(least, MAX_RETRY_TIMES)


@cache
def priorities() -> SearchStrategy[int]:
    """Priorities: small ones mostly, up to 64 bits."""
    return st.integers(-3, 3) | st.integers(MIN_PRIORITY, MAX_PRIORITY)


@cache
def operations() -> SearchStrategy[Operation]:
    """The marks that writers leave on what they wrote."""
    hexadecimal = "0123456789abcdef"
    return st.builds(
        Operation,
        token=st.text(hexadecimal, min_size=32, max_size=32),
        verb=st.sampled_from(["create", "claim", "done", "failed", "report", "unclaim"]),
        digest=st.just("") | st.text(hexadecimal, min_size=64, max_size=64),
    )


def tasks(
    *,
    states: Iterable[State] = State,
    queues: SearchStrategy[QueueName] | None = None,
    ids: SearchStrategy[TaskId] | None = None,
    times: SearchStrategy[Instant] | None = None,
) -> SearchStrategy[Task]:
    """
    Tasks in any state that operations can bring them to, with any history that state allows.

    Args:
        states: The states to choose from.
        queues: Their queues; any by default.
        ids: Their ids; any by default.
        times: All their times; any by default.
    """
    fields = (
        queues if queues is not None else queue_names(),
        ids if ids is not None else task_ids(),
        times if times is not None else instants(),
    )
    return st.one_of([_tasks(state, *fields) for state in states])


@cache
def _tasks(
    state: State,
    queues: SearchStrategy[QueueName],
    ids: SearchStrategy[TaskId],
    times: SearchStrategy[Instant],
) -> SearchStrategy[Task]:
    return st.builds(
        _task,
        st.just(state),
        tried=st.integers(0, 4) | st.just(MAX_RETRY_TIMES),
        ended=_ends(times) if state is State.DEAD else st.none(),
        was_claimed=st.booleans(),
        claim=_claims(times),
        has_result=st.booleans(),
        result=_results(times),
        # A task that was done all the same keeps the request that came too late.
        cancel_requested_at=(
            st.none() | times if state in (State.CLAIMED, State.DONE) else st.none()
        ),
        id=ids,
        queue=queues,
        kind=kinds(),
        priority=priorities(),
        retry_times=retry_times(least=1 if state is State.FAILED else 0),
        processing_timeout=timeouts(),
        run_at=times,
        last_enqueued_at=times,
        created_at=times,
        modified_at=times,
        args=st.none() | json_objects(),
        context=st.none() | json_objects(),
        recurring_task_id=st.none() | st.text(min_size=1, max_size=20),
        extensions=_extensions(times),
    )


def _task(
    state: State,
    *,
    tried: int,
    ended: Ended | None,
    was_claimed: bool,
    claim: Claim,
    has_result: bool,
    result: Result,
    cancel_requested_at: Instant | None,
    extensions: Extensions,
    **fields: Any,
) -> Task:
    """A task in *state*; of what was drawn beside it, what that state allows."""
    exhausted = state is State.DEAD and ended is None
    gave_up = ended is not None and ended.reason is EndReason.GAVE_UP
    if state is not State.QUEUED and (ended is None or gave_up):
        was_claimed = True
    allowed = fields["retry_times"]
    if not was_claimed:
        least = most = 0
    elif exhausted:
        least = most = allowed + 1
    else:
        least = 0 if state is State.QUEUED or ended is not None else 1
        most = allowed if state.is_claimable else allowed + 1
    # Without a result a task was given back; with one, it may have been queued again or ended since.
    must_have_result = state in (State.DONE, State.FAILED) or exhausted or gave_up
    if state is not State.CLAIMED and (has_result or must_have_result):
        verdict = Verdict.SUCCESS if state is State.DONE else Verdict.FAILURE
        claim = attrs.evolve(claim, result=attrs.evolve(result, verdict=verdict))
    return Task(
        state=state,
        attempted=min(max(tried, least), most),
        last_claim=claim if was_claimed else None,
        extensions=attrs.evolve(extensions, ended=ended, cancel_requested_at=cancel_requested_at),
        **fields,
    )


@cache
def _ends(times: SearchStrategy[Instant]) -> SearchStrategy[Ended | None]:
    return st.none() | st.builds(Ended, reason=st.sampled_from(EndReason), at=times)


@cache
def _claims(times: SearchStrategy[Instant]) -> SearchStrategy[Claim]:
    return st.builds(
        Claim,
        worker_id=worker_ids(),
        claimed_at=times,
        times_out_at=times,
        last_report=st.none() | st.builds(Report, at=times, data=st.none() | json_objects(4)),
    )


@cache
def _results(times: SearchStrategy[Instant]) -> SearchStrategy[Result]:
    data = st.none() | json_objects(4) | st.just(lifecycle.TIMED_OUT)
    return st.builds(Result, at=times, verdict=st.just(Verdict.FAILURE), data=data)


@cache
def claim_ids() -> SearchStrategy[ClaimId]:
    """What tells claims apart: 128 bits in hexadecimal."""
    return st.text("0123456789abcdef", min_size=32, max_size=32).map(ClaimId)


@cache
def _extensions(times: SearchStrategy[Instant]) -> SearchStrategy[Extensions]:
    digest = st.text("0123456789abcdef", min_size=64, max_size=64)
    return st.builds(
        Extensions,
        operation=st.none() | operations(),
        claim_id=st.none() | claim_ids(),
        created_digest=st.none() | digest,
        expires_at=st.none() | times,
    )


def stored_tasks(tasks: SearchStrategy[Task]) -> SearchStrategy[StoredTask]:
    """*tasks* with versions, as stores give them."""
    return st.builds(StoredTask, document=tasks, version=versions())


@cache
def archived_tasks() -> SearchStrategy[ArchivedTask]:
    """Copies of finished tasks that have no place yet."""
    finished = tasks(states=[state for state in State if state.is_final])
    return st.builds(ArchivedTask, task=finished, origin=versions())


def lists_of_distinct_tasks(
    tasks: SearchStrategy[Task], *, max_size: int = 10
) -> SearchStrategy[Sequence[Task]]:
    """Lists of *tasks* no two of which have the same key."""
    return st.lists(tasks, max_size=max_size, unique_by=lambda task: task.key)


# ------------------------------------------------------------------------- recurring tasks


@cache
def recurring_task_ids() -> SearchStrategy[RecurringTaskId]:
    """Ids of recurring tasks: any text, since none of its characters means anything."""
    chosen = st.text(min_size=1, max_size=40)
    longest = st.sampled_from(["i" * MAX_ID_BYTES, "é" * (MAX_ID_BYTES // 2)])
    awkward = st.sampled_from(["repeat-every-minute", "a/b", "..", "_all", "é", "e\u0301", "🜚"])
    return (chosen | awkward | longest).map(RecurringTaskId)


@cache
def recurring_tasks(
    ids: SearchStrategy[RecurringTaskId] | None = None,
) -> SearchStrategy[RecurringTask]:
    """
    Recurring tasks at any point of their lives, deleted ones among them.

    Their expressions are any text: what a store is given it keeps, also what no longer parses.
    """
    return st.builds(
        RecurringTask,
        id=ids if ids is not None else recurring_task_ids(),
        schedule_expression=st.sampled_from(["@every 1m", "*/5 * * * *"]) | st.text(max_size=20),
        definition=_definitions(),
        created_at=instants(),
        modified_at=instants(),
        skip_if_outstanding_tasks_exist=st.booleans(),
        is_deleted=st.booleans(),
        loaded_at=st.none() | instants(),
        recurrence=recurrences(),
    )


@cache
def recurrences() -> SearchStrategy[Recurrence]:
    """What leaders know of a recurring task: nothing, as after an original one, or anything."""
    known = st.builds(
        Recurrence,
        operation=st.none() | operations(),
        catch_up=st.sampled_from(CatchUp),
        paused_at=st.none() | instants(),
        decided_until=st.none() | instants(),
        last_slot=st.none() | _slots(),
        pending=st.none() | _pending(),
        launched=st.none() | st.lists(_task_keys(), max_size=4).map(tuple),
        term=st.none() | versions(),
    )
    return st.just(Recurrence()) | known


@cache
def _definitions() -> SearchStrategy[TaskDefinition]:
    return st.builds(
        TaskDefinition,
        queue=queue_names(),
        kind=kinds(),
        retry_times=retry_times(),
        processing_timeout=timeouts(),
        priority=priorities(),
        args=st.none() | json_objects(),
        context=st.none() | json_objects(),
    )


@cache
def _slots() -> SearchStrategy[Slot]:
    return st.builds(
        Slot,
        at=instants(),
        outcome=st.sampled_from(SlotOutcome),
        task_id=st.none() | task_ids(),
        left_out=st.integers(0, MAX_COUNTED),
    )


@cache
def _pending() -> SearchStrategy[Pending]:
    return st.builds(
        Pending,
        slot=instants(),
        task_id=task_ids(),
        definition=_definitions(),
        left_out=st.integers(0, MAX_COUNTED),
    )


@cache
def _task_keys() -> SearchStrategy[TaskKey]:
    return st.builds(TaskKey, queue_names(), task_ids())


# ---------------------------------------------------------------------------------- locks


@cache
def leader_locks(names: SearchStrategy[str] | None = None) -> SearchStrategy[LeaderLock]:
    """Leaders' locks: an original's, and ours, held or released."""
    return st.builds(
        LeaderLock,
        name=names if names is not None else recurring_task_ids(),
        leader_id=st.text(min_size=1, max_size=60),
        at=instants(),
        lease=durations(),
        taken_at=st.none() | instants(),
        term=st.none() | versions(),
        released=st.booleans(),
        operation=st.none() | operations(),
    )
