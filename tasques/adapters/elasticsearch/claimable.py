"""
The search for tasks to claim: by rank, and what has none by the original's sorts.

Where the last search found less than was asked for, one search without an order comes instead: most
of the time somebody waits, there is little or nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.indices import IndexNames, Json
from tasques.adapters.elasticsearch.narrowing import Narrowing, later_priorities, read_later
from tasques.adapters.elasticsearch.queries import (
    claimable_at_all,
    claimable_ranked,
    claimable_unranked,
)
from tasques.adapters.elasticsearch.scan import ANYWAY
from tasques.adapters.elasticsearch.search import LONGEST_NAMES, Body, Search, Searcher
from tasques.adapters.elasticsearch.shown_again import ShownAgain
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import ClaimableQuery, Runtime
from tasques.core.queues import QueueName
from tasques.core.tasks import StoredTask

_log = logging.getLogger(__name__)

_ENCODE: Final = msgspec.json.Encoder().encode
#: So many sets of queues in which there was little are remembered.
_MOST_SHORT: Final = 1_000


class ClaimableSearcher:
    """Proposes tasks to claim; safe for several threads."""

    def __init__(
        self, client: Client, names: IndexNames, searcher: Searcher, runtime: Runtime
    ) -> None:
        self._client = client
        self._names = names
        self._searcher = searcher
        self._narrowing = Narrowing(runtime)
        self._short = _Short(runtime)
        self._shown_again = ShownAgain(searcher.stored)

    def find(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """As of :meth:`~tasques.core.ports.TaskStore.find_claimable`."""
        fresh = dict.fromkeys(queue for query in queries for queue in query.fresh)
        if fresh:
            self._searcher.refresh([self._names.queue(queue) for queue in fresh])
        # Where one has the two searches anyway, the others come along with it.
        is_glance = all(self._short.holds(query.queues) for query in queries)
        found = self._glance(queries) if is_glance else self._search(queries)
        for query, tasks in zip(queries, found, strict=True):
            self._short.note(query.queues, is_short=len(tasks) < query.limit)
        return found

    def _glance(self, queries: Sequence[ClaimableQuery]) -> list[Sequence[StoredTask]]:
        """All there is where that is little, by one search each; where there is more, by two."""
        glances = [self._at_all(query) for query in queries]
        self._searcher.run(glances)
        found: list[Sequence[StoredTask]] = [_in_order(glance.found) for glance in glances]
        full = [number for number, glance in enumerate(glances) if glance.is_full]
        searched = self._search([queries[number] for number in full])
        for number, tasks in zip(full, searched, strict=True):
            found[number] = tasks
        return found

    def _search(self, queries: Sequence[ClaimableQuery]) -> list[Sequence[StoredTask]]:
        """The first there are."""
        ranked = [self._by_rank(query, narrowed=True) for query in queries]
        unranked = [self._without_rank(query) for query in queries]
        # The two for one query stand together.
        self._searcher.run([each for pair in zip(ranked, unranked, strict=True) for each in pair])
        self._search_everything(queries, ranked)
        for query, search in zip(queries, ranked, strict=True):
            self._learn(query, search)
        return [
            _in_order(one.found + two.found)[: query.limit]
            for query, one, two in zip(queries, ranked, unranked, strict=True)
        ]

    def _search_everything(self, queries: Sequence[ClaimableQuery], ranked: list[Search]) -> None:
        """Search again, and everywhere, where a narrow search did not find enough."""
        short = [
            number
            for number, search in enumerate(ranked)
            if search.is_narrow and len(search.found) < search.limit
        ]
        for number in short:
            ranked[number] = self._by_rank(queries[number], narrowed=False)
        if short:
            self._searcher.run([ranked[number] for number in short])

    def _by_rank(self, query: ClaimableQuery, *, narrowed: bool) -> Search:
        indices = self._indices(query)
        within = self._narrowing.window(indices, query.now, query.limit) if narrowed else None
        return self._proposing(
            query,
            lambda page: claimable_ranked(query.now, page, within),
            is_narrow=within is not None,
        )

    def _without_rank(self, query: ClaimableQuery) -> Search:
        return self._proposing(query, lambda page: claimable_unranked(query.now, page))

    def _at_all(self, query: ClaimableQuery) -> Search:
        return self._proposing(
            query, lambda page: claimable_at_all(query.now, page), has_order=False
        )

    def _proposing(
        self, query: ClaimableQuery, body: Body, *, is_narrow: bool = False, has_order: bool = True
    ) -> Search:
        """A search for what *query* is about, by requests that *body* makes."""
        return Search(
            indices=self._indices(query),
            but=tuple(self._names.queue(queue) for queue in query.paused),
            body=body,
            wanted=lambda task: task.run_at <= query.now,
            limit=_limit(query),
            is_narrow=is_narrow,
            has_order=has_order,
            read=self._shown_again.stored,
        )

    def _indices(self, query: ClaimableQuery) -> tuple[str, ...]:
        return tuple(self._names.queue(queue) for queue in query.queues)

    def _learn(self, query: ClaimableQuery, search: Search) -> None:
        """Remember where tasks were found, if looking for them was slow."""
        indices = search.indices
        if not search.is_narrow and self._narrowing.is_worth_asking(indices, search.took):
            self._narrowing.learn(indices, self._later(query, indices))
        tasks = [stored.document for stored in search.found]
        self._narrowing.note(indices, tasks, search.limit)

    def _later(self, query: ClaimableQuery, indices: tuple[str, ...]) -> Sequence[int]:
        """The priorities at which much is for later; none if it cannot be said."""
        names = ",".join(quote(index, safe="") for index in indices) or self._names.all_queues
        body: Json = later_priorities(query.now)
        if len(names) > LONGEST_NAMES:
            return ()
        try:
            return read_later(self._client.read(f"/{names}/_search?{ANYWAY}", _ENCODE(body)))
        except (StoreUnavailable, msgspec.MsgspecError) as failure:
            _log.debug("what is for later could not be counted: %s", failure)
            return ()


class _Short:
    """Remembers for which sets of queues less was found than asked for; safe for threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._lock = runtime.condition()
        self._queues: dict[tuple[QueueName, ...], None] = {}

    def holds(self, queues: tuple[QueueName, ...]) -> bool:
        """Whether the last search for *queues* found all there was."""
        with self._lock:
            return queues in self._queues

    def note(self, queues: tuple[QueueName, ...], *, is_short: bool) -> None:
        """A search for *queues* has found all there was, or there may be more."""
        with self._lock:
            if not is_short:
                self._queues.pop(queues, None)
                return
            self._queues[queues] = None
            if len(self._queues) > _MOST_SHORT:
                del self._queues[next(iter(self._queues))]


def _in_order(tasks: Sequence[StoredTask]) -> list[StoredTask]:
    return sorted(tasks, key=lambda stored: stored.document.claim_order)


def _limit(query: ClaimableQuery) -> int:
    """How much to find; nothing if all is paused, since no index would mean all of them."""
    is_all_paused = bool(query.queues) and set(query.queues) <= set(query.paused)
    return 0 if is_all_paused else query.limit
