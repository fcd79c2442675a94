"""
Searches that pass over what is no task, several in one request.

A document that is no task ("poison") takes a place among the hits. Those that are known are left
out by the query; where others fill a page, the next page is read, so that no number of bad ones at
the head of a queue hides the good ones behind them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias
from urllib.parse import quote

import attrs
import msgspec

from tasques.adapters.elasticsearch import answers, documents, errors
from tasques.adapters.elasticsearch.answers import Cause, Hit, SearchAnswer
from tasques.adapters.elasticsearch.client import NDJSON, Client
from tasques.adapters.elasticsearch.indices import IndexNames, Json
from tasques.adapters.elasticsearch.parts import MalformedDocument
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.adapters.elasticsearch.queries import MAX_SIZE, Page
from tasques.adapters.elasticsearch.scan import ANYWAY
from tasques.core.documents import Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import Runtime
from tasques.core.tasks import StoredTask, Task

_log = logging.getLogger(__name__)

#: After a page that held bad documents the next ones are at least so large.
MIN_NEXT_PAGE: Final = 500
#: Pages of one search; more bad documents than they hold are not passed over.
MAX_PAGES: Final = 40
#: A refresh that meets a missing shard waits for it a minute; nobody waits for the refresh longer
#: than this, and the shards that are there have refreshed by then.
REFRESH_SECONDS: Final = 1.0
#: Elasticsearch takes no longer first line of a request than 4096 bytes.
LONGEST_NAMES: Final = 3500
#: A search that fails again and again is logged once in so long.
LOG_SECONDS: Final = 60.0

# Answers that hold documents are never filtered: that would write the documents' numbers anew.
_PATH: Final = "/_msearch"
_ENCODE: Final = msgspec.json.Encoder().encode

Body: TypeAlias = Callable[[Page], Json]


@attrs.define(kw_only=True)
class Search:
    """
    One search on its way through its pages.

    Attributes:
        indices: Names of indices; empty for those of every queue.
        but: Of these, the ones that are left out.
        body: Makes the request for a page.
        wanted: Whether a task is one; the index rounds times to milliseconds, this does not.
        limit: So many tasks are enough.
        is_narrow: Whether it looks only where most likely enough is found.
        has_order: Whether it sorts what it finds. One that does not has a single page.
        read: Reads a hit in place of the searcher.
        is_full: Whether there may be more behind the last page.
        found: Tasks so far, in the order of the search.
        took: Milliseconds that Elasticsearch spent on it.
    """

    indices: tuple[str, ...]
    body: Body
    wanted: Callable[[Task], bool]
    limit: int
    found: list[StoredTask] = attrs.field(factory=list)
    but: tuple[str, ...] = ()
    is_narrow: bool = False
    has_order: bool = True
    read: Callable[[Hit], StoredTask | None] | None = None
    is_full: bool = False
    took: int = 0
    _size: int = 0
    _after: msgspec.Raw | None = None

    def request(self, names: IndexNames, quarantine: Quarantine) -> bytes:
        """The two lines of a multi search for the next page."""
        self._size = min(self.limit if self._after is None else MIN_NEXT_PAGE, MAX_SIZE)
        page = Page(size=self._size, excluded=quarantine.excluded(self.indices), after=self._after)
        header = {
            "index": self._named(names),
            # A queue that was never used has no index, and holds nothing.
            "ignore_unavailable": True,
            "allow_no_indices": True,
            "expand_wildcards": "open,hidden",
        }
        return _ENCODE(header) + b"\n" + _ENCODE(self.body(page)) + b"\n"

    def _named(self, names: IndexNames) -> str | Sequence[str]:
        if not self.but:
            return self.indices or names.all_queues
        if self.indices:
            return [index for index in self.indices if index not in self.but]
        return [names.all_queues, *(f"-{index}" for index in self.but)]

    def wants_more(self, hits: Sequence[Hit]) -> bool:
        """Whether there may be more to find after *hits*, and it is worth looking."""
        self.is_full = len(hits) >= self._size
        if not self.is_full or not self.has_order or len(self.found) >= self.limit:
            return False
        self._after = hits[-1].sort
        return True


class Searcher:
    """Runs searches; safe for several threads."""

    def __init__(
        self, client: Client, names: IndexNames, quarantine: Quarantine, runtime: Runtime
    ) -> None:
        self._client = client
        self._names = names
        self._quarantine = quarantine
        self._runtime = runtime
        self._logged_at = float("-inf")

    def run(self, searches: Sequence[Search]) -> None:
        """
        Fill *searches*, all in one request unless bad documents want more pages.

        A shard that is not there, as while its index is being made, holds nothing; a search that
        fails otherwise finds nothing while others succeed, and is logged.

        Raises:
            StoreUnavailable: If Elasticsearch is out of reach or has too much to do, or if every
                search failed.
        """
        open_searches = [search for search in searches if search.limit > 0]
        for _ in range(MAX_PAGES):
            if not open_searches:
                return
            results = self._request(open_searches)
            self._raise_failures(results)
            open_searches = [
                search
                for search, result in zip(open_searches, results, strict=True)
                if self._take(search, result)
            ]

    def refresh(self, indices: Sequence[str]) -> None:
        """
        Let searches of *indices* see every write acknowledged so far, as far as they can be reached.

        Raises:
            StoreUnavailable: If Elasticsearch is out of reach or has too much to do.
        """
        for names in _lines([quote(index, safe="") for index in indices]):
            try:
                answer = self._client.request(
                    "POST", f"/{names}/_refresh?{ANYWAY}", timeout_seconds=REFRESH_SECONDS
                )
            except errors.NotSent as failure:
                raise errors.unreachable(failure) from failure
            except errors.RequestFailed as failure:
                # Some shard is missing. What the others have will be found all the same.
                _log.debug("a refresh was not answered in time: %s", failure)
                continue
            if not answer.is_ok:
                cause = answers.error(answer.body)
                if errors.is_overload(answer.status, cause):
                    raise errors.unavailable(answer.status, cause)

    def _request(self, searches: Sequence[Search]) -> Sequence[SearchAnswer]:
        body = b"".join(search.request(self._names, self._quarantine) for search in searches)
        try:
            answer = self._client.request("POST", _PATH, body, content_type=NDJSON, repeatable=True)
            if not answer.is_ok:
                raise errors.unavailable(answer.status, answers.error(answer.body))
            results = answers.multi_search(answer.body)
        except errors.RequestFailed as failure:
            raise errors.unreachable(failure) from failure
        except answers.UnreadableAnswer as error:
            raise StoreUnavailable(str(error)) from error
        if len(results) != len(searches):
            raise StoreUnavailable("Elasticsearch answered another number of searches")
        return results

    def _take(self, search: Search, result: SearchAnswer) -> bool:
        """Add what *result* holds to *search*; whether it wants another page."""
        search.took += result.took
        read = search.read or self.stored
        for hit in result.hits.hits:
            stored = read(hit)
            if stored is not None and search.wanted(stored.document):
                search.found.append(stored)
        return search.wants_more(result.hits.hits)

    def stored(self, hit: Hit) -> StoredTask | None:
        """The task that was found; None if it is none, which is noted."""
        task = self._task(hit)
        if task is None:
            return None
        return Stored(document=task, version=Version(hit.primary_term, hit.seq_no))

    def _task(self, hit: Hit) -> Task | None:
        queue = self._names.queue_of(hit.index)
        try:
            if queue is None:
                raise MalformedDocument("its index is not a queue's")
            return documents.decode(hit.source, queue=queue, id=hit.id)
        except MalformedDocument as error:
            self._quarantine.put(hit.index, hit.id, hit.seq_no, str(error))
            return None

    def _raise_failures(self, results: Sequence[SearchAnswer]) -> None:
        """Raise for what concerns every search; log, once in a while, what concerns one."""
        failures = [
            (result.status, cause) for result in results if (cause := _failure(result)) is not None
        ]
        for status, cause in failures:
            if errors.is_overload(status, cause) or len(failures) == len(results):
                raise errors.unavailable(status, cause)
        now = self._runtime.monotonic()
        if failures and now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            _log.warning("a search failed: %s", errors.describe(*failures[0]))


def _lines(names: Sequence[str]) -> Iterator[str]:
    """The names, joined by commas, so many at a time as fit into a request's first line."""
    line = ""
    for name in names:
        if line and len(line) + len(name) > LONGEST_NAMES:
            yield line
            line = ""
        line = f"{line},{name}" if line else name
    if line:
        yield line


def _failure(result: SearchAnswer) -> Cause | None:
    """Why *result* is none, unless its shards are merely absent."""
    if result.error is None:
        return None
    causes = result.error.root_cause
    if all(cause.type in errors.ABSENT_SHARDS for cause in causes) and result.status in (404, 503):
        return None
    return causes[0] if causes else result.error
