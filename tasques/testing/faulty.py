"""
A store that fails on purpose, in the ways that real ones do.

Wraps any :class:`~tasques.core.ports.TaskStore`. What goes wrong is decided for each write and each
read by a function, so that a test can script it (:func:`scripted`) or leave it to a seed
(:func:`seeded`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from random import Random
from typing import Final, TypeAlias

import attrs

from tasques.core import errors
from tasques.core.listing import QueueSummary, TaskQuery
from tasques.core.ports import (
    Blocked,
    ClaimableQuery,
    Conflict,
    Create,
    Exists,
    FinishedQuery,
    Malformed,
    ReadOutcome,
    Rejected,
    StoreTraits,
    TaskStore,
    Unknown,
    Unreadable,
    Write,
    WriteOutcome,
)
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Instant


class WriteFault(StrEnum):
    """What can happen to a write."""

    #: Not done, and told that another came first.
    CONFLICT = "conflict"
    #: Done, and told that another came first: it was our own first try.
    APPLIED_CONFLICT = "applied_conflict"
    #: Done, and no answer comes.
    LOST_REPLY = "lost_reply"
    #: Not done, and no answer comes.
    LOST_REQUEST = "lost_request"
    #: Not done, because the store is too busy.
    REJECTED = "rejected"
    #: Not done, because the store's disk is full.
    BLOCKED = "blocked"

    @property
    def is_applied(self) -> bool:
        """Whether the write takes place all the same."""
        return self in (WriteFault.APPLIED_CONFLICT, WriteFault.LOST_REPLY)


#: What happens to this write; None: nothing out of the ordinary.
WriteFaults: TypeAlias = Callable[[Write[Task]], WriteFault | None]
#: Whether this read finds the store out of reach.
ReadFaults: TypeAlias = Callable[[], bool]


def scripted(faults: Iterable[WriteFault | None]) -> WriteFaults:
    """One after the other for each write, in order; none once they are used up."""
    remaining = iter(faults)
    return lambda write: next(remaining, None)


def seeded(seed: int, rates: Mapping[WriteFault, float]) -> WriteFaults:
    """
    By chance.

    Args:
        seed: The same seed gives the same faults to the same number of writes.
        rates: How likely each is for a write, in ``[0, 1]``; together at most 1.

    Raises:
        ValueError: If they are more likely than certain.
    """
    if not 0 <= sum(rates.values()) <= 1 or min(rates.values(), default=0) < 0:
        raise ValueError("rates must not be negative, nor add up to more than 1")
    random = Random(seed)

    def decide(write: Write[Task]) -> WriteFault | None:
        drawn = random.random()
        for fault, rate in rates.items():
            drawn -= rate
            if drawn < 0:
                return fault
        return None

    return decide


def seeded_reads(seed: int, rate: float) -> ReadFaults:
    """Reads that fail by chance, each with probability *rate*."""
    random = Random(seed)
    return lambda: random.random() < rate


def _never() -> bool:
    return False


def _none(write: Write[Task]) -> WriteFault | None:
    return None


class FaultyTaskStore:
    """
    A :class:`~tasques.core.ports.TaskStore` that hands on to another, save where a fault says else.

    Every guarantee of the port still holds except that some writes fail; the faults are such that
    the outcome told is always one that a real store may tell.

    Args:
        writes: Decides what happens to each write, in the order in which they come.
        reads: Decides which reads, searches included, raise ``StoreUnavailable``.

    Attributes:
        injected: How often each fault happened.
    """

    def __init__(
        self, store: TaskStore, *, writes: WriteFaults = _none, reads: ReadFaults = _never
    ) -> None:
        self.injected: Counter[WriteFault] = Counter()
        self._store = store
        self._writes = writes
        self._reads = reads
        self._malformed: dict[TaskKey, str] = {}
        self._lost: set[QueueName] = set()

    def lose(self, queue: QueueName) -> None:
        """From now on, let nothing of *queue* be read by key."""
        self._lost.add(queue)

    def plant_malformed(self, key: TaskKey, reason: str) -> None:
        """From now on, let the document *key* be there and be no task."""
        self._malformed[key] = reason

    @property
    def traits(self) -> StoreTraits:
        """The wrapped store's."""
        return self._store.traits

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Try each write that no fault keeps from the store."""
        faults = [self._writes(write) for write in writes]
        self.injected.update(fault for fault in faults if fault is not None)
        sent = [
            write
            for write, fault in zip(writes, faults, strict=True)
            if self._is_sent(write, fault)
        ]
        outcomes = iter(self._store.write(sent))
        return [
            _told(
                write, fault, next(outcomes) if self._is_sent(write, fault) else _overtaken(write)
            )
            for write, fault in zip(writes, faults, strict=True)
        ]

    def _is_sent(self, write: Write[Task], fault: WriteFault | None) -> bool:
        return (fault is None or fault.is_applied) and write.key not in self._malformed

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """Read the present versions, if the store is not out of reach."""
        self._reach()
        found = zip(keys, self._store.get(keys), strict=True)
        return [self._read(key, outcome) for key, outcome in found]

    def _read(self, key: TaskKey, outcome: ReadOutcome[Task]) -> ReadOutcome[Task]:
        if key.queue in self._lost:
            return Unreadable("out of reach, on purpose")
        return Malformed(self._malformed[key]) if key in self._malformed else outcome

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """What the store proposes, if it is not out of reach."""
        self._reach()
        more = len(self._malformed)
        widened = [attrs.evolve(query, limit=query.limit + more) for query in queries]
        return [
            self._readable(found)[: query.limit]
            for query, found in zip(queries, self._store.find_claimable(widened), strict=True)
        ]

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """What the store proposes, if it is not out of reach."""
        self._reach()
        found = self._store.find_timed_out(before=before, limit=limit + len(self._malformed))
        return self._readable(found)[:limit]

    def find_finished(self, query: FinishedQuery) -> Sequence[StoredTask]:
        """What the store proposes, if it is not out of reach."""
        self._reach()
        widened = attrs.evolve(query, limit=query.limit + len(self._malformed))
        return self._readable(self._store.find_finished(widened))[: query.limit]

    def find_expired(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """What the store proposes, if it is not out of reach."""
        self._reach()
        found = self._store.find_expired(before=before, limit=limit + len(self._malformed))
        return self._readable(found)[:limit]

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """What the store lists, if it is not out of reach."""
        self._reach()
        widened = attrs.evolve(query, limit=query.limit + len(self._malformed))
        return self._readable(self._store.find_tasks(widened))[: query.limit]

    def queue_names(self) -> frozenset[QueueName]:
        """What the store has, if it is not out of reach."""
        self._reach()
        return self._store.queue_names()

    def summarise(self, *, now: Instant) -> Sequence[QueueSummary]:
        """What the store counts, if it is not out of reach."""
        self._reach()
        return self._store.summarise(now=now)

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        """What the store counts, if it is not out of reach."""
        self._reach()
        return self._store.count_outstanding(queue, recurring_task_id)

    def _readable(self, found: Sequence[StoredTask]) -> Sequence[StoredTask]:
        return [stored for stored in found if stored.document.key not in self._malformed]

    def _reach(self) -> None:
        if self._reads():
            raise errors.StoreUnavailable("out of reach, on purpose")


_OUTCOMES: Final[Mapping[WriteFault, WriteOutcome[Task]]] = {
    WriteFault.LOST_REPLY: Unknown("no answer, on purpose"),
    WriteFault.LOST_REQUEST: Unknown("no answer, on purpose"),
    WriteFault.REJECTED: Rejected("too busy, on purpose"),
    WriteFault.BLOCKED: Blocked("disk full, on purpose"),
}


def _told(
    write: Write[Task], fault: WriteFault | None, outcome: WriteOutcome[Task]
) -> WriteOutcome[Task]:
    """What the caller hears of *outcome*."""
    if fault is None:
        return outcome
    return _OUTCOMES.get(fault) or _overtaken(write)


def _overtaken(write: Write[Task]) -> WriteOutcome[Task]:
    return Exists() if isinstance(write, Create) else Conflict()
