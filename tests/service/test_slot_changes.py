"""Slots that meet a change of their owner's, or a store that refuses their task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from tasques.core.ports import Create, Delete, Invalid
from tasques.core.recurring import RecurringTask, SlotOutcome
from tests.service.recurring_world import (
    World,
    at,
    definition,
    recurring,
)
from tests.service.test_slot_firing import Crash, slots, take_over


@pytest.fixture
def world() -> World:
    return World()


# ------------------------------------------------------------------------- the owner's changes


def test_a_pending_slot_is_completed_as_it_was_published(world: World) -> None:
    """Another definition, another schedule and a pause come too late for it."""
    world.add(recurring())
    _publish_only(world)
    world.change(
        lambda task: task.updated(
            now=at(11),
            schedule_expression="@every 1h",
            definition=definition(queue="other", kind="other"),
        ).paused(now=at(11))
    )
    take_over(world).run(world.runtime, 5)
    [task] = world.there()
    assert (task.queue, task.kind) == ("mail", "send")
    after = world.one().recurrence
    assert (after.pending, after.last_slot and after.last_slot.at) == (None, at(10))
    assert after.decided_until == at(11)


def _publish_only(world: World) -> None:
    """Let a leader publish the slot at 10, and crash."""

    def crash(writes: Any) -> None:
        raise Crash

    server = world.server()
    server.run(world.runtime, 9)
    world.tasks.before = crash
    with pytest.raises(Crash):
        server.run(world.runtime, 1)
    world.tasks.before = lambda writes: None
    assert world.one().recurrence.pending is not None


def test_deleting_gives_a_pending_slot_up(world: World) -> None:
    """Nobody makes its task any more, and nothing is left for anybody to wait for."""
    world.add(recurring())
    _publish_only(world)
    world.change(lambda task: task.deleted(now=at(11)))
    take_over(world).run(world.runtime, 20)
    assert world.there() == []
    assert world.one().recurrence.pending is None


def test_a_deletion_right_before_the_task_is_made_leaves_one_task(world: World) -> None:
    """The leader was faster, and notes it nowhere."""
    world.add(recurring())
    server = world.server()
    server.run(world.runtime, 9)
    world.tasks.before = lambda writes: world.change(lambda task: task.deleted(now=at(10)))
    server.run(world.runtime, 1)
    world.tasks.before = lambda writes: None
    server.run(world.runtime, 30)
    assert len(world.there()) == 1
    assert world.one().is_deleted
    assert world.one().recurrence.pending is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda task: task.paused(now=at(10)), []),
        (lambda task: task.deleted(now=at(10)), []),
        (lambda task: task.updated(now=at(10), schedule_expression="@every 7s"), [14]),
        (lambda task: task.updated(now=at(10), definition=definition(kind="new")), [10]),
    ],
)
def test_a_change_between_decision_and_publication_is_respected(
    world: World, change: Callable[[RecurringTask], RecurringTask], expected: list[int]
) -> None:
    """The publication conflicts, and the slot is decided anew."""
    world.add(recurring())
    server = world.server()
    server.run(world.runtime, 9)
    done: list[int] = []

    def before(writes: Any) -> None:
        if not done and world.runtime.wall() == at(10):
            done.append(1)
            world.change(change)

    world.recurring.before = before
    server.run(world.runtime, 7)
    assert done
    assert slots(world) == expected
    assert all(task.kind == world.one().definition.kind for task in world.there())


def test_who_is_created_again_does_not_meet_the_tasks_of_the_former_life(world: World) -> None:
    """Even for the same slot."""
    world.add(recurring(every="* * * * *"))
    take_over(world).run(world.runtime, 56)
    first = world.there()
    world.change(lambda task: task.deleted(now=at(61)))
    world.change(lambda task: attrs.evolve(recurring(every="* * * * *"), created_at=at(30)))
    take_over(world).run(world.runtime, 2)
    assert len(first) == 1
    assert len(world.there()) == 2


# ------------------------------------------------------------------------------- refusals


def test_a_task_that_the_store_refuses_is_noted_and_blocks_nothing(world: World) -> None:
    """Neither its neighbours nor its own next slots."""
    world.add(recurring("bad"))
    world.add(recurring("good"))
    world.tasks.script = lambda write, number: (
        Invalid("too long") if write.document.recurring_task_id == "bad" else None
    )
    server = world.server()
    server.run(world.runtime, 25)
    assert [task.recurring_task_id for task in world.there()] == ["good", "good"]
    refused = world.one("bad").recurrence
    assert refused.last_slot is not None
    assert (refused.last_slot.outcome, refused.last_slot.task_id) == (SlotOutcome.REFUSED, None)
    assert (refused.decided_until, refused.pending) == (at(20), None)
    assert server.scheduler.fired == 2


def test_nothing_is_ever_deleted(world: World) -> None:
    """A recurring task's tombstone stays, and so do its tasks."""
    world.add(recurring())
    world.server().run(world.runtime, 15)
    assert not any(isinstance(w, Delete) for w in [*world.recurring.sent, *world.tasks.sent])
    assert all(isinstance(w, Create) for w in world.tasks.sent)
