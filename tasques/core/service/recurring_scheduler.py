"""
Fires the slots of recurring tasks, on the server that leads.

For each slot, in this order, each write settled before the next is sent:

1. The slot is published in the recurring task's document (*pending*), by compare-and-set on the
   version that was decided on: a change by its owner or by another leader comes first, and is
   decided on anew.
2. The task is created, under the id that follows from the slot. Already there: somebody was here.
3. The slot is noted as fired.

A leader that finds a slot pending goes on with step 2, with exactly what was published. So of one
slot at most one task is made, whoever leads and however many believe they do, as long as the task's
id is still in its queue when step 2 is repeated: the archiver keeps tasks of slots for an hour, and
while their slot is pending. Before each send the lease is looked at, which saves work and no more.

Recurring tasks are advanced together, a batch for each step, since many are due at full minutes.

Source: reliability notes 4.5; wire contract, section 8.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Final, TypeVar

import attrs

from tasques.core import cron, errors, lifecycle
from tasques.core.cron import Schedule
from tasques.core.documents import Operation, Stored, Version
from tasques.core.ports import Create, RecurringTaskStore, Replace, Runtime, TaskStore
from tasques.core.recurring import (
    Decision,
    Pending,
    RecurringTask,
    RecurringTaskId,
    SlotOutcome,
    StoredRecurringTask,
    decide,
    next_slot,
)
from tasques.core.service.election import Election, NotLeading
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settlement
from tasques.core.tasks import StoredTask
from tasques.core.values import ZERO, Duration, Instant

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: So many recurring tasks are advanced together.
_BATCH: Final = 100
#: A server that does not lead looks so often whether it does by now; one that leads, whether a
#: slot has come.
_GLANCE: Final = Duration.of_seconds(1)


@attrs.frozen(kw_only=True)
class SchedulerOptions:
    """
    How often, and what counts as too late.

    Attributes:
        sync_interval: Between looks for recurring tasks that were changed.
        enforce_interval: Between looks at all of them.
        on_time: A slot met no later than this was not missed.
        patience: How long a write is followed up while the store is in trouble.
    """

    sync_interval: Duration = Duration.of_seconds(5)
    enforce_interval: Duration = Duration.of_seconds(60)
    on_time: Duration = Duration.of_seconds(15)
    patience: Duration = Duration.of_seconds(2)


@attrs.frozen(kw_only=True)
class _Known:
    """
    A recurring task as this leader last wrote or read it.

    Attributes:
        schedule: None if its expression is none.
        next_at: When to look at it again; None if no slot will come.
    """

    stored: StoredRecurringTask
    schedule: Schedule | None
    next_at: Instant | None


def _nobody(stored: StoredTask) -> None:
    """Nobody wants to know."""


class RecurringScheduler:
    """
    Takes up changes and fires what is due, at each :meth:`step`.

    Args:
        gate: Raises an :class:`~tasques.core.errors.Unavailable` while the clock may not decide.
        on_waiting: Told of every task that was made.
        local: What the time zone ``Local`` means in an expression; None for UTC.

    Attributes:
        fired: Tasks made here for slots so far.
        left_out: Slots decided here to no task so far.
    """

    def __init__(
        self,
        store: RecurringTaskStore,
        tasks: TaskStore,
        election: Election,
        runtime: Runtime,
        *,
        options: SchedulerOptions = SchedulerOptions(),
        gate: Callable[[], None] = lambda: None,
        on_waiting: Callable[[StoredTask], None] = _nobody,
        local: tzinfo | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._election = election
        self._runtime = runtime
        self._options = options
        self._gate = gate
        self._on_waiting = on_waiting
        self._local = local
        self._settlement = Settlement(store, runtime, meter)
        self._task_settlement = Settlement(tasks, runtime, meter)
        self._term: Version | None = None
        self._known: dict[RecurringTaskId, _Known] = {}
        # What was written, and nobody knows whether; to be read before anything else.
        self._doubtful: dict[RecurringTaskId, None] = {}
        self._sync_at = self._enforce_at = 0.0
        self.fired = 0
        self.left_out = 0

    def step(self) -> Duration:
        """
        Do what is due, if this server leads; returns when to do so again.

        Raises:
            Unavailable: If the clock may not decide, or the store cannot be read.
        """
        term = self._election.term()
        if term is None:
            self._forget()
            return _GLANCE
        self._gate()
        try:
            return self._lead(term)
        except NotLeading:
            self._forget()
            return _GLANCE

    def _lead(self, term: Version) -> Duration:
        now = self._runtime.monotonic()
        if term != self._term:
            self._forget()
        if self._term is None or now >= self._enforce_at:
            self._load_all(term)
        elif now >= self._sync_at:
            self._load_changed(term)
        self._reread(term)
        return self._fire_due(term)

    def _forget(self) -> None:
        self._term = None
        self._known.clear()
        self._doubtful.clear()

    # ----------------------------------------------------------------------- taking up changes

    def _load_all(self, term: Version) -> None:
        found = self._store.find_all()
        there = {stored.document.id for stored in found}
        for id in [id for id in self._known if id not in there]:
            del self._known[id]
        self._take_up(found, term)
        self._load_changed(term)
        self._term = term
        self._enforce_at = self._runtime.monotonic() + self._options.enforce_interval.seconds

    def _load_changed(self, term: Version) -> None:
        # A search: what it shows may have moved since, and what it misses is seen the next time.
        self._take_up(self._store.find_changed(), term)
        self._sync_at = self._runtime.monotonic() + self._options.sync_interval.seconds

    def _reread(self, term: Version) -> None:
        """Look at those whose last write is in doubt."""
        doubtful, self._doubtful = list(self._doubtful), {}
        for ids in _batches(doubtful):
            found = self._store.get(ids)
            self._take_up([current for current in found if isinstance(current, Stored)], term)

    def _take_up(self, found: Iterable[StoredRecurringTask], term: Version) -> None:
        """
        Know *found*, and mark as taken up in *term* what is not.

        The mark is a write to every document, by which a new leader makes whatever a former one has
        under way conflict.
        """
        newer = [stored for stored in found if not self._knows_better(stored)]
        marked = []
        for stored in newer:
            task = stored.document
            if task.is_led_by_another(term):
                raise NotLeading("a later leader has written to a recurring task")
            if task.loaded_at is None or task.recurrence.term != term:
                marked.append((stored, task.taken_up(now=self._runtime.wall(), term=term)))
            else:
                self._learn(stored)
        for batch in _batches(marked):
            self._replace(batch, "take_up", term)

    def _knows_better(self, stored: StoredRecurringTask) -> bool:
        known = self._known.get(stored.document.id)
        return known is not None and known.stored.version >= stored.version

    def _learn(self, stored: StoredRecurringTask) -> None:
        task = stored.document
        if task.is_deleted:
            self._known.pop(task.id, None)
            return
        known = self._known.get(task.id)
        if known is not None and _same_schedule(known.stored.document, task):
            schedule = known.schedule
        else:
            schedule = self._parsed(task)
        next_at = None if schedule is None else next_slot(task, schedule)
        self._known[task.id] = _Known(stored=stored, schedule=schedule, next_at=next_at)

    def _parsed(self, task: RecurringTask) -> Schedule | None:
        try:
            return cron.parse(task.schedule_expression, local=self._local)
        except cron.InvalidSchedule as error:
            _log.error("the recurring task [%s] never fires: %s", task.id, error)
            return None

    # ------------------------------------------------------------------------------- slots

    def _fire_due(self, term: Version) -> Duration:
        """Advance what is due by one slot each; returns when there is more to do."""
        now = self._runtime.wall()
        due = [known for known in self._known.values() if _is_due(known, now)]
        for batch in _batches(due):
            self._publish(batch, now, term)
            self._complete([known.stored.document.id for known in batch], term)
        now = self._runtime.wall()
        slots = [known.next_at for known in self._known.values() if known.next_at is not None]
        return max(ZERO, min([_GLANCE, *(slot.since(now) for slot in slots)]))

    def _publish(self, batch: Sequence[_Known], now: Instant, term: Version) -> None:
        """Decide the slots of *batch*, and write down what was decided."""
        decided: list[tuple[_Known, Decision]] = []
        for known in batch:
            task, schedule = known.stored.document, known.schedule
            if task.recurrence.pending is not None or schedule is None:
                continue
            decision = decide(task, schedule, now=now, on_time=self._options.on_time)
            if decision is not None:
                decided.append((known, decision))
        outstanding = self._outstanding([known for known, decision in decided if decision.fires])
        changes = []
        for known, decision in decided:
            task = known.stored.document
            if not decision.fires:
                changed = task.leaving_out(decision, term=term)
            elif (is_outstanding := outstanding.get(task.id, False)) is None:
                continue  # Nobody could say; it is asked again in the next round.
            elif is_outstanding:
                skipped = decision.without_task(SlotOutcome.OUTSTANDING)
                changed = task.leaving_out(skipped, term=term)
            else:
                changed = task.publishing(decision, term=term)
            changes.append((known.stored, changed))
        written = self._replace(changes, "slot", term)
        self.left_out += sum(task.recurrence.pending is None for task in written)

    def _outstanding(self, batch: Sequence[_Known]) -> dict[RecurringTaskId, bool | None]:
        """
        Whether those that want no second task have an unfinished one; None where nobody can say.

        By realtime reads of the tasks that were made; where nobody knows which there are, because an
        original led or it was not asked for before, by a count.
        """
        found: dict[RecurringTaskId, bool | None] = {}
        for known in batch:
            task = known.stored.document
            if task.skip_if_outstanding_tasks_exist:
                try:
                    found[task.id] = self._has_outstanding(task)
                except errors.StoreUnavailable as error:
                    _log.warning("the tasks of [%s] cannot be looked at: %s", task.id, error)
                    found[task.id] = None
        return found

    def _has_outstanding(self, task: RecurringTask) -> bool:
        launched = task.recurrence.launched
        if launched is None:
            return self._tasks.count_outstanding(task.definition.queue, task.id) > 0
        found = self._tasks.get(launched) if launched else ()
        return any(
            isinstance(current, Stored) and not current.document.state.is_final for current in found
        )

    def _complete(self, ids: Sequence[RecurringTaskId], term: Version) -> None:
        """Make the tasks of the slots that are pending, and note them as fired."""
        pending: list[tuple[StoredRecurringTask, Pending]] = []
        for id in ids:
            known = self._known.get(id)
            if known is not None and known.stored.document.recurrence.pending is not None:
                pending.append((known.stored, known.stored.document.recurrence.pending))
        refused = self._create_tasks(pending, term)
        changes = [
            (stored, stored.document.fired(slot, term=term, refused=refused[stored.document.id]))
            for stored, slot in pending
            if stored.document.id in refused
        ]
        self._replace(changes, "fired", term)

    def _create_tasks(
        self, pending: Sequence[tuple[StoredRecurringTask, Pending]], term: Version
    ) -> dict[RecurringTaskId, bool]:
        """
        Make the tasks of *pending*.

        Returns:
            For each recurring task whose task is there now: False; is refused for good: True.
            Those in doubt are left out.
        """
        if not pending:
            return {}
        creates = [
            Create(
                document=lifecycle.create(
                    slot.definition.task(slot.task_id, stored.document.id),
                    id=slot.task_id,
                    now=self._runtime.wall(),
                ).stamped(self._operation("create"))
            )
            for stored, slot in pending
        ]
        self._election.ensure_leading(term)
        outcomes = self._tasks.write(creates)
        deadline = self._deadline()
        refused: dict[RecurringTaskId, bool] = {}
        for (stored, _), create, outcome in zip(pending, creates, outcomes, strict=True):
            id = stored.document.id
            try:
                made = self._task_settlement.settle(create, deadline=deadline, first=outcome)
            except errors.InvalidInput as error:
                _log.error("the task of recurring task [%s] cannot be made: %s", id, error)
                refused[id] = True
            except errors.Unavailable as error:
                _log.warning("the task of recurring task [%s] is not made yet: %s", id, error)
                self._doubt(id)
            else:
                refused[id] = False
                if not isinstance(made, Overtaken):
                    self.fired += 1
                    self._on_waiting(made)
        return refused

    # ------------------------------------------------------------------------------ writing

    def _replace(
        self, changes: Sequence[tuple[StoredRecurringTask, RecurringTask]], verb: str, term: Version
    ) -> list[RecurringTask]:
        """Write *changes*, and know what came of them; returns those that were written."""
        if not changes:
            return []
        writes = [
            Replace(document=changed.stamped(self._operation(verb)), expected=stored.version)
            for stored, changed in changes
        ]
        self._election.ensure_leading(term)
        outcomes = self._store.write(writes)
        deadline = self._deadline()
        written = []
        for write, outcome in zip(writes, outcomes, strict=True):
            id = write.document.id
            try:
                settled = self._settlement.settle(write, deadline=deadline, first=outcome)
            except (errors.Unavailable, errors.InvalidInput) as error:
                _log.warning("the recurring task [%s] could not be written: %s", id, error)
                self._doubt(id)
                continue
            if isinstance(settled, Overtaken):
                # By its owner, as a rule: it is read again, and decided on anew.
                self._doubt(id)
            else:
                written.append(settled.document)
                self._learn(settled)
        return written

    def _doubt(self, id: RecurringTaskId) -> None:
        self._known.pop(id, None)
        self._doubtful[id] = None

    def _operation(self, verb: str) -> Operation:
        return Operation(token=self._runtime.new_id(), verb=verb)

    def _deadline(self) -> float:
        return self._runtime.monotonic() + self._options.patience.seconds


def _is_due(known: _Known, now: Instant) -> bool:
    if known.stored.document.recurrence.pending is not None:
        return True
    return known.next_at is not None and known.next_at <= now


def _same_schedule(one: RecurringTask, other: RecurringTask) -> bool:
    return one.schedule_expression == other.schedule_expression


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
