"""Tasks made by hand beside the schedule, and looking ahead."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core import errors
from tasques.core.ports import Create, Missing
from tasques.core.recurring import Decision, RecurringTaskId, SlotOutcome
from tasques.core.service.recurring_service import (
    MAX_PREVIEW,
    RecurringService,
)
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import State, TaskKey
from tasques.testing.faulty import WriteFault
from tests.service.recurring_world import (
    World,
    at,
    change_document,
    definition,
    recurring,
    seconds,
)
from tests.service.test_recurring_service import TERM, R


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def service(world: World) -> RecurringService:
    return RecurringService(world.recurring, TaskService(world.tasks, world.runtime), world.runtime)


# ------------------------------------------------------------------------------- by hand


def test_a_task_made_by_hand_is_no_slot(world: World, service: RecurringService) -> None:
    """It has an id of its own and moves nothing; but it is outstanding. Also while paused."""
    world.add(recurring(skip_if_outstanding_tasks_exist=True).paused(now=at(0)))
    before = world.one()
    made = service.run_now(R).document
    assert (made.state, made.kind, made.recurring_task_id) == (State.QUEUED, "send", "r")
    assert not made.id.startswith("rec-")
    after = world.one()
    assert after.recurrence.launched == (made.key,)
    assert after.recurrence.decided_until == before.recurrence.decided_until
    assert after.recurrence.last_slot is None
    assert after.loaded_at == before.loaded_at


def test_a_task_made_by_hand_is_noted_before_it_is_there(
    world: World, service: RecurringService
) -> None:
    """One that could not be made counts for nothing."""
    world.add(recurring(skip_if_outstanding_tasks_exist=True))
    world.tasks.script = lambda write, number: WriteFault.REJECTED
    with pytest.raises(errors.StoreUnavailable):
        service.run_now(R)
    [noted] = world.one().recurrence.launched or ()
    assert world.tasks.get([noted]) == [Missing()]
    world.tasks.script = lambda write, number: None
    world.server().run(world.runtime, 12)
    assert world.last() is not None
    assert len(world.there()) == 1


def test_a_leader_that_looks_before_the_task_is_there_learns_of_it_all_the_same(
    world: World, service: RecurringService
) -> None:
    """It let go of what it did not find; so it is noted again."""
    world.add(recurring(skip_if_outstanding_tasks_exist=True))

    def fire(writes: Any) -> None:
        world.tasks.before = lambda writes: None
        decision = Decision(slot=at(10), outcome=SlotOutcome.FIRED)
        world.change(lambda task: task.publishing(decision, term=TERM))
        world.change(lambda task: task.fired(task.recurrence.pending, term=TERM))  # type: ignore[arg-type]

    world.tasks.before = fire
    made = service.run_now(R).document
    launched = world.one().recurrence.launched or ()
    assert made.key in launched
    assert len(launched) == 2


def test_a_task_that_cannot_be_noted_again_is_made_nevertheless(
    world: World, service: RecurringService
) -> None:
    """Its caller is told that it is."""
    world.add(recurring())
    world.tasks.after = lambda writes: world.change(lambda task: task.deleted(now=at(0)))
    made = service.run_now(R).document
    assert [task.key for task in world.there()] == [made.key]


def test_a_definition_that_changes_meanwhile_makes_no_difference(
    world: World, service: RecurringService
) -> None:
    """The task is made where it was noted to be."""
    world.add(recurring())

    def change(writes: Any) -> None:
        world.tasks.before = lambda writes: None
        change_document(
            world.recurring.store,
            R,
            lambda task: task.updated(now=at(0), definition=definition(queue="other")),
        )

    world.tasks.before = change
    made = service.run_now(R).document
    assert world.one().recurrence.launched == (TaskKey(made.queue, made.id),)
    assert made.queue == "mail"


# -------------------------------------------------------------------------------- preview


def test_a_preview_is_the_slots_after_now(world: World, service: RecurringService) -> None:
    """As many as are asked for, a hundred at most; as if it were not paused."""
    world.add(recurring().paused(now=at(0)))
    world.runtime.advance(seconds(25))
    assert service.preview(R, 3) == [at(30), at(40), at(50)]
    assert len(service.preview(R, 1000)) == MAX_PREVIEW
    assert service.preview(R, 0) == []
    assert service.preview(R, -1) == []
    assert world.recurring.batches == []


def test_a_preview_says_nothing_that_is_decided(world: World, service: RecurringService) -> None:
    """Where another server's clock is ahead, slots up to there are past."""
    world.add(recurring())
    world.change(
        lambda task: task.leaving_out(Decision(slot=at(30), outcome=SlotOutcome.PAUSED), term=TERM)
    )
    assert service.preview(R, 2) == [at(40), at(50)]


def test_a_schedule_that_ends_has_fewer(world: World, service: RecurringService) -> None:
    """One that never comes has none, and one that is none says so."""
    world.add(recurring("never", every="0 0 30 2 *"))
    assert service.preview(RecurringTaskId("never"), 5) == []
    world.recurring.store.write([Create(document=recurring("bad", every="now and then"))])
    with pytest.raises(errors.InvalidInput, match="now and then"):
        service.preview(RecurringTaskId("bad"), 5)
