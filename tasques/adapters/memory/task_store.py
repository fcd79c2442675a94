"""
The documents, and what finds them.

One lock guards everything, and each call holds it for as long as it takes: so a write is seen by
whatever comes after it, searches included. Documents are the frozen tasks themselves.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from sortedcontainers import SortedList

from tasques.adapters.memory.document_store import fits_as_id
from tasques.adapters.memory.waiting import RUN_AT, Order, WaitingTasks
from tasques.core import errors, queues
from tasques.core.archive import finished_at
from tasques.core.documents import Stored, Version
from tasques.core.listing import ListOrder, Position, QueueSummary, TaskQuery
from tasques.core.ports import (
    ClaimableQuery,
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    FinishedQuery,
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
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import (
    MAX_PRIORITY,
    MAX_RETRY_TIMES,
    MIN_PRIORITY,
    State,
    StoredTask,
    Task,
    TaskKey,
)
from tasques.core.values import ZERO, Instant

_TRAITS: Final = StoreTraits(visibility_lag=ZERO, is_remote=False)
#: Of no more queues, what waits is remembered to be nothing.
_FEW_QUEUES: Final = 8


class MemoryTaskStore:
    """
    A :class:`~tasques.core.ports.TaskStore` in memory; see there for what it guarantees.

    Two writes of one key in one call are taken one after the other: of two creates the second finds
    the first, of two replaces the second conflicts, as in a bulk request of Elasticsearch.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._lock = runtime.condition()
        self._documents: dict[QueueName, dict[TaskId, StoredTask]] = {}
        # Queues in which something waits, and few others.
        self._waiting: dict[QueueName, WaitingTasks] = {}
        self._time_outs: SortedList[tuple[int, TaskId, QueueName]] = SortedList()
        # Those that a recurring task made lie apart, since they are kept for longer.
        self._finished: SortedList[tuple[int, TaskId, QueueName]] = SortedList()
        self._finished_recurring: SortedList[tuple[int, TaskId, QueueName]] = SortedList()
        self._outstanding: Counter[tuple[QueueName, str]] = Counter()
        self._expiries: SortedList[tuple[int, TaskId, QueueName]] = SortedList()
        # Of queues that were ever used.
        self._counts: dict[QueueName, Counter[State]] = {}
        self._writes = 0

    @property
    def traits(self) -> StoreTraits:
        """Every write is found at once, and a call costs no round trip."""
        return _TRAITS

    # -------------------------------------------------------------------------------- writes

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Try each write, in order."""
        with self._lock:
            return [self._write(write) for write in writes]

    def _write(self, write: Write[Task]) -> WriteOutcome[Task]:
        task = write.document
        if isinstance(write, Delete):
            return self._delete(task.key, write.expected)
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

    def _delete(self, key: TaskKey, expected: Version) -> WriteOutcome[Task]:
        documents = self._documents.get(key.queue, {})
        current = documents.get(key.id)
        if current is None or current.version != expected:
            return Conflict()
        self._withdraw(current.document)
        del documents[key.id]
        if not documents:
            del self._documents[key.queue]
        return Deleted()

    def _fault(self, task: Task) -> str | None:
        """Why no store would take *task*; None if they would."""
        if task.queue not in self._documents:
            try:
                queues.queue_name(task.queue)
            except errors.InvalidInput as error:
                return str(error)
        if not fits_as_id(task.id):
            return f"an id must have 1 to {queues.MAX_ID_BYTES} bytes in UTF-8"
        if not MIN_PRIORITY <= task.priority <= MAX_PRIORITY:
            return "a priority must fit in 64 bits"
        if not 0 <= task.retry_times <= MAX_RETRY_TIMES:
            return "the attempts must fit in 64 bits"
        return None

    def _put(self, task: Task, current: StoredTask | None) -> StoredTask:
        if current is not None:
            self._withdraw(current.document)
        self._writes += 1
        stored = Stored(document=task, version=Version(1, self._writes))
        self._documents.setdefault(task.queue, {})[task.id] = stored
        self._enter(task)
        return stored

    def _enter(self, task: Task) -> None:
        """Let *task* be found by whatever should find it."""
        counts = self._counts.get(task.queue)
        if counts is None:
            counts = self._counts[task.queue] = Counter()
        counts[task.state] += 1
        if task.extensions.expires_at is not None and task.state.is_claimable:
            self._expiries.add(_expiry(task, task.extensions.expires_at))
        if _waits(task):
            waiting = self._waiting.get(task.queue)
            if waiting is None:
                waiting = self._waiting[task.queue] = WaitingTasks()
            waiting.add(task)
        elif task.state is State.CLAIMED and task.last_claim is not None:
            self._time_outs.add((task.last_claim.times_out_at.nanoseconds, task.id, task.queue))
        elif task.state.is_final:
            self._finished_with(task).add(_finish(task))
        if task.recurring_task_id is not None and not task.state.is_final:
            self._outstanding[task.queue, task.recurring_task_id] += 1

    def _withdraw(self, task: Task) -> None:
        """Let *task*, as it was entered, be found no more."""
        self._counts[task.queue][task.state] -= 1
        if task.extensions.expires_at is not None and task.state.is_claimable:
            self._expiries.remove(_expiry(task, task.extensions.expires_at))
        if _waits(task):
            waiting = self._waiting[task.queue]
            waiting.remove(task)
            # A queue that mostly holds one task, as an embedded one may, is not made anew for each.
            if not waiting and len(self._waiting) > _FEW_QUEUES:
                del self._waiting[task.queue]
        elif task.state is State.CLAIMED and task.last_claim is not None:
            self._time_outs.remove((task.last_claim.times_out_at.nanoseconds, task.id, task.queue))
        elif task.state.is_final:
            self._finished_with(task).remove(_finish(task))
        if task.recurring_task_id is not None and not task.state.is_final:
            outstanding = (task.queue, task.recurring_task_id)
            self._outstanding[outstanding] -= 1
            if not self._outstanding[outstanding]:
                del self._outstanding[outstanding]

    def _finished_with(self, task: Task) -> SortedList[tuple[int, TaskId, QueueName]]:
        return self._finished if task.recurring_task_id is None else self._finished_recurring

    # --------------------------------------------------------------------------------- reads

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """Read the present versions."""
        with self._lock:
            return [self._documents.get(key.queue, {}).get(key.id, Missing()) for key in keys]

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """The first of each query's tasks; those of one place in the order go by queue."""
        with self._lock:
            return [list(islice(self._claimable(query), query.limit)) for query in queries]

    def _claimable(self, query: ClaimableQuery) -> Iterator[StoredTask]:
        asked = [q for q in query.queues if q in self._waiting] if query.queues else self._waiting
        names = [queue for queue in asked if queue not in query.paused]
        if len(names) == 1:
            (queue,) = names
            for _, id in self._waiting[queue].due(query.now):
                yield self._documents[queue][id]
            return
        for _, queue, id in heapq.merge(*(self._due(queue, query.now) for queue in names)):
            yield self._documents[queue][id]

    def _due(self, queue: QueueName, now: Instant) -> Iterator[tuple[Order, QueueName, TaskId]]:
        return ((order, queue, id) for order, id in self._waiting[queue].due(now))

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """Those whose time has been over for the longest, first."""
        with self._lock:
            over = self._time_outs.irange(maximum=_just_after(before))
            return [self._documents[queue][id] for _, id, queue in islice(over, limit)]

    def find_finished(self, query: FinishedQuery) -> Sequence[StoredTask]:
        """Those that have been finished for the longest, first."""
        but = set(query.but)
        with self._lock:
            over = heapq.merge(
                self._finished.irange(maximum=_just_after(query.before)),
                self._finished_recurring.irange(maximum=_just_after(query.recurring_before)),
            )
            found = (self._documents[queue][id] for _, id, queue in over)
            return list(islice((stored for stored in found if stored not in but), query.limit))

    def find_expired(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """Those whose time to be started has been over for the longest, first."""
        with self._lock:
            over = self._expiries.irange(maximum=_just_after(before))
            return [self._documents[queue][id] for _, id, queue in islice(over, limit)]

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """The next of a listing; looks at every task of the queue."""
        with self._lock:
            return next_of_listing(query, self._documents.get(query.filter.queue, {}).values())

    def queue_names(self) -> frozenset[QueueName]:
        """Those that were ever written to."""
        with self._lock:
            return frozenset(self._counts)

    def summarise(self, *, now: Instant) -> Sequence[QueueSummary]:
        """How every queue stands; looks at every task that is ready."""
        with self._lock:
            return [self._summary(queue, now) for queue in sorted(self._counts)]

    def _summary(self, queue: QueueName, now: Instant) -> QueueSummary:
        waiting = self._waiting.get(queue)
        due = [order for order, _ in waiting.due(now)] if waiting is not None else []
        counts = self._counts[queue]
        return QueueSummary(
            queue=queue,
            counts={state: counts[state] for state in State if counts[state]},
            ready=len(due),
            oldest_ready=_to_the_millisecond(min(order[RUN_AT] for order in due)) if due else None,
        )

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        """Those that are there now."""
        with self._lock:
            return self._outstanding[queue, recurring_task_id]


def _waits(task: Task) -> bool:
    return task.state.is_claimable and task.remaining_attempts > 0


def next_of_listing(query: TaskQuery, stored: Iterable[StoredTask]) -> list[StoredTask]:
    """What *query* asks for, of all that could be meant."""
    newest = query.order is ListOrder.NEWEST
    after = query.after

    def is_next(task: Task) -> bool:
        if after is None:
            return True
        return Position.of(task) < after if newest else Position.of(task) > after

    meant = [s for s in stored if query.filter.matches(s.document) and is_next(s.document)]
    first = heapq.nlargest if newest else heapq.nsmallest
    return first(query.limit, meant, key=lambda s: Position.of(s.document))


def _to_the_millisecond(nanoseconds: int) -> Instant:
    # As finely as any store can say it.
    return Instant(nanoseconds - nanoseconds % 1_000_000)


def _expiry(task: Task, expires_at: Instant) -> tuple[int, TaskId, QueueName]:
    return expires_at.nanoseconds, task.id, task.queue


def _finish(task: Task) -> tuple[int, TaskId, QueueName]:
    return finished_at(task).nanoseconds, task.id, task.queue


def _just_after(instant: Instant) -> tuple[int, TaskId, QueueName]:
    return instant.nanoseconds + 1, TaskId(""), QueueName("")
