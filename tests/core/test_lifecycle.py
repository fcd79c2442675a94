"""The life of a task: first its stations as examples, then the table, then every sequence."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tasques.core import errors, lifecycle, retry
from tasques.core.json_object import JsonObject
from tasques.core.lifecycle import REPORT_TOLERANCE, TRANSITIONS, Action
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.tasks import (
    MAX_PRIORITY,
    MAX_RETRY_TIMES,
    MIN_PRIORITY,
    Claim,
    ClaimId,
    Ended,
    EndReason,
    NewTask,
    Report,
    Result,
    State,
    Task,
    Verdict,
)
from tasques.core.values import ZERO_INSTANT, Duration, Instant
from tasques.testing import strategies
from tasques.testing.examples import NOW

SECOND = Duration.of_seconds(1)
MINUTE = Duration.of_seconds(60)
ANN = WorkerId("ann")
BOB = WorkerId("bob")
DATA = JsonObject.of({"progress": 0.5})


def after(seconds: float) -> Instant:
    """So many seconds after the start of each example."""
    return NOW.plus(Duration.of_seconds(seconds))


def queued(retry_times: int = 2, **fields: Any) -> Task:
    """A task that waits since the start of the example."""
    new = NewTask(
        queue=QueueName("run-later"),
        kind="sayHello",
        retry_times=retry_times,
        processing_timeout=MINUTE,
        args=JsonObject.of({"name": "Ann"}),
    )
    return attrs.evolve(lifecycle.create(new, id=TaskId("t"), now=NOW), **fields)


def claimed(retry_times: int = 2, **fields: Any) -> Task:
    """A task that Ann holds since ten seconds after the start."""
    task = lifecycle.claim(queued(retry_times), worker=ANN, now=after(10))
    return attrs.evolve(task, **fields)


# ------------------------------------------------------------------------------ an example


def test_a_life_with_one_failure() -> None:
    """Queued, claimed, failed, claimed again, done: what each step leaves behind."""
    task = queued()
    assert (task.state, task.attempted, task.last_claim) == (State.QUEUED, 0, None)

    task = lifecycle.claim(task, worker=ANN, now=after(10))
    assert (task.state, task.attempted) == (State.CLAIMED, 1)
    assert task.last_claim == Claim(worker_id=ANN, claimed_at=after(10), times_out_at=after(70))

    task = lifecycle.report(task, worker=ANN, data=DATA, at=after(20))
    assert task.last_claim == Claim(
        worker_id=ANN,
        claimed_at=after(10),
        times_out_at=after(80),
        last_report=Report(at=after(20), data=DATA),
    )

    task = lifecycle.fail(task, worker=ANN, data=None, now=after(30), jitter=0.0)
    assert (task.state, task.attempted, task.run_at) == (State.FAILED, 1, after(30 + 15))
    assert task.last_claim is not None
    assert task.last_claim.result == Result(at=after(30), verdict=Verdict.FAILURE)

    task = lifecycle.claim(task, worker=BOB, now=after(45))
    assert (task.state, task.attempted) == (State.CLAIMED, 2)
    assert task.last_claim == Claim(worker_id=BOB, claimed_at=after(45), times_out_at=after(105))

    task = lifecycle.complete(task, worker=BOB, data=DATA, now=after(50))
    assert (task.state, task.attempted) == (State.DONE, 2)
    assert task.last_claim is not None
    assert task.last_claim.result == Result(at=after(50), verdict=Verdict.SUCCESS, data=DATA)
    assert (task.created_at, task.modified_at) == (NOW, after(50))


# ---------------------------------------------------------------------------------- create


def test_a_task_begins_queued_and_due() -> None:
    """Created, modified, enqueued and due are one moment; nobody has tried it yet."""
    assert queued() == Task(
        id=TaskId("t"),
        queue=QueueName("run-later"),
        kind="sayHello",
        state=State.QUEUED,
        priority=0,
        retry_times=2,
        attempted=0,
        processing_timeout=MINUTE,
        run_at=NOW,
        last_enqueued_at=NOW,
        created_at=NOW,
        modified_at=NOW,
        args=JsonObject.of({"name": "Ann"}),
    )


@given(strategies.new_tasks(), strategies.task_ids(), strategies.instants())
def test_a_task_keeps_what_its_producer_asked_for(new: NewTask, id: TaskId, now: Instant) -> None:
    """All that was given is there; the zero time of Go is "no time given"."""
    task = lifecycle.create(new, id=id, now=now)
    given_run_at = new.run_at not in (None, ZERO_INSTANT)
    assert task.run_at == (new.run_at if given_run_at else now)
    assert (task.id, task.state, task.attempted) == (id, State.QUEUED, 0)
    for name in (
        "queue", "kind", "retry_times", "priority", "processing_timeout", "args", "context",
        "recurring_task_id",
    ):  # fmt: skip
        assert getattr(task, name) == getattr(new, name)
    given_end = new.expires_at not in (None, ZERO_INSTANT)
    assert task.extensions.expires_at == (new.expires_at if given_end else None)


# ----------------------------------------------------------------------------------- claim


def test_a_task_may_be_claimed_from_its_moment_on() -> None:
    """A nanosecond early is too early."""
    task = queued(run_at=after(5))
    with pytest.raises(errors.IllegalTransition, match="not due"):
        lifecycle.claim(task, worker=ANN, now=after(5).plus(Duration(-1)))
    assert lifecycle.claim(task, worker=ANN, now=after(5)).state is State.CLAIMED


def test_a_task_without_attempts_left_is_not_claimed() -> None:
    """Whatever state a foreign document may claim to be in, attempts are finite."""
    task = queued(retry_times=1, attempted=2)
    assert not lifecycle.is_due(task, NOW)
    with pytest.raises(errors.IllegalTransition):
        lifecycle.claim(task, worker=ANN, now=NOW)


def test_a_new_claim_forgets_the_reports_and_the_result_of_the_last() -> None:
    """What is shown of a claim is that claim's own."""
    task = lifecycle.report(claimed(), worker=ANN, data=DATA, at=after(11))
    task = lifecycle.fail(task, worker=ANN, data=DATA, now=after(12), jitter=0.0)
    again = lifecycle.claim(task, worker=BOB, now=after(60))
    assert again.last_claim == Claim(worker_id=BOB, claimed_at=after(60), times_out_at=after(120))


# ---------------------------------------------------------------------------------- report


@pytest.mark.parametrize(
    ("behind", "counts_as"),
    [
        (Duration.of_seconds(-5), after(25)),
        (Duration(0), after(20)),
        (SECOND, after(20)),
        (REPORT_TOLERANCE, after(20)),
    ],
)
def test_a_report_a_little_behind_counts_as_simultaneous(
    behind: Duration, counts_as: Instant
) -> None:
    """Two servers' clocks differ; up to a minute the worker does not hear of it."""
    task = lifecycle.report(claimed(), worker=ANN, data=None, at=after(20))
    late = lifecycle.report(
        task, worker=ANN, data=DATA, at=after(20).plus(Duration(-behind.nanoseconds))
    )
    assert late.last_claim is not None
    assert late.last_claim.last_report == Report(at=counts_as, data=DATA)
    assert late.last_claim.times_out_at == counts_as.plus(MINUTE)
    assert late.modified_at == counts_as


def test_a_report_from_the_past_is_refused() -> None:
    """More than a minute behind, a report does not take the place of the later one."""
    task = lifecycle.report(claimed(), worker=ANN, data=None, at=after(20))
    too_late = after(20).plus(Duration(-REPORT_TOLERANCE.nanoseconds - 1))
    with pytest.raises(errors.ReportFromThePast):
        lifecycle.report(task, worker=ANN, data=None, at=too_late)


@given(st.lists(st.integers(-120, 120), max_size=8))
def test_reports_never_go_back(offsets: list[int]) -> None:
    """However the clocks of servers wander, the last report and the time-out only move forward."""
    task = claimed()
    for offset in offsets:
        before = task.last_claim
        assert before is not None
        try:
            task = lifecycle.report(task, worker=ANN, data=None, at=after(offset))
        except errors.ReportFromThePast:
            continue
        assert task.last_claim is not None
        assert task.last_claim.last_report is not None
        if before.last_report is not None:
            assert before.last_report.at <= task.last_claim.last_report.at
            assert before.times_out_at <= task.last_claim.times_out_at


# --------------------------------------------------------------------- done, failed, unclaim


@given(strategies.tasks(states=[State.CLAIMED]), strategies.jitters(), strategies.instants())
def test_a_failure_waits_its_turn_or_is_the_end(task: Task, jitter: float, now: Instant) -> None:
    """With attempts left it waits for the backoff of its retry; without, nothing more moves."""
    assert task.last_claim is not None
    assume(task.extensions.cancel_requested_at is None)
    failed = lifecycle.fail(
        task, worker=task.last_claim.worker_id, data=DATA, now=now, jitter=jitter
    )
    result = Result(at=now, verdict=Verdict.FAILURE, data=DATA)
    assert failed.last_claim == attrs.evolve(task.last_claim, result=result)
    assert failed.attempted == task.attempted
    if task.remaining_attempts:
        assert failed.state is State.FAILED
        assert failed.run_at == now.plus(retry.delay(task.attempted - 1, jitter))
        assert failed.last_enqueued_at == now
    else:
        assert failed.state is State.DEAD
        assert failed.extensions.ended is None
        assert (failed.run_at, failed.last_enqueued_at) == (task.run_at, task.last_enqueued_at)


@pytest.mark.parametrize(("retry_in", "wait"), [(SECOND, 1), (Duration(0), 0), (Duration(-1), 0)])
def test_a_worker_may_choose_the_wait(retry_in: Duration, wait: int) -> None:
    """Instead of the backoff; less than nothing counts as nothing."""
    failed = lifecycle.fail(
        claimed(), worker=ANN, data=None, now=after(20), jitter=0.9, retry_in=retry_in
    )
    assert (failed.state, failed.run_at) == (State.FAILED, after(20 + wait))


def test_a_worker_may_give_up() -> None:
    """Then the task is dead with attempts left, and says why."""
    dead = lifecycle.fail(
        claimed(), worker=ANN, data=DATA, now=after(20), jitter=0.0, retry_in=SECOND, give_up=True
    )
    assert (dead.state, dead.remaining_attempts, dead.run_at) == (State.DEAD, 2, NOW)
    assert dead.extensions.ended == Ended(reason=EndReason.GAVE_UP, at=after(20))


def test_giving_back_costs_no_attempt() -> None:
    """The task waits again where it was, and keeps the claim that was given back."""
    held = claimed()
    back = lifecycle.unclaim(held, worker=ANN, now=after(20))
    assert (back.state, back.attempted, back.run_at) == (State.QUEUED, 0, NOW)
    assert (back.last_enqueued_at, back.modified_at) == (after(20), after(20))
    assert back.last_claim == held.last_claim


@pytest.mark.parametrize(("run_in", "wait"), [(SECOND, 1), (Duration(0), 0), (Duration(-1), 0)])
def test_a_task_may_be_given_back_for_later(run_in: Duration, wait: int) -> None:
    """Not before so long; less than nothing counts as nothing."""
    back = lifecycle.unclaim(claimed(), worker=ANN, now=after(20), run_in=run_in)
    assert back.run_at == after(20 + wait)


# --------------------------------------------------------------------------------- time-out


def test_a_claim_ends_when_its_time_is_over() -> None:
    """From its last nanosecond on, and not before; the result says what happened."""
    held = claimed()
    just_before = after(70).plus(Duration(-1))
    assert not lifecycle.has_timed_out(held, just_before)
    with pytest.raises(errors.IllegalTransition, match="within its time"):
        lifecycle.time_out(held, now=just_before, jitter=0.0)
    assert lifecycle.has_timed_out(held, after(70))
    over = lifecycle.time_out(held, now=after(70), jitter=0.0)
    assert (over.state, over.run_at) == (State.FAILED, after(70 + 15))
    assert over.last_claim is not None
    assert over.last_claim.result is not None
    assert over.last_claim.result.data == JsonObject.of(
        {"timed_out": "Did not finish before claim timeout period"}
    )


@given(strategies.tasks(), strategies.instants(), strategies.jitters())
def test_a_time_out_is_a_failure_like_any_other(task: Task, now: Instant, jitter: float) -> None:
    """What the clock ends, it ends as its worker would have, and nothing else it touches."""
    if not lifecycle.has_timed_out(task, now):
        with pytest.raises((errors.IllegalTransition, errors.TaskNotClaimed)):
            lifecycle.time_out(task, now=now, jitter=jitter)
        return
    assert task.last_claim is not None
    assert lifecycle.time_out(task, now=now, jitter=jitter) == lifecycle.fail(
        task,
        worker=task.last_claim.worker_id,
        data=lifecycle.TIMED_OUT,
        now=now,
        jitter=jitter,
    )


# --------------------------------------------------- cancel, expire, retry, delay, reprioritise


@pytest.mark.parametrize("state", [State.QUEUED, State.FAILED])
def test_a_waiting_task_is_cancelled_at_once(state: State) -> None:
    """It is dead, says why, and no claim is invented for it."""
    dead = lifecycle.cancel(queued(state=state), now=after(1))
    assert (dead.state, dead.modified_at, dead.last_claim) == (State.DEAD, after(1), None)
    assert dead.extensions.ended == Ended(reason=EndReason.CANCELLED, at=after(1))


CANCELLED = Ended(reason=EndReason.CANCELLED, at=after(30))


@pytest.mark.parametrize(
    ("finish", "state", "ended"),
    [
        (lambda t: lifecycle.complete(t, worker=ANN, data=None, now=after(30)), State.DONE, None),
        (
            lambda t: lifecycle.fail(t, worker=ANN, data=None, now=after(30), jitter=0),
            State.DEAD,
            CANCELLED,
        ),
        (lambda t: lifecycle.unclaim(t, worker=ANN, now=after(30)), State.DEAD, CANCELLED),
        (
            lambda t: lifecycle.time_out(
                attrs.evolve(t, last_claim=attrs.evolve(t.last_claim, times_out_at=after(30))),
                now=after(30),
                jitter=0,
            ),
            State.DEAD,
            CANCELLED,
        ),
    ],
    ids=["done", "failed", "unclaim", "timeout"],
)
def test_a_claimed_task_is_asked_to_end(
    finish: Callable[[Task], Task], state: State, ended: Ended | None
) -> None:
    """Its worker may still finish it; every other way out of the claim ends it."""
    asked = lifecycle.cancel(claimed(), now=after(20))
    assert asked.state is State.CLAIMED
    assert asked.extensions.cancel_requested_at == after(20)
    assert lifecycle.report(asked, worker=ANN, data=None, at=after(25)).state is State.CLAIMED
    finished = finish(asked)
    assert (finished.state, finished.extensions.ended) == (state, ended)


def test_a_cancelled_task_given_back_stays_where_it_was() -> None:
    """Dead tasks wait for nothing; the attempt does not count all the same."""
    asked = lifecycle.cancel(claimed(), now=after(20))
    dead = lifecycle.unclaim(asked, worker=ANN, now=after(30), run_in=SECOND)
    assert (dead.attempted, dead.run_at, dead.last_enqueued_at) == (0, NOW, NOW)
    assert dead.extensions.cancel_requested_at is None


@pytest.mark.parametrize("state", [State.QUEUED, State.FAILED])
def test_a_waiting_task_expires(state: State) -> None:
    """Nobody started it in time: dead, with its reason."""
    dead = lifecycle.expire(queued(state=state), now=after(1))
    assert dead.state is State.DEAD
    assert dead.extensions.ended == Ended(reason=EndReason.EXPIRED, at=after(1))


@given(strategies.tasks(states=[State.DEAD]), strategies.instants())
def test_a_dead_task_can_have_all_its_attempts_again(task: Task, now: Instant) -> None:
    """Queued, due now, with no trace of why it ended; its last claim stays for the curious."""
    again = lifecycle.retry_dead(task, now=now)
    assert (again.state, again.attempted, again.run_at) == (State.QUEUED, 0, now)
    assert again.remaining_attempts == task.retry_times + 1
    assert (again.last_enqueued_at, again.modified_at) == (now, now)
    assert again.extensions.ended is None
    assert again.extensions.expires_at is None
    assert again.last_claim == task.last_claim
    assert lifecycle.is_due(again, now)


@given(
    strategies.tasks(states=[State.QUEUED, State.FAILED]),
    strategies.instants(),
    strategies.instants(),
    strategies.priorities(),
)
def test_a_waiting_task_can_be_moved(
    task: Task, run_at: Instant, now: Instant, priority: int
) -> None:
    """In time and in priority; nothing else changes."""
    delayed = lifecycle.delay(task, run_at=run_at, now=now)
    assert delayed == attrs.evolve(task, run_at=run_at, modified_at=now)
    moved = lifecycle.reprioritise(task, priority=priority, now=now)
    assert moved == attrs.evolve(task, priority=priority, modified_at=now)


@pytest.mark.parametrize("priority", [MIN_PRIORITY - 1, MAX_PRIORITY + 1])
def test_a_priority_has_64_bits(priority: int) -> None:
    """What no document could hold is refused."""
    with pytest.raises(ValueError, match="64 bits"):
        lifecycle.reprioritise(queued(), priority=priority, now=NOW)


# ------------------------------------------------------------------------------- ownership

BY_ITS_WORKER: dict[str, Callable[[Task, WorkerId], Task]] = {
    "report": lambda task, worker: lifecycle.report(task, worker=worker, data=None, at=NOW),
    "complete": lambda task, worker: lifecycle.complete(task, worker=worker, data=None, now=NOW),
    "fail": lambda task, worker: lifecycle.fail(task, worker=worker, data=None, now=NOW, jitter=0),
    "unclaim": lambda task, worker: lifecycle.unclaim(task, worker=worker, now=NOW),
}


@pytest.mark.parametrize("operation", BY_ITS_WORKER.values(), ids=BY_ITS_WORKER.keys())
@settings(max_examples=40)
@given(task=strategies.tasks(), worker=strategies.worker_ids())
def test_only_its_worker_ends_a_claim(
    operation: Callable[[Task, WorkerId], Task], task: Task, worker: WorkerId
) -> None:
    """First what the task is, then whose: unclaimed for everyone, then not owned by others."""
    if task.state is not State.CLAIMED:
        with pytest.raises(errors.TaskNotClaimed):
            operation(task, worker)
    elif task.last_claim is not None and task.last_claim.worker_id != worker:
        with pytest.raises(errors.TaskNotOwned) as caught:
            operation(task, worker)
        assert caught.value.worker_id == worker


@pytest.mark.parametrize("operation", BY_ITS_WORKER.values(), ids=BY_ITS_WORKER.keys())
def test_workers_are_told_apart_exactly(operation: Callable[[Task, WorkerId], Task]) -> None:
    """Case counts."""
    with pytest.raises(errors.TaskNotOwned):
        operation(claimed(), WorkerId("Ann"))


@pytest.mark.parametrize("operation", BY_ITS_WORKER.values(), ids=BY_ITS_WORKER.keys())
def test_a_claimed_document_without_a_claim_is_malformed(
    operation: Callable[[Task, WorkerId], Task],
) -> None:
    """A broken document is named as such, not taken for somebody's mistake."""
    with pytest.raises(errors.MalformedTask):
        operation(queued(state=State.CLAIMED), ANN)


# ---------------------------------------------------------------------- one worker's claims

FIRST, SECOND_CLAIM = ClaimId("1" * 32), ClaimId("2" * 32)

UNDER_A_CLAIM: dict[str, Callable[[Task, ClaimId | None], Task]] = {
    "report": lambda task, id: lifecycle.report(
        task, worker=ANN, data=None, at=after(90), claim_id=id
    ),
    "complete": lambda task, id: lifecycle.complete(
        task, worker=ANN, data=None, now=after(90), claim_id=id
    ),
    "fail": lambda task, id: lifecycle.fail(
        task, worker=ANN, data=None, now=after(90), jitter=0, claim_id=id
    ),
    "unclaim": lambda task, id: lifecycle.unclaim(task, worker=ANN, now=after(90), claim_id=id),
}


def claimed_twice() -> Task:
    """A task that Ann holds for the second time."""
    task = lifecycle.claim(queued(), worker=ANN, now=NOW, claim_id=FIRST)
    task = lifecycle.time_out(task, now=after(60), jitter=0)
    return lifecycle.claim(task, worker=ANN, now=after(80), claim_id=SECOND_CLAIM)


@pytest.mark.parametrize("operation", UNDER_A_CLAIM.values(), ids=UNDER_A_CLAIM.keys())
def test_a_worker_may_say_which_of_its_claims_it_means(
    operation: Callable[[Task, ClaimId | None], Task],
) -> None:
    """What comes late from an earlier claim is not taken for the current one's."""
    task = claimed_twice()
    with pytest.raises(errors.ClaimNotCurrent) as caught:
        operation(task, FIRST)
    assert (caught.value.claim_id, caught.value.worker_id) == (FIRST, ANN)
    assert task == claimed_twice()
    assert operation(task, SECOND_CLAIM) == operation(task, None)


@pytest.mark.parametrize("operation", UNDER_A_CLAIM.values(), ids=UNDER_A_CLAIM.keys())
def test_where_the_claim_has_no_id_its_worker_alone_decides(
    operation: Callable[[Task, ClaimId | None], Task],
) -> None:
    """An original server made the claim, or has rewritten the document since."""
    task = claimed_twice()
    unnamed = attrs.evolve(task, extensions=attrs.evolve(task.extensions, claim_id=None))
    assert operation(unnamed, FIRST) == operation(unnamed, None)


@pytest.mark.parametrize("operation", UNDER_A_CLAIM.values(), ids=UNDER_A_CLAIM.keys())
def test_the_id_of_a_claim_outlives_it(operation: Callable[[Task, ClaimId | None], Task]) -> None:
    """A repeated request is told by it; the next claim has its own, or none."""
    ended = operation(claimed_twice(), SECOND_CLAIM)
    assert ended.extensions.claim_id == SECOND_CLAIM
    assert lifecycle.is_last_claim(ended, SECOND_CLAIM)
    assert not lifecycle.is_last_claim(ended, FIRST)


@given(strategies.tasks(states=[State.QUEUED, State.FAILED]), st.none() | strategies.claim_ids())
def test_a_claim_takes_no_id_of_an_earlier_one(task: Task, id: ClaimId | None) -> None:
    """It has the one that it was given; of several claims none can be taken for another."""
    assume(task.remaining_attempts > 0)
    claimed = lifecycle.claim(task, worker=ANN, now=strategies.LATEST, claim_id=id)
    assert claimed.extensions == attrs.evolve(task.extensions, claim_id=id)


def test_first_whose_then_which() -> None:
    """Of a task that another worker holds, it is said that it does."""
    with pytest.raises(errors.TaskNotOwned) as caught:
        lifecycle.complete(claimed_twice(), worker=BOB, data=None, now=NOW, claim_id=FIRST)
    assert not isinstance(caught.value, errors.ClaimNotCurrent)


# ------------------------------------------------------------------------------- the table


def perform(task: Task, action: Action, now: Instant) -> Task:
    """*task* after *action*, by whoever may do it."""
    worker = task.last_claim.worker_id if task.last_claim is not None else ANN
    operations: dict[Action, Callable[[], Task]] = {
        Action.CLAIM: lambda: lifecycle.claim(task, worker=ANN, now=max(now, task.run_at)),
        Action.REPORT: lambda: lifecycle.report(
            task, worker=worker, data=None, at=strategies.LATEST
        ),
        Action.COMPLETE: lambda: lifecycle.complete(task, worker=worker, data=None, now=now),
        Action.FAIL: lambda: lifecycle.fail(task, worker=worker, data=None, now=now, jitter=0),
        Action.EXHAUST: lambda: lifecycle.fail(
            task, worker=worker, data=None, now=now, jitter=0, give_up=True
        ),
        Action.UNCLAIM: lambda: lifecycle.unclaim(task, worker=worker, now=now),
        Action.ABANDON: lambda: lifecycle.unclaim(task, worker=worker, now=now),
        Action.REQUEST_CANCEL: lambda: lifecycle.cancel(task, now=now),
        Action.CANCEL: lambda: lifecycle.cancel(task, now=now),
        Action.EXPIRE: lambda: lifecycle.expire(task, now=now),
        Action.RETRY: lambda: lifecycle.retry_dead(task, now=now),
        Action.DELAY: lambda: lifecycle.delay(task, run_at=now, now=now),
        Action.REPRIORITISE: lambda: lifecycle.reprioritise(task, priority=1, now=now),
    }
    return operations[action]()


def fit(task: Task, action: Action) -> Task:
    """*task*, changed so that the decision falls on *action*, as far as its state allows that."""
    wanted = action is Action.ABANDON
    if task.state is State.CLAIMED and action in (Action.FAIL, Action.UNCLAIM, Action.ABANDON):
        extensions = attrs.evolve(task.extensions, cancel_requested_at=NOW if wanted else None)
        task = attrs.evolve(task, extensions=extensions)
    if task.state is State.CLAIMED and action is Action.FAIL:
        task = attrs.evolve(task, retry_times=max(task.retry_times, 1), attempted=1)
    return task


PAIRS = list(itertools.product(State, Action))
#: An operator's cancel is decided by the state alone, so the wrong half of it cannot be asked for.
DECIDED_BY_STATE = [
    (State.CLAIMED, Action.CANCEL),
    (State.QUEUED, Action.REQUEST_CANCEL),
    (State.FAILED, Action.REQUEST_CANCEL),
]


@pytest.mark.parametrize(("state", "action"), [pair for pair in PAIRS if pair in TRANSITIONS])
@settings(max_examples=20)
@given(data=st.data(), now=strategies.instants())
def test_every_row_of_the_table_moves(
    state: State, action: Action, data: st.DataObject, now: Instant
) -> None:
    """Each pair in the table leads where the table says, whatever else the task is."""
    task = fit(data.draw(strategies.tasks(states=[state])), action)
    moved = perform(task, action, now)
    assert moved.state is TRANSITIONS[state, action]
    kept = ("id", "queue", "kind", "retry_times", "created_at", "args", "context")
    assert all(getattr(moved, name) == getattr(task, name) for name in kept)


@pytest.mark.parametrize(
    ("state", "action"),
    [pair for pair in PAIRS if pair not in TRANSITIONS and pair not in DECIDED_BY_STATE],
)
@settings(max_examples=20)
@given(data=st.data(), now=strategies.instants())
def test_every_other_pair_raises_and_changes_nothing(
    state: State, action: Action, data: st.DataObject, now: Instant
) -> None:
    """The table is the only way to move."""
    task = data.draw(strategies.tasks(states=[state]))
    before = attrs.asdict(task)
    expected: type[errors.TaskError] = errors.IllegalTransition
    if (State.CLAIMED, action) in TRANSITIONS and action is not Action.REQUEST_CANCEL:
        expected = errors.TaskNotClaimed
    with pytest.raises(expected) as caught:
        perform(task, action, now)
    assert caught.value.task_id == task.id
    assert attrs.asdict(task) == before


@pytest.mark.parametrize(("state", "action"), PAIRS)
def test_the_look_up_is_the_table(state: State, action: Action) -> None:
    """``next_state`` says what the table says, and raises where it says nothing."""
    task = queued(state=state)
    if (state, action) in TRANSITIONS:
        assert lifecycle.next_state(task, action) is TRANSITIONS[state, action]
        return
    with pytest.raises((errors.TaskNotClaimed, errors.IllegalTransition)):
        lifecycle.next_state(task, action)


def test_the_table_cannot_be_changed() -> None:
    """It is read-only, and done is final even for operators."""
    with pytest.raises(TypeError):
        TRANSITIONS[State.DONE, Action.RETRY] = State.QUEUED  # type: ignore[index]
    assert not [action for state, action in TRANSITIONS if state is State.DONE]


# ---------------------------------------------------------------------------- any sequence


class AnySequence(RuleBasedStateMachine):
    """
    One task, any operations in any order by any worker, beside a model of two numbers.

    The model is the contract's section 6 and nothing more: the state, and how often it was claimed.
    """

    @initialize(
        retry_times=st.integers(0, 3) | st.just(MAX_RETRY_TIMES), timeout=strategies.timeouts()
    )
    def create(self, retry_times: int, timeout: Duration) -> None:
        self.now = NOW
        self.task = queued(retry_times, processing_timeout=timeout)
        self.state, self.attempted = "queued", 0
        self.owner: WorkerId | None = None

    @rule(seconds=st.integers(0, 200_000))
    def wait(self, seconds: int) -> None:
        self.now = self.now.plus(Duration.of_seconds(seconds))

    @rule(worker=st.sampled_from([ANN, BOB]))
    def claim(self, worker: WorkerId) -> None:
        due = self.state in ("queued", "failed") and self.task.run_at <= self.now
        if due and self.attempted <= self.task.retry_times:
            self.task = lifecycle.claim(self.task, worker=worker, now=self.now)
            self.state, self.owner = "claimed", worker
            self.attempted += 1
        else:
            self.refused(lambda: lifecycle.claim(self.task, worker=worker, now=self.now))

    @rule(worker=st.sampled_from([ANN, BOB]))
    def report(self, worker: WorkerId) -> None:
        def operation() -> Task:
            return lifecycle.report(self.task, worker=worker, data=None, at=self.now)

        if self.holds(worker):
            self.task = operation()
        else:
            self.refused(operation)

    @rule(worker=st.sampled_from([ANN, BOB]))
    def complete(self, worker: WorkerId) -> None:
        def operation() -> Task:
            return lifecycle.complete(self.task, worker=worker, data=None, now=self.now)

        if self.holds(worker):
            self.task, self.state = operation(), "done"
        else:
            self.refused(operation)

    @rule(
        worker=st.sampled_from([ANN, BOB]),
        jitter=strategies.jitters(),
        retry_in=st.none() | strategies.durations(),
        give_up=st.booleans(),
    )
    def fail(
        self, worker: WorkerId, jitter: float, retry_in: Duration | None, give_up: bool
    ) -> None:
        def operation() -> Task:
            return lifecycle.fail(
                self.task,
                worker=worker,
                data=None,
                now=self.now,
                jitter=jitter,
                retry_in=retry_in,
                give_up=give_up,
            )

        if self.holds(worker):
            self.task, self.state = operation(), self.after_failure(give_up)
        else:
            self.refused(operation)

    @rule(jitter=strategies.jitters())
    def time_out(self, jitter: float) -> None:
        def operation() -> Task:
            return lifecycle.time_out(self.task, now=self.now, jitter=jitter)

        claim = self.task.last_claim
        if self.state == "claimed" and claim is not None and claim.times_out_at <= self.now:
            self.task, self.state = operation(), self.after_failure(False)
        else:
            self.refused(operation)

    @rule(worker=st.sampled_from([ANN, BOB]), run_in=st.none() | strategies.durations())
    def unclaim(self, worker: WorkerId, run_in: Duration | None) -> None:
        def operation() -> Task:
            return lifecycle.unclaim(self.task, worker=worker, now=self.now, run_in=run_in)

        if self.holds(worker):
            self.state = "dead" if self.cancel_requested() else "queued"
            self.task = operation()
            self.attempted -= 1
        else:
            self.refused(operation)

    @rule()
    def cancel(self) -> None:
        if self.state in ("done", "dead"):
            self.refused(lambda: lifecycle.cancel(self.task, now=self.now))
            return
        self.task = lifecycle.cancel(self.task, now=self.now)
        self.state = "claimed" if self.state == "claimed" else "dead"

    @precondition(lambda self: self.state == "dead")
    @rule()
    def retry_dead(self) -> None:
        self.task = lifecycle.retry_dead(self.task, now=self.now)
        self.state, self.attempted = "queued", 0

    @precondition(lambda self: self.state in ("queued", "failed"))
    @rule(run_at=st.integers(0, 1000).map(after))
    def delay(self, run_at: Instant) -> None:
        self.task = lifecycle.delay(self.task, run_at=run_at, now=self.now)

    def holds(self, worker: WorkerId) -> bool:
        return self.state == "claimed" and self.owner == worker

    def cancel_requested(self) -> bool:
        return self.task.extensions.cancel_requested_at is not None

    def after_failure(self, give_up: bool) -> str:
        over = give_up or self.cancel_requested() or self.attempted > self.task.retry_times
        return "dead" if over else "failed"

    def refused(self, operation: Callable[[], Task]) -> None:
        before = attrs.asdict(self.task)
        with pytest.raises(errors.TaskError):
            operation()
        assert attrs.asdict(self.task) == before

    @invariant()
    def the_task_is_as_the_model_says(self) -> None:
        """Attempts count claims less those given back, and stay within what there is."""
        assert self.task.state == self.state
        assert self.task.attempted == self.attempted
        assert 0 <= self.task.attempted <= self.task.retry_times + 1
        assert self.task.remaining_attempts >= 0

    @invariant()
    def the_parts_fit_the_state(self) -> None:
        """A claim is open only while claimed; ended and asked-to-end only where they belong."""
        claim, extensions = self.task.last_claim, self.task.extensions
        if self.state == "claimed":
            assert claim is not None
            assert claim.result is None
            assert claim.worker_id == self.owner
        if self.state == "done":
            assert claim is not None
            assert claim.result is not None
            assert claim.result.verdict is Verdict.SUCCESS
        if self.state == "failed":
            assert claim is not None
            assert claim.result is not None
            assert claim.result.verdict is Verdict.FAILURE
            assert self.task.remaining_attempts > 0
        assert extensions.ended is None or self.state == "dead"
        assert extensions.cancel_requested_at is None or self.state in ("claimed", "done")


TestAnySequence = AnySequence.TestCase
