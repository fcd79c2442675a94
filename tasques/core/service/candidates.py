"""
Tasks that were found or made here and not handed out yet, in claim order.

A search shows a window of what is ready, and shows the same window again until the store refreshes;
what was just created shows in no search at all. Both come together here, so that one search serves
many claims and a new task need not wait for a refresh. All of it is a hint: a claim is decided by
compare-and-set, and an entry that has moved meanwhile merely loses. So whatever is forgotten for
want of room costs a search and nothing else.

Where other servers take from the same queue, each leaves what falls to the others to them for a
while; see :mod:`~tasques.core.service.rivalry`.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from typing import Final, Protocol, TypeAlias

import attrs

from tasques.core.documents import Version
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Instant

#: What sorts candidates: their priority, whether others left them, and the order of claims.
_Place: TypeAlias = tuple[int, bool, tuple[int, int, int, str]]

#: Versions that are over are remembered, so many at most; one that is not costs a lost
#: compare-and-set.
_MOST_SETTLED: Final = 50_000


class Shares(Protocol):
    """What of a queue is better left to other servers for a while."""

    def falls_to_others(self, queue: QueueName, id: TaskId) -> bool:
        """Whether a task is."""

    def leftovers(self, queue: QueueName) -> int:
        """How much to take, after a search, of what they do not take in that while."""


class _Alone:
    """There are no others."""

    def falls_to_others(self, queue: QueueName, id: TaskId) -> bool:
        return False

    def leftovers(self, queue: QueueName) -> int:
        return 0


@attrs.define(eq=False)
class Candidate:
    """
    One version of a task that may be claimed.

    Attributes:
        known_since: When this version was first heard of here, on the monotonic clock.
        shown_at: When it was last.
        is_others: Whether it falls to another server for now.
        was_others: Whether it did, and was not taken. It comes after others of its priority, since
            whoever has it in its share may be about to take it.
        is_live: Neither drawn nor replaced nor forgotten.
    """

    stored: StoredTask
    known_since: float
    shown_at: float
    is_others: bool = False
    was_others: bool = False
    is_live: bool = True

    @property
    def place(self) -> _Place:
        """Its place among candidates."""
        order = self.stored.document.claim_order
        return (order[0], self.was_others, order)


class _Pool:
    """
    The candidates of one queue.

    Attributes:
        live: What counts.
        own: A heap of it by place, among entries that count no more; by a number, since the
            older entry of a task must not take the younger one with it.
        others: What is left to others for a while, and so in no heap; the last shown is the last.
        leftovers: So much of it may become anybody's.
    """

    def __init__(self) -> None:
        self.live: dict[TaskKey, Candidate] = {}
        self.own: list[tuple[_Place, int, Candidate]] = []
        self.others: dict[TaskKey, Candidate] = {}
        self.leftovers = 0

    def add(self, candidate: Candidate, number: int) -> None:
        """Enter *candidate*; the *number* tells entries of one order apart."""
        task = candidate.stored.document
        self.live[task.key] = candidate
        if candidate.is_others:
            self.others[task.key] = candidate
            return
        if len(self.own) > 2 * len(self.live) + 16:
            self.weed()  # what was replaced would lie there until it comes up
        heapq.heappush(self.own, (candidate.place, number, candidate))

    def take_out(self, candidate: Candidate) -> None:
        """Let *candidate* count no more."""
        key = candidate.stored.document.key
        candidate.is_live = False
        del self.live[key]
        if candidate.is_others:
            del self.others[key]

    def weed(self) -> None:
        """Keep in the heap what counts."""
        self.own = [entry for entry in self.own if entry[2].is_live]
        heapq.heapify(self.own)


class Candidates:
    """
    What may be claimed next, bounded in number, bytes and age over all queues.

    Not safe between threads: the dispatcher's lock guards it.

    Args:
        keep_seconds: What was not shown for so long is not handed out, and soon forgotten: a search
            finds it again if it is ready.
        patience_seconds: What falls to others and is still shown after so long is anybody's. Longer
            than a search may lag behind, else it proves nothing.
        limit: More than so many are not kept.
        max_bytes: More than that neither; but of a queue that is being asked for, one.
        shares: What falls to other servers; by default nothing.
    """

    def __init__(
        self,
        *,
        keep_seconds: float,
        patience_seconds: float = 0.0,
        limit: int = 20_000,
        max_bytes: int = 64 * 2**20,
        shares: Shares | None = None,
    ) -> None:
        self._keep_seconds = keep_seconds
        self._patience_seconds = patience_seconds
        self._limit = limit
        self._max_bytes = max_bytes
        self._shares = shares or _Alone()
        self._pools: dict[QueueName, _Pool] = {}
        self._later: list[tuple[int, int, StoredTask]] = []
        self._count = 0
        self._bytes = 0
        self._settled: dict[TaskKey, tuple[Version, float]] = {}
        self._tie = itertools.count()
        #: Before that not all are looked through for what is stale.
        self._next_sweep = 0.0

    def __len__(self) -> int:
        """How many there are, those for later included."""
        return self._count

    @property
    def approximate_bytes(self) -> int:
        """About what all of them take."""
        return self._bytes

    # ------------------------------------------------------------------------- what is known

    def put(self, stored: StoredTask, *, now: Instant, at: float, is_ours: bool = False) -> bool:
        """
        Remember *stored*, unless that version is known to be over.

        Args:
            now: By the wall clock: what is due later is kept apart until then.
            at: By the monotonic clock: since when it is known.
            is_ours: Whether others cannot know of it yet, so that nothing is to be left to them.

        Returns:
            Whether it may be claimed and was not known before.
        """
        task = stored.document
        if self.is_over(stored):
            return False
        if task.run_at > now:
            entry = (task.run_at.nanoseconds, next(self._tie), stored)
            heapq.heappush(self._later, entry)
            self._note(task, at)
            return False
        return self._put(stored, at, is_ours=is_ours)

    def _put(self, stored: StoredTask, at: float, *, is_ours: bool) -> bool:
        task = stored.document
        pool = self._pools.get(task.queue)
        if pool is None:
            pool = self._pools[task.queue] = _Pool()
        known = pool.live.get(task.key)
        if known is not None and stored.version <= known.stored.version:
            if stored.version == known.stored.version:
                self._show_again(pool, known, at)
            return False
        if known is not None:
            self._forget(pool, known)
        is_others = not is_ours and self._shares.falls_to_others(task.queue, task.id)
        self._enter(pool, Candidate(stored, at, at, is_others=is_others), at)
        return True

    def _show_again(self, pool: _Pool, known: Candidate, at: float) -> None:
        known.shown_at = at
        if not known.is_others:
            return
        # Those to whom it falls have not taken it, so they are not there, or have enough to do.
        is_anybodys = pool.leftovers > 0 and at - known.known_since >= self._patience_seconds
        pool.leftovers -= is_anybodys
        self._forget(pool, known)
        again = attrs.evolve(known, is_others=not is_anybodys, was_others=is_anybodys, is_live=True)
        self._enter(pool, again, at)

    def _enter(self, pool: _Pool, candidate: Candidate, at: float) -> None:
        pool.add(candidate, next(self._tie))
        self._note(candidate.stored.document, at)

    def ripen(self, *, now: Instant, at: float) -> None:
        """Let those whose time has come count with the rest."""
        while self._later and self._later[0][0] <= now.nanoseconds:
            stored = heapq.heappop(self._later)[2]
            self._strike(stored.document)
            self.put(stored, now=now, at=at)

    @property
    def next_due(self) -> Instant | None:
        """When the next of those kept apart is due."""
        return Instant(self._later[0][0]) if self._later else None

    def has_any(self, queues: tuple[QueueName, ...], *, at: float) -> bool:
        """Whether there is anything left to draw of *queues*, of all if empty."""
        return any(self._first(pool, at) is not None for pool in self._asked(queues))

    # --------------------------------------------------------------------------- drawing

    def draw(self, queues: tuple[QueueName, ...], *, at: float) -> Iterator[Candidate]:
        """
        Take candidates of *queues* (of all, if empty) in claim order.

        What falls to others is left out, and what they left comes last in its priority. What is not
        used goes back by :meth:`restore`.
        """
        heads: list[tuple[_Place, int, _Pool]] = []
        for number, pool in enumerate(self._asked(queues)):
            self._enter_head(heads, number, pool, at)
        while heads:
            _, number, pool = heapq.heappop(heads)
            candidate = self._first(pool, at)
            if candidate is not None:
                self._forget(pool, candidate)
                yield candidate
            self._enter_head(heads, number, pool, at)

    def _asked(self, queues: tuple[QueueName, ...]) -> list[_Pool]:
        return [self._pools[name] for name in queues or self._pools if name in self._pools]

    def _enter_head(
        self, heads: list[tuple[_Place, int, _Pool]], number: int, pool: _Pool, at: float
    ) -> None:
        candidate = self._first(pool, at)
        if candidate is not None:
            heapq.heappush(heads, (candidate.place, number, pool))

    def _first(self, pool: _Pool, at: float) -> Candidate | None:
        """The first of a pool's own; what is stale or counts no more is dropped on the way."""
        while pool.own:
            candidate = pool.own[0][2]
            if candidate.is_live and self._is_kept(candidate, at):
                return candidate
            if candidate.is_live:
                self._forget(pool, candidate)
            heapq.heappop(pool.own)
        return None

    def _is_kept(self, candidate: Candidate, at: float) -> bool:
        return at - candidate.shown_at <= self._keep_seconds

    def restore(self, drawn: Iterable[Candidate]) -> None:
        """Put back what was drawn and not used, as if it had never been away."""
        for candidate in drawn:
            pool = self._pools.setdefault(candidate.stored.document.queue, _Pool())
            if candidate.stored.document.key not in pool.live:
                candidate.is_live = True
                self._enter(pool, candidate, candidate.shown_at)

    # -------------------------------------------------------------------- what is over

    def settle(self, key: TaskKey, version: Version, *, at: float) -> None:
        """Know that *version* and all before it are over, however often a search still shows them."""
        # The oldest stay in front. Two go for one that comes, so that the old do not pile up.
        self._settled.pop(key, None)
        self._settled[key] = (version, at)
        for _ in range(2):
            oldest = next(iter(self._settled))
            is_over = self._settled[oldest][1] < at - self._keep_seconds
            if is_over or len(self._settled) > _MOST_SETTLED:
                del self._settled[oldest]

    def is_over(self, stored: StoredTask) -> bool:
        """Whether *stored* is known to be over."""
        settled = self._settled.get(stored.document.key)
        return settled is not None and stored.version <= settled[0]

    # ----------------------------------------------------------------------- forgetting

    def clear(self, queue: QueueName) -> None:
        """Forget what is known of *queue*: it belongs in another order now."""
        pool = self._pools.pop(queue, None)
        if pool is not None:
            for candidate in list(pool.live.values()):
                self._forget(pool, candidate)

    def forget_all(self) -> None:
        """Forget all there is, those for later included; what is over stays known."""
        if self._count:
            self._pools.clear()
            self._later.clear()
            self._count = self._bytes = 0

    def prune(self, *, at: float) -> None:
        """Before a search's answer: forget what is older than it could show, and empty pools."""
        self._sweep(at)
        for key in list(itertools.islice(self._settled, 1000)):
            if self._settled[key][1] >= at - self._keep_seconds:
                break
            del self._settled[key]
        for name, pool in list(self._pools.items()):
            for candidate in list(itertools.islice(pool.others.values(), 1000)):
                if self._is_kept(candidate, at):
                    break
                self._forget(pool, candidate)
            pool.leftovers = self._shares.leftovers(name)
            if not pool.live:
                del self._pools[name]

    def _sweep(self, at: float) -> None:
        """
        Now and then forget all that is stale, so that nothing is kept for twice as long as it counts.

        What nobody asks for would else stay until there is no more room: of a burst of creations
        that was 50 MB, for good.
        """
        if at < self._next_sweep:
            return
        self._next_sweep = at + self._keep_seconds
        for name, pool in list(self._pools.items()):
            stale = [each for each in pool.live.values() if not self._is_kept(each, at)]
            for candidate in stale:
                self._forget(pool, candidate)
            if not pool.live:
                del self._pools[name]
            elif stale:
                pool.weed()

    def _forget(self, pool: _Pool, candidate: Candidate) -> None:
        pool.take_out(candidate)
        self._strike(candidate.stored.document)

    def _note(self, task: Task, at: float) -> None:
        self._count += 1
        self._bytes += task.approximate_bytes
        self._sweep(at)
        if self._is_full:
            self._make_room(task.queue, at)

    def _strike(self, task: Task) -> None:
        self._count -= 1
        self._bytes -= task.approximate_bytes

    @property
    def _is_full(self) -> bool:
        return self._count > self._limit or self._bytes > self._max_bytes

    def _make_room(self, queue: QueueName, at: float) -> None:
        """
        Forget the worse half of each pool, so that it is long before this is to be done again.

        Of those for later, the half that is due last. Where single tasks of ever so many queues fill
        it all, those go whose queues have been known for the longest, but not what came for *queue*.
        """
        for pool in self._pools.values():
            self._halve(pool, at)
        self._later.sort()
        half = len(self._later) // 2
        for _, _, stored in self._later[half:]:
            self._strike(stored.document)
        del self._later[half:]
        for name in [name for name in self._pools if name != queue]:
            if not self._is_full:
                break
            self.clear(name)

    def _halve(self, pool: _Pool, at: float) -> None:
        fresh: list[Candidate] = []
        for candidate in list(pool.live.values()):
            if self._is_kept(candidate, at):
                fresh.append(candidate)
            else:
                self._forget(pool, candidate)
        fresh.sort(key=lambda candidate: candidate.stored.document.claim_order)
        for candidate in fresh[(len(fresh) + 1) // 2 :]:
            self._forget(pool, candidate)
        pool.weed()
