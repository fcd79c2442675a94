"""
When to search, and for what, on behalf of all who wait.

One query for each distinct set of queues; not again before half the store's visibility lag is over,
since it would show the same; and after trouble not before a growing random pause.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, TypeAlias

import attrs

from tasques.core import errors
from tasques.core.ports import ClaimableQuery, Runtime
from tasques.core.queues import QueueName
from tasques.core.service.waiting import Waiter
from tasques.core.values import Duration

QueueSet: TypeAlias = tuple[QueueName, ...]

_SHORTEST_INTERVAL_SECONDS: Final = 0.05
_LONGEST_BACKOFF_SECONDS: Final = 2.0
#: A search asks for more than is wanted now: what is left serves those who come before the next one.
_SMALLEST_SEARCH: Final = 500
#: Elasticsearch's window of results.
_LARGEST_SEARCH: Final = 10_000


@attrs.define(eq=False)
class _Search:
    """The last search for one set of queues."""

    at: float = float("-inf")
    failure: errors.Unavailable | None = None


class SearchSchedule:
    """Not safe between threads: the dispatcher's lock guards it."""

    def __init__(self, runtime: Runtime, visibility_lag: Duration) -> None:
        self._runtime = runtime
        self._sees_at_once = visibility_lag.nanoseconds == 0
        # Half the lag: a task waits for its search about as long as for being searchable.
        self.interval = max(visibility_lag.seconds / 2, _SHORTEST_INTERVAL_SECONDS)
        self._searches: dict[QueueSet, _Search] = {}
        self._failures = 0
        self._quiet_until = float("-inf")

    def queries(self, waiters: Collection[Waiter]) -> list[ClaimableQuery]:
        """What to search for now, if anything."""
        at, now = self._runtime.monotonic(), self._runtime.wall()
        self._forget({waiter.request.queues for waiter in waiters}, at)
        if at < self._quiet_until:
            return []
        wanted: dict[QueueSet, int] = {}
        for waiter in waiters:
            queues = waiter.request.queues
            wanted[queues] = wanted.get(queues, 0) + waiter.request.amount
        due = dict.fromkeys(w.request.queues for w in waiters if at >= self._moment(w))
        return [
            ClaimableQuery(
                queues=queues,
                now=now,
                limit=min(max(4 * wanted[queues], _SMALLEST_SEARCH), _LARGEST_SEARCH),
            )
            for queues in due
        ]

    def _moment(self, waiter: Waiter) -> float:
        """When a search is due for *waiter*."""
        search = self._searches.get(waiter.request.queues)
        if search is None or (self._sees_at_once and not waiter.looked):
            return float("-inf")
        again = search.at + self.interval
        return again if waiter.looked else min(again, waiter.deadline)

    def answered(self, queries: Iterable[ClaimableQuery]) -> None:
        """The store answered *queries*."""
        for query in queries:
            self._failures = 0
            self._searches[query.queues] = _Search(at=self._runtime.monotonic())

    def failed(self, queries: Iterable[ClaimableQuery], failure: errors.Unavailable) -> None:
        """The store could not answer *queries*."""
        self.back_off()
        for query in queries:
            search = self._searches.setdefault(query.queues, _Search())
            search.failure = failure

    def failure_of(self, waiter: Waiter) -> errors.Unavailable | None:
        """Why the last search for *waiter* failed; None if it did not."""
        search = self._searches.get(waiter.request.queues)
        return search.failure if search is not None else None

    def back_off(self) -> None:
        """The store has too much to do, or is not there: leave it alone for a while."""
        self._failures = min(self._failures + 1, 10)
        longest = min(0.05 * 2**self._failures, _LONGEST_BACKOFF_SECONDS)
        self._quiet_until = self._runtime.monotonic() + self._runtime.random() * longest

    @property
    def is_quiet(self) -> bool:
        """Whether the store is to be left alone."""
        return self._runtime.monotonic() < self._quiet_until

    def next_moment(self, waiters: Iterable[Waiter]) -> float:
        """When the next search is due, on the monotonic clock; infinite if nobody waits."""
        moments = (self._moment(waiter) for waiter in waiters)
        return max(min(moments, default=float("inf")), self._quiet_until)

    def _forget(self, used: Collection[QueueSet], at: float) -> None:
        stale = at - 10 * self.interval
        for queues, search in list(self._searches.items()):
            if queues not in used and search.at < stale:
                del self._searches[queues]
