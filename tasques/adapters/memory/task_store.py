"""
The documents, and what finds them.

One lock guards everything, and each call holds it for as long as it takes: so a write is seen by
whatever comes after it, searches included. Documents are the frozen tasks themselves.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from sortedcontainers import SortedList

from tasques.adapters.memory.waiting import Order, WaitingTasks
from tasques.core import errors, queues
from tasques.core.ports import (
    ClaimableQuery,
    Conflict,
    Create,
    Exists,
    Invalid,
    Missing,
    ReadOutcome,
    Runtime,
    StoreTraits,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import (
    MAX_PRIORITY,
    MAX_RETRY_TIMES,
    MIN_PRIORITY,
    State,
    StoredTask,
    Task,
    TaskKey,
    Version,
)
from tasques.core.values import ZERO, Instant

_TRAITS: Final = StoreTraits(visibility_lag=ZERO, is_remote=False)


class MemoryTaskStore:
    """
    A :class:`~tasques.core.ports.TaskStore` in memory; see there for what it guarantees.

    Two writes of one key in one call are taken one after the other: of two creates the second finds
    the first, of two replaces the second conflicts, as in a bulk request of Elasticsearch.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._lock = runtime.condition()
        self._documents: dict[QueueName, dict[TaskId, StoredTask]] = {}
        # Only queues in which something waits.
        self._waiting: dict[QueueName, WaitingTasks] = {}
        self._time_outs: SortedList[tuple[int, TaskId, QueueName]] = SortedList()
        self._writes = 0

    @property
    def traits(self) -> StoreTraits:
        """Every write is found at once, and a call costs no round trip."""
        return _TRAITS

    # -------------------------------------------------------------------------------- writes

    def write(self, writes: Sequence[Write]) -> Sequence[WriteOutcome]:
        """Try each write, in order."""
        with self._lock:
            return [self._write(write) for write in writes]

    def _write(self, write: Write) -> WriteOutcome:
        task = write.task
        fault = self._fault(task)
        if fault is not None:
            return Invalid(fault)
        documents = self._documents.get(task.queue)
        current = documents.get(task.id) if documents is not None else None
        if isinstance(write, Create):
            if current is not None:
                return Exists()
        elif current is None or current.version != write.expected:
            return Conflict()
        return Written(self._put(task, current))

    def _fault(self, task: Task) -> str | None:
        """Why no store would take *task*; None if they would."""
        if task.queue not in self._documents:
            try:
                queues.queue_name(task.queue)
            except errors.InvalidInput as error:
                return str(error)
        if not 0 < _utf8_length(task.id) <= queues.MAX_ID_BYTES:
            return f"an id must have 1 to {queues.MAX_ID_BYTES} bytes in UTF-8"
        if not MIN_PRIORITY <= task.priority <= MAX_PRIORITY:
            return "a priority must fit in 64 bits"
        if not 0 <= task.retry_times <= MAX_RETRY_TIMES:
            return "the attempts must fit in 64 bits"
        return None

    def _put(self, task: Task, current: StoredTask | None) -> StoredTask:
        if current is not None:
            self._withdraw(current.task)
        self._writes += 1
        stored = StoredTask(task=task, version=Version(1, self._writes))
        self._documents.setdefault(task.queue, {})[task.id] = stored
        self._enter(task)
        return stored

    def _enter(self, task: Task) -> None:
        """Let *task* be found by whatever should find it."""
        if _waits(task):
            waiting = self._waiting.get(task.queue)
            if waiting is None:
                waiting = self._waiting[task.queue] = WaitingTasks()
            waiting.add(task)
        elif task.state is State.CLAIMED and task.last_claim is not None:
            self._time_outs.add((task.last_claim.times_out_at.nanoseconds, task.id, task.queue))

    def _withdraw(self, task: Task) -> None:
        """Let *task*, as it was entered, be found no more."""
        if _waits(task):
            waiting = self._waiting[task.queue]
            waiting.remove(task)
            if not waiting:
                del self._waiting[task.queue]
        elif task.state is State.CLAIMED and task.last_claim is not None:
            self._time_outs.remove((task.last_claim.times_out_at.nanoseconds, task.id, task.queue))

    # --------------------------------------------------------------------------------- reads

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome]:
        """Read the present versions."""
        with self._lock:
            return [self._documents.get(key.queue, {}).get(key.id, Missing()) for key in keys]

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """The first of each query's tasks; those of one place in the order go by queue."""
        with self._lock:
            return [list(islice(self._claimable(query), query.limit)) for query in queries]

    def _claimable(self, query: ClaimableQuery) -> Iterator[StoredTask]:
        names = [q for q in query.queues if q in self._waiting] if query.queues else self._waiting
        for _, queue, id in heapq.merge(*(self._due(queue, query.now) for queue in names)):
            yield self._documents[queue][id]

    def _due(self, queue: QueueName, now: Instant) -> Iterator[tuple[Order, QueueName, TaskId]]:
        return ((order, queue, id) for order, id in self._waiting[queue].due(now))

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """Those whose time has been over for the longest, first."""
        with self._lock:
            beyond = (before.nanoseconds + 1, TaskId(""), QueueName(""))
            over = self._time_outs.irange(maximum=beyond)
            return [self._documents[queue][id] for _, id, queue in islice(over, limit)]


def _waits(task: Task) -> bool:
    return task.state.is_claimable and task.remaining_attempts > 0


def _utf8_length(text: str) -> int:
    """In bytes; 0 for what is no Unicode text."""
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        return 0
