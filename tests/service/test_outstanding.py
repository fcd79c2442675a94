"""Who wants no second task gets none while the first is not finished."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core import lifecycle
from tasques.core.documents import Version
from tasques.core.ports import Create, Unreadable
from tasques.core.recurring import Decision, Pending, RecurringTask, SlotOutcome
from tests.service.recurring_world import (
    QUEUE,
    Server,
    World,
    at,
    definition,
    noting,
    recurring,
    seconds,
)


@pytest.fixture
def world() -> World:
    return World()


def outstanding_world(world: World, **more: Any) -> Server:
    world.add(recurring(skip_if_outstanding_tasks_exist=True, **more))
    return world.server()


def test_no_second_task_while_one_is_not_finished(world: World) -> None:
    """Known by reading it, not by counting: no search has to have seen it."""
    server = outstanding_world(world)
    world.tasks.store.count_outstanding = None
    server.run(world.runtime, 25)
    assert world.last() == (at(20), SlotOutcome.OUTSTANDING, 0)
    [task] = world.there()
    world.finish(task.key)
    server.run(world.runtime, 10)
    assert len(world.there()) == 2
    assert (server.scheduler.fired, server.scheduler.left_out) == (2, 1)


def test_a_task_that_is_gone_is_not_outstanding(world: World) -> None:
    """It was archived, long ago."""
    server = outstanding_world(world)
    server.run(world.runtime, 12)
    [task] = world.there()
    world.tasks.store._delete(task.key, world.tasks.store.get([task.key])[0].version)
    server.run(world.runtime, 10)
    assert world.last() == (at(20), SlotOutcome.FIRED, 0)


def test_where_nobody_knows_the_tasks_they_are_counted(world: World) -> None:
    """One that an original made counts, until it is finished."""
    task = recurring(skip_if_outstanding_tasks_exist=True)
    world.add(noting(task, launched=None))
    pending = _pending(task)
    made = lifecycle.create(
        pending.definition.task(pending.task_id, task.id), id=pending.task_id, now=at(5)
    )
    world.tasks.store.write([Create(document=made)])
    server = world.server()
    server.run(world.runtime, 12)
    assert world.last() == (at(10), SlotOutcome.OUTSTANDING, 0)
    world.finish(made.key)
    server.run(world.runtime, 10)
    assert world.last() == (at(20), SlotOutcome.FIRED, 0)
    assert world.one().recurrence.launched is not None


def _pending(task: RecurringTask) -> Pending:
    decision = Decision(slot=at(5), outcome=SlotOutcome.FIRED)
    pending = task.publishing(decision, term=Version(1, 1)).recurrence.pending
    assert pending is not None
    return pending


@pytest.mark.parametrize("method", ["get", "count_outstanding"])
def test_while_nobody_can_say_what_is_outstanding_the_slot_waits(world: World, method: str) -> None:
    """It is asked again, at leisure; others are not kept waiting."""
    launched = None if method == "count_outstanding" else ()
    world.add(noting(recurring(skip_if_outstanding_tasks_exist=True), launched=launched))
    world.add(recurring("other"))
    server = world.server()
    server.run(world.runtime, 9)
    if method == "get":
        world.change(
            lambda task: task.having_launched(_pending(task).key).taken_up(
                now=at(9), term=server.election.term() or Version(0, 0)
            )
        )
    world.tasks.is_down = lambda asked: asked == method
    asked = []
    for _ in range(5):
        world.runtime.advance(seconds(1))
        server.lead()
        asked.append(server.scheduler.step())
    assert all(pause >= seconds(0.5) for pause in asked)
    assert [task.recurring_task_id for task in world.there()] == ["other"]
    assert world.one().recurrence.decided_until == at(0)

    world.tasks.is_down = lambda asked: False
    server.run(world.runtime, 2)
    assert world.last() == (at(10), SlotOutcome.FIRED, 0)


def test_a_queue_out_of_reach_hides_no_others(world: World) -> None:
    """Where one cannot be read, each is read for itself."""
    world.add(recurring("a", skip_if_outstanding_tasks_exist=True))
    world.add(
        recurring("b", skip_if_outstanding_tasks_exist=True, definition=definition(queue="gone"))
    )
    server = world.server()
    server.run(world.runtime, 12)
    for task in world.there():
        world.finish(task.key)
    get = world.tasks.store.get

    def partly(keys: Any) -> Any:
        gone = Unreadable("that shard is gone")
        return [gone if key.queue != QUEUE else get([key])[0] for key in keys]

    world.tasks.store.get = partly
    server.run(world.runtime, 10)
    assert world.last("a") == (at(20), SlotOutcome.FIRED, 0)
    assert world.last("b") == (at(10), SlotOutcome.FIRED, 0)
