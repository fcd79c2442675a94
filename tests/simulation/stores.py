"""
The ports over the model of Elasticsearch, as one server sees them.

Each method is one request of the real adapter: the same that is asked, the same that is left to
chance. Searches look at every document, since there are few; what the index rounds is exact here.
With a codec, every document that is written is encoded and read back, and must come out equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

import attrs

from tasques.adapters.memory.task_store import next_of_listing
from tasques.core import errors, lifecycle, queues
from tasques.core.archive import ArchivedTask, ArchiveKey, finished_at
from tasques.core.documents import D, Stored
from tasques.core.leadership import LeaderLock
from tasques.core.listing import QueueSummary, TaskQuery
from tasques.core.metrics import MetricFamily
from tasques.core.policies import QueuePolicy
from tasques.core.ports import (
    ClaimableQuery,
    Conflict,
    Create,
    Delete,
    FinishedQuery,
    Invalid,
    Malformed,
    Missing,
    Problem,
    ReadOutcome,
    Seen,
    SetupStep,
    StoreTraits,
    Write,
    WriteOutcome,
    seen,
)
from tasques.core.ports.documents import K
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTask, RecurringTaskId
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import ZERO, Duration, Instant
from tests.simulation.model import Change, Cluster, Refused, Shard
from tests.simulation.runtime import Node, Scheduler

T = TypeVar("T")

QUEUE: Final = "queue-"
ARCHIVE: Final = "archive-"
RECURRING: Final = "recurring-tasks"
LOCKS: Final = "locks"
POLICIES: Final = "policies"

_TRAITS: Final = StoreTraits(visibility_lag=Duration.of_seconds(1))
_AT_ONCE: Final = StoreTraits(visibility_lag=ZERO)

#: Encodes a task and reads it back.
Codec: TypeAlias = Callable[[Task], Task]


class SimulatedTaskStore:
    """
    The :class:`~tasques.core.ports.TaskStore` of one node.

    Args:
        shows_at_once: Whether a search for what can be claimed shows every write, as other stores do.
    """

    def __init__(
        self,
        cluster: Cluster,
        node: Node,
        codec: Codec | None = None,
        *,
        shows_at_once: bool = False,
    ) -> None:
        self.traits = _AT_ONCE if shows_at_once else _TRAITS
        self._shows_at_once = shows_at_once
        self._cluster = cluster
        self._node = node
        self._codec = codec
        self.in_flight: dict[TaskKey, None] = {}
        #: Told of each batch, before it is sent.
        self.on_batch: Callable[[], None] = lambda: None
        #: Told of a key that is written while an earlier write of it is under way.
        self.on_overlap: Callable[[TaskKey], None] = lambda key: None

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        if not writes:
            return []
        self.on_batch()
        keys = [write.document.key for write in writes]
        for key in keys:
            if key in self.in_flight:
                self.on_overlap(key)
            self.in_flight[key] = None
        if self._codec is not None:
            for write in writes:
                read_back = self._codec(write.document)
                assert read_back == write.document, (read_back, write.document)
        outcomes = self._cluster.write(self._node, writes, self._shard_of)
        for key in keys:
            self.in_flight.pop(key, None)
        return outcomes

    def _shard_of(self, write: Write[Task]) -> Shard | Refused:
        name = QUEUE + write.document.queue
        if len(write.document.id.encode()) > queues.MAX_ID_BYTES:
            return Invalid("400 the id is too long")
        if name not in self._cluster.shards:
            if isinstance(write, Delete):
                return Conflict()  # 404: a deletion makes no index
            try:
                queues.queue_name(write.document.queue)
            except errors.InvalidInput as error:
                return Invalid(str(error))
        return self._cluster.shard("task", name)

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        shards = self._cluster.shards
        return self._cluster.get(self._node, [(shards.get(QUEUE + k.queue), k) for k in keys])

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        wanted: list[Shard] = []
        parts: list[tuple[int, int]] = []
        for query in queries:
            first = len(wanted)
            wanted += self._queues(query.queues, query.paused)
            parts.append((first, len(wanted)))
        fresh = {queue for query in queries for queue in query.fresh}
        if fresh:
            self._cluster.refresh(self._node, self._queues(sorted(fresh)))
        found = self._cluster.search(self._node, wanted, fresh=self._shows_at_once)
        return [
            _first(
                (
                    stored
                    for hits in found[first:last]
                    for stored in hits
                    if stored.document.state.is_claimable
                    and stored.document.run_at <= query.now
                    and stored.document.remaining_attempts > 0
                ),
                query.limit,
                lambda stored: stored.document.claim_order,
            )
            for query, (first, last) in zip(queries, parts, strict=True)
        ]

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        return _first(
            (
                stored
                for stored in self._all()
                if stored.document.state.value == "claimed"
                and stored.document.last_claim is not None
                and stored.document.last_claim.times_out_at <= before
            ),
            limit,
            lambda stored: (_times_out_at(stored), stored.document.id),
        )

    def find_finished(self, query: FinishedQuery) -> Sequence[StoredTask]:
        but = {(stored.document.key, stored.version) for stored in query.but}
        return _first(
            (
                stored
                for stored in self._all()
                if stored.document.state.is_final
                and (stored.document.key, stored.version) not in but
                and finished_at(stored.document)
                <= (
                    query.before
                    if stored.document.recurring_task_id is None
                    else query.recurring_before
                )
            ),
            query.limit,
            lambda stored: (finished_at(stored.document), stored.document.id),
        )

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        [found] = self._cluster.search(self._node, self._queues((queue,)), forced=True) or [[]]
        return sum(
            stored.document.recurring_task_id == recurring_task_id
            and not stored.document.state.is_final
            for stored in found
        )

    def find_expired(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        return _first(
            (
                stored
                for stored in self._all()
                if stored.document.state.is_claimable
                and stored.document.extensions.expires_at is not None
                and stored.document.extensions.expires_at <= before
            ),
            limit,
            lambda stored: (stored.document.extensions.expires_at, stored.document.id),
        )

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        [found] = self._cluster.search(self._node, self._queues((query.filter.queue,))) or [[]]
        return next_of_listing(query, found)

    def queue_names(self) -> frozenset[QueueName]:
        self._cluster.ask(self._node)
        return frozenset(_name_of(shard) for shard in self._queues(()))

    def summarise(self, *, now: Instant) -> Sequence[QueueSummary]:
        shards = self._queues(())
        found = self._cluster.search(self._node, shards)
        return sorted(
            (
                _summary(_name_of(shard), hits, now)
                for shard, hits in zip(shards, found, strict=True)
            ),
            key=lambda summary: summary.queue,
        )

    def _queues(self, queues: Sequence[QueueName], paused: Sequence[QueueName] = ()) -> list[Shard]:
        shards = self._cluster.shards
        left_out = [QUEUE + name for name in paused]
        if queues:
            names = [QUEUE + name for name in queues if QUEUE + name in shards]
        else:
            names = [name for name in shards if name.startswith(QUEUE)]
        return [shards[name] for name in names if name not in left_out]

    def _all(self) -> list[StoredTask]:
        found = self._cluster.search(self._node, self._queues(()))
        return [stored for hits in found for stored in hits]


def _name_of(shard: Shard) -> QueueName:
    return QueueName(shard.name.removeprefix(QUEUE))


def _summary(queue: QueueName, found: Sequence[StoredTask], now: Instant) -> QueueSummary:
    counts = Counter(stored.document.state for stored in found)
    ready = [s.document.run_at for s in found if lifecycle.is_due(s.document, now)]
    oldest = min(ready) if ready else None
    return QueueSummary(queue=queue, counts=counts, ready=len(ready), oldest_ready=oldest)


class _OneIndex(Generic[K, D]):
    """A store that is one index."""

    def __init__(self, cluster: Cluster, node: Node, name: str) -> None:
        self._cluster = cluster
        self._node = node
        self._name = name

    def write(self, writes: Sequence[Write[D]]) -> Sequence[WriteOutcome[D]]:
        if not writes:
            return []
        return self._cluster.write(
            self._node, writes, lambda write: self._cluster.shard(self._name, self._name)
        )

    def get(self, keys: Sequence[K]) -> Sequence[ReadOutcome[D]]:
        shard = self._cluster.shards.get(self._name)
        return self._cluster.get(self._node, [(shard, key) for key in keys])

    def _search(self, *, forced: bool) -> list[Stored[D]]:
        shard = self._cluster.shards.get(self._name)
        shards = [] if shard is None else [shard]
        found = self._cluster.search(self._node, shards, forced=forced)
        return [stored for hits in found for stored in hits]


class SimulatedRecurringTaskStore(_OneIndex[RecurringTaskId, RecurringTask]):
    """The :class:`~tasques.core.ports.RecurringTaskStore` of one node."""

    def find_all(self) -> Sequence[Stored[RecurringTask]]:
        found = (s for s in self._search(forced=True) if not s.document.is_deleted)
        return sorted(found, key=lambda stored: stored.document.id.encode())

    def find_changed(self) -> Sequence[Stored[RecurringTask]]:
        return [s for s in self._search(forced=False) if s.document.loaded_at is None]


class SimulatedLeaderLockStore(_OneIndex[str, LeaderLock]):
    """The :class:`~tasques.core.ports.LeaderLockStore` of one node."""


class SimulatedPolicyStore(_OneIndex[QueueName, QueuePolicy]):
    """The :class:`~tasques.core.ports.PolicyStore` of one node."""

    def find_all(self) -> Sequence[Stored[QueuePolicy]]:
        return self._search(forced=True)


class SimulatedArchiveStore:
    """
    The :class:`~tasques.core.ports.ArchiveStore` of one node.

    ``Cluster.archives`` are the indices behind the name, of which the last is written to.
    """

    def __init__(self, cluster: Cluster, node: Node) -> None:
        self._cluster = cluster
        self._node = node

    def write(self, writes: Sequence[Write[ArchivedTask]]) -> Sequence[WriteOutcome[ArchivedTask]]:
        if not writes:
            return []
        placed = [_placed(write, self._cluster.archives[-1]) for write in writes]
        return self._cluster.write(
            self._node, placed, lambda write: self._cluster.shard("archive", write.document.place)
        )

    def find_copies(
        self, keys: Sequence[ArchiveKey]
    ) -> Sequence[Sequence[Stored[ArchivedTask] | Malformed]]:
        places = list(self._cluster.archives)
        shards = self._cluster.shards
        asked = [(shards.get(place), key) for key in keys for place in places]
        found = seen(self._cluster.get(self._node, asked))
        return [
            [copy for copy in found[start : start + len(places)] if not isinstance(copy, Missing)]
            for start in range(0, len(found), len(places))
        ]

    def find_task(self, key: TaskKey) -> Seen[Task]:
        shards = [s for name, s in self._cluster.shards.items() if name.startswith(ARCHIVE)]
        found = [s for hits in self._cluster.search(self._node, shards) for s in hits]
        of_key = [stored for stored in found if stored.document.task.key == key]
        if not of_key:
            return Missing()
        last = max(of_key, key=lambda stored: stored.document.task.created_at)
        return Stored(document=last.document.task, version=last.document.origin)

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        shards = [s for name, s in self._cluster.shards.items() if name.startswith(ARCHIVE)]
        found = [s.document for hits in self._cluster.search(self._node, shards) for s in hits]
        once = {copy.key: Stored(document=copy.task, version=copy.origin) for copy in found}
        return next_of_listing(query, once.values())


class SimulatedBackend:
    """
    The :class:`~tasques.core.ports.Backend` of one node.

    Attributes:
        compared_skew: How far this node's clock was ahead when it last asked how late it is, in
            seconds; None before.
    """

    is_durable = True
    url = "simulated:"

    def __init__(
        self,
        cluster: Cluster,
        scheduler: Scheduler,
        node: Node,
        codec: Codec | None = None,
        *,
        shows_at_once: bool = False,
    ) -> None:
        self._cluster = cluster
        self._scheduler = scheduler
        self._node = node
        self.compared_skew: float | None = None
        self.tasks = SimulatedTaskStore(cluster, node, codec, shows_at_once=shows_at_once)
        self.recurring_tasks = SimulatedRecurringTaskStore(cluster, node, RECURRING)
        self.leader_locks = SimulatedLeaderLockStore(cluster, node, LOCKS)
        self.policies = SimulatedPolicyStore(cluster, node, POLICIES)
        self.archive = SimulatedArchiveStore(cluster, node)

    def check(self) -> Sequence[Problem]:
        """What is wrong, as far as anybody can know without asking."""
        if self._scheduler.now < self._cluster.down_until:
            return (Problem(code="unreachable", message="Elasticsearch is down"),)
        return ()

    def server_time(self) -> Instant | None:
        """The true time, as all clocks of Elasticsearch's nodes are right."""
        self._cluster.ask(self._node)
        now = self._scheduler.now
        right = Instant(Node.wall(_RIGHT, now))
        self.compared_skew = (self._node.wall(now) - right.nanoseconds) / 1e9
        return right

    def measurements(self) -> Sequence[MetricFamily]:
        """It counts nothing."""
        return ()

    def setup(self, *, apply: bool, dashboards: bool = False) -> Sequence[SetupStep]:
        """Nothing is ever missing."""
        return ()

    def close(self) -> None:
        """Nothing to give back."""


_RIGHT: Final = Node("clock", -1)


def real_codec() -> Codec:
    """The documents of the real adapter, there and back."""
    from tasques.adapters.elasticsearch import documents

    return lambda task: documents.decode(documents.encode(task), queue=task.queue, id=task.id)


def _times_out_at(stored: StoredTask) -> Instant:
    assert stored.document.last_claim is not None
    return stored.document.last_claim.times_out_at


def _placed(write: Write[ArchivedTask], newest: str) -> Write[ArchivedTask]:
    if isinstance(write, Create):
        return attrs.evolve(write, document=attrs.evolve(write.document, place=newest))
    return write


def _first(found: Iterable[T], limit: int, order: Callable[[T], Any]) -> list[T]:
    return sorted(found, key=order)[:limit]


__all__ = ["Change", "SimulatedBackend", "real_codec"]
