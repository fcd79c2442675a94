"""
Tasks that were found or made here and not handed out yet, in claim order.

A search shows a window of what is ready, and shows the same window again until the store refreshes;
what was just created shows in no search at all. Both come together here, so that one search serves
many claims and a new task need not wait for a refresh. All of it is a hint: a claim is decided by
compare-and-set, and an entry that has moved meanwhile merely loses.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator

import attrs

from tasques.core.documents import Version
from tasques.core.queues import QueueName
from tasques.core.tasks import StoredTask, TaskKey
from tasques.core.values import Instant


@attrs.define(eq=False)
class _Pool:
    """
    The candidates of one queue: a heap in claim order, of which *live* says what still counts.

    By the number of the entry, since a store may give the same object twice: the older entry must
    not take the younger one with it.
    """

    heap: list[tuple[tuple[int, int, int, str], int, StoredTask, float]] = attrs.Factory(list)
    live: dict[TaskKey, tuple[int, Version]] = attrs.Factory(dict)

    def first(self, not_before: float) -> tuple[int, int, int, str] | None:
        """The order of the first live candidate; drops what is stale or replaced on the way."""
        while self.heap:
            order, number, stored, since = self.heap[0]
            if self.live.get(stored.document.key, (None,))[0] == number:
                if since >= not_before:
                    return order
                del self.live[stored.document.key]
            heapq.heappop(self.heap)
        return None

    def pop(self) -> tuple[StoredTask, float]:
        """Take the first; :meth:`first` must have said that there is one."""
        _, _, stored, since = heapq.heappop(self.heap)
        del self.live[stored.document.key]
        return stored, since


class Candidates:
    """
    What may be claimed next, bounded in number and age.

    Not safe between threads: the dispatcher's lock guards it.

    Args:
        keep_seconds: An older entry no longer counts; a search finds the task again if it is ready.
        limit: More than so many are not kept.
    """

    def __init__(self, *, keep_seconds: float, limit: int = 10_000) -> None:
        self._keep_seconds = keep_seconds
        self._limit = limit
        self._pools: dict[QueueName, _Pool] = {}
        self._later: list[tuple[int, int, StoredTask]] = []
        self._settled: dict[TaskKey, tuple[Version, float]] = {}
        self._tie = itertools.count()

    def put(self, stored: StoredTask, *, now: Instant, at: float) -> None:
        """
        Remember *stored*, unless that version is known to be over.

        Args:
            now: By the wall clock: what is due later is kept apart until then.
            at: By the monotonic clock: since when it is known.
        """
        settled = self._settled.get(stored.document.key)
        if settled is not None and stored.version <= settled[0]:
            return
        if stored.document.run_at > now:
            if len(self._later) < self._limit:
                entry = (stored.document.run_at.nanoseconds, next(self._tie), stored)
                heapq.heappush(self._later, entry)
            return
        pool = self._pools.setdefault(stored.document.queue, _Pool())
        known = pool.live.get(stored.document.key)
        if known is not None and stored.version < known[1]:
            return
        if known is None and len(pool.live) >= self._limit:
            return
        number = next(self._tie)
        pool.live[stored.document.key] = (number, stored.version)
        heapq.heappush(pool.heap, (stored.document.claim_order, number, stored, at))

    def ripen(self, *, now: Instant, at: float) -> None:
        """Let those whose time has come count with the rest."""
        while self._later and self._later[0][0] <= now.nanoseconds:
            self.put(heapq.heappop(self._later)[2], now=now, at=at)

    @property
    def next_due(self) -> Instant | None:
        """When the next of those kept apart is due."""
        return Instant(self._later[0][0]) if self._later else None

    def draw(
        self, queues: tuple[QueueName, ...], *, at: float
    ) -> Iterator[tuple[StoredTask, float]]:
        """
        Take candidates of *queues* (of all, if empty) in claim order, each with its ``at``.

        What is not used goes back by :meth:`restore`.
        """
        not_before = at - self._keep_seconds
        names = queues or tuple(self._pools)
        pools = [self._pools[name] for name in names if name in self._pools]
        while pools:
            orders = [(order, i) for i, p in enumerate(pools) if (order := p.first(not_before))]
            if not orders:
                return
            yield pools[min(orders)[1]].pop()

    def restore(self, drawn: Iterable[tuple[StoredTask, float]], *, now: Instant) -> None:
        """Put back what was drawn and not used."""
        for stored, at in drawn:
            self.put(stored, now=now, at=at)

    def settle(self, key: TaskKey, version: Version, *, at: float) -> None:
        """Know that *version* and all before it are over, however often a search still shows them."""
        self._settled.pop(key, None)  # so that the oldest stay in front
        self._settled[key] = (version, at)

    def prune(self, *, at: float) -> None:
        """Forget what is older than any search could show, and pools that are empty."""
        not_before = at - self._keep_seconds
        for key in list(itertools.islice(self._settled, 1000)):
            if self._settled[key][1] >= not_before:
                break
            del self._settled[key]
        for name in [n for n, pool in self._pools.items() if not pool.live]:
            del self._pools[name]
