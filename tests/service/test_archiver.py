"""The archiver: what is moved when, and what stays."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from tasques.core import errors
from tasques.core.archive import ArchivedTask, archive_key
from tasques.core.documents import Stored, Version
from tasques.core.ports import Create, Delete, Malformed, Missing
from tasques.core.recurring import Decision, SlotOutcome
from tasques.core.service.archiver import Archiver
from tasques.core.tasks import State, StoredTask, Task, TaskKey
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
    at,
    change_document,
    recurring,
    seconds,
)

TERM = Version(1, 1)


@pytest.fixture
def world() -> World:
    return World()


# ------------------------------------------------------------------------------- a sweep


def test_a_finished_task_is_copied_then_deleted(world: World) -> None:
    """Whole, with the version copied; in that order, and not before its time."""
    key = add_done(world)
    task, [stored] = original(world, key), world.tasks.store.get([key])
    sweeping = archiver(world)
    world.runtime.advance(seconds(DAY - 1))
    sweeping.step()
    assert world.archive.batches == world.tasks.batches == []

    world.runtime.advance(seconds(1))
    world.tasks.before = lambda writes: _assert(len(copies(world, task)) == 1)
    pause = sweeping.step()
    assert in_queue(world, key) is None
    [copy] = copies(world, task)
    assert (copy.task, copy.origin) == (task, stored.version)
    assert world.archive.store.find_task(key).document == task
    assert sweeping.archived == 1
    assert pause.seconds == pytest.approx(60, rel=0.06)


def _assert(condition: bool) -> None:
    assert condition


def _in(state: State) -> Callable[[Task], Task]:
    return lambda task: attrs.evolve(task, state=state)


def test_what_is_not_finished_stays(world: World) -> None:
    """However old it is."""
    add_done(world)
    keys = []
    for state in (State.QUEUED, State.CLAIMED, State.FAILED):
        key = add_done(world, state.value)
        change_document(world.tasks.store, key, _in(state))
        keys.append(key)
    world.runtime.advance(seconds(10 * DAY))
    archiver(world).step()
    assert all(in_queue(world, key) for key in keys)


def test_an_id_that_is_used_again_is_archived_again(world: World) -> None:
    """Each life has its copy."""
    first = original(world, add_done(world))
    world.runtime.advance(seconds(DAY))
    sweeping = archiver(world)
    sweeping.step()
    second = original(world, add_done(world))
    world.runtime.advance(seconds(DAY))
    sweeping.step()
    assert [len(copies(world, task)) for task in (first, second)] == [1, 1]
    assert world.archive.store.find_task(first.key).document == second


def test_a_server_that_cannot_trust_its_clock_moves_nothing(world: World) -> None:
    """It does not even look."""

    def gate() -> None:
        raise errors.ClockUntrusted("hours off")

    add_done(world)
    world.runtime.advance(seconds(DAY))
    sweeping = Archiver(world.tasks, world.archive, world.recurring, world.runtime, gate=gate)
    with pytest.raises(errors.ClockUntrusted):
        sweeping.step()
    assert world.archive.batches == []


# --------------------------------------------------------------------------------- slots


def test_the_task_of_a_slot_stays_for_an_hour(world: World) -> None:
    """However soon others go: a leader that was cut off may create it once more."""
    world.add(recurring())
    slot = add_done(world, "slot", recurring_task_id="r")
    other = add_done(world, "other")
    sweeping = archiver(world, older_than=seconds(1))
    world.runtime.advance(seconds(3599))
    sweeping.step()
    assert (in_queue(world, slot) is None, in_queue(world, other) is None) == (False, True)
    world.runtime.advance(seconds(1))
    sweeping.step()
    assert in_queue(world, slot) is None


def _published(world: World) -> TaskKey:
    """A slot that is pending although its task was made and is done: its leader crashed."""
    decision = Decision(slot=at(10), outcome=SlotOutcome.FIRED)
    world.add(recurring().publishing(decision, term=TERM))
    pending = world.one().recurrence.pending
    assert pending is not None
    return add_done(world, pending.task_id, recurring_task_id="r")


def test_the_task_of_a_pending_slot_stays_until_the_slot_is_noted(world: World) -> None:
    """Its successor is to meet the id, however late."""
    key = _published(world)
    other = add_done(world, "another", recurring_task_id="r")
    world.runtime.advance(seconds(100 * DAY))
    sweeping = archiver(world)
    sweeping.step()
    assert (in_queue(world, key) is None, in_queue(world, other) is None) == (False, True)
    server = world.server()
    server.step()
    sweeping.step()
    assert in_queue(world, key) is None
    assert world.one().recurrence.pending is None


def test_a_deleted_recurring_task_holds_no_task_back(world: World) -> None:
    """Its slots are pending no more."""
    key = _published(world)
    world.change(lambda task: task.deleted(now=at(11)))
    world.runtime.advance(seconds(DAY))
    archiver(world).step()
    assert in_queue(world, key) is None


@pytest.mark.parametrize("known", [Missing(), Malformed("no queue")])
def test_a_recurring_task_that_is_gone_holds_no_task_back(world: World, known: Any) -> None:
    """Nor one that cannot be read as one."""
    key = add_done(world, "slot", recurring_task_id="r")
    world.recurring.store.get = lambda keys: [known for _ in keys]
    world.runtime.advance(seconds(DAY))
    archiver(world).step()
    assert in_queue(world, key) is None


# ------------------------------------------------------------------------------ many tasks


def _moves_all(world: World, sweeping: Archiver, sweeps: int) -> None:
    for _ in range(sweeps):
        world.runtime.sleep(sweeping.step().seconds)


def test_a_full_page_is_followed_by_another_soon(world: World) -> None:
    """As soon as what was moved is not found any more."""
    for number in range(25):
        add_done(world, f"t{number:02d}")
    world.runtime.advance(seconds(DAY))
    sweeping = archiver(world, page_size=10)
    assert sweeping.step() == seconds(1)
    assert sweeping.step() == seconds(1)
    assert sweeping.step() > seconds(50)
    assert sweeping.archived == 25


@pytest.mark.parametrize("stuck", ["pending", "copy refused", "deletion refused", "malformed"])
def test_tasks_that_cannot_be_moved_do_not_hide_the_others(
    world: World, stuck: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A page full of them is passed over, in this round."""
    keys = [
        add_done(world, f"a{number:02d}", recurring_task_id=f"r{number}") for number in range(6)
    ]
    world.runtime.advance(seconds(1))
    others = [add_done(world, f"b{number:02d}") for number in range(6)]
    world.runtime.advance(seconds(DAY))
    _make_stuck(world, stuck, keys)
    sweeping = archiver(world, page_size=3)
    with caplog.at_level(logging.CRITICAL):
        _moves_all(world, sweeping, 5)
    assert all(in_queue(world, key) for key in keys)
    assert not any(in_queue(world, key) for key in others)
    assert sweeping.archived == 6

    _make_free(world, stuck)
    if stuck not in ("pending", "malformed"):
        _moves_all(world, sweeping, 6)
        assert not any(in_queue(world, key) for key in keys)


def _make_stuck(world: World, stuck: str, keys: list[TaskKey]) -> None:
    match stuck:
        case "pending":
            decision = Decision(slot=at(10), outcome=SlotOutcome.FIRED)
            for key in keys:
                task = original(world, key)
                pending = recurring(str(task.recurring_task_id)).publishing(decision, term=TERM)
                assert pending.recurrence.pending is not None
                named = attrs.evolve(pending.recurrence.pending, task_id=key.id)
                world.add(
                    attrs.evolve(
                        pending, recurrence=attrs.evolve(pending.recurrence, pending=named)
                    )
                )
        case "copy refused":
            world.archive.script = lambda write, number: (
                WriteFault.REJECTED if write.document.task.key in keys else None
            )
        case "deletion refused":
            world.tasks.script = lambda write, number: (
                WriteFault.BLOCKED
                if isinstance(write, Delete) and write.document.key in keys
                else None
            )
        case "malformed":
            bad = [archive_key(original(world, key)) for key in keys]
            find = world.archive.store.find_copies
            world.archive.store.find_copies = lambda asked: [
                [Malformed("no task")] if key in bad else found
                for key, found in zip(asked, find(asked), strict=True)
            ]


def _make_free(world: World, stuck: str) -> None:
    world.archive.script = world.tasks.script = lambda write, number: None


def test_a_malformed_copy_is_left_alone_and_said_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody has to look; the task stays."""
    task = original(world, add_done(world))
    world.runtime.advance(seconds(DAY))
    world.archive.store.find_copies = lambda keys: [[Malformed("no task")] for _ in keys]
    archiver(world).step()
    assert in_queue(world, task.key) == task
    assert ["malformed" in record.getMessage() for record in caplog.records] == [True]


def archived_since_it_was_found(world: World) -> tuple[StoredTask, Task]:
    """A task as a search showed it once, and as it was when it was archived."""
    key = add_done(world)
    [old] = world.tasks.store.get([key])
    assert isinstance(old, Stored)
    retry_and_finish(world, key)
    last = original(world, key)
    world.runtime.advance(seconds(DAY + 1))
    archiver(world).step()
    assert in_queue(world, key) is None
    return old, last


def test_an_old_find_does_not_take_the_place_of_the_last_copy(world: World) -> None:
    """
    A search showed what was before the task was retried, finished again and archived.

    The copy of its last version stays; the old one is not written over it.
    """
    old, last = archived_since_it_was_found(world)
    world.tasks.store.find_finished = lambda query: [old]
    archiver(world).step()
    assert [copy.task for copy in copies(world, last)] == [last]


def test_a_copy_of_what_a_failover_discarded_holds_nothing_back(world: World) -> None:
    """A later version was copied, and is not there any more: what is there counts."""
    key = add_done(world)
    task = original(world, key)
    later = ArchivedTask(task=attrs.evolve(task, priority=9), origin=Version(1, 99))
    world.archive.store.write([Create(document=later)])
    world.runtime.advance(seconds(DAY))
    archiver(world).step()
    assert in_queue(world, key) is None
    assert [copy.task for copy in copies(world, task)] == [task]


def test_what_an_isolated_primary_shows_does_not_take_the_place_of_the_last_copy(
    world: World,
) -> None:
    """It was replaced where a failover led, and archived; searches and reads here know nothing of it."""
    old, last = archived_since_it_was_found(world)
    world.tasks.store.find_finished = lambda query: [old]
    world.tasks.store.get = lambda keys: [old]
    archiver(world).step()
    assert [copy.task for copy in copies(world, last)] == [last]
