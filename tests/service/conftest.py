"""A store that does what a test tells it to, and tasks to put into it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tasques.core import lifecycle
from tasques.core.ports import (
    ClaimableQuery,
    Missing,
    ReadOutcome,
    StoreTraits,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import NewTask, StoredTask, Task, TaskKey, Version
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
        self, script: Callable[[Write, int], WriteOutcome | None] = lambda write, number: None
    ) -> None:
        self.traits = StoreTraits(visibility_lag=Duration.of_seconds(1))
        self.batches: list[list[Write]] = []
        self.stored: dict[TaskKey, StoredTask] = {}
        self.before_write: Callable[[Sequence[Write]], None] = lambda writes: None
        self.ready: list[StoredTask] = []
        self.queries: list[ClaimableQuery] = []
        self._script = script
        self._tries = 0
        self._lock = threading.Lock()

    def write(self, writes: Sequence[Write]) -> Sequence[WriteOutcome]:
        """Note the batch, and answer by the script."""
        self.before_write(writes)
        with self._lock:
            self.batches.append(list(writes))
            return [self._answer(write) for write in writes]

    def _answer(self, write: Write) -> WriteOutcome:
        self._tries += 1
        scripted = self._script(write, self._tries)
        return scripted if scripted is not None else self.put(write.task)

    def put(self, task: Task) -> Written:
        """Store *task* whatever there is."""
        known = self.stored.get(task.key)
        version = Version(1, known.version.seq_no + 1 if known else 1)
        self.stored[task.key] = StoredTask(task=task, version=version)
        return Written(self.stored[task.key])

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome]:
        """What was stored."""
        return [self.stored.get(key, Missing()) for key in keys]

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """What the test put into ``ready``, for every query."""
        self.queries += queries
        return [list(self.ready) for _ in queries]

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """What was stored and has timed out."""
        over = [s for s in self.stored.values() if lifecycle.has_timed_out(s.task, before)]
        return over[:limit]


@pytest.fixture
def store() -> ScriptedStore:
    return ScriptedStore()


class QuickRuntime(ThreadRuntime):
    """
    Threads, but sleeping takes no time: the monotonic clock simply moves on.

    Attributes:
        now: The wall clock.
        spawns: Whether what is spawned really runs; a test that takes the steps itself says no.
    """

    def __init__(self) -> None:
        self._slept = 0.0
        self.now = START
        self.spawns = False

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        if self.spawns:
            super().spawn(name, target)

    def wall(self) -> Instant:
        return self.now

    def monotonic(self) -> float:
        return super().monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


@pytest.fixture
def runtime() -> QuickRuntime:
    return QuickRuntime()
