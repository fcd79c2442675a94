"""
A recurring task and what may be done to it; pure, as :mod:`tasques.core.lifecycle` is for tasks.

A *slot* is an instant at which a recurring task is due. For each slot one task is made, or it is
recorded why none was: a slot is *decided* once. What keeps it so is the recurring task's own
document, changed by compare-and-set: the leader publishes the slot that it is about to fire
(:class:`Pending`), creates the task, and notes that it is made. The task's id follows from the
recurring task, its ``created_at`` and the slot, so whoever repeats a half-done slot makes no second
task.

What the original does not know lies in :class:`Recurrence`, and is lost when an original leader
rewrites the document. Nobody then knows which slots it fired, so the next leader begins with those
after it took over.

Source: Google's cron, "Site Reliability Engineering", chapter 24: name a launch by job and scheduled
time, and publish it before launching; reliability notes 4.5.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any, Final, NewType, Self

import attrs

from tasques.core.cron import Schedule
from tasques.core.documents import Operation, Stored, Version
from tasques.core.json_object import JsonObject
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import (
    MAX_PRIORITY,
    MAX_RETRY_TIMES,
    MIN_PRIORITY,
    NewTask,
    TaskKey,
)
from tasques.core.values import Duration, Instant

RecurringTaskId = NewType("RecurringTaskId", str)

#: After a pause of a leader as long as can be, so many missed slots are made up for at most.
MAX_CATCH_UP: Final = 100
#: Slots left out are counted up to here.
MAX_COUNTED: Final = 1000
#: Tasks that may be outstanding and are known by their names.
MAX_LAUNCHED: Final = 100


class CatchUp(StrEnum):
    """Which of the slots that came while nobody led are fired."""

    #: None of them: a slot is fired on time or not at all.
    SKIP = "skip"
    #: The latest.
    LAST = "last"
    #: Each, the oldest first; the latest hundred at most.
    ALL = "all"


class SlotOutcome(StrEnum):
    """What became of a slot."""

    FIRED = "fired"
    #: A task made earlier was not finished, and the recurring task wants no second.
    OUTSTANDING = "outstanding"
    #: It came too late.
    MISSED = "missed"
    #: The recurring task was paused.
    PAUSED = "paused"
    #: The store does not accept the task that it defines.
    REFUSED = "refused"


@attrs.frozen(kw_only=True)
class TaskDefinition:
    """
    What the task of each slot is made from.

    Raises:
        ValueError: If a number is out of what documents can hold.
    """

    queue: QueueName
    kind: str = attrs.field(validator=attrs.validators.min_len(1))
    retry_times: int = attrs.field(
        validator=[attrs.validators.ge(0), attrs.validators.le(MAX_RETRY_TIMES)]
    )
    processing_timeout: Duration
    priority: int = attrs.field(
        default=0,
        validator=[attrs.validators.ge(MIN_PRIORITY), attrs.validators.le(MAX_PRIORITY)],
    )
    args: JsonObject | None = None
    context: JsonObject | None = None

    def task(self, id: TaskId, recurring_task_id: RecurringTaskId) -> NewTask:
        """The task to create, due at once."""
        return NewTask(
            id=id,
            queue=self.queue,
            kind=self.kind,
            retry_times=self.retry_times,
            processing_timeout=self.processing_timeout,
            priority=self.priority,
            args=self.args,
            context=self.context,
            recurring_task_id=recurring_task_id,
        )


@attrs.frozen(kw_only=True)
class Slot:
    """
    A slot that is decided.

    Attributes:
        at: The slot.
        task_id: The task made for it; None if none was.
        left_out: So many slots right before it came to nothing; ``MAX_COUNTED`` for as many or more.
    """

    at: Instant
    outcome: SlotOutcome
    task_id: TaskId | None = None
    left_out: int = 0


@attrs.frozen(kw_only=True)
class Pending:
    """
    A slot that is being fired: whoever meets it completes it, with exactly this.

    Attributes:
        definition: As of when the slot was published, however it is changed meanwhile.
    """

    slot: Instant
    task_id: TaskId
    definition: TaskDefinition
    left_out: int = 0

    @property
    def key(self) -> TaskKey:
        """The task to be made."""
        return TaskKey(self.definition.queue, self.task_id)


@attrs.frozen(kw_only=True)
class Recurrence:
    """
    What the original does not know; kept under ``ext``.

    Attributes:
        operation: The write that made this version.
        catch_up: What to do about slots that nobody fired in time.
        paused_at: Since when no slot is fired; None if it is not paused.
        decided_until: All slots up to here are decided; None if nobody knows.
        last_slot: The latest decided slot.
        pending: The slot under way.
        launched: Tasks made and not yet known to be finished, by slots and by hand; None if there may
            be others, or more than are kept.
        term: Of the leader that last wrote here; a leader of a lower term has been replaced.
    """

    operation: Operation | None = None
    catch_up: CatchUp = CatchUp.LAST
    paused_at: Instant | None = None
    decided_until: Instant | None = None
    last_slot: Slot | None = None
    pending: Pending | None = None
    launched: tuple[TaskKey, ...] | None = None
    term: Version | None = None


@attrs.frozen(kw_only=True)
class RecurringTask:
    """
    A schedule, and what to make when it is due.

    Attributes:
        schedule_expression: As it was given.
        skip_if_outstanding_tasks_exist: Fire no slot while a task made earlier is not finished.
        loaded_at: When a leader took up the latest change; None if that is still to come.
    """

    id: RecurringTaskId
    schedule_expression: str
    definition: TaskDefinition
    created_at: Instant
    modified_at: Instant
    skip_if_outstanding_tasks_exist: bool = False
    is_deleted: bool = False
    loaded_at: Instant | None = None
    recurrence: Recurrence = Recurrence()

    @property
    def key(self) -> RecurringTaskId:
        """What names it."""
        return self.id

    @property
    def operation(self) -> Operation | None:
        """The write that made this version."""
        return self.recurrence.operation

    @property
    def approximate_bytes(self) -> int:
        """About what its document takes in the store."""
        size = 1200 + len(self.definition.args or ()) + len(self.definition.context or ())
        return size * 2 if self.recurrence.pending is not None else size

    def stamped(self, operation: Operation) -> Self:
        """This with the mark of the write that is about to make it."""
        return self._noting(operation=operation)

    @property
    def is_paused(self) -> bool:
        """Whether no slot is fired for now."""
        return self.recurrence.paused_at is not None

    def task_id_for(self, slot: Instant) -> TaskId:
        """
        The id of the task of *slot*.

        Made of the id and ``created_at``, so that one deleted and created again under the same id
        does not meet the tasks of its former life.
        """
        named = json.dumps([self.id, str(self.created_at)]).encode()
        digest = hashlib.sha256(named).hexdigest()[:32]
        return TaskId(f"rec-{digest}-{slot.nanoseconds // 10**9}")

    # ------------------------------------------------------------------------ by its owner

    @classmethod
    def new(
        cls,
        id: RecurringTaskId,
        *,
        schedule_expression: str,
        definition: TaskDefinition,
        now: Instant,
        skip_if_outstanding_tasks_exist: bool = False,
        catch_up: CatchUp = CatchUp.LAST,
    ) -> Self:
        """A recurring task as it begins; its first slot is the first after *now*."""
        return cls(
            id=id,
            schedule_expression=schedule_expression,
            definition=definition,
            created_at=now,
            modified_at=now,
            skip_if_outstanding_tasks_exist=skip_if_outstanding_tasks_exist,
            recurrence=Recurrence(catch_up=catch_up, decided_until=now, launched=()),
        )

    def updated(
        self,
        *,
        now: Instant,
        schedule_expression: str | None = None,
        definition: TaskDefinition | None = None,
        skip_if_outstanding_tasks_exist: bool | None = None,
        catch_up: CatchUp | None = None,
    ) -> Self:
        """With what is given changed, to be taken up anew; a new schedule begins after *now*."""
        changed = self._changed_at(now)
        if schedule_expression is not None and schedule_expression != self.schedule_expression:
            changed = attrs.evolve(changed, schedule_expression=schedule_expression)
            changed = changed._beginning_after(now)
        if definition is not None:
            changed = attrs.evolve(changed, definition=definition)
        if skip_if_outstanding_tasks_exist is not None:
            changed = attrs.evolve(
                changed, skip_if_outstanding_tasks_exist=skip_if_outstanding_tasks_exist
            )
        return changed if catch_up is None else changed._noting(catch_up=catch_up)

    def deleted(self, *, now: Instant) -> Self:
        """
        Gone for everybody but the leader, which has to notice.

        A slot under way is given up. Whether its task is made depends on how far the leader was;
        nobody goes on with it, and nothing keeps the task from the archive.
        """
        return attrs.evolve(self._changed_at(now), is_deleted=True)._noting(pending=None)

    def paused(self, *, now: Instant) -> Self:
        """Without firing slots from now on; once paused, this changes nothing but the version."""
        since = self.recurrence.paused_at or now
        return self._changed_at(now)._noting(paused_at=since)

    def resumed(self, *, now: Instant) -> Self:
        """Firing again, from the first slot after *now*."""
        if not self.is_paused:
            return self._changed_at(now)
        return self._changed_at(now)._noting(paused_at=None)._beginning_after(now)

    def having_launched(self, task: TaskKey) -> Self:
        """With *task* made for it, which counts as outstanding until it is finished."""
        launched = self.recurrence.launched
        if launched is None or task in launched:
            return self
        more = (*launched, task)
        return self._noting(launched=more if len(more) <= MAX_LAUNCHED else None)

    def _beginning_after(self, now: Instant) -> Self:
        """With the slots up to *now* decided; those decided already stay so, whatever the clock."""
        return self._noting(decided_until=max(now, self.recurrence.decided_until or now))

    # ----------------------------------------------------------------------- by the leader

    def taken_up(self, *, now: Instant, term: Version) -> Self:
        """As a leader takes it up; where nobody knows what was fired, it begins with *now*."""
        decided_until = self.recurrence.decided_until or now
        return attrs.evolve(self, loaded_at=now, modified_at=now)._noting(
            term=term, decided_until=decided_until
        )

    def publishing(self, decision: Decision, *, term: Version) -> Self:
        """
        With the slot of *decision* under way.

        Whoever wants no second task has just seen that all others are finished; of one that does not
        mind, nobody looked.
        """
        launched: tuple[TaskKey, ...] | None = () if self.skip_if_outstanding_tasks_exist else None
        pending = Pending(
            slot=decision.slot,
            task_id=self.task_id_for(decision.slot),
            definition=self.definition,
            left_out=decision.left_out,
        )
        return self._noting(term=term, pending=pending, launched=launched)

    def fired(self, pending: Pending, *, term: Version, refused: bool = False) -> Self:
        """With that slot decided: its task is made, or *refused* by the store for good."""
        slot = Slot(
            at=pending.slot,
            outcome=SlotOutcome.REFUSED if refused else SlotOutcome.FIRED,
            task_id=None if refused else pending.task_id,
            left_out=pending.left_out,
        )
        decided_until = max(pending.slot, self.recurrence.decided_until or pending.slot)
        changed = self._noting(term=term, pending=None, last_slot=slot, decided_until=decided_until)
        return changed if refused else changed.having_launched(pending.key)

    def leaving_out(self, decision: Decision, *, term: Version) -> Self:
        """With the slot of *decision* decided, to no task."""
        slot = Slot(at=decision.slot, outcome=decision.outcome, left_out=decision.left_out)
        return self._noting(term=term, last_slot=slot, decided_until=decision.slot)

    def is_led_by_another(self, term: Version) -> bool:
        """Whether a leader of a later term than *term* has written here."""
        return self.recurrence.term is not None and self.recurrence.term > term

    def _changed_at(self, now: Instant) -> Self:
        return attrs.evolve(self, modified_at=now, loaded_at=None)

    def _noting(self, **changes: Any) -> Self:
        return attrs.evolve(self, recurrence=attrs.evolve(self.recurrence, **changes))


StoredRecurringTask = Stored[RecurringTask]


@attrs.frozen(kw_only=True)
class Decision:
    """
    What is to be done about the slots that have come.

    Attributes:
        slot: The slot it is about; with it, all slots before it are decided.
        outcome: ``FIRED`` if a task is to be made.
        left_out: So many slots before it come to nothing.
    """

    slot: Instant
    outcome: SlotOutcome
    left_out: int = 0

    @property
    def fires(self) -> bool:
        """Whether a task is to be made."""
        return self.outcome is SlotOutcome.FIRED

    def without_task(self, outcome: SlotOutcome) -> Decision:
        """The same slot, and no task, for a reason that only the store could tell."""
        return attrs.evolve(self, outcome=outcome)


def next_slot(recurring: RecurringTask, schedule: Schedule) -> Instant | None:
    """The first slot that is not decided; None if there is none, or nobody knows where to begin."""
    after = recurring.recurrence.decided_until
    if after is None:
        return None
    return schedule.next_after(after, anchor=recurring.created_at)


def decide(
    recurring: RecurringTask, schedule: Schedule, *, now: Instant, on_time: Duration
) -> Decision | None:
    """
    What to do about the slots up to *now*; None if there are none to decide.

    Args:
        on_time: A slot that is met no later than this is not missed.
    """
    after = recurring.recurrence.decided_until
    if after is None:
        return None
    missed = _slots_back(recurring, schedule, after=after, until=now)
    if not missed:
        return None
    outcome, chosen = SlotOutcome.FIRED, 0
    if recurring.is_paused:
        outcome = SlotOutcome.PAUSED
    elif recurring.recurrence.catch_up is CatchUp.ALL:
        chosen = min(len(missed), MAX_CATCH_UP) - 1
    elif recurring.recurrence.catch_up is CatchUp.SKIP and missed[0].plus(on_time) < now:
        outcome = SlotOutcome.MISSED
    left_out = min(len(missed) - 1 - chosen, MAX_COUNTED)
    return Decision(slot=missed[chosen], outcome=outcome, left_out=left_out)


def _slots_back(
    recurring: RecurringTask, schedule: Schedule, *, after: Instant, until: Instant
) -> list[Instant]:
    """
    The slots after *after* up to *until*, the latest first.

    So many that ``MAX_COUNTED`` are left whichever of the latest ``MAX_CATCH_UP`` is chosen.
    """
    slots: list[Instant] = []
    at: Instant | None = until
    while at is not None and len(slots) < MAX_COUNTED + MAX_CATCH_UP:
        at = schedule.last_until(at, anchor=recurring.created_at)
        if at is None or at <= after:
            break
        slots.append(at)
        at = Instant(at.nanoseconds - 1)
    return slots
