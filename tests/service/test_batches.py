"""Many at once are what they would be one by one, at the cost of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core import errors, lifecycle
from tasques.core.documents import Operation, Stored
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    Conflict,
    Create,
    Exists,
    ReadOutcome,
    Rejected,
    Unknown,
    Unreadable,
    Write,
    WriteOutcome,
)
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.service.batches import Outcome, turns
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.service.creations import Creation
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import NewTask, StoredTask, Task, TaskKey
from tasques.core.values import Duration
from tests.service.conftest import MINUTE, START, QuickRuntime, ScriptedStore, make_task

QUEUE = QueueName("mail")
WORKER = WorkerId("w")
DATA = JsonObject.of({"n": 1})


def creation(id: str | None = None, *, key: str | None = None, kind: str = "send") -> Creation:
    new = NewTask(
        queue=QUEUE,
        kind=kind,
        id=None if id is None else TaskId(id),
        retry_times=2,
        processing_timeout=MINUTE,
    )
    return Creation(new=new, idempotency_key=key)


def key(id: str) -> TaskKey:
    return TaskKey(QUEUE, TaskId(id))


def done(id: str) -> Complete:
    return Complete(key=key(id), worker=WORKER, data=DATA)


def strict(store: ScriptedStore, number_of_first: int = 1) -> None:
    """Let *store* refuse as a store does."""

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        known = store.stored.get(write.document.key)
        if isinstance(write, Create):
            return Exists() if known else None
        return None if known and known.version == write.expected else Conflict()

    store._script = script


@pytest.fixture
def tasks(store: ScriptedStore, runtime: QuickRuntime) -> TaskService:
    strict(store)
    return TaskService(store, runtime)


def claimed(store: ScriptedStore, *ids: str) -> list[StoredTask]:
    return [
        store.put(lifecycle.claim(make_task(id), worker=WORKER, now=START)).stored for id in ids
    ]


def shape(outcomes: Sequence[Outcome]) -> list[object]:
    """States of what was done, types of what was not."""
    return [
        type(each) if isinstance(each, Exception) else each.document.state.value
        for each in outcomes
    ]


class Reads:
    """Counts the reads of a store, and lets some fail."""

    def __init__(self, store: ScriptedStore) -> None:
        self.asked: list[list[TaskKey]] = []
        self.troubles: list[Callable[[Sequence[TaskKey]], Sequence[ReadOutcome[Task]]]] = []
        self._get = store.get
        store.get = self.get  # type: ignore[method-assign]

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        self.asked.append(list(keys))
        return self.troubles.pop(0)(keys) if self.troubles else self._get(keys)


# ---------------------------------------------------------------------------------- the cost


def test_many_creations_are_one_write(tasks: TaskService, store: ScriptedStore) -> None:
    """In their order, and nothing is read."""
    reads = Reads(store)
    made = tasks.create_many([creation("a"), creation(), creation(key="k")])
    assert shape(made) == ["queued"] * 3
    assert [len(batch) for batch in store.batches] == [3]
    assert not reads.asked


def test_a_repeat_of_many_creations_is_looked_at_together(
    tasks: TaskService, store: ScriptedStore
) -> None:
    """One write finds that they are there, one read what they are, one more makes sure of it."""
    wanted = [creation(key=str(number)) for number in range(20)]
    first = tasks.create_many(wanted)
    store.batches.clear()
    reads = Reads(store)
    again = tasks.create_many([*wanted, creation(key="3", kind="other")])
    assert [each.document for each in again[:-1] if isinstance(each, Stored)] == [
        each.document for each in first if isinstance(each, Stored)
    ]
    assert isinstance(again[-1], errors.IdempotencyKeyReused)
    # The odd one has the id of another, and takes its turn.
    assert [len(batch) for batch in store.batches] == [20, 20, 1]
    assert [len(asked) for asked in reads.asked] == [20, 1]


def test_many_changes_are_one_read_and_one_write(tasks: TaskService, store: ScriptedStore) -> None:
    """Whatever they are."""
    claimed(store, "a", "b", "c", "d")
    reads = Reads(store)
    changes: list[Change] = [
        done("a"),
        Fail(key=key("b"), worker=WORKER, give_up=True),
        Report(key=key("c"), worker=WORKER),
        Unclaim(key=key("d"), worker=WORKER, run_in=MINUTE),
    ]
    assert shape(tasks.change_many(changes)) == ["done", "dead", "claimed", "queued"]
    assert [len(batch) for batch in store.batches] == [4]
    assert [len(asked) for asked in reads.asked] == [4]


def test_what_was_handed_out_here_is_not_read(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """Save where the version that is known would lead to a refusal."""
    strict(store)
    held = HeldTasks(runtime)
    tasks = TaskService(store, runtime, held=held)
    for stored in claimed(store, "a", "b"):
        held.keep(stored)
    another = lifecycle.claim(make_task("c"), worker=WorkerId("first"), now=START)
    held.keep(Stored(document=another, version=claimed(store, "c")[0].version))
    reads = Reads(store)
    assert shape(tasks.change_many([done("a"), done("c"), done("b")])) == ["done"] * 3
    assert reads.asked == [[key("c")]]


def test_a_repeat_of_many_changes_is_confirmed_with_one_write(
    tasks: TaskService, store: ScriptedStore
) -> None:
    """Who got no answer sends all again, and is answered the same."""
    claimed(store, "a", "b")
    first = tasks.change_many([done("a"), done("b")])
    store.batches.clear()
    again = tasks.change_many([done("a"), done("b")])
    assert [each.document for each in again if isinstance(each, Stored)] == [
        each.document for each in first if isinstance(each, Stored)
    ]
    assert [len(batch) for batch in store.batches] == [2]


# --------------------------------------------------------------------------------- the order


def test_what_concerns_one_task_takes_turns(tasks: TaskService, store: ScriptedStore) -> None:
    """No write of it is under way with another, and each finds what the one before has made."""
    claimed(store, "a", "b")
    report = Report(key=key("a"), worker=WORKER)
    outcomes = tasks.change_many([report, done("a"), done("b"), report])
    assert shape(outcomes) == ["claimed", "done", "done", errors.TaskNotClaimed]
    for batch in store.batches:
        assert len({write.key for write in batch}) == len(batch)
    assert len(store.batches) == 2


def test_of_two_creations_of_one_id_the_first_is_made(tasks: TaskService) -> None:
    """In the order of the items."""
    first, second = tasks.create_many([creation("a", kind="first"), creation("a", kind="second")])
    assert isinstance(first, Stored)
    assert first.document.kind == "first"
    assert isinstance(second, errors.TaskAlreadyExists)


@given(st.lists(st.sampled_from("abc")))
def test_turns_keep_the_order_of_each_key(keys: list[str]) -> None:
    """None has a key twice, nothing is left out, and no turn could be earlier."""
    made = turns(range(len(keys)), keys.__getitem__)
    assert sorted(place for turn in made for place in turn) == list(range(len(keys)))
    for number, turn in enumerate(made):
        assert len({keys[place] for place in turn}) == len(turn)
        for place in turn:
            assert keys[:place].count(keys[place]) == number


def test_a_turn_that_comes_too_late_is_not_taken(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """It is known not to be done: nothing was sent."""
    store._script = lambda write, number: Rejected("busy")
    claimed(store, "a")
    tasks = TaskService(store, runtime, patience=Duration.of_seconds(1))
    outcomes = tasks.change_many([done("a"), done("a")])
    assert shape(outcomes) == [errors.StoreUnavailable] * 2
    assert "before it" in str(outcomes[1])


# ------------------------------------------------------------------------------------ trouble


def test_the_others_are_told_of_before_the_doubtful_is_followed(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Whoever waits for a task does not wait for its neighbour's trouble."""
    heard: list[str] = []
    store._script = lambda write, number: Unknown("?") if number == 1 else None
    sleep = runtime.sleep

    def slept(seconds: float) -> None:
        heard.append("sleeps")
        sleep(seconds)

    runtime.sleep = slept  # type: ignore[method-assign]
    tasks = TaskService(store, runtime, on_waiting=lambda stored: heard.append(stored.document.id))
    made = tasks.create_many([creation("a"), creation("b")])
    assert shape(made) == ["queued"] * 2
    assert heard == ["b", "sleeps", "a"]


def test_what_an_earlier_try_has_made_is_told_of_too(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Its id is in use, by itself: it waits here like all that was made here."""
    heard: list[str] = []

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number > 1:
            return None
        store.put(write.document)
        return Exists()

    store._script = script
    tasks = TaskService(store, runtime, on_waiting=lambda stored: heard.append(stored.document.id))
    assert shape(tasks.create_many([creation("a"), creation("b")])) == ["queued"] * 2
    assert sorted(heard) == ["a", "b"]


def test_a_lost_race_is_decided_anew(tasks: TaskService, store: ScriptedStore) -> None:
    """As if it had been alone."""
    claimed(store, "a", "b")
    raced = False

    def overtake(writes: Sequence[Write[Task]]) -> None:
        nonlocal raced
        if not raced:
            raced = True
            current = store.stored[key("a")].document
            store.put(lifecycle.report(current, worker=WORKER, data=DATA, at=START))

    store.before_write = overtake
    first, second = tasks.change_many([done("a"), done("b")])
    assert isinstance(first, Stored)
    assert first.document.last_claim is not None
    assert first.document.last_claim.last_report is not None
    assert isinstance(second, Stored)


def test_a_conflict_that_was_left_waiting_is_no_definite_no(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """
    It was with the write itself, and while its neighbour was looked into another took its place.
    """
    claimed(store, "a", "b")

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number == 2:
            failed = store.put(write.document).stored.document
            taken = lifecycle.claim(failed, worker=WorkerId("other"), now=failed.run_at)
            store.put(taken.stamped(Operation(token="theirs", verb="claim")))
        return Conflict() if number <= 2 else None

    store._script = script

    def slow(keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        runtime.sleep(1)
        return [store.stored[each] for each in keys]

    as_claimed = [store.stored[key(id)] for id in "ab"]
    Reads(store).troubles += [lambda keys: as_claimed, slow]
    failing = Fail(key=key("b"), worker=WORKER, data=DATA)
    outcomes = TaskService(store, runtime).change_many([done("a"), failing])
    assert shape(outcomes) == ["done", errors.OutcomeUnknown]


def test_what_the_store_is_too_busy_for_is_tried_again_together(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """When there is room again, it costs what a batch costs; what was written is told of before."""
    heard: list[int] = []
    store._script = lambda write, number: Rejected("busy") if 1 < number <= 7 else None
    tasks = TaskService(store, runtime, on_waiting=lambda stored: heard.append(len(store.batches)))
    made = tasks.create_many([creation(id) for id in "abcd"])
    assert shape(made) == ["queued"] * 4
    assert [len(batch) for batch in store.batches] == [4, 3, 3]
    assert heard == [1, 3, 3, 3]


def test_what_stays_rejected_is_unavailable(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """It definitely did not happen, and the deadline is over for all of them at once."""
    store._script = lambda write, number: Rejected("busy")
    tasks = TaskService(store, runtime)
    assert shape(tasks.create_many([creation("a"), creation("b")])) == [errors.StoreUnavailable] * 2
    assert {len(batch) for batch in store.batches} == {2}


def test_what_cannot_be_read_keeps_no_other_waiting(
    tasks: TaskService, store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Its neighbours are done at once; it is done when it can be read again."""
    claimed(store, "a", "b")
    reads = Reads(store)
    get = store.get
    reads.troubles.append(lambda keys: [Unreadable("gone"), *reads._get(keys[1:])])
    finished: list[list[TaskId]] = []
    store.before_write = lambda writes: finished.append([w.document.id for w in writes])
    assert shape(tasks.change_many([done("a"), done("b")])) == ["done"] * 2
    assert finished == [["b"], ["a"]]
    assert get == store.get


def test_what_stays_unreadable_is_unavailable(
    tasks: TaskService, store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """It definitely did not happen."""
    claimed(store, "a", "b")

    def get(keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        return [Unreadable("gone") if k == key("a") else store.stored[k] for k in keys]

    store.get = get  # type: ignore[method-assign]
    assert shape(tasks.change_many([done("a"), done("b")])) == [errors.StoreUnavailable, "done"]


def test_reads_are_tried_again_until_the_store_answers(
    tasks: TaskService, store: ScriptedStore
) -> None:
    """As one change does."""
    claimed(store, "a", "b")
    reads = Reads(store)

    def fail(keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        raise errors.StoreUnavailable("out of reach")

    reads.troubles += [fail, fail]
    assert shape(tasks.change_many([done("a"), done("b")])) == ["done"] * 2
    assert len(reads.asked) == 3


def test_what_must_not_come_to_be_is_refused_at_its_place(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Limits of queues concern each item by itself."""
    strict(store)

    def ensure_allowed(queue: QueueName) -> None:
        if queue != QUEUE:
            raise errors.InvalidInput([errors.Fault("queue", "queueAllowed", "no")])

    tasks = TaskService(store, runtime, ensure_allowed=ensure_allowed)
    other = attrs.evolve(creation().new, queue=QueueName("typo"))
    made = tasks.create_many([creation("a"), Creation(new=other), creation("b")])
    assert shape(made) == ["queued", errors.InvalidInput, "queued"]
    assert [len(batch) for batch in store.batches] == [2]


def test_filters_look_at_each(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """As at a creation by itself: each may be changed or refused, and is at its place."""
    strict(store)

    def let_pass(new: NewTask) -> NewTask:
        if new.kind == "forbidden":
            raise errors.Vetoed("rules", "no")
        return attrs.evolve(new, priority=7)

    tasks = TaskService(store, runtime, let_pass=let_pass)
    changed, refused = tasks.create_many([creation("a"), creation("b", kind="forbidden")])
    assert isinstance(changed, Stored)
    assert changed.document.priority == tasks.create(creation("c").new).document.priority == 7
    assert isinstance(refused, errors.Vetoed)
    with pytest.raises(errors.Vetoed):
        tasks.create(creation("d", kind="forbidden").new)


# --------------------------------------------------------------------------- a store that hangs


class Hanging(ScriptedStore):
    """Takes its time over each call; what is written has an unknown outcome, or none can be read."""

    def __init__(self, runtime: QuickRuntime) -> None:
        super().__init__()
        self._runtime = runtime
        self.hangs = False
        self.is_readable = False

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        if not self.hangs:
            return super().write(writes)
        self._runtime.sleep(2)
        return [Unknown("no answer")] * len(writes)

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        if not self.hangs:
            return super().get(keys)
        self._runtime.sleep(2)
        if self.is_readable:
            return [Unreadable("slow") for _ in keys]
        raise errors.StoreUnavailable("no answer")


@pytest.mark.parametrize("is_readable", [False, True])
def test_many_in_doubt_are_given_up_together(runtime: QuickRuntime, is_readable: bool) -> None:
    """At the deadline, and not after a look at each: 64 take no longer than a few."""
    store = Hanging(runtime)
    held = HeldTasks(runtime)
    tasks = TaskService(store, runtime, held=held, patience=Duration.of_seconds(4))
    for stored in claimed(store, *(f"h{number}" for number in range(64))):
        held.keep(stored)
    store.hangs, store.is_readable = True, is_readable
    began = runtime.monotonic()
    made = tasks.create_many([creation(f"n{number}") for number in range(64)])
    ended = tasks.change_many([done(f"h{number}") for number in range(64)])
    assert set(shape(made) + shape(ended)) == {errors.OutcomeUnknown}
    # Two for creations and four for changes, and calls of two that were under way then.
    assert runtime.monotonic() - began < 60


def test_what_a_look_settles_is_looked_into_after_the_deadline(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """A store that took too long over the write, and answers now, tells of each."""
    landed: list[Write[Task]] = []

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number > 3:
            return None
        runtime.sleep(1)
        landed.append(write)
        store.put(write.document)
        return Unknown("too late")

    store._script = script
    made = TaskService(store, runtime).create_many([creation(id) for id in ("a", "b", "c")])
    assert (shape(made), len(landed)) == (["queued"] * 3, 3)
