"""Recurring tasks: which slots are fired, left out and remembered."""

from __future__ import annotations

from typing import Any

import attrs

from tasques.core import cron
from tasques.core.documents import Operation, Version
from tasques.core.json_object import JsonObject
from tasques.core.queues import QueueName, TaskId
from tasques.core.recurring import (
    MAX_LAUNCHED,
    CatchUp,
    Decision,
    Pending,
    RecurringTask,
    RecurringTaskId,
    Slot,
    SlotOutcome,
    TaskDefinition,
    decide,
    next_slot,
)
from tasques.core.tasks import NewTask, TaskKey
from tasques.core.values import Duration, Instant
from tasques.testing.examples import NOW, at

SECOND = Duration.of_seconds(1)
ON_TIME = Duration.of_seconds(15)
TERM, LATER_TERM = Version(1, 5), Version(2, 1)
DEFINITION = TaskDefinition(
    queue=QueueName("mail"),
    kind="send",
    retry_times=2,
    processing_timeout=Duration.of_seconds(60),
    priority=3,
    args=JsonObject.of({"a": 1}),
    context=JsonObject.of({"b": 2}),
)


def recurring(every: str = "@every 10s", **more: Any) -> RecurringTask:
    return RecurringTask.new(
        RecurringTaskId("r"),
        schedule_expression=every,
        definition=DEFINITION,
        now=more.pop("now", NOW),
        **more,
    )


def noting(task: RecurringTask, **changes: Any) -> RecurringTask:
    return attrs.evolve(task, recurrence=attrs.evolve(task.recurrence, **changes))


def decision(task: RecurringTask, now: Instant) -> Decision | None:
    schedule = cron.parse(task.schedule_expression)
    return decide(task, schedule, now=now, on_time=ON_TIME)


def key(id: str) -> TaskKey:
    return TaskKey(QueueName("mail"), TaskId(id))


# ------------------------------------------------------------------------------ the life


def test_a_recurring_task_begins_with_the_slot_after_its_creation() -> None:
    """Nothing is made up for, nothing is outstanding, and a leader has to take it up."""
    task = recurring()
    assert next_slot(task, cron.parse("@every 10s")) == at(10)
    assert (task.created_at, task.modified_at, task.loaded_at) == (NOW, NOW, None)
    assert task.recurrence.launched == ()
    assert task.recurrence.catch_up is CatchUp.LAST
    assert not task.is_deleted


def test_a_slot_is_published_with_all_that_it_takes_to_complete_it() -> None:
    """And is not decided before its task is made."""
    task = recurring()
    decided = Decision(slot=at(30), outcome=SlotOutcome.FIRED, left_out=2)
    published = task.publishing(decided, term=TERM)
    pending = Pending(
        slot=at(30), task_id=task.task_id_for(at(30)), definition=DEFINITION, left_out=2
    )
    assert published.recurrence.pending == pending
    assert published.recurrence.decided_until == NOW
    assert published.recurrence.last_slot is None
    assert published.recurrence.term == TERM
    assert pending.key == TaskKey(QueueName("mail"), pending.task_id)

    changed = published.updated(now=at(31), definition=attrs.evolve(DEFINITION, kind="other"))
    fired = changed.fired(pending, term=TERM)
    assert fired.recurrence.pending is None
    assert fired.recurrence.decided_until == at(30)
    assert fired.recurrence.last_slot == Slot(
        at=at(30), outcome=SlotOutcome.FIRED, task_id=pending.task_id, left_out=2
    )


def test_a_refused_slot_is_decided_without_a_task() -> None:
    """Nothing is outstanding because of it."""
    task = recurring(skip_if_outstanding_tasks_exist=True)
    published = task.publishing(Decision(slot=at(10), outcome=SlotOutcome.FIRED), term=TERM)
    assert published.recurrence.pending is not None
    refused = published.fired(published.recurrence.pending, term=TERM, refused=True)
    assert refused.recurrence.last_slot == Slot(at=at(10), outcome=SlotOutcome.REFUSED)
    assert refused.recurrence.launched == ()
    assert refused.recurrence.decided_until == at(10)


def test_a_slot_that_is_left_out_is_decided_at_once() -> None:
    """In one write."""
    left = Decision(slot=at(20), outcome=SlotOutcome.PAUSED, left_out=1)
    task = recurring().leaving_out(left, term=TERM)
    assert task.recurrence.last_slot == Slot(at=at(20), outcome=SlotOutcome.PAUSED, left_out=1)
    assert (task.recurrence.decided_until, task.recurrence.pending) == (at(20), None)
    assert task.recurrence.term == TERM


def test_a_change_of_the_schedule_after_publication_is_not_undone_by_the_note() -> None:
    """Slots of the new schedule begin after the change, however old the slot that was pending."""
    published = recurring().publishing(Decision(slot=at(10), outcome=SlotOutcome.FIRED), term=TERM)
    changed = published.updated(now=at(25), schedule_expression="@every 3s")
    pending = changed.recurrence.pending
    assert pending is not None
    assert changed.fired(pending, term=TERM).recurrence.decided_until == at(25)


def test_what_is_changed_has_to_be_taken_up_anew() -> None:
    """By every operation of the owner's."""
    task = recurring().taken_up(now=at(1), term=TERM)
    assert (task.loaded_at, task.recurrence.term) == (at(1), TERM)
    for changed in (
        task.updated(now=at(2)),
        task.deleted(now=at(2)),
        task.paused(now=at(2)),
        task.resumed(now=at(2)),
    ):
        assert (changed.loaded_at, changed.modified_at) == (None, at(2))
        assert changed.recurrence.term == TERM


def test_an_update_changes_what_it_names() -> None:
    """And nothing else; an expression that stays the same does not begin anew."""
    task = recurring().taken_up(now=at(1), term=TERM)
    again = task.updated(now=at(5), schedule_expression="@every 10s")
    assert again == attrs.evolve(task, modified_at=at(5), loaded_at=None)
    other = attrs.evolve(DEFINITION, kind="other")
    changed = task.updated(
        now=at(5),
        schedule_expression="@hourly",
        definition=other,
        skip_if_outstanding_tasks_exist=True,
        catch_up=CatchUp.ALL,
    )
    assert changed.schedule_expression == "@hourly"
    assert changed.definition == other
    assert changed.skip_if_outstanding_tasks_exist
    assert changed.recurrence.catch_up is CatchUp.ALL
    assert changed.recurrence.decided_until == at(5)


def test_pausing_twice_keeps_the_first_moment_and_resuming_begins_after_now() -> None:
    """What came in between is not made up for, whatever the policy."""
    task = recurring(catch_up=CatchUp.ALL).paused(now=at(15)).paused(now=at(20))
    assert (task.is_paused, task.recurrence.paused_at) == (True, at(15))
    resumed = task.resumed(now=at(75))
    assert not resumed.is_paused
    assert decision(resumed, at(79)) is None
    assert next_slot(resumed, cron.parse("@every 10s")) == at(80)
    assert resumed.resumed(now=at(99)).recurrence == resumed.recurrence


def test_an_owner_whose_clock_is_behind_takes_no_slot_back() -> None:
    """What a leader has decided stays decided."""
    decided = noting(recurring(), decided_until=at(20)).paused(now=at(19))
    assert decided.resumed(now=at(19)).recurrence.decided_until == at(20)
    changed = decided.updated(now=at(19), schedule_expression="@every 5s")
    assert changed.recurrence.decided_until == at(20)


def test_deleting_gives_up_the_slot_under_way() -> None:
    """Else it would be pending for ever, and the archiver would wait for it."""
    task = recurring().publishing(Decision(slot=at(10), outcome=SlotOutcome.FIRED), term=TERM)
    deleted = task.deleted(now=at(11))
    assert deleted.is_deleted
    assert deleted.recurrence.pending is None


def test_who_was_led_by_an_original_begins_with_the_leader_that_takes_over() -> None:
    """Nobody knows what was fired before."""
    task = noting(recurring(), decided_until=None, launched=None)
    assert next_slot(task, cron.parse("@every 10s")) is None
    assert decision(task, at(1000)) is None
    taken = task.taken_up(now=at(25), term=TERM)
    assert next_slot(taken, cron.parse("@every 10s")) == at(30)
    known = noting(recurring(), decided_until=at(7))
    assert known.taken_up(now=at(25), term=TERM).recurrence.decided_until == at(7)


def test_a_later_leader_is_known_by_its_term() -> None:
    """Its own term and earlier ones are no others'."""
    task = recurring()
    assert not task.is_led_by_another(TERM)
    assert not task.taken_up(now=NOW, term=TERM).is_led_by_another(TERM)
    assert not task.taken_up(now=NOW, term=TERM).is_led_by_another(LATER_TERM)
    assert task.taken_up(now=NOW, term=LATER_TERM).is_led_by_another(TERM)


# ---------------------------------------------------------------------------------- tasks


def test_the_task_of_a_slot_is_the_definitions() -> None:
    """All of it, due at once."""
    assert DEFINITION.task(TaskId("t"), RecurringTaskId("r")) == NewTask(
        id=TaskId("t"),
        queue=QueueName("mail"),
        kind="send",
        retry_times=2,
        processing_timeout=Duration.of_seconds(60),
        priority=3,
        args=JsonObject.of({"a": 1}),
        context=JsonObject.of({"b": 2}),
        recurring_task_id="r",
    )


def test_a_task_id_names_the_recurring_task_its_life_and_the_slot() -> None:
    """Whatever else is changed, it stays; and it fits wherever ids fit."""
    task = recurring()
    id = task.task_id_for(at(10))
    assert id.startswith("rec-")
    assert id.endswith(f"-{at(10).nanoseconds // 10**9}")
    assert len(id) < 60
    changed = task.updated(now=at(3), schedule_expression="@hourly").paused(now=at(4))
    assert changed.task_id_for(at(10)) == id
    others = {
        id,
        task.task_id_for(at(11)),
        recurring(now=NOW.plus(Duration(1))).task_id_for(at(10)),
        attrs.evolve(task, id=RecurringTaskId("s")).task_id_for(at(10)),
    }
    assert len(others) == 4


def test_who_wants_no_second_task_knows_those_that_may_be_outstanding() -> None:
    """The slot's alone after a slot, since all others were finished; then those made by hand."""
    task = recurring(skip_if_outstanding_tasks_exist=True).having_launched(key("by-hand"))
    assert task.recurrence.launched == (key("by-hand"),)
    task = task.publishing(Decision(slot=at(10), outcome=SlotOutcome.FIRED), term=TERM)
    assert task.recurrence.launched == ()
    task = task.having_launched(key("meanwhile"))
    assert task.recurrence.pending is not None
    slot_task = task.recurrence.pending.key
    task = task.fired(task.recurrence.pending, term=TERM)
    assert task.recurrence.launched == (key("meanwhile"), slot_task)


def test_who_does_not_mind_knows_nothing_of_outstanding_tasks() -> None:
    """If it begins to mind, they are counted."""
    task = recurring().publishing(Decision(slot=at(10), outcome=SlotOutcome.FIRED), term=TERM)
    assert task.recurrence.pending is not None
    assert task.recurrence.launched is None
    assert task.fired(task.recurrence.pending, term=TERM).recurrence.launched is None
    assert task.having_launched(key("t")).recurrence.launched is None


def test_more_outstanding_tasks_than_are_kept_are_counted() -> None:
    """None is dropped silently, and none is kept twice."""
    task = recurring()
    for number in range(MAX_LAUNCHED):
        task = task.having_launched(key(str(number)))
    assert len(task.recurrence.launched or ()) == MAX_LAUNCHED
    assert task.having_launched(key("0")) == task
    assert task.having_launched(key("more")).recurrence.launched is None


def test_a_recurring_task_is_a_document() -> None:
    """Its size counts the definition twice while a slot is pending."""
    task = recurring()
    operation = Operation(token="t", verb="create")
    assert (task.stamped(operation).operation, task.key) == (operation, "r")
    published = task.publishing(Decision(slot=at(10), outcome=SlotOutcome.FIRED), term=TERM)
    assert published.approximate_bytes == 2 * task.approximate_bytes
