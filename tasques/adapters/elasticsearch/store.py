"""The store of tasks: documents written and read by id, and one multi search for proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import attrs
import msgspec

from tasques.adapters.elasticsearch import answers, documents, listings
from tasques.adapters.elasticsearch.adoption import Adoption
from tasques.adapters.elasticsearch.bulk import Address, BulkDocuments
from tasques.adapters.elasticsearch.claimable import ClaimableSearcher
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.indices import IndexNames
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.adapters.elasticsearch.queries import (
    Excluded,
    expired,
    finished,
    outstanding,
    timed_out,
)
from tasques.adapters.elasticsearch.scan import SEARCH, refresh
from tasques.adapters.elasticsearch.search import Search, Searcher
from tasques.core.archive import finished_at
from tasques.core.errors import StoreUnavailable
from tasques.core.listing import QueueSummary, TaskQuery
from tasques.core.ports import (
    ClaimableQuery,
    FinishedQuery,
    ReadOutcome,
    Runtime,
    StoreTraits,
    Write,
    WriteOutcome,
)
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant

_ENCODE: Final = msgspec.json.Encoder().encode


class _Tasks:
    """A task lies in the index of its queue, under its id."""

    def __init__(self, names: IndexNames) -> None:
        self._names = names

    def address(self, key: TaskKey) -> Address:
        return self._names.queue(key.queue), key.id

    def address_of(self, document: Task) -> Address:
        return self._names.queue(document.queue), document.id

    def encode(self, document: Task) -> bytes:
        return documents.encode(document)

    def decode(self, source: msgspec.Raw, key: TaskKey) -> Task:
        return documents.decode(source, queue=key.queue, id=key.id)


class ElasticsearchTaskStore:
    """The :class:`~tasques.core.ports.TaskStore` of Elasticsearch."""

    def __init__(
        self,
        client: Client,
        names: IndexNames,
        adoption: Adoption,
        quarantine: Quarantine,
        runtime: Runtime,
    ) -> None:
        self._client = client
        self._names = names
        self._documents = BulkDocuments(client, _Tasks(names), adoption, quarantine)
        self._searcher = Searcher(client, names, quarantine, runtime)
        self._claimable = ClaimableSearcher(client, names, self._searcher, runtime)

    @property
    def traits(self) -> StoreTraits:
        """Searches see what was written before the last refresh, by default each second."""
        return StoreTraits(visibility_lag=Duration.of_seconds(1))

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Try each write, in one request where nothing goes wrong."""
        return self._documents.write(writes)

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """Read present versions, in one request; sees every acknowledged write at once."""
        return self._documents.get(keys)

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """
        Propose tasks to claim; two searches for each query, all in one request.

        Does not see what was written since the last refresh, except in fresh queues: those are
        refreshed first. Where some shards do not answer, what the others have is given.
        """
        return self._claimable.find(queries)

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """
        Propose claimed tasks whose time is over, the longest over first; as of the last refresh.
        """

        def is_over(task: Task) -> bool:
            return task.last_claim is not None and task.last_claim.times_out_at <= before

        search = Search(
            indices=(),
            body=lambda page: timed_out(before, page),
            wanted=is_over,
            limit=limit,
        )
        self._searcher.run([search])
        return search.found[:limit]

    def find_finished(self, query: FinishedQuery) -> Sequence[StoredTask]:
        """Propose tasks to archive, the longest finished first; as of the last refresh."""
        but = [
            Excluded(
                index=self._names.queue(stored.document.queue),
                id=stored.document.id,
                seq_no=stored.version.seq_no,
            )
            for stored in query.but
        ]

        def is_over(task: Task) -> bool:
            recurs = task.recurring_task_id is not None
            return finished_at(task) <= (query.recurring_before if recurs else query.before)

        def search(with_result: bool) -> Search:
            return Search(
                indices=(),
                body=lambda page: finished(
                    query,
                    attrs.evolve(page, excluded=[*page.excluded, *but]),
                    with_result=with_result,
                ),
                wanted=is_over,
                limit=query.limit,
            )

        searches = search(True), search(False)
        self._searcher.run(searches)
        both = [stored for one in searches for stored in one.found]
        both.sort(key=lambda stored: (finished_at(stored.document), stored.document.id))
        return both[: query.limit]

    def find_expired(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """
        Propose waiting tasks that nobody started in time, the longest over first; as of the last
        refresh.
        """

        def is_over(task: Task) -> bool:
            expires_at = task.extensions.expires_at
            return expires_at is not None and expires_at <= before

        search = Search(
            indices=(), body=lambda page: expired(before, page), wanted=is_over, limit=limit
        )
        self._searcher.run([search])
        return search.found[:limit]

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """The next tasks of a listing; as of the last refresh."""
        index = self._names.queue(query.filter.queue)
        return listings.find_tasks(self._client, index, query, self._searcher.stored)

    def queue_names(self) -> frozenset[QueueName]:
        """The queues that have an index, as of now."""
        return listings.queue_names(self._client, self._names)

    def summarise(self, *, now: Instant) -> Sequence[QueueSummary]:
        """How every queue stands, as of the last refresh; one whose shard is gone is left out."""
        return listings.summarise(self._client, self._names, now)

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        """Count after a refresh of the queue's index; 0 for a queue that was never used."""
        index = self._names.queue(queue)
        if not refresh(self._client, index):
            return 0
        path = f"/{quote(index, safe='')}{SEARCH}"
        try:
            counted = answers.search(
                self._client.read(path, _ENCODE(outstanding(recurring_task_id)))
            )
        except answers.UnreadableAnswer as error:
            raise StoreUnavailable(str(error)) from error
        total = counted.hits.total.value
        if counted.shards.failed or counted.timed_out or total < 0:
            raise StoreUnavailable(f"only a part of queue [{queue}] could be counted")
        return total
