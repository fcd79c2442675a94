"""
Recurring tasks for those who own them: create, read, change, delete, pause, run by hand.

Each change is a compare-and-set on the recurring task's own document, decided anew when another
write came first; the leader, who writes there too, takes it up from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Final

import attrs

from tasques.core import cron, errors
from tasques.core.cron import Schedule
from tasques.core.documents import Operation, Version
from tasques.core.ports import (
    Create,
    Malformed,
    Missing,
    RecurringTaskStore,
    Replace,
    Runtime,
    Seen,
)
from tasques.core.queues import TaskId
from tasques.core.recurring import (
    CatchUp,
    RecurringTask,
    RecurringTaskId,
    StoredRecurringTask,
    TaskDefinition,
)
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settlement, refusal
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import StoredTask, TaskKey
from tasques.core.values import Duration, Instant

_log = logging.getLogger(__name__)

#: So many instants are previewed at most.
MAX_PREVIEW: Final = 100


@attrs.frozen(kw_only=True)
class NewRecurringTask:
    """What an owner asks for."""

    id: RecurringTaskId
    schedule_expression: str
    definition: TaskDefinition
    skip_if_outstanding_tasks_exist: bool = False
    catch_up: CatchUp = CatchUp.LAST


@attrs.frozen(kw_only=True)
class RecurringTaskChanges:
    """What an owner wants to be different; None leaves it as it is."""

    schedule_expression: str | None = None
    definition: TaskDefinition | None = None
    skip_if_outstanding_tasks_exist: bool | None = None
    catch_up: CatchUp | None = None


class RecurringService:
    """
    The use cases of one recurring task.

    Args:
        tasks: Makes the tasks that are run by hand.
        conflict_retries: How often a change is decided anew after losing a race.
        patience: How long a change is tried again while the store is in trouble.
        local: What the time zone ``Local`` means in an expression; None for UTC.
    """

    def __init__(
        self,
        store: RecurringTaskStore,
        tasks: TaskService,
        runtime: Runtime,
        *,
        conflict_retries: int = 500,
        patience: Duration = Duration.of_seconds(10),
        local: tzinfo | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._runtime = runtime
        self._settlement = Settlement(store, runtime, meter)
        self._conflict_retries = conflict_retries
        self._patience = patience
        self._local = local

    def create(self, new: NewRecurringTask) -> StoredRecurringTask:
        """
        Store a new recurring task; its first slot is the first after now.

        The id of a deleted one may be used again, and starts anew.

        Raises:
            InvalidInput: If the expression is none, or the store cannot hold the task.
            RecurringTaskAlreadyExists: If the id is in use.
            Unavailable: If it could not be done, or not be known to be done, in time.
        """
        self._parsed(new.schedule_expression)
        task = RecurringTask.new(
            new.id,
            schedule_expression=new.schedule_expression,
            definition=new.definition,
            skip_if_outstanding_tasks_exist=new.skip_if_outstanding_tasks_exist,
            catch_up=new.catch_up,
            now=self._runtime.wall(),
        )
        deadline = self._deadline()
        over: Version | None = None
        while True:
            stamped = task.stamped(self._operation("create"))
            write = (
                Create(document=stamped)
                if over is None
                else Replace(document=stamped, expected=over)
            )
            settled = self._settlement.settle(write, deadline=deadline)
            if not isinstance(settled, Overtaken):
                return settled
            over = self._replaceable(settled, task)

    def _replaceable(
        self, overtaken: Overtaken[RecurringTask], task: RecurringTask
    ) -> Version | None:
        """The version that *task* may be created over; None if there is nothing."""
        current = overtaken.current
        if isinstance(current, Malformed):
            raise errors.MalformedRecurringTask(task.id, current.reason)
        if isinstance(current, Missing):
            return None
        if not current.document.is_deleted:
            error = errors.RecurringTaskAlreadyExists(task.id)
            raise refusal(error, doubtful=overtaken.doubtful)
        return current.version

    def get(self, id: RecurringTaskId) -> StoredRecurringTask:
        """
        The recurring task as of the last write.

        Raises:
            RecurringTaskNotFound: If there is none, or it was deleted.
            MalformedRecurringTask: If the document is none.
            StoreUnavailable: If the store is out of reach.
        """
        return self._read(id, self._runtime.monotonic())

    def list(self) -> Sequence[StoredRecurringTask]:
        """
        All that are not deleted, sorted by id; as of the last write.

        Raises:
            StoreUnavailable: If the store is out of reach.
        """
        return self._store.find_all()

    def update(self, id: RecurringTaskId, changes: RecurringTaskChanges) -> StoredRecurringTask:
        """
        Change what *changes* names; a changed expression begins with the slots after now.

        Raises:
            InvalidInput, RecurringTaskNotFound, RecurringTaskConflict, MalformedRecurringTask,
            Unavailable: As their names say.
        """
        if changes.schedule_expression is not None:
            self._parsed(changes.schedule_expression)
        return self._change(
            id,
            "update",
            lambda task, now: task.updated(
                now=now,
                schedule_expression=changes.schedule_expression,
                definition=changes.definition,
                skip_if_outstanding_tasks_exist=changes.skip_if_outstanding_tasks_exist,
                catch_up=changes.catch_up,
            ),
        )

    def delete(self, id: RecurringTaskId) -> StoredRecurringTask:
        """
        Delete, and give what was deleted.

        Raises:
            RecurringTaskNotFound, RecurringTaskConflict, MalformedRecurringTask, Unavailable: As
            their names say.
        """
        return self._change(id, "delete", lambda task, now: task.deleted(now=now))

    def pause(self, id: RecurringTaskId) -> StoredRecurringTask:
        """
        Fire no more slots until it is resumed; doing it twice is no fault.

        Raises:
            RecurringTaskNotFound, RecurringTaskConflict, MalformedRecurringTask, Unavailable: As
            their names say.
        """
        return self._change(id, "pause", lambda task, now: task.paused(now=now))

    def resume(self, id: RecurringTaskId) -> StoredRecurringTask:
        """
        Fire slots again, from the first after now; doing it twice is no fault.

        Raises:
            RecurringTaskNotFound, RecurringTaskConflict, MalformedRecurringTask, Unavailable: As
            their names say.
        """
        return self._change(id, "resume", lambda task, now: task.resumed(now=now))

    def run_now(self, id: RecurringTaskId) -> StoredTask:
        """
        Make a task of the definition now, beside the schedule; also while paused.

        Raises:
            RecurringTaskNotFound, RecurringTaskConflict, MalformedRecurringTask, InvalidInput,
            Unavailable: As their names say.
        """
        task_id = TaskId(self._runtime.new_id())
        # Noted first: a task that is noted and missing counts for nothing, but one that is there
        # and not noted would let a slot fire beside it.
        noted = self._note(id, task_id)
        created = self._tasks.create(noted.document.definition.task(task_id, id))
        self._note_again(noted.document, created.document.key)
        return created

    def _note(self, id: RecurringTaskId, task_id: TaskId) -> StoredRecurringTask:
        return self._change(
            id,
            "run_now",
            lambda task, now: task.having_launched(TaskKey(task.definition.queue, task_id)),
        )

    def _note_again(self, noted: RecurringTask, made: TaskKey) -> None:
        """Note *made* again if a leader did not find it, and let it go, before it was there."""
        try:
            task = self.get(noted.id).document
            launched = task.recurrence.launched
            is_same = task.created_at == noted.created_at and task.definition.queue == made.queue
            if is_same and launched is not None and made not in launched:
                self._note(noted.id, made.id)
        except (errors.RecurringTaskError, errors.Unavailable) as error:
            # The task is made, and its caller is to know; a slot may fire beside it.
            _log.warning("task [%s] could not be noted to be outstanding: %s", made.id, error)

    def preview(self, id: RecurringTaskId, count: int) -> Sequence[Instant]:
        """
        The next *count* slots, at most ``MAX_PREVIEW``; fewer if the schedule ends.

        As if it were not paused, and nothing outstanding.

        Raises:
            RecurringTaskNotFound, MalformedRecurringTask, StoreUnavailable: As their names say.
            InvalidInput: If the stored expression is none.
        """
        task = self.get(id).document
        schedule = self._parsed(task.schedule_expression)
        slots: list[Instant] = []
        at: Instant | None = max(
            self._runtime.wall(), task.recurrence.decided_until or task.created_at
        )
        while at is not None and len(slots) < min(count, MAX_PREVIEW):
            at = schedule.next_after(at, anchor=task.created_at)
            if at is not None:
                slots.append(at)
        return slots

    def _parsed(self, expression: str) -> Schedule:
        try:
            return cron.parse(expression, local=self._local)
        except cron.InvalidSchedule as error:
            fault = errors.Fault("schedule_expression", "scheduleExpression", str(error))
            raise errors.InvalidInput([fault]) from error

    def _change(
        self,
        id: RecurringTaskId,
        verb: str,
        decide: Callable[[RecurringTask, Instant], RecurringTask],
    ) -> StoredRecurringTask:
        deadline = self._deadline()
        current = self._read(id, deadline)
        doubtful = False
        for _ in range(self._conflict_retries + 1):
            changed = decide(current.document, self._runtime.wall())
            write = Replace(
                document=changed.stamped(self._operation(verb)), expected=current.version
            )
            settled = self._settlement.settle(write, deadline=deadline)
            if not isinstance(settled, Overtaken):
                return settled
            doubtful = doubtful or settled.doubtful
            try:
                current = _present(settled.current, id)
            except errors.RecurringTaskError as error:
                raise refusal(error, doubtful=doubtful) from error
        raise errors.RecurringTaskConflict(id)

    def _read(self, id: RecurringTaskId, deadline: float) -> StoredRecurringTask:
        return _present(self._settlement.read(id, deadline=deadline), id)

    def _operation(self, verb: str) -> Operation:
        return Operation(token=self._runtime.new_id(), verb=verb)

    def _deadline(self) -> float:
        return self._runtime.monotonic() + self._patience.seconds


def _present(current: Seen[RecurringTask], id: RecurringTaskId) -> StoredRecurringTask:
    if isinstance(current, Malformed):
        raise errors.MalformedRecurringTask(id, current.reason)
    if isinstance(current, Missing) or current.document.is_deleted:
        raise errors.RecurringTaskNotFound(id)
    return current
