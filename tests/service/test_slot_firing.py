"""One task for each slot, nothing lost: whatever goes wrong at whichever write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasques.adapters.memory.task_store import MemoryTaskStore
from tasques.core.recurring import CatchUp, SlotOutcome
from tasques.core.tasks import TaskKey
from tasques.testing.fake_runtime import START
from tasques.testing.faulty import WriteFault
from tests.service.recurring_world import (
    LEASE,
    QUEUE,
    Server,
    World,
    at,
    definition,
    once,
    recurring,
    seconds,
)


class Crash(BaseException):
    """The process is gone."""


@pytest.fixture
def world() -> World:
    return World()


def slots(world: World) -> list[int]:
    """For which slots there are tasks, in seconds after the start."""
    found = []
    for task in world.there():
        after = int(task.id.rpartition("-")[2]) - START.nanoseconds // 10**9
        assert task.id == world.one().task_id_for(at(after))
        found.append(after)
    return sorted(found)


def test_a_slot_is_published_then_its_task_is_made_then_it_is_noted(world: World) -> None:
    """Three writes, each after the one before; the task is the definition's, and is offered."""
    world.add(recurring(definition=definition(priority=7)))
    server = world.server()
    server.run(world.runtime, 9)
    world.recurring.batches.clear()
    server.run(world.runtime, 1)

    [published, noted] = [write.document for write in world.recurring.sent]
    assert published.recurrence.pending.slot == at(10)
    assert published.recurrence.decided_until == START
    assert noted.recurrence.pending is None
    assert noted.recurrence.decided_until == at(10)
    assert noted.recurrence.last_slot.outcome is SlotOutcome.FIRED
    [task] = world.there()
    assert (task.priority, task.recurring_task_id, task.run_at) == (7, "r", at(10))
    assert task.key == TaskKey(QUEUE, noted.recurrence.last_slot.task_id)
    assert [stored.document.key for stored in world.offered] == [task.key]
    assert (server.scheduler.fired, server.scheduler.left_out) == (1, 0)


def test_a_clock_that_is_set_wrong_meanwhile_dates_no_task(world: World) -> None:
    """Between the decision and the creation; the task is due when its slot was decided."""
    world.add(recurring())
    server = world.server()
    server.run(world.runtime, 9)
    world.recurring.after = lambda writes: world.runtime.jump(seconds(6 * 3600))
    server.run(world.runtime, 1)
    [task] = world.there()
    assert (task.run_at, task.created_at) == (at(10), at(10))


# ---------------------------------------------------------------------------------- faults

FAULTS = list(WriteFault)


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_write_to_the_recurring_task_costs_no_slot(
    world: World, fault: WriteFault, number: int
) -> None:
    """Taking up, publishing, noting: what is in doubt is read again, and gone on with."""
    world.add(recurring(catch_up=CatchUp.ALL))
    world.recurring.script = once(fault, number)
    world.server().run(world.runtime, 35)
    assert slots(world) == [10, 20, 30]
    assert world.one().recurrence.decided_until == at(30)
    assert world.one().recurrence.pending is None


@pytest.mark.parametrize("number", range(1, 4))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_creation_costs_no_slot(
    world: World, fault: WriteFault, number: int
) -> None:
    """The slot stays pending until its task is known to be there."""
    world.add(recurring(catch_up=CatchUp.ALL))
    world.tasks.script = once(fault, number)
    world.server().run(world.runtime, 35)
    assert slots(world) == [10, 20, 30]
    assert world.one().recurrence.pending is None


@pytest.mark.parametrize("patience", [0.5, 2.0])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_in_trouble_for_a_while_costs_no_slot(
    world: World, fault: WriteFault, patience: float
) -> None:
    """Not even of those that came meanwhile; nor where following it up costs the lease."""
    world.add(recurring(catch_up=CatchUp.ALL))
    server = world.server(patience=seconds(patience))
    server.run(world.runtime, 5)
    trouble = range(int(world.runtime.monotonic()), 30)
    during = lambda write, number: fault if world.runtime.monotonic() < trouble.stop else None  # noqa: E731
    world.recurring.script = world.tasks.script = during
    server.run(world.runtime, 50)
    assert slots(world)[:4] == [10, 20, 30, 40]
    assert world.one().recurrence.pending is None


def test_what_is_in_doubt_stays_so_while_it_cannot_be_read(world: World) -> None:
    """A read that fails loses sight of nothing: the pending slot is gone on with at the next."""
    world.add(recurring())
    server = world.server()
    server.run(world.runtime, 9)
    world.tasks.script = lambda write, number: WriteFault.REJECTED
    world.runtime.advance(seconds(1))
    server.step()
    assert world.one().recurrence.pending is not None

    world.recurring.is_down = lambda method: method == "get"
    world.tasks.script = lambda write, number: None
    with pytest.raises(Exception, match="out of reach"):
        server.step()
    world.recurring.is_down = lambda method: False
    server.step()
    assert slots(world) == [10]


def test_a_task_that_a_failover_discards_is_made_again(world: World) -> None:
    """
    It was created on an isolated primary, which nobody acknowledged and reads showed.

    That it was read is not enough to note its slot as fired: what was read is confirmed first.
    """
    world.add(recurring())
    server = world.server()
    server.run(world.runtime, 9)
    isolated = MemoryTaskStore(world.runtime)
    acknowledged, world.tasks.store = world.tasks.store, isolated
    world.tasks.script = lambda write, number: WriteFault.LOST_REPLY
    server.run(world.runtime, 9)
    assert len(world.there()) == 1
    assert world.one().recurrence.pending is not None

    world.tasks.store = acknowledged
    world.tasks.script = lambda write, number: None
    server.run(world.runtime, 3)
    assert slots(world)[0] == 10
    assert world.one().recurrence.pending is None


def test_a_slot_is_fired_on_an_acknowledged_publication_only(world: World) -> None:
    """
    It was published, the answer got lost, and reads show it: a failover may still discard it.

    So its task is made only after the recurring task has been written once more.
    """
    world.add(recurring())
    server = world.server(patience=seconds(0.2))
    server.run(world.runtime, 9)
    answers = iter([WriteFault.LOST_REPLY])
    world.recurring.script = lambda write, number: next(answers, WriteFault.REJECTED)
    server.run(world.runtime, 9)
    assert world.one().recurrence.pending is not None
    assert world.made() == []

    world.recurring.script = lambda write, number: None
    server.run(world.runtime, 1)
    assert slots(world) == [10]


# ------------------------------------------------------------------ crashes and former leaders


def take_over(world: World) -> Server:
    """Another server that leads, a lease after it first saw the lock."""
    server = world.server()
    server.election.step()
    world.runtime.advance(LEASE)
    return server.lead()


STORES = ("recurring", "tasks")


def _at_batch(
    world: World, store: str, moment: str, number: int, action: Callable[[], None]
) -> list[int]:
    """Do *action* before or after the batch of that number; gives the count of batches."""
    counted: list[int] = []

    def hook(writes: Any) -> None:
        counted.append(len(writes))
        if len(counted) == number:
            action()

    setattr(getattr(world, store), moment, hook)
    return counted


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("store", STORES)
def test_a_successor_goes_on_where_a_leader_crashed(
    world: World, store: str, moment: str, number: int
) -> None:
    """Between any two writes."""

    def crash() -> None:
        raise Crash

    world.add(recurring(catch_up=CatchUp.ALL))
    counted = _at_batch(world, store, moment, number, crash)
    try:
        world.server().run(world.runtime, 35)
    except Crash:
        assert len(counted) == number
    else:
        assert len(counted) < number, "it was to crash, and did not"
    setattr(getattr(world, store), moment, lambda writes: None)
    successor = take_over(world)
    successor.run(world.runtime, 60 - world.runtime.monotonic())
    assert slots(world) == [10, 20, 30, 40, 50, 60]
    assert world.one().recurrence.pending is None


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("store", STORES)
def test_a_leader_paused_in_the_middle_of_a_write_doubles_nothing(
    world: World, store: str, number: int
) -> None:
    """It was asked, led, and then its request lay about until after its successor's."""
    world.add(recurring(catch_up=CatchUp.ALL))
    successors = []

    def pause() -> None:
        successors.append(take_over(world))
        successors[0].run(world.runtime, 25)

    counted = _at_batch(world, store, "before", number, pause)
    former = world.server()
    while world.runtime.monotonic() < 90:
        world.runtime.advance(seconds(1))
        for server in [former, *successors]:
            server.election.step()
            server.scheduler.step()
    assert bool(successors) == (len(counted) >= number)
    assert slots(world) == list(range(10, int(world.runtime.monotonic()) + 1, 10))


def test_a_leader_whose_lease_runs_out_between_two_writes_sends_no_more(world: World) -> None:
    """Not the task, and not the note: the successor does both."""
    world.add(recurring())
    server = world.server()
    server.run(world.runtime, 9)
    world.recurring.after = lambda writes: world.runtime.advance(LEASE)
    world.runtime.advance(seconds(1))
    server.election.step()
    server.scheduler.step()
    assert world.one().recurrence.pending is not None
    assert world.tasks.batches == []

    world.recurring.after = lambda writes: None
    take_over(world).scheduler.step()
    assert slots(world) == [10]


def test_a_write_is_not_followed_up_longer_than_the_lease_lasts(world: World) -> None:
    """A rejected one is sent again only while this server surely leads."""
    world.add(recurring())
    server = world.server(patience=seconds(60))
    server.run(world.runtime, 9)
    world.recurring.script = lambda write, number: WriteFault.REJECTED
    world.runtime.advance(seconds(1))
    server.election.step()
    valid_until = world.runtime.monotonic() + 0.6 * LEASE.seconds
    sent_at: list[float] = []
    world.recurring.before = lambda writes: sent_at.append(world.runtime.monotonic())
    server.scheduler.step()
    assert len(sent_at) > 1
    assert max(sent_at) <= valid_until + 0.001  # the fake clock moves in whole milliseconds
