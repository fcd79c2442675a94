"""
The store of tasks: one bulk for writes, one multi get for reads, one multi search for proposals.

Every item of an answer is looked at; nothing is repeated here, and no outcome is guessed. A write
is a whole document, on condition of its version or of its absence: updates by script may be
applied twice (reliability 1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

import attrs
import msgspec

from tasques.adapters.elasticsearch import answers, documents, errors
from tasques.adapters.elasticsearch.adoption import Adoption
from tasques.adapters.elasticsearch.answers import BulkItem, Document
from tasques.adapters.elasticsearch.client import NDJSON, Client
from tasques.adapters.elasticsearch.documents import MalformedDocument
from tasques.adapters.elasticsearch.indices import IndexNames, Json
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.adapters.elasticsearch.queries import (
    Excluded,
    Page,
    claimable_ranked,
    claimable_unranked,
    finished,
    outstanding,
    timed_out,
)
from tasques.adapters.elasticsearch.search import Search, Searcher
from tasques.core.archive import finished_at
from tasques.core.documents import Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import (
    ClaimableQuery,
    Create,
    Delete,
    Deleted,
    FinishedQuery,
    Invalid,
    Malformed,
    Missing,
    ReadOutcome,
    Runtime,
    StoreTraits,
    Unknown,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant

# A bulk that touches an index whose primary is missing answers for none of its items before this
# is over; the default is a minute.
_BULK: Final = (
    "/_bulk?timeout=1s&filter_path=items.*.status,items.*.error.type,items.*.error.reason,"
    "items.*._seq_no,items.*._primary_term"
)
# Answers that hold documents are never filtered: that would write the documents' numbers anew.
_MULTI_GET: Final = "/_mget"

_ENCODE: Final = msgspec.json.Encoder().encode


@attrs.frozen
class _Line:
    """One action of a bulk request: its place among the writes asked for, and its bytes."""

    position: int
    write: Write[Task]
    content: bytes


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
        self._adoption = adoption
        self._quarantine = quarantine
        self._searcher = Searcher(client, names, quarantine, runtime)

    @property
    def traits(self) -> StoreTraits:
        """Searches see what was written before the last refresh, by default each second."""
        return StoreTraits(visibility_lag=Duration.of_seconds(1))

    # ------------------------------------------------------------------------------- writing

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Try each write, in one request where nothing goes wrong."""
        outcomes: list[WriteOutcome[Task]] = [Unknown("never sent")] * len(writes)
        indices = [self._names.queue(write.document.queue) for write in writes]
        refused = self._adoption.refusals(dict.fromkeys(indices))
        lines: list[_Line] = []
        for position, (write, index) in enumerate(zip(writes, indices, strict=True)):
            if index in refused:
                outcomes[position] = refused[index]
                continue
            try:
                lines.append(_Line(position, write, _action(write, index)))
            except ValueError as error:
                outcomes[position] = Invalid(str(error))
        if lines:
            self._send(lines, outcomes)
        return outcomes

    def _send(self, lines: Sequence[_Line], outcomes: list[WriteOutcome[Task]]) -> None:
        """Send *lines* as one request, and put what became of each at its place in *outcomes*."""
        body = b"".join(line.content for line in lines)
        try:
            answer = self._client.request("POST", _BULK, body, content_type=NDJSON)
        except errors.RequestFailed as failure:
            for line in lines:
                outcomes[line.position] = errors.failure_outcome(failure)
            return
        if answer.is_ok:
            _settle(lines, answer.body, outcomes)
            return
        cause = answers.error(answer.body)
        if len(lines) > 1 and errors.is_divisible(answer.status, cause):
            # One action that cannot be read spoils the whole request. Halving finds it; what may
            # have been written before it was met conflicts with itself, which is no lie.
            middle = len(lines) // 2
            self._send(lines[:middle], outcomes)
            self._send(lines[middle:], outcomes)
            return
        for line in lines:
            outcomes[line.position] = errors.request_outcome(line.write, answer.status, cause)

    # ------------------------------------------------------------------------------- reading

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """Read present versions, in one request; sees every acknowledged write at once."""
        if not keys:
            return ()
        asked = [{"_index": self._names.queue(key.queue), "_id": key.id} for key in keys]
        try:
            found = answers.multi_get(self._read(_MULTI_GET, _ENCODE({"docs": asked})))
        except answers.UnreadableAnswer as error:
            raise StoreUnavailable(str(error)) from error
        if len(found) != len(keys):
            raise StoreUnavailable("Elasticsearch answered for other documents than were asked for")
        return [
            self._read_outcome(key, document) for key, document in zip(keys, found, strict=True)
        ]

    def _read_outcome(self, key: TaskKey, document: Document) -> ReadOutcome[Task]:
        if document.error is not None:
            if document.error.type == "index_not_found_exception":
                return Missing()
            raise errors.unavailable(503, document.error)
        if not document.found:
            return Missing()
        try:
            task = documents.decode(document.source, queue=key.queue, id=key.id)
        except MalformedDocument as error:
            self._quarantine.put(document.index, document.id, document.seq_no, str(error))
            return Malformed(str(error))
        return Stored(document=task, version=Version(document.primary_term, document.seq_no))

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """
        Propose tasks to claim; two searches for each query, all in one request.

        Does not see what was written since the last refresh. Where some shards do not answer, what
        the others have is given.
        """
        searches = [search for query in queries for search in self._searches(query)]
        self._searcher.run(searches)
        proposed = []
        for query, ranked, unranked in zip(queries, searches[::2], searches[1::2], strict=True):
            both = sorted(
                ranked.found + unranked.found, key=lambda stored: stored.document.claim_order
            )
            proposed.append(both[: query.limit])
        return proposed

    def _searches(self, query: ClaimableQuery) -> tuple[Search, Search]:
        def search(body: Callable[[Instant, Page], Json]) -> Search:
            return Search(
                indices=tuple(self._names.queue(queue) for queue in query.queues),
                body=lambda page: body(query.now, page),
                wanted=lambda task: task.run_at <= query.now,
                limit=query.limit,
            )

        return search(claimable_ranked), search(claimable_unranked)

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

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        """Count after a refresh of the queue's index; 0 for a queue that was never used."""
        index = quote(self._names.queue(queue), safe="")
        anyway = "ignore_unavailable=true&allow_no_indices=true&expand_wildcards=open,hidden"
        refreshed = answers.shards(self._read(f"/{index}/_refresh?{anyway}", b""))
        counted = answers.search(
            self._read(
                f"/{index}/_search?{anyway}&allow_partial_search_results=false",
                _ENCODE(outstanding(recurring_task_id)),
            )
        )
        if refreshed.failed or counted.shards.failed or counted.timed_out:
            raise StoreUnavailable(f"only a part of queue [{queue}] could be counted")
        return counted.hits.total.value

    def _read(self, path: str, body: bytes) -> bytes:
        try:
            answer = self._client.request("POST", path, body, repeatable=True)
        except errors.RequestFailed as failure:
            raise errors.unreachable(failure) from failure
        if not answer.is_ok:
            raise errors.unavailable(answer.status, answers.error(answer.body))
        return answer.body


def _action(write: Write[Task], index: str) -> bytes:
    """The two lines of *write*: what to do, and the document."""
    target: dict[str, object] = {"_index": index, "_id": write.document.id}
    if isinstance(write, Create):
        action = {"create": target}
    else:
        target["if_seq_no"] = write.expected.seq_no
        target["if_primary_term"] = write.expected.primary_term
        if isinstance(write, Delete):
            return _ENCODE({"delete": target}) + b"\n"
        action = {"index": target}
    return _ENCODE(action) + b"\n" + documents.encode(write.document) + b"\n"


def _settle(lines: Sequence[_Line], body: bytes, outcomes: list[WriteOutcome[Task]]) -> None:
    """Put what became of each line at its place in *outcomes*."""
    try:
        items = answers.bulk(body)
    except answers.UnreadableAnswer as error:
        items, reason = (), str(error)
    else:
        reason = "Elasticsearch answered for another number of writes"
    if len(items) != len(lines):
        for line in lines:
            outcomes[line.position] = Unknown(reason)
        return
    for line, item in zip(lines, items, strict=True):
        outcomes[line.position] = _outcome(line.write, item)


def _outcome(write: Write[Task], item: BulkItem) -> WriteOutcome[Task]:
    if 200 <= item.status < 300 and item.seq_no >= 0:
        if isinstance(write, Delete):
            return Deleted()
        version = Version(item.primary_term, item.seq_no)
        return Written(Stored(document=write.document, version=version))
    return errors.item_outcome(write, item.status, item.error)
