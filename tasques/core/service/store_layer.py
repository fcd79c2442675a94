"""A store of tasks that hands on everything to another; what layers of a store begin with."""

from __future__ import annotations

from collections.abc import Sequence

from tasques.core.listing import QueueSummary, TaskQuery
from tasques.core.ports import (
    ClaimableQuery,
    FinishedQuery,
    ReadOutcome,
    StoreTraits,
    TaskStore,
    Write,
    WriteOutcome,
)
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Instant


class StoreLayer:
    """A :class:`~tasques.core.ports.TaskStore` over another; a layer overrides what it is about."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    @property
    def traits(self) -> StoreTraits:
        """The store's."""
        return self._store.traits

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """The store's."""
        return self._store.write(writes)

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """The store's."""
        return self._store.get(keys)

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """The store's."""
        return self._store.find_claimable(queries)

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """The store's."""
        return self._store.find_timed_out(before=before, limit=limit)

    def find_finished(self, query: FinishedQuery) -> Sequence[StoredTask]:
        """The store's."""
        return self._store.find_finished(query)

    def find_expired(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """The store's."""
        return self._store.find_expired(before=before, limit=limit)

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """The store's."""
        return self._store.find_tasks(query)

    def queue_names(self) -> frozenset[QueueName]:
        """The store's."""
        return self._store.queue_names()

    def summarise(self, *, now: Instant) -> Sequence[QueueSummary]:
        """The store's."""
        return self._store.summarise(now=now)

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        """The store's."""
        return self._store.count_outstanding(queue, recurring_task_id)
