"""A store that does what a test tells it to, and tasks to put into it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tasques.adapters.memory.task_store import next_of_listing
from tasques.core import lifecycle
from tasques.core.archive import finished_at
from tasques.core.documents import Stored, Version
from tasques.core.listing import QueueSummary, TaskQuery
from tasques.core.ports import (
    ClaimableQuery,
    Condition,
    Delete,
    Deleted,
    FinishedQuery,
    Missing,
    ReadOutcome,
    StoreTraits,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import NewTask, StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant
from tasques.runtime import ThreadRuntime

START = Instant.parse("2026-01-01T00:00:00Z")
MINUTE = Duration.of_seconds(60)


def make_task(id: str = "t1", queue: str = "mail", **more: Any) -> Task:
    """A queued task that is due at START."""
    new = NewTask(
        queue=QueueName(queue), kind="send", retry_times=2, processing_timeout=MINUTE, **more
    )
    return lifecycle.create(new, id=TaskId(id), now=START)


class ScriptedStore:
    """
    A :class:`~tasques.core.ports.TaskStore` whose answers a test writes.

    Without a script every write succeeds. *script* is asked first: it gets the write and the number
    of this try, and returns an outcome, or None for the ordinary way. What succeeded can be read.
    """

    def __init__(
        self,
        script: Callable[[Write[Task], int], WriteOutcome[Task] | None] = lambda write, number: (
            None
        ),
    ) -> None:
        self.traits = StoreTraits(visibility_lag=Duration.of_seconds(1))
        self.batches: list[list[Write[Task]]] = []
        self.stored: dict[TaskKey, StoredTask] = {}
        self.before_write: Callable[[Sequence[Write[Task]]], None] = lambda writes: None
        self.ready: list[StoredTask] = []
        self.queries: list[ClaimableQuery] = []
        self._script = script
        self._tries = 0
        self._lock = threading.Lock()

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Note the batch, and answer by the script."""
        self.before_write(writes)
        with self._lock:
            self.batches.append(list(writes))
            return [self._answer(write) for write in writes]

    def _answer(self, write: Write[Task]) -> WriteOutcome[Task]:
        self._tries += 1
        scripted = self._script(write, self._tries)
        if scripted is None and isinstance(write, Delete):
            del self.stored[write.document.key]
            return Deleted()
        return scripted if scripted is not None else self.put(write.document)

    def put(self, task: Task) -> Written[Task]:
        """Store *task* whatever there is."""
        known = self.stored.get(task.key)
        version = Version(1, known.version.seq_no + 1 if known else 1)
        self.stored[task.key] = Stored(document=task, version=version)
        return Written(self.stored[task.key])

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """What was stored."""
        return [self.stored.get(key, Missing()) for key in keys]

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """What the test put into ``ready``, for every query."""
        self.queries += queries
        return [list(self.ready) for _ in queries]

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """What was stored and has timed out."""
        over = [s for s in self.stored.values() if lifecycle.has_timed_out(s.document, before)]
        return over[:limit]

    def find_finished(self, query: FinishedQuery) -> Sequence[StoredTask]:
        """What was stored and has been finished for so long."""
        return [
            s
            for s in self.stored.values()
            if s.document.state.is_final and finished_at(s.document) <= query.before
        ][: query.limit]

    def find_expired(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """What was stored, waits, and was to be started by then."""
        over = [
            s
            for s in self.stored.values()
            if s.document.state.is_claimable
            and s.document.extensions.expires_at is not None
            and s.document.extensions.expires_at <= before
        ]
        return over[:limit]

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """Of what was stored."""
        return next_of_listing(query, self.stored.values())

    def queue_names(self) -> frozenset[QueueName]:
        """Of what was stored."""
        return frozenset(key.queue for key in self.stored)

    def summarise(self, *, now: Instant) -> Sequence[QueueSummary]:
        """Nothing."""
        return ()

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        """Of what was stored."""
        return sum(
            not s.document.state.is_final
            for s in self.stored.values()
            if (s.document.queue, s.document.recurring_task_id) == (queue, recurring_task_id)
        )


@pytest.fixture
def store() -> ScriptedStore:
    return ScriptedStore()


class QuickRuntime(ThreadRuntime):
    """
    Threads, but sleeping takes no time: the monotonic clock simply moves on.

    It stands still else, however long a busy machine takes; but what is waited for real passes.

    Attributes:
        now: The wall clock.
        spawns: Whether what is spawned really runs; a test that takes the steps itself says no.
    """

    def __init__(self) -> None:
        self._began = super().monotonic()
        self._slept = 0.0
        self.now = START
        self.spawns = False

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        if self.spawns:
            super().spawn(name, target)

    def wall(self) -> Instant:
        return self.now

    def monotonic(self) -> float:
        return (super().monotonic() if self.spawns else self._began) + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds

    def condition(self, sharing: Condition | None = None) -> Condition:
        condition = super().condition(sharing)
        wait = condition.wait

        def wait_for_real(timeout: float | None = None) -> bool:
            began = super(QuickRuntime, self).monotonic()
            try:
                return wait(timeout)
            finally:
                if not self.spawns:
                    self._slept += super(QuickRuntime, self).monotonic() - began

        condition.wait = wait_for_real  # type: ignore[method-assign]
        return condition


@pytest.fixture
def runtime() -> QuickRuntime:
    return QuickRuntime()
