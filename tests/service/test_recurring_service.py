"""What owners do with their recurring tasks, and what becomes of it in doubt."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tasques.core import errors
from tasques.core.documents import Operation, Version
from tasques.core.ports import Invalid, Malformed, Replace
from tasques.core.recurring import CatchUp, RecurringTaskId
from tasques.core.service.recurring_service import (
    NewRecurringTask,
    RecurringService,
    RecurringTaskChanges,
)
from tasques.core.service.task_service import TaskService
from tasques.testing.faulty import WriteFault
from tests.service.recurring_world import (
    World,
    at,
    definition,
    once,
    recurring,
    seconds,
)

R = RecurringTaskId("r")
TERM = Version(1, 1)
FAULTS = [fault for fault in WriteFault if fault is not WriteFault.BLOCKED]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def service(world: World) -> RecurringService:
    return RecurringService(world.recurring, TaskService(world.tasks, world.runtime), world.runtime)


def new(id: str = "r", expression: str = "@every 10s", **more: Any) -> NewRecurringTask:
    return NewRecurringTask(
        id=RecurringTaskId(id), schedule_expression=expression, definition=definition(), **more
    )


def take_up(world: World) -> None:
    """As the leader does."""
    world.change(lambda task: task.taken_up(now=world.runtime.wall(), term=TERM))


# ------------------------------------------------------------------------- create and read


def test_what_is_created_can_be_read(world: World, service: RecurringService) -> None:
    """As it was asked for, with the expression as it was given."""
    asked = new(
        expression="  0 * * *  * ", skip_if_outstanding_tasks_exist=True, catch_up=CatchUp.ALL
    )
    created = service.create(asked)
    assert service.get(R) == created
    task = created.document
    assert task.schedule_expression == "  0 * * *  * "
    assert task.definition == definition()
    assert task.skip_if_outstanding_tasks_exist
    assert (task.created_at, task.loaded_at) == (at(0), None)
    assert task.recurrence.catch_up is CatchUp.ALL
    assert service.list() == [created]


@pytest.mark.parametrize("expression", ["", "every day", "TZ=UTC", "0 0 * * 7"])
def test_an_expression_that_is_none_is_refused(
    world: World, service: RecurringService, expression: str
) -> None:
    """Before anything is sent, also by an update."""
    with pytest.raises(errors.InvalidInput) as refused:
        service.create(new(expression=expression))
    assert [fault.path for fault in refused.value.faults] == ["schedule_expression"]
    world.add(recurring())
    with pytest.raises(errors.InvalidInput):
        service.update(R, RecurringTaskChanges(schedule_expression=expression))
    assert world.recurring.batches == []


def test_an_id_is_used_once(world: World, service: RecurringService) -> None:
    """Whatever is asked for under it."""
    service.create(new())
    with pytest.raises(errors.RecurringTaskAlreadyExists):
        service.create(new())


def test_an_id_can_be_used_again_after_its_deletion(
    world: World, service: RecurringService
) -> None:
    """And starts anew: another ``created_at``, nothing decided, nothing pending."""
    service.create(new())
    take_up(world)
    service.delete(R)
    world.runtime.advance(seconds(100))
    again = service.create(new(expression="@hourly")).document
    assert again.created_at == at(100)
    assert again.recurrence.decided_until == at(100)
    assert again.recurrence.term is None
    assert service.get(R).document == again


def test_of_two_that_create_again_one_succeeds(world: World, service: RecurringService) -> None:
    """The other is told that the id is in use."""
    world.add(recurring().deleted(now=at(0)))

    def before(writes: Any) -> None:
        if any(isinstance(write, Replace) for write in writes):
            world.recurring.before = lambda writes: None
            service.create(new(expression="@hourly"))

    world.recurring.before = before
    with pytest.raises(errors.RecurringTaskAlreadyExists):
        service.create(new())
    assert world.one().schedule_expression == "@hourly"


def test_a_deleted_one_that_vanishes_meanwhile_is_created(
    world: World, service: RecurringService
) -> None:
    """Somebody removed the index."""
    world.add(recurring().deleted(now=at(0)))

    def before(writes: Any) -> None:
        if any(isinstance(write, Replace) for write in writes):
            world.recurring.store._documents.clear()

    world.recurring.before = before
    assert service.create(new()).document == world.one()


def test_what_the_store_refuses_is_the_callers_fault(
    world: World, service: RecurringService
) -> None:
    """An id of a thousand bytes."""
    world.recurring.script = once(Invalid("too long"))
    with pytest.raises(errors.InvalidInput, match="too long"):
        service.create(new())


def test_what_is_not_there_cannot_be_read_or_changed(
    world: World, service: RecurringService
) -> None:
    """Neither what was never there nor what was deleted."""
    world.add(recurring("deleted").deleted(now=at(0)))
    for id in map(RecurringTaskId, ("never", "deleted")):
        for ask in (
            service.get,
            service.delete,
            service.pause,
            service.resume,
            service.run_now,
            lambda id: service.preview(id, 1),
            lambda id: service.update(id, RecurringTaskChanges()),
        ):
            with pytest.raises(errors.RecurringTaskNotFound):
                ask(id)
    assert service.list() == []
    assert world.recurring.batches == world.tasks.batches == []


def test_a_document_that_is_none_is_said_to_be_so(world: World, service: RecurringService) -> None:
    """By all of them; nothing is written over it."""
    world.recurring.store.get = lambda keys: [Malformed("no queue") for _ in keys]
    world.recurring.script = lambda write, number: WriteFault.CONFLICT
    for ask in (service.get, service.delete, lambda id: service.create(new())):
        with pytest.raises(errors.MalformedRecurringTask, match="no queue"):
            ask(R)


# ------------------------------------------------------------------------------- changes


def test_an_update_answers_what_is_stored(world: World, service: RecurringService) -> None:
    """With the new ``modified_at``, to be taken up; what is not named stays."""
    world.add(recurring())
    take_up(world)
    world.runtime.advance(seconds(5))
    updated = service.update(R, RecurringTaskChanges(schedule_expression="@hourly"))
    assert updated == service.get(R)
    task = updated.document
    assert (task.schedule_expression, task.definition) == ("@hourly", definition())
    assert (task.modified_at, task.loaded_at, task.created_at) == (at(5), None, at(0))
    nothing = service.update(R, RecurringTaskChanges())
    assert attrs.evolve(nothing.document, recurrence=task.recurrence) == task
    assert nothing.version > updated.version


def test_a_deletion_answers_what_was_deleted(world: World, service: RecurringService) -> None:
    """It stays as a tombstone, for the leader to notice."""
    world.add(recurring())
    take_up(world)
    deleted = service.delete(R).document
    assert deleted.is_deleted
    assert deleted.loaded_at is None
    assert world.one() == deleted


def test_pausing_and_resuming_twice_is_no_fault(world: World, service: RecurringService) -> None:
    """The first pause counts; after resuming the next slot is the first after now."""
    world.add(recurring())
    world.runtime.advance(seconds(12))
    service.pause(R)
    world.runtime.advance(seconds(12))
    assert service.pause(R).document.recurrence.paused_at == at(12)
    assert service.resume(R).document.recurrence.decided_until == at(24)
    world.runtime.advance(seconds(12))
    again = service.resume(R).document
    assert not again.is_paused
    assert again.recurrence.decided_until == at(24)


CHANGES = {
    "update": lambda service: service.update(R, RecurringTaskChanges(catch_up=CatchUp.ALL)),
    "delete": lambda service: service.delete(R),
    "pause": lambda service: service.pause(R),
    "resume": lambda service: service.resume(R),
    "run now": lambda service: service.run_now(R),
    "create": lambda service: service.create(new()),
    "create again": lambda service: service.create(new()),
}


def prepare(world: World, change: str) -> None:
    if change == "create again":
        world.add(recurring().deleted(now=at(0)))
    elif change != "create":
        world.add(recurring())


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_overcome(
    world: World, service: RecurringService, fault: WriteFault, number: int, change: str
) -> None:
    """The same is stored as without it."""
    prepare(world, change)
    CHANGES[change](service)
    expected = _without_marks(world)

    troubled = World()
    prepare(troubled, change)
    troubled.recurring.script = once(fault, number)
    in_trouble = RecurringService(
        troubled.recurring, TaskService(troubled.tasks, troubled.runtime), troubled.runtime
    )
    CHANGES[change](in_trouble)
    assert _without_marks(troubled) == expected


def _without_marks(world: World) -> Any:
    task = world.one()
    launched = task.recurrence.launched and len(task.recurrence.launched)
    recurrence = attrs.evolve(
        task.recurrence, operation=None, launched=None, paused_at=None, decided_until=None
    )
    same = attrs.evolve(task, recurrence=recurrence, created_at=at(0), modified_at=at(0))
    return same, launched, task.is_paused


@pytest.mark.parametrize("change", [name for name in CHANGES if "create" not in name])
def test_a_leader_that_was_faster_costs_nothing(
    world: World, service: RecurringService, change: str
) -> None:
    """The change is decided anew on what the leader wrote."""
    world.add(recurring())

    def before(writes: Any) -> None:
        world.recurring.before = lambda writes: None
        take_up(world)

    world.recurring.before = before
    CHANGES[change](service)
    assert world.one().recurrence.term == TERM


def test_a_deletion_that_was_faster_is_what_counts(world: World, service: RecurringService) -> None:
    """There is nothing to change any more."""
    world.add(recurring())
    world.recurring.before = lambda writes: (
        None if world.one().is_deleted else world.change(lambda task: task.deleted(now=at(0)))
    )
    with pytest.raises(errors.RecurringTaskNotFound):
        service.pause(R)


def test_who_loses_every_race_is_told_so(world: World) -> None:
    """After as many as were allowed."""
    world.add(recurring())
    world.recurring.before = lambda writes: take_up(world)
    service = RecurringService(
        world.recurring, TaskService(world.tasks, world.runtime), world.runtime, conflict_retries=3
    )
    with pytest.raises(errors.RecurringTaskConflict):
        service.pause(R)
    assert len(world.recurring.batches) == 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (WriteFault.LOST_REPLY, errors.OutcomeUnknown),
        (WriteFault.LOST_REQUEST, errors.OutcomeUnknown),
        (WriteFault.REJECTED, errors.StoreUnavailable),
        (WriteFault.BLOCKED, errors.StoreBlocked),
    ],
)
def test_what_could_not_be_found_out_is_not_claimed(
    world: World, service: RecurringService, fault: WriteFault, error: type[Exception]
) -> None:
    """Neither that it happened nor that it did not, unless it did not."""
    world.recurring.script = lambda write, number: fault
    world.recurring.is_down = lambda method: True
    with pytest.raises(error):
        service.create(new())
    assert world.runtime.monotonic() <= 10.1


@pytest.mark.parametrize("change", ["delete", "create"])
def test_what_may_have_been_done_is_not_called_refused(
    world: World, service: RecurringService, change: str
) -> None:
    """Written, the answer lost, and written again by the leader before anybody could look."""
    prepare(world, change)
    world.recurring.script = once(WriteFault.LOST_REPLY)

    def after(writes: Any) -> None:
        world.recurring.after = lambda writes: None
        leaders = Operation(token="the leader's", verb="take_up")
        world.change(lambda task: task.taken_up(now=at(0), term=TERM).stamped(leaders))

    world.recurring.after = after
    with pytest.raises(errors.OutcomeUnknown):
        CHANGES[change](service)
