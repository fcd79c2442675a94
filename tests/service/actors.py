"""
Callers of a store as actors in virtual time: the same seed gives the same order of everything.

Time is exact here, so that a test can demand that nobody waits longer than so long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasques.core.ports import (
    Create,
    ReadOutcome,
    Unknown,
    Unreadable,
    Write,
    WriteOutcome,
)
from tasques.core.tasks import Task, TaskKey
from tests.service.conftest import ScriptedStore, make_task
from tests.simulation.runtime import Node, Scheduler, SimulatedRuntime

#: What a batch takes.
ROUND_TRIP = 0.005
#: What the store takes over a batch that touches a queue whose shard is gone.
SHARD_TIMEOUT = 1.0
#: What it takes to give a request up.
CALL_TIMEOUT = 10.0


class ShardedStore(ScriptedStore):
    """
    A store whose queues may be gone, one by one or all of them.

    Attributes:
        gone: Queues whose shard is missing: every batch that touches one takes a second.
        is_silent: Whether nothing is answered.
        troubles: What was seen and must not be.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self.gone: set[str] = set()
        self.is_silent = False
        self.troubles: list[str] = []
        self.reads: list[list[TaskKey]] = []
        self.batches_under_way: list[list[str]] = []
        self._scheduler = scheduler
        self._flying: set[object] = set()

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        keys = [write.key for write in writes]
        if len(set(keys)) < len(keys) or self._flying & set(keys):
            self.troubles.append(f"two writes of one document under way: {keys}")
        self._flying.update(keys)
        queues = [write.document.queue for write in writes]
        self.batches_under_way.append(list(queues))
        outcomes = self._carried_out(writes)
        self.batches_under_way.remove(list(queues))
        self._flying.difference_update(keys)
        return outcomes

    def _carried_out(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        self._scheduler.block(ROUND_TRIP)
        if self.is_silent:
            self._scheduler.block(CALL_TIMEOUT)
            return [Unknown("no answer")] * len(writes)
        gone = [write.document.queue in self.gone for write in writes]
        if any(gone):
            self._scheduler.block(SHARD_TIMEOUT)
        self.batches.append(list(writes))
        return [
            Unknown("503", is_local=True) if is_gone else self._answer(write)
            for write, is_gone in zip(writes, gone, strict=True)
        ]

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        self.reads.append(list(keys))
        self._scheduler.block(ROUND_TRIP)
        gone = [key.queue in self.gone for key in keys]
        if any(gone):
            self._scheduler.block(SHARD_TIMEOUT)
        found = super().get(keys)
        return [
            Unreadable("503") if is_gone else outcome
            for outcome, is_gone in zip(found, gone, strict=True)
        ]


class Actors:
    """Callers on one node."""

    def __init__(self, seed: int) -> None:
        self.scheduler = Scheduler(seed)
        self.node = Node("server", 1)
        self.runtime = SimulatedRuntime(self.scheduler, self.node)
        self.store = ShardedStore(self.scheduler)
        self.scheduler.on_lock_held = lambda actor: self.store.troubles.append("a lock is held")
        self._started = 0
        self._ended = 0

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self.scheduler.now

    def start(self, at: float, run: Callable[..., object], *arguments: object) -> None:
        """Have an actor *run* with *arguments*, from *at* on."""
        self._started += 1

        def act() -> None:
            self.scheduler.block(max(at - self.now, 0.0))
            run(*arguments)
            self._ended += 1

        self.scheduler.start(f"caller {self._started}", self.node, act)

    def run(self, until: float) -> None:
        """Let time pass; all that was started must come to an end."""
        self.scheduler.run(until)
        assert self._ended == self._started, "somebody still waits"
        assert self.store.troubles == []


def create(id: str, queue: str = "mail") -> Create[Task]:
    """A write of a new task."""
    return Create(document=make_task(id, queue))
