"""The archiver interrupted, in doubt, and beside another: nothing lost, nothing double."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core.archive import ArchivedTask
from tasques.core.ports import Create, Delete
from tasques.core.tasks import Task, TaskKey
from tasques.testing.faulty import WriteFault
from tests.service.archive_world import (
    DAY,
    add_done,
    archiver,
    copies,
    in_queue,
    original,
    retry_and_finish,
)
from tests.service.recurring_world import (
    World,
    once,
    seconds,
)


class Crash(BaseException):
    """The process is gone."""


@pytest.fixture
def world() -> World:
    return World()


# --------------------------------------------------------------------- crashes and faults


def _crash_at(world: World, number: int, moment: str) -> list[int]:
    """Crash before or after the batch of that number, of all stores together."""
    counted: list[int] = []

    def hook(writes: Any) -> None:
        counted.append(len(writes))
        if len(counted) == number:
            raise Crash

    for store in (world.tasks, world.archive):
        setattr(store, moment, hook)
    return counted


def _unhook(world: World) -> None:
    for store in (world.tasks, world.archive):
        store.before = store.after = lambda writes: None


SITUATIONS = ["no copy", "copy of it", "copy of an earlier version", "copies in two places"]


def _situation(world: World, situation: str) -> Task:
    key = add_done(world)
    if situation != "no copy":
        _copy(world, key)
    if situation == "copy of an earlier version":
        retry_and_finish(world, key)
    if situation == "copies in two places":
        world.archive.store.roll_over()
        _copy(world, key)
        world.archive.store.roll_over()
    world.runtime.advance(seconds(DAY))
    return original(world, key)


def _copy(world: World, key: TaskKey) -> None:
    [stored] = world.tasks.store.get([key])
    copy = ArchivedTask(task=stored.document, origin=stored.version)
    world.archive.store.write([Create(document=copy)])


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_after_a_crash_the_next_sweep_leaves_one_copy_and_loses_nothing(
    world: World, moment: str, number: int, situation: str
) -> None:
    """Before and after every batch."""
    task = _situation(world, situation)
    counted = _crash_at(world, number, moment)
    try:
        archiver(world).step()
    except Crash:
        assert len(counted) == number
    else:
        assert len(counted) < number
    _unhook(world)
    assert in_queue(world, task.key) == task or copies(world, task) != []
    archiver(world).step()
    assert in_queue(world, task.key) is None
    [copy] = copies(world, task)
    assert copy.task == task


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("store", ["archive", "tasks"])
@pytest.mark.parametrize("fault", WriteFault)
def test_after_a_fault_the_next_sweeps_leave_one_copy_and_lose_nothing(
    world: World, fault: WriteFault, store: str, number: int, situation: str
) -> None:
    """What is in doubt counts as not done."""
    task = _situation(world, situation)
    getattr(world, store).script = once(fault, number)
    sweeping = archiver(world)
    sweeping.step()
    assert in_queue(world, task.key) == task or copies(world, task) != []
    sweeping.step()
    sweeping.step()
    assert in_queue(world, task.key) is None
    assert [copy.task for copy in copies(world, task)] == [task]


def test_nothing_is_deleted_whose_copy_is_in_doubt(world: World) -> None:
    """Whatever was answered short of an acknowledgement."""
    for fault in WriteFault:
        world = World()
        task = _situation(world, "no copy")
        world.archive.script = lambda write, number, fault=fault: fault
        archiver(world).step()
        assert in_queue(world, task.key) == task
        assert world.tasks.batches == []


# ---------------------------------------------------------------------------- interleaved


def test_a_task_that_changes_between_copy_and_deletion_stays(world: World) -> None:
    """The copy of what it was is overwritten when its time has come again."""
    task = _situation(world, "no copy")
    world.tasks.before = lambda writes: retry_and_finish(world, task.key)
    sweeping = archiver(world)
    sweeping.step()
    _unhook(world)
    changed = original(world, task.key)
    assert changed != task
    assert sweeping.archived == 0
    sweeping.step()
    assert [copy.task for copy in copies(world, task)] == [changed]
    assert in_queue(world, task.key) is None


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("rolls_over", [False, True])
@pytest.mark.parametrize("point", range(1, 7))
def test_two_archivers_are_no_worse_than_one(
    world: World, point: int, rolls_over: bool, situation: str
) -> None:
    """The second sweeps while the first is before its n-th call, a write or a read."""
    task = _situation(world, situation)
    counted: list[object] = []
    second = archiver(world)

    def hook(call: object) -> bool:
        counted.append(call)
        if len(counted) == point:
            if rolls_over:
                world.archive.store.roll_over()
            second.step()
        return False

    for store in (world.tasks, world.archive):
        store.before = hook
        store.is_down = hook
    first = archiver(world)
    first.step()
    _unhook(world)
    for store in (world.tasks, world.archive):
        store.is_down = lambda method: False
    assert in_queue(world, task.key) is None
    assert [copy.task for copy in copies(world, task)] == [task]
    assert first.archived + second.archived == 1


def test_a_rollover_between_look_and_creation_leaves_one_copy(world: World) -> None:
    """Two archivers see none; each creates one, in another place. Who deletes second tidies up."""
    task = _situation(world, "no copy")
    second = archiver(world)

    def before(writes: Any) -> None:
        world.archive.before = lambda writes: None
        second.step()
        world.archive.store.roll_over()

    world.archive.before = before
    archiver(world).step()
    assert in_queue(world, task.key) is None
    assert len(copies(world, task)) == 1


@pytest.mark.parametrize("fault", [f for f in WriteFault if not f.is_applied])
def test_a_surplus_copy_that_cannot_be_removed_is_removed_later(
    world: World, fault: WriteFault
) -> None:
    """Also where the task is gone, so that no sweep finds it any more."""
    task = _situation(world, "no copy")
    second = archiver(world)

    def before(writes: Any) -> None:
        world.archive.before = lambda writes: None
        second.step()
        world.archive.store.roll_over()
        world.archive.script = lambda write, number: fault if isinstance(write, Delete) else None

    world.archive.before = before
    first = archiver(world)
    first.step()
    assert len(copies(world, task)) == 2
    world.archive.script = lambda write, number: None
    first.step()
    assert len(copies(world, task)) == 1
