"""What a server needs beside a store, for a store that needs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tasques.adapters.memory.archive_store import MemoryArchiveStore
from tasques.adapters.memory.document_store import (
    MemoryDocumentStore,
    MemoryPolicyStore,
    MemoryRecurringTaskStore,
)
from tasques.adapters.memory.task_store import MemoryTaskStore
from tasques.core.leadership import LeaderLock
from tasques.core.metrics import MetricFamily
from tasques.core.ports import (
    LeaderLockStore,
    Problem,
    RecurringTaskStore,
    Runtime,
    SetupStep,
    TaskStore,
)
from tasques.core.values import Instant


class MemoryBackend:
    """
    A private :class:`~tasques.core.ports.Backend` in memory: nobody else sees its tasks.

    Args:
        runtime: Its lock comes from there; it asks for nothing else.
    """

    url = "memory:"
    is_durable = False

    def __init__(self, runtime: Runtime) -> None:
        self._tasks = MemoryTaskStore(runtime)
        self._recurring_tasks = MemoryRecurringTaskStore(runtime)
        self._leader_locks = MemoryDocumentStore[str, LeaderLock](runtime)
        self._policies = MemoryPolicyStore(runtime)
        self._archive = MemoryArchiveStore(runtime)

    @property
    def tasks(self) -> TaskStore:
        """The store of tasks, the same one each time."""
        return self._tasks

    @property
    def recurring_tasks(self) -> RecurringTaskStore:
        """The store of recurring tasks, the same one each time."""
        return self._recurring_tasks

    @property
    def leader_locks(self) -> LeaderLockStore:
        """The store of leaders' locks, the same one each time."""
        return self._leader_locks

    @property
    def policies(self) -> MemoryPolicyStore:
        """The store of queues' policies, the same one each time."""
        return self._policies

    @property
    def archive(self) -> MemoryArchiveStore:
        """The store of finished tasks, the same one each time."""
        return self._archive

    def check(self) -> Sequence[Problem]:
        """Nothing: memory is there as long as this process is."""
        return ()

    def server_time(self) -> Instant | None:
        """None: it lives by the clock of this process."""
        return None

    def measurements(self) -> Sequence[MetricFamily]:
        """Nothing of its own."""
        return ()

    def setup(self, *, apply: bool, dashboards: bool = False) -> Sequence[SetupStep]:
        """Nothing is ever missing."""
        return ()

    def close(self) -> None:
        """Nothing to give back."""
