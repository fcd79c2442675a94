"""Stores in memory whose writes and reads can be made to fail, and servers on them, for one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs

from tasques.adapters.memory.archive_store import MemoryArchiveStore
from tasques.adapters.memory.document_store import MemoryDocumentStore, MemoryRecurringTaskStore
from tasques.adapters.memory.task_store import MemoryTaskStore
from tasques.core import errors, lifecycle
from tasques.core.documents import Stored
from tasques.core.leadership import LeaderLock
from tasques.core.ports import (
    Blocked,
    Conflict,
    Create,
    Exists,
    Invalid,
    Rejected,
    Replace,
    StoreTraits,
    Unknown,
    Written,
)
from tasques.core.queues import QueueName, WorkerId
from tasques.core.recurring import (
    CatchUp,
    RecurringTask,
    RecurringTaskId,
    SlotOutcome,
    StoredRecurringTask,
    TaskDefinition,
)
from tasques.core.service.election import Election
from tasques.core.service.recurring_scheduler import RecurringScheduler, SchedulerOptions
from tasques.core.tasks import Task, TaskKey
from tasques.core.values import Duration, Instant
from tasques.testing.fake_runtime import START, FakeRuntime
from tasques.testing.faulty import WriteFault

QUEUE = QueueName("mail")
WORKER = WorkerId("w")
LEASE = Duration.of_seconds(5)

Fault: TypeAlias = WriteFault | Invalid | None


def seconds(number: float) -> Duration:
    return Duration.of_seconds(number)


def at(number: float) -> Instant:
    """So many seconds after the start."""
    return START.plus(seconds(number))


def definition(queue: str = "mail", kind: str = "send", **more: Any) -> TaskDefinition:
    return TaskDefinition(
        queue=QueueName(queue), kind=kind, retry_times=2, processing_timeout=seconds(60), **more
    )


def recurring(
    id: str = "r", every: str = "@every 10s", *, catch_up: CatchUp = CatchUp.LAST, **more: Any
) -> RecurringTask:
    return RecurringTask.new(
        RecurringTaskId(id),
        schedule_expression=every,
        definition=more.pop("definition", definition()),
        catch_up=catch_up,
        now=more.pop("now", START),
        **more,
    )


def noting(task: RecurringTask, **changes: Any) -> RecurringTask:
    """With that in what the original does not know."""
    return attrs.evolve(task, recurrence=attrs.evolve(task.recurrence, **changes))


class Scripted:
    """
    A store that hands on to another, save where a test says else; whatever its documents.

    Attributes:
        script: Asked for each write, with its number from 1 on: what goes wrong, or None.
        before: Called before each batch of writes.
        after: Called after each batch of writes.
        is_down: Whether reads and searches find it out of reach.
        batches: What was sent, whatever became of it.
    """

    traits = StoreTraits(visibility_lag=Duration.of_seconds(1))

    def __init__(self, store: Any) -> None:
        self.store = store
        self.script: Callable[[Any, int], Fault] = lambda write, number: None
        self.before: Callable[[Sequence[Any]], None] = lambda writes: None
        self.after: Callable[[Sequence[Any]], None] = lambda writes: None
        self.is_down: Callable[[str], bool] = lambda method: False
        self.batches: list[list[Any]] = []
        self._number = 0

    @property
    def sent(self) -> list[Any]:
        return [write for batch in self.batches for write in batch]

    def write(self, writes: Sequence[Any]) -> list[Any]:
        self.before(writes)
        self.batches.append(list(writes))
        outcomes = [self._answer(write) for write in writes]
        self.after(writes)
        return outcomes

    def _answer(self, write: Any) -> Any:
        self._number += 1
        fault = self.script(write, self._number)
        if fault is None:
            return self.store.write([write])[0]
        if isinstance(fault, Invalid):
            return fault
        if fault.is_applied:
            self.store.write([write])
        match fault:
            case WriteFault.LOST_REPLY | WriteFault.LOST_REQUEST:
                return Unknown("no answer")
            case WriteFault.REJECTED:
                return Rejected("busy")
            case WriteFault.BLOCKED:
                return Blocked("disk full")
            case _:
                return Exists() if isinstance(write, Create) else Conflict()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)

        def reach(*args: Any, **named: Any) -> Any:
            if self.is_down(name):
                raise errors.StoreUnavailable("out of reach")
            return method(*args, **named)

        return reach


def once(fault: Fault, number: int = 1) -> Callable[[Any, int], Fault]:
    """A script by which only the write of that *number* fails."""
    return lambda write, n: fault if n == number else None


class Server:
    """One server's election and scheduler, stepped by hand."""

    def __init__(self, world: World, **options: Any) -> None:
        self.election = Election(
            world.locks, world.runtime, lease=LEASE, on_change=world.changes.append
        )
        self.scheduler = RecurringScheduler(
            world.recurring,
            world.tasks,
            self.election,
            world.runtime,
            options=SchedulerOptions(**options),
            on_waiting=world.offered.append,
        )

    def lead(self) -> Server:
        """Take the lock, or renew it."""
        self.election.step()
        assert self.election.term() is not None
        return self

    def step(self) -> Duration:
        """Renew, and do what is due."""
        self.lead()
        return self.scheduler.step()

    def run(self, runtime: FakeRuntime, for_seconds: float, pause: float = 1.0) -> None:
        """Step every second for so long."""
        end = runtime.monotonic() + for_seconds
        while runtime.monotonic() < end:
            runtime.advance(seconds(pause))
            self.step()


class World:
    """The stores of one fleet."""

    def __init__(self) -> None:
        self.runtime = FakeRuntime()
        self.recurring: Any = Scripted(MemoryRecurringTaskStore(self.runtime))
        self.tasks: Any = Scripted(MemoryTaskStore(self.runtime))
        locks: MemoryDocumentStore[str, LeaderLock] = MemoryDocumentStore(self.runtime)
        self.locks: Any = Scripted(locks)
        self.archive: Any = Scripted(MemoryArchiveStore(self.runtime))
        self.changes: list[Any] = []
        self.offered: list[Any] = []

    def server(self, **options: Any) -> Server:
        return Server(self, **options)

    def add(self, task: RecurringTask) -> StoredRecurringTask:
        """As its owner stores it."""
        [outcome] = self.recurring.store.write([Create(document=task)])
        stored: StoredRecurringTask = outcome.stored
        return stored

    def change(self, change: Callable[[RecurringTask], RecurringTask], id: str = "r") -> None:
        """As its owner changes it."""
        change_document(self.recurring.store, RecurringTaskId(id), change)

    def one(self, id: str = "r") -> RecurringTask:
        """The recurring task as it is."""
        [current] = self.recurring.store.get([RecurringTaskId(id)])
        assert isinstance(current, Stored)
        task: RecurringTask = current.document
        return task

    def last(self, id: str = "r") -> tuple[Instant, SlotOutcome, int] | None:
        """Its latest decided slot, what became of it, and how many were left out before it."""
        slot = self.one(id).recurrence.last_slot
        return None if slot is None else (slot.at, slot.outcome, slot.left_out)

    def made(self) -> list[TaskKey]:
        """The tasks that were sent to be created, in order, each once."""
        created = [w.document.key for w in self.tasks.sent if isinstance(w, Create)]
        return list(dict.fromkeys(created))

    def there(self) -> list[Task]:
        """Of those, the ones that are there, the oldest first."""
        found = [c for c in self.tasks.store.get(self.made()) if isinstance(c, Stored)]
        return sorted((c.document for c in found), key=lambda task: task.created_at)

    def finish(self, key: TaskKey) -> None:
        """Claim and complete a task."""
        now = self.runtime.wall()
        change_document(
            self.tasks.store,
            key,
            lambda task: lifecycle.complete(
                lifecycle.claim(task, worker=WORKER, now=now), worker=WORKER, data=None, now=now
            ),
        )


def change_document(store: Any, key: Any, change: Callable[[Any], Any]) -> None:
    """Replace the present version by what *change* makes of it."""
    [current] = store.get([key])
    assert isinstance(current, Stored)
    [outcome] = store.write([Replace(document=change(current.document), expected=current.version)])
    assert isinstance(outcome, Written)
