"""
When to search, and for what, on behalf of all who wait.

One query for each distinct set of queues. It comes again after a quarter of the store's visibility
lag, so that a task waits for its search much shorter than for being searchable; and at once when
all that the last one showed was taken. Where the store may know more than it shows, that next one
demands to see everything, within a budget. After trouble the store is left alone for a growing
random pause.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs

from tasques.core import errors
from tasques.core.ports import ClaimableQuery, Runtime
from tasques.core.queues import QueueName
from tasques.core.service.candidates import Candidates
from tasques.core.service.pace import FreshBudget, Pace
from tasques.core.service.waiting import Waiter
from tasques.core.service.waiting_line import Group, QueueSet
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration, Instant

_SHORTEST_INTERVAL_SECONDS: Final = 0.05
#: A search asks for more than is wanted now: what is left serves those who come before the next one.
_SMALLEST_SEARCH: Final = 50
#: Elasticsearch's window of results.
_LARGEST_SEARCH: Final = 10_000
#: An answer should not be larger than that, by what tasks of these queues took so far.
_LARGEST_ANSWER_BYTES: Final = 16 * 2**20
#: What it shows for the sake of those who come later is not to take more. Read, it takes four times
#: as much, and searches are made several times a second.
_LARGEST_SURPLUS_BYTES: Final = 2 * 2**20


@attrs.frozen
class News:
    """
    What an answer has told.

    Attributes:
        new: Tasks that were not known before.
        over: Versions known to be over.
    """

    new: int
    over: int


@attrs.define(eq=False)
class _Search:
    """
    The last search for one set of queues.

    Attributes:
        ended: When it was answered, or failed.
        taken: So many tasks were taken since.
        shown: So many it showed; a claimed task is shown until the store has noticed.
        over: So many of these were known to be over.
        is_full: Whether there may be more behind them.
        names: The queues of what it showed.
        mean_bytes: What one of them took.
    """

    ended: float = float("-inf")
    taken: int = 0
    shown: int = 0
    over: int = 0
    is_full: bool = False
    names: QueueSet = ()
    mean_bytes: float = 1000.0
    failure: errors.Unavailable | None = None


class SearchSchedule:
    """
    Not safe between threads: the dispatcher's lock guards it.

    Args:
        slots: Among about how many servers a queue is shared.
    """

    def __init__(
        self,
        runtime: Runtime,
        visibility_lag: Duration,
        candidates: Candidates,
        slots: Callable[[QueueName], int],
    ) -> None:
        self._runtime = runtime
        self._sees_at_once = visibility_lag.nanoseconds == 0
        self._period = search_period(visibility_lag)
        self._candidates = candidates
        self._slots = slots
        self._searches: dict[QueueSet, _Search] = {}
        self._pace = Pace(runtime)
        self._fresh = FreshBudget()
        self._plain_seconds = 0.0

    # ------------------------------------------------------------------------------ when

    def is_due(self, queues: QueueSet, *, is_new: bool) -> bool:
        """
        Whether what is known has been known for so long that a search is to come first.

        Args:
            is_new: For those for whom nobody has looked yet, or for the others.
        """
        search = self._searches.get(queues)
        if search is None or (self._sees_at_once and is_new):
            return True
        return self._runtime.monotonic() >= search.ended + self._pace.interval(self._period)

    def next_moment(self, groups: Iterable[Group]) -> float:
        """When the next search is due, on the monotonic clock; infinite if nobody waits."""
        moments = (self._moment(group) for group in groups)
        return max(min(moments, default=float("inf")), self._pace.quiet_until)

    def _moment(self, group: Group) -> float:
        """When a search is due for those of *group*."""
        search = self._searches.get(group.queues)
        if search is None or (self._sees_at_once and group.new):
            return float("-inf")
        used_up = self._used_up_moment(group.queues, search)
        again = min(search.ended + self._pace.interval(self._period), used_up)
        return min(again, group.new_deadline)

    def _used_up_moment(self, queues: QueueSet, search: _Search) -> float:
        """When to search again because all that was shown is taken; infinite if it is not."""
        if not self._is_used_up(queues, search):
            return float("inf")
        soon = search.ended + self._pace.interval(_SHORTEST_INTERVAL_SECONDS)
        # Without seeing more than the last time it is of use only if there is more behind.
        return soon if search.is_full else max(soon, self._fresh.next_at)

    def _is_used_up(self, queues: QueueSet, search: _Search) -> bool:
        if self._sees_at_once or not search.shown:
            return False
        return not self._candidates.has_any(queues, at=self._runtime.monotonic())

    # ------------------------------------------------------------------------------ what

    def queries(self, groups: Mapping[QueueSet, Group]) -> list[ClaimableQuery]:
        """What to search for now, if anything."""
        at, now = self._runtime.monotonic(), self._runtime.wall()
        self._forget(groups.keys(), at)
        if self.is_quiet:
            return []
        due = [group for group in groups.values() if at >= self._moment(group)]
        return [self._query(group.queues, group.wanted, at, now) for group in due]

    def _query(self, queues: QueueSet, wanted: int, at: float, now: Instant) -> ClaimableQuery:
        search = self._searches.get(queues) or _Search()
        is_used_up = self._is_used_up(queues, search)
        fresh = search.names if is_used_up and at >= self._fresh.next_at else ()
        # As much again as was taken since the last one: what a busy queue needs until the next.
        surplus = int(_LARGEST_SURPLUS_BYTES / search.mean_bytes)
        limit = max(wanted, min(2 * max(wanted, search.taken), surplus))
        if not fresh:
            # They are shown still, and must not hide what is behind them.
            limit += search.over + search.taken
        limit = max(limit * self._servers(search.names or queues), _SMALLEST_SEARCH)
        most = max(int(_LARGEST_ANSWER_BYTES / search.mean_bytes), 1)
        return ClaimableQuery(
            queues=queues, now=now, limit=min(limit, most, _LARGEST_SEARCH), fresh=fresh
        )

    def _servers(self, queues: QueueSet) -> int:
        return max((self._slots(queue) for queue in queues), default=1)

    # ------------------------------------------------------------------------ what became of it

    def answered(
        self,
        queries: Sequence[ClaimableQuery],
        found: Sequence[Sequence[StoredTask]],
        news: Sequence[News],
        began: float,
    ) -> None:
        """The store answered *queries* with *found*, which is *news*; it was asked when it *began*."""
        at = self._runtime.monotonic()
        self._pace.recover(at - began)
        if any(query.fresh for query in queries):
            new = sum(each.new for query, each in zip(queries, news, strict=True) if query.fresh)
            servers = max(self._servers(query.fresh) for query in queries)
            # What the search itself takes would have been paid for anyway.
            took = max(at - began - self._plain_seconds, (at - began) / 10)
            self._fresh.spend(took, at=at, servers=servers, was_worth_it=new > 0)
        else:
            self._plain_seconds = at - began
        for query, hits, each in zip(queries, found, news, strict=True):
            sizes = sum(stored.document.approximate_bytes for stored in hits)
            self._searches[query.queues] = _Search(
                ended=at,
                shown=len(hits),
                over=each.over,
                is_full=len(hits) >= query.limit,
                names=tuple(sorted({stored.document.queue for stored in hits})),
                mean_bytes=sizes / len(hits) if hits else _Search().mean_bytes,
            )

    def note_taken(self, queues: QueueSet, count: int) -> None:
        """Those who wait for *queues* got so many tasks."""
        search = self._searches.get(queues)
        if search is not None:
            search.taken += count

    def distrust(self, queue: QueueName) -> None:
        """Others took what the last search of *queue* showed; until the store notices, so will the next."""
        for search in self._searches.values():
            if queue in search.names:
                search.is_full = False

    def failed(self, queries: Iterable[ClaimableQuery], failure: errors.Unavailable) -> None:
        """The store could not answer *queries*."""
        self.back_off()
        for query in queries:
            search = self._searches.setdefault(query.queues, _Search())
            search.ended, search.failure = self._runtime.monotonic(), failure

    def failure_of(self, waiter: Waiter) -> errors.Unavailable | None:
        """Why the last search for *waiter* failed; None if it did not."""
        search = self._searches.get(waiter.request.queues)
        return search.failure if search is not None else None

    def back_off(self) -> None:
        """The store has too much to do, or is not there: leave it alone for a while."""
        self._pace.back_off()

    @property
    def is_quiet(self) -> bool:
        """Whether the store is to be left alone."""
        return self._runtime.monotonic() < self._pace.quiet_until

    def _forget(self, used: Collection[QueueSet], at: float) -> None:
        stale = at - 10 * self._period
        for queues, search in list(self._searches.items()):
            if queues not in used and search.ended < stale:
                del self._searches[queues]


def search_period(visibility_lag: Duration) -> float:
    """How often to search while somebody waits, in seconds."""
    return max(visibility_lag.seconds / 4, _SHORTEST_INTERVAL_SECONDS)
