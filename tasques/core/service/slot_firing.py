"""
Decides the slots that have come, and makes their tasks.

For each slot, in this order, each write settled before the next is sent:

1. The slot is published in the recurring task's document (*pending*), by compare-and-set on the
   version that was decided on: a change by its owner or by another leader comes first, and is
   decided on anew.
2. The task is created, under the id that follows from the slot. Already there: somebody was here.
3. The slot is noted as fired.

A leader that finds a slot pending goes on with step 2, with exactly what was published, however the
recurring task was changed meanwhile; only its deletion gives the slot up. So of one slot at most one
task is made, whoever leads and however many believe they do, as long as the task's id is still in
its queue when step 2 is repeated: the archiver keeps tasks of slots for an hour, and while their
slot is pending. Before each send the lease is looked at, which saves work and no more.

Source: reliability notes 4.5; wire contract, section 8.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from tasques.core import errors, lifecycle
from tasques.core.documents import Stored, Version
from tasques.core.ports import Create, Malformed, Runtime, TaskStore, seen
from tasques.core.recurring import (
    Decision,
    Pending,
    RecurringTask,
    RecurringTaskId,
    SlotOutcome,
    StoredRecurringTask,
    decide,
)
from tasques.core.service.agenda import Agenda, Known, LeaderWrites
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settlement
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant

_log = logging.getLogger(__name__)


class SlotFiring:
    """
    Advances recurring tasks by one slot each.

    Args:
        on_time: A slot met no later than this was not missed.
        on_waiting: Told of every task that was made.

    Attributes:
        fired: Tasks made here for slots so far.
        left_out: Slots decided here to no task so far.
    """

    def __init__(
        self,
        agenda: Agenda,
        tasks: TaskStore,
        writes: LeaderWrites,
        runtime: Runtime,
        *,
        on_time: Duration,
        on_waiting: Callable[[StoredTask], None],
        meter: Meter | None = None,
    ) -> None:
        self._agenda = agenda
        self._tasks = tasks
        self._writes = writes
        self._runtime = runtime
        self._on_time = on_time
        self._on_waiting = on_waiting
        self._settlement = Settlement(tasks, runtime, meter)
        self.fired = 0
        self.left_out = 0

    def advance(self, batch: Sequence[Known], now: Instant, term: Version) -> None:
        """
        Decide one slot of each of *batch*, or go on with the one that is pending.

        Args:
            now: By a clock that was found fit to decide. Tasks are dated by it, too: the clock may be
                set wrong meanwhile, and a task that is due hours ahead would wait for them.

        Raises:
            NotLeading: If this server does not lead in *term*, or no longer.
        """
        self._publish(batch, now, term)
        self._complete([known.task.id for known in batch], now, term)

    # ------------------------------------------------------------------------------ deciding

    def _publish(self, batch: Sequence[Known], now: Instant, term: Version) -> None:
        """Decide the slots of *batch*, and write down what was decided."""
        decided: list[tuple[Known, Decision]] = []
        for known in batch:
            if known.pending is not None or known.schedule is None:
                continue
            decision = decide(known.task, known.schedule, now=now, on_time=self._on_time)
            if decision is not None:
                decided.append((known, decision))
        outstanding = self._outstanding(
            [known.task for known, decision in decided if decision.fires]
        )
        changes = []
        for known, decision in decided:
            is_outstanding = outstanding.get(known.task.id, False)
            if is_outstanding is None:
                # Nobody could say. It is read again first, which leaves the store a moment.
                self._agenda.doubt(known.task.id)
                continue
            final = decision.without_task(SlotOutcome.OUTSTANDING) if is_outstanding else decision
            change = known.task.publishing if final.fires else known.task.leaving_out
            changes.append((known.stored, change(final, term=term)))
        written = self._agenda.replace(changes, "slot", term)
        self.left_out += sum(_left_out(task) for task in written)

    def _outstanding(self, tasks: Sequence[RecurringTask]) -> dict[RecurringTaskId, bool | None]:
        """
        Whether those that want no second task have an unfinished one; None where nobody can say.

        By realtime reads of the tasks that were made; where nobody knows which there are, because an
        original led or it was not asked for before, by a count.
        """
        asking = [task for task in tasks if task.skip_if_outstanding_tasks_exist]
        launched = [key for task in asking for key in task.recurrence.launched or ()]
        try:
            unfinished = self._unfinished(launched)
        except errors.StoreUnavailable:
            # One queue may be out of reach, and the others not: each for itself.
            unfinished = None
        return {task.id: self._has_outstanding(task, unfinished) for task in asking}

    def _has_outstanding(
        self, task: RecurringTask, unfinished: Collection[TaskKey] | None
    ) -> bool | None:
        launched = task.recurrence.launched
        try:
            if launched is None:
                return self._tasks.count_outstanding(task.definition.queue, task.id) > 0
            if unfinished is None:
                unfinished = self._unfinished(launched)
        except errors.StoreUnavailable as error:
            _log.warning("the tasks of [%s] cannot be looked at: %s", task.id, error)
            return None
        return any(key in unfinished for key in launched)

    def _unfinished(self, keys: Sequence[TaskKey]) -> Collection[TaskKey]:
        found = seen(self._tasks.get(keys)) if keys else ()
        return {
            current.document.key
            for current in found
            if isinstance(current, Stored) and not current.document.state.is_final
        }

    # -------------------------------------------------------------------------------- making

    def _complete(self, ids: Sequence[RecurringTaskId], now: Instant, term: Version) -> None:
        """Make the tasks of the slots that are pending, and note them as fired."""
        pending: list[tuple[StoredRecurringTask, Pending]] = []
        for id in ids:
            known = self._agenda.get(id)
            if known is not None and known.pending is not None:
                pending.append((known.stored, known.pending))
        refused = self._create_tasks(pending, now, term)
        changes = [
            (stored, stored.document.fired(slot, term=term, refused=refused[stored.document.id]))
            for stored, slot in pending
            if stored.document.id in refused
        ]
        self._agenda.replace(changes, "fired", term)

    def _create_tasks(
        self,
        pending: Sequence[tuple[StoredRecurringTask, Pending]],
        now: Instant,
        term: Version,
    ) -> dict[RecurringTaskId, bool]:
        """
        Make the tasks of *pending*.

        Returns:
            For each recurring task whose task is there now: False; is refused for good: True.
            Those in doubt are left out.
        """
        if not pending:
            return {}
        creates = [self._create(stored.document.id, slot, now) for stored, slot in pending]
        refused: dict[RecurringTaskId, bool] = {}
        settling = self._writes.settle(creates, self._tasks.write, self._settlement, term)
        for (stored, _), made in zip(pending, settling, strict=True):
            id = stored.document.id
            if isinstance(made, errors.InvalidInput):
                _log.error("the task of recurring task [%s] cannot be made: %s", id, made)
                refused[id] = True
            elif isinstance(made, errors.TasquesError):
                _log.warning("the task of recurring task [%s] is not made yet: %s", id, made)
                self._agenda.doubt(id)
            elif isinstance(made, Stored):
                refused[id] = False
                self.fired += 1
                self._on_waiting(made)
            elif self._is_there(made):
                refused[id] = False
            else:
                self._agenda.doubt(id)
        return refused

    def _is_there(self, made: Overtaken[Task]) -> bool:
        """
        Whether the task that another try made is there to stay, or its id in use by what is none.

        It was read, and a read may show what a failover discards: so it is written over itself.
        """
        if not isinstance(made.current, Stored):
            return isinstance(made.current, Malformed)
        try:
            # One try: the slot stays pending, and the next round asks again.
            at = self._runtime.monotonic()
            return isinstance(self._settlement.confirm(made.current, deadline=at), Stored)
        except errors.TasquesError:
            return False

    def _create(self, id: RecurringTaskId, slot: Pending, now: Instant) -> Create[Task]:
        new = slot.definition.task(slot.task_id, id)
        task = lifecycle.create(new, id=slot.task_id, now=now)
        return Create(document=task.stamped(self._writes.operation("create")))


def _left_out(task: RecurringTask) -> int:
    """The slots that the decision just written leaves without a task."""
    if task.recurrence.pending is not None:
        return task.recurrence.pending.left_out
    return task.recurrence.last_slot.left_out + 1 if task.recurrence.last_slot is not None else 0
