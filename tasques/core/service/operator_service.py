"""
What operators do: see queues and tasks, and end, revive, delay or reorder tasks, one or many.

An operation on many walks the listing of a filter from the oldest on, and changes each task by
compare-and-set on the version that was decided upon, beside any number of workers. One call handles
a page and says where it ended, so that no call takes long, however many tasks there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tasques.core import errors, lifecycle
from tasques.core.documents import Operation
from tasques.core.listing import ListOrder, Position, TaskFilter, TaskQuery
from tasques.core.operations import (
    MAX_PAGE,
    Cancel,
    Delay,
    Expire,
    Outcome,
    Overview,
    Reprioritise,
    Retry,
    Swept,
    TaskOperation,
    TaskOutcome,
)
from tasques.core.ports import ArchiveStore, Replace, Runtime, TaskStore
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settlement, Tried, present, refusal
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant

#: How often a change is decided anew after losing a race against workers.
_TRIES: Final = 20


def _nobody(stored: StoredTask) -> None:
    """Nobody wants to know."""


def _anything(task: Task) -> bool:
    return True


class OperatorService:
    """
    The use cases of operators; beside any number of workers and other operators.

    Args:
        on_waiting: Told of every task that can be claimed because of what was done here.
        patience: How long changes are tried again while the store is in trouble.
    """

    def __init__(
        self,
        store: TaskStore,
        archive: ArchiveStore,
        runtime: Runtime,
        *,
        on_waiting: Callable[[StoredTask], None] = _nobody,
        patience: Duration = Duration.of_seconds(10),
        meter: Meter | None = None,
    ) -> None:
        self._store = store
        self._archive = archive
        self._runtime = runtime
        self._settlement = Settlement(store, runtime, meter)
        self._on_waiting = on_waiting
        self._patience = patience

    # -------------------------------------------------------------------------------- seeing

    def queues(self) -> Overview:
        """
        How every queue stands; as of the store's last refresh.

        Raises:
            StoreUnavailable: If the store is out of reach.
        """
        now = self._runtime.wall()
        return Overview(as_of=now, queues=self._store.summarise(now=now))

    def find(self, query: TaskQuery, *, archived: bool = False) -> Sequence[StoredTask]:
        """
        Tasks of a queue, or those archived from it; as of the store's last refresh.

        Raises:
            StoreUnavailable: If the store is out of reach.
        """
        return self._archive.find_tasks(query) if archived else self._store.find_tasks(query)

    # -------------------------------------------------------------------------------- acting

    def apply(self, operation: TaskOperation, key: TaskKey) -> StoredTask:
        """
        Do it to one task; returns the task as it is then.

        Raises:
            TaskNotFound, IllegalTransition, VersionConflict, MalformedTask, Unavailable: As their
            names say.
        """
        deadline = self._deadline()
        current = present(self._settlement.read(key, deadline=deadline), key)
        return self._settle(operation, self._write(operation, current), deadline)

    def sweep(
        self,
        operation: TaskOperation,
        filter: TaskFilter,
        *,
        after: Position | None = None,
        limit: int = MAX_PAGE,
        dry_run: bool = False,
    ) -> Swept:
        """
        Do it to the next tasks that *filter* means, the oldest first.

        A task that is changed so that the filter means it no more is not met again, one that is
        created meanwhile is met at the end.

        Args:
            after: Where the last call ended.
            limit: Look at so many, at most ``MAX_PAGE``.
            dry_run: Only say what would become of them.

        Raises:
            StoreUnavailable: If the store cannot be searched; nothing was done then.
        """
        limit = min(limit, MAX_PAGE)
        query = TaskQuery(filter=filter, order=ListOrder.OLDEST, after=after, limit=limit)
        found = self._store.find_tasks(query)
        decided = [self._decided(operation, stored) for stored in found]
        if dry_run:
            outcomes = [
                _changed(each.document.key) if isinstance(each, Replace) else each
                for each in decided
            ]
        else:
            outcomes = self._carry_out(operation, filter, decided)
        is_end = len(found) < limit
        return Swept(
            outcomes=tuple(outcomes),
            next=None if is_end else Position.of(found[-1].document),
        )

    def _decided(self, operation: TaskOperation, stored: StoredTask) -> Replace[Task] | TaskOutcome:
        try:
            return self._write(operation, stored)
        except errors.TaskError as error:
            return _outcome(stored.document.key, error)

    def _carry_out(
        self,
        operation: TaskOperation,
        filter: TaskFilter,
        decided: Sequence[Replace[Task] | TaskOutcome],
    ) -> list[TaskOutcome]:
        """Write all together, and follow up each that was not plainly written."""
        writes = [each for each in decided if isinstance(each, Replace)]
        since = self._runtime.monotonic()
        tried = iter(self._store.write(writes) if writes else ())
        deadline = self._deadline()
        outcomes = []
        for each in decided:
            if isinstance(each, TaskOutcome):
                outcomes.append(each)
                continue
            key = each.document.key
            try:
                first = Tried(next(tried), since)
                self._settle(operation, each, deadline, meant=filter.matches, first=first)
            except errors.TasquesError as error:
                outcomes.append(_outcome(key, error))
            else:
                outcomes.append(_changed(key))
        return outcomes

    def _settle(
        self,
        operation: TaskOperation,
        write: Replace[Task],
        deadline: float,
        *,
        meant: Callable[[Task], bool] = _anything,
        first: Tried[Task] | None = None,
    ) -> StoredTask:
        """Follow *write* to its end, deciding anew whenever somebody else was first."""
        key = write.document.key
        doubtful = False
        for _ in range(_TRIES):
            settled = self._settlement.settle(write, deadline=deadline, first=first)
            if not isinstance(settled, Overtaken):
                if settled.document.state.is_claimable:
                    self._on_waiting(settled)
                return settled
            doubtful = doubtful or settled.doubtful
            try:
                current = present(settled.current, key)
                if not meant(current.document):
                    raise errors.TaskNotFound(key.queue, key.id)
                write, first = self._write(operation, current), None
            except errors.TaskError as error:
                raise refusal(error, doubtful=doubtful) from error
        raise errors.VersionConflict(key.id)

    def _write(self, operation: TaskOperation, stored: StoredTask) -> Replace[Task]:
        decided = decide(operation, stored.document, now=self._runtime.wall())
        verb = type(operation).__name__.lower()
        mark = Operation(token=self._runtime.new_id(), verb=verb)
        return Replace(document=decided.stamped(mark), expected=stored.version)

    def _deadline(self) -> float:
        return self._runtime.monotonic() + self._patience.seconds


def decide(operation: TaskOperation, task: Task, *, now: Instant) -> Task:
    """
    *task* after *operation*.

    Raises:
        IllegalTransition: If its state does not allow it.
    """
    match operation:
        case Cancel():
            return lifecycle.cancel(task, now=now)
        case Retry():
            return lifecycle.retry_dead(task, now=now)
        case Expire():
            return lifecycle.expire(task, now=now)
        case Delay():
            return lifecycle.delay(task, run_at=operation.until(now), now=now)
        case Reprioritise(priority=priority):
            return lifecycle.reprioritise(task, priority=priority, now=now)


def _changed(key: TaskKey) -> TaskOutcome:
    return TaskOutcome(key=key, outcome=Outcome.CHANGED)


def _outcome(key: TaskKey, error: errors.TasquesError) -> TaskOutcome:
    match error:
        case errors.TaskNotFound():
            return TaskOutcome(key=key, outcome=Outcome.GONE)
        case errors.IllegalTransition():
            return TaskOutcome(key=key, outcome=Outcome.NOT_POSSIBLE, reason=str(error))
        case _:
            return TaskOutcome(key=key, outcome=Outcome.FAILED, reason=str(error))
