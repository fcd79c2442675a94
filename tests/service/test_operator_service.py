"""What operators do, one task or many, beside workers that do not wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core import errors, lifecycle
from tasques.core.documents import Operation, Stored
from tasques.core.listing import TaskFilter
from tasques.core.operations import (
    Cancel,
    Delay,
    Expire,
    Outcome,
    Reprioritise,
    Retry,
    TaskOperation,
)
from tasques.core.ports import Create, Replace, Write
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.service.operator_service import OperatorService
from tasques.core.tasks import EndReason, State, StoredTask, Task, TaskKey
from tasques.core.values import Duration
from tasques.testing.examples import NOW, at, in_state, queued
from tasques.testing.fake_runtime import FakeRuntime
from tasques.testing.faulty import FaultyTaskStore, WriteFault

MAIL = QueueName("mail")
ALL = TaskFilter(queue=MAIL)
WORKER = WorkerId("w1")


class World:
    """A memory backend with an operator before it."""

    def __init__(self) -> None:
        self.runtime = FakeRuntime(now=NOW)
        self.backend = MemoryBackend(self.runtime)
        self.fault: Callable[[Write[Task]], WriteFault | None] = lambda write: None
        self.store = FaultyTaskStore(self.backend.tasks, writes=lambda write: self.fault(write))
        self.offered: list[StoredTask] = []
        self.operators = OperatorService(
            self.store, self.backend.archive, self.runtime, on_waiting=self.offered.append
        )

    def put(self, *tasks: Task) -> None:
        self.backend.tasks.write([Create(document=task) for task in tasks])

    def stored(self, id: str) -> StoredTask:
        [found] = self.backend.tasks.get([TaskKey(MAIL, TaskId(id))])
        assert isinstance(found, Stored)
        return found

    def claim(self, id: str) -> None:
        """As a worker does, in between."""
        stored = self.stored(id)
        taken = lifecycle.claim(stored.document, worker=WORKER, now=self.runtime.wall())
        self.backend.tasks.write([Replace(document=taken, expected=stored.version)])


@pytest.fixture
def world() -> World:
    return World()


def waiting(id: str, created: float = 0) -> Task:
    """A queued task of the queue, created so many seconds before now."""
    return attrs.evolve(queued("mail"), id=TaskId(id), created_at=at(-created))


def named(state: State, id: str) -> Task:
    return attrs.evolve(in_state(state, "mail"), id=TaskId(id))


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        (Cancel(), State.QUEUED, State.DEAD),
        (Cancel(), State.FAILED, State.DEAD),
        (Cancel(), State.CLAIMED, State.CLAIMED),
        (Expire(), State.QUEUED, State.DEAD),
        (Retry(), State.DEAD, State.QUEUED),
        (Delay(run_at=at(60)), State.FAILED, State.FAILED),
        (Reprioritise(priority=7), State.QUEUED, State.QUEUED),
    ],
    ids=str,
)
def test_one_task_moves_as_the_lifecycle_says(
    world: World, operation: TaskOperation, before: State, after: State
) -> None:
    """The answer is the task as it is stored then; who waits again is offered to claims."""
    world.put(named(before, "t"))
    changed = world.operators.apply(operation, TaskKey(MAIL, TaskId("t")))
    assert changed == world.stored("t")
    assert changed.document.state is after
    assert world.offered == ([changed] if after.is_claimable else [])


def test_what_each_operation_changes(world: World) -> None:
    """The reason of an end, the attempts of a second life, the time, the place in the order."""
    for id in ("c", "x", "d", "p"):
        world.put(waiting(id))
    world.put(named(State.DEAD, "r"), named(State.CLAIMED, "h"))

    def apply(operation: TaskOperation, id: str) -> Task:
        return world.operators.apply(operation, TaskKey(MAIL, TaskId(id))).document

    cancelled, expired = apply(Cancel(), "c"), apply(Expire(), "x")
    assert cancelled.extensions.ended is not None
    assert cancelled.extensions.ended.reason is EndReason.CANCELLED
    assert expired.extensions.ended is not None
    assert expired.extensions.ended.reason is EndReason.EXPIRED
    assert apply(Retry(), "r").attempted == 0
    assert apply(Delay(run_at=at(60)), "d").run_at == at(60)
    assert apply(Reprioritise(priority=-3), "p").priority == -3
    assert apply(Cancel(), "h").extensions.cancel_requested_at == NOW


def test_a_delay_is_until_a_time_or_for_a_while(world: World) -> None:
    """From the moment in which it is decided; one of the two is said, and not both."""
    world.put(waiting("t"))
    for_a_minute = Delay(run_in=Duration.of_seconds(60))
    world.runtime.advance(Duration.of_seconds(5))
    delayed = world.operators.apply(for_a_minute, TaskKey(MAIL, TaskId("t")))
    assert delayed.document.run_at == at(65)
    wrong: list[dict[str, Any]] = [{}, {"run_at": NOW, "run_in": Duration(1)}]
    for given in wrong:
        with pytest.raises(ValueError, match="either"):
            Delay(**given)


def test_an_overview_says_when_it_was(world: World) -> None:
    """What is due by then is ready."""
    world.put(waiting("t"), attrs.evolve(waiting("u"), run_at=at(60)))
    overview = world.operators.queues()
    assert (overview.as_of, [queue.ready for queue in overview.queues]) == (NOW, [1])
    world.runtime.advance(Duration.of_seconds(60))
    overview = world.operators.queues()
    assert (overview.as_of, [queue.ready for queue in overview.queues]) == (at(60), [2])


def test_what_cannot_be_done_is_said(world: World) -> None:
    """A missing task is not found, one in another state cannot, and neither changes."""
    world.put(named(State.DONE, "t"))
    before = world.stored("t")
    with pytest.raises(errors.IllegalTransition, match="done cannot cancel"):
        world.operators.apply(Cancel(), TaskKey(MAIL, TaskId("t")))
    with pytest.raises(errors.TaskNotFound):
        world.operators.apply(Cancel(), TaskKey(MAIL, TaskId("other")))
    assert world.stored("t") == before
    with pytest.raises(ValueError, match="priority"):
        Reprioritise(priority=2**63)


def test_many_go_page_by_page_the_oldest_first(world: World) -> None:
    """Each is met once, whatever is created or changed meanwhile, until nothing is left."""
    world.put(*(waiting(f"t{n}", created=n) for n in range(7)))
    world.put(attrs.evolve(queued("other"), id=TaskId("t0")))
    met: list[str] = []
    after = None
    while True:
        swept = world.operators.sweep(Cancel(), ALL, after=after, limit=3)
        met += [outcome.key.id for outcome in swept.outcomes]
        assert {outcome.outcome for outcome in swept.outcomes} <= {Outcome.CHANGED}
        if swept.next is None:
            break
        after = swept.next
        world.put(waiting(f"late{len(met)}", created=-len(met)))
        if len(met) > 9:
            break
    assert met[:7] == [f"t{n}" for n in reversed(range(7))]
    assert len(met) == len(set(met))
    [untouched] = world.backend.tasks.get([TaskKey(QueueName("other"), TaskId("t0"))])
    assert isinstance(untouched, Stored)
    assert untouched.document.state is State.QUEUED


def test_a_filter_means_what_it_says(world: World) -> None:
    """By state, kind, worker and time of creation."""
    world.put(waiting("old", created=100), waiting("young", created=1))
    world.put(named(State.DEAD, "dead"), attrs.evolve(waiting("other"), kind="other"))
    world.put(waiting("held"))
    world.claim("held")

    def met(**more: Any) -> set[str]:
        filter = attrs.evolve(ALL, **more)
        swept = world.operators.sweep(Cancel(), filter, dry_run=True)
        return {outcome.key.id for outcome in swept.outcomes}

    assert met(states=frozenset({State.DEAD, State.CLAIMED})) == {"dead", "held"}
    assert met(kind="other") == {"other"}
    assert met(worker=WORKER) == {"held"}
    assert met(created_before=at(-50)) == {"old"}
    assert met(created_from=at(-1)) == {"young", "dead", "other", "held"}


def test_a_dry_run_changes_nothing(world: World) -> None:
    """It says what would become of each."""
    world.put(waiting("t"), named(State.DONE, "d"))
    before = world.stored("t"), world.stored("d")
    swept = world.operators.sweep(Cancel(), ALL, dry_run=True)
    outcomes = {outcome.key.id: outcome.outcome for outcome in swept.outcomes}
    assert outcomes == {"t": Outcome.CHANGED, "d": Outcome.NOT_POSSIBLE}
    assert (world.stored("t"), world.stored("d")) == before


def test_a_worker_that_comes_first_is_respected(world: World) -> None:
    """The decision is made anew on what the worker made of the task."""
    world.put(waiting("t"), waiting("u"))

    def steal(write: Write[Task]) -> WriteFault | None:
        world.fault = lambda write: None
        world.claim("t")
        return None

    world.fault = steal
    swept = world.operators.sweep(Cancel(), ALL)
    assert [outcome.outcome for outcome in swept.outcomes] == [Outcome.CHANGED] * 2
    held = world.stored("t").document
    assert held.state is State.CLAIMED
    assert held.extensions.cancel_requested_at is not None


def test_what_a_worker_took_out_of_the_filter_is_left_alone(world: World) -> None:
    """Only what is meant is changed, as of the moment of the change."""
    world.put(waiting("t"))

    def steal(write: Write[Task]) -> WriteFault | None:
        world.fault = lambda write: None
        world.claim("t")
        return None

    world.fault = steal
    meant = attrs.evolve(ALL, states=frozenset({State.QUEUED}))
    swept = world.operators.sweep(Cancel(), meant)
    assert [outcome.outcome for outcome in swept.outcomes] == [Outcome.GONE]
    assert world.stored("t").document.extensions.cancel_requested_at is None


@pytest.mark.parametrize("fault", list(WriteFault), ids=lambda fault: fault.value)
def test_trouble_with_one_leaves_its_neighbours_alone(world: World, fault: WriteFault) -> None:
    """One write goes wrong once: it is followed up, and the others are done."""
    world.put(*(waiting(f"t{n}", created=n) for n in range(3)))
    left = [fault]

    def once(write: Write[Task]) -> WriteFault | None:
        return left.pop() if write.document.id == "t1" and left else None

    world.fault = once
    swept = world.operators.sweep(Cancel(), ALL)
    outcomes = {outcome.key.id: outcome.outcome for outcome in swept.outcomes}
    assert outcomes.pop(TaskId("t1")) in (Outcome.CHANGED, Outcome.FAILED)
    assert set(outcomes.values()) == {Outcome.CHANGED}
    if fault is not WriteFault.BLOCKED:
        assert world.stored("t1").document.state is State.DEAD


def test_a_store_that_never_takes_it_is_reported(world: World) -> None:
    """With the reason, after the patience is over."""
    world.put(waiting("t"))
    world.fault = lambda write: WriteFault.REJECTED
    began = world.runtime.monotonic()
    swept = world.operators.sweep(Cancel(), ALL)
    [outcome] = swept.outcomes
    assert outcome.outcome is Outcome.FAILED
    assert outcome.reason
    assert world.runtime.monotonic() - began >= Duration.of_seconds(10).seconds - 2


def test_what_may_have_been_done_is_not_called_impossible(world: World) -> None:
    """Delayed, the answer lost, and claimed before anybody could look: nobody can say."""
    world.put(waiting("t"))

    def fault(write: Write[Task]) -> WriteFault | None:
        world.fault = lambda write: None
        world.backend.tasks.write([write])
        stored = world.stored("t")
        taken = lifecycle.claim(stored.document, worker=WORKER, now=NOW)
        taken = taken.stamped(Operation(token="the worker's", verb="claim"))
        world.backend.tasks.write([Replace(document=taken, expected=stored.version)])
        return WriteFault.LOST_REQUEST

    world.fault = fault
    with pytest.raises(errors.OutcomeUnknown):
        world.operators.apply(Delay(run_at=NOW), TaskKey(MAIL, TaskId("t")))
