"""
Listings and summaries: what operators ask, as requests, and what the answers say.

Unlike a search for work, a listing must not leave anything out in silence: where a shard does not
answer there is no listing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.answers import Hit
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.indices import IndexNames, Json
from tasques.adapters.elasticsearch.queries import ready_now
from tasques.adapters.elasticsearch.scan import ANYWAY, SEARCH, read_if_there
from tasques.core.errors import StoreUnavailable
from tasques.core.listing import ListOrder, Position, QueueSummary, TaskQuery
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import State, StoredTask
from tasques.core.values import NANOSECONDS_PER_SECOND, Instant

#: Hits of one page at least, so that bad documents do not make many small ones.
_MIN_PAGE: Final = 100
#: Longer texts are kept and not indexed (``ignore_above``); then every task is looked at.
_LONGEST_KEYWORD: Final = 512
#: Queues that are summarised at most; a cluster of that many indices has other worries.
_MAX_QUEUES: Final = 10_000

_MILLISECOND: Final = NANOSECONDS_PER_SECOND // 1000

_ENCODE: Final = msgspec.json.Encoder().encode

#: Makes a task of a hit; None of one that is none.
Read = Callable[[Hit], StoredTask | None]


def find_tasks(client: Client, index: str, query: TaskQuery, read: Read) -> list[StoredTask]:
    """
    The next tasks of a listing in *index*, as of the last refresh; none without an index.

    Raises:
        StoreUnavailable: If Elasticsearch is out of reach, or any shard did not take part.
    """
    found: list[StoredTask] = []
    after = query.after
    size = max(query.limit, _MIN_PAGE)
    while len(found) < query.limit:
        hits = _page(client, index, listing(query, after=after, size=size))
        for hit in hits:
            stored = read(hit)
            # The index knows milliseconds, and a filter more.
            if stored is not None and query.filter.matches(stored.document):
                found.append(stored)
        if len(hits) < size:
            break
        after = position(hits[-1])
    return found[: query.limit]


def listing(query: TaskQuery, *, after: Position | None, size: int) -> Json:
    """
    One page of a listing: by creation, then id, which no two tasks of a queue share.

    Both sort values are part of the documents, so that a listing can go on after any task, at any
    later time; nothing is held open between two pages.
    """
    order = "desc" if query.order is ListOrder.NEWEST else "asc"
    body: dict[str, object] = {
        "query": {"bool": {"filter": list(_filters(query))}},
        "sort": [
            {"metadata.created_at": {"order": order, "unmapped_type": "date"}},
            {"id.keyword": {"order": order, "unmapped_type": "keyword"}},
        ],
        "size": size,
        "seq_no_primary_term": True,
        "track_total_hits": False,
    }
    if after is not None:
        body["search_after"] = [after.milliseconds, after.id]
    return body


def _filters(query: TaskQuery) -> Iterable[Json]:
    meant = query.filter
    yield _keyword("queue", meant.queue)
    # What lacks what a listing is sorted by is no task.
    yield from ({"exists": {"field": field}} for field in ("metadata.created_at", "id.keyword"))
    if meant.states:
        yield {"terms": {"state": sorted(state.value for state in meant.states)}}
    if meant.kind is not None and len(meant.kind) <= _LONGEST_KEYWORD:
        yield _keyword("kind", meant.kind)
    if meant.worker is not None and len(meant.worker) <= _LONGEST_KEYWORD:
        yield _keyword("last_claimed.worker_id", meant.worker)
    created: dict[str, object] = {}
    if meant.created_from is not None:
        created["gte"] = str(meant.created_from)
    if meant.created_before is not None:
        created["lte"] = str(meant.created_before)
    if created:
        yield {"range": {"metadata.created_at": {**created, "format": "strict_date_optional_time"}}}


def _keyword(field: str, value: str) -> Json:
    return {"term": {f"{field}.keyword": value}}


def _page(client: Client, index: str, body: Json) -> Sequence[Hit]:
    found = read_if_there(client, f"/{quote(index, safe='')}{SEARCH}", _ENCODE(body))
    if found is None:
        return ()
    try:
        answer = answers.search(found)
    except answers.UnreadableAnswer as error:
        raise StoreUnavailable(str(error)) from error
    if answer.shards.failed or answer.timed_out:
        raise StoreUnavailable(f"only a part of index [{index}] could be searched")
    return answer.hits.hits


def position(hit: Hit) -> Position:
    """Right after the task of *hit*, which a listing found."""
    milliseconds, id = msgspec.json.decode(hit.sort, type=tuple[int, TaskId])
    return Position(milliseconds, id)


# ------------------------------------------------------------------------------- summaries


class _Bucket(msgspec.Struct):
    key: str
    doc_count: int


class _States(msgspec.Struct):
    buckets: list[_Bucket]


class _Oldest(msgspec.Struct):
    value: float | None = None


class _Ready(msgspec.Struct):
    doc_count: int
    oldest: _Oldest


class _QueueBucket(msgspec.Struct):
    key: str
    states: _States
    ready: _Ready


class _Queues(msgspec.Struct):
    buckets: list[_QueueBucket]


class _Aggregations(msgspec.Struct):
    queues: _Queues


class _SummaryAnswer(msgspec.Struct):
    aggregations: _Aggregations | None = None


_SUMMARY: Final = msgspec.json.Decoder(_SummaryAnswer)


def summary(now: Instant) -> Json:
    """Each queue's tasks by state, and of those ready the longest due; one pass over the indices."""
    return {
        "size": 0,
        "track_total_hits": False,
        "aggs": {
            "queues": {
                "terms": {"field": "_index", "size": _MAX_QUEUES},
                "aggs": {
                    "states": {"terms": {"field": "state", "size": len(State)}},
                    "ready": {
                        "filter": {"bool": {"filter": ready_now(now)}},
                        "aggs": {"oldest": {"min": {"field": "run_at"}}},
                    },
                },
            }
        },
    }


def summarise(client: Client, names: IndexNames, now: Instant) -> Sequence[QueueSummary]:
    """
    How every queue stands, by name, as of the last refresh; one whose shard is gone is left out.

    Raises:
        StoreUnavailable: If Elasticsearch is out of reach.
    """
    path = f"/{quote(names.all_queues, safe='*')}/_search?{ANYWAY}"
    body = client.read(path, _ENCODE(summary(now)))
    try:
        whole = answers.search(body)
        aggregations = _SUMMARY.decode(body).aggregations
    except (answers.UnreadableAnswer, msgspec.MsgspecError) as error:
        raise StoreUnavailable(f"not what Elasticsearch answers: {error}") from error
    found: dict[QueueName, QueueSummary] = {}
    for bucket in aggregations.queues.buckets if aggregations is not None else ():
        queue = names.queue_of(bucket.key)
        if queue is not None:
            found[queue] = _summary(queue, bucket)
    if not whole.shards.failed:
        for queue in queue_names(client, names):
            found.setdefault(queue, QueueSummary(queue=queue, counts={}))
    return [found[queue] for queue in sorted(found)]


def _summary(queue: QueueName, bucket: _QueueBucket) -> QueueSummary:
    counted: Mapping[str, int] = {state.key: state.doc_count for state in bucket.states.buckets}
    oldest = bucket.ready.oldest.value
    return QueueSummary(
        queue=queue,
        counts={state: counted[state.value] for state in State if state.value in counted},
        ready=bucket.ready.doc_count,
        oldest_ready=None if oldest is None else Instant(int(oldest) * _MILLISECOND),
    )


class _Index(msgspec.Struct):
    name: str


class _Resolved(msgspec.Struct):
    indices: list[_Index]


_RESOLVED: Final = msgspec.json.Decoder(_Resolved)


def queue_names(client: Client, names: IndexNames) -> frozenset[QueueName]:
    """
    The queues that have an index, as of now.

    Raises:
        StoreUnavailable: If Elasticsearch is out of reach.
    """
    path = f"/_resolve/index/{quote(names.all_queues, safe='*')}?expand_wildcards=all"
    try:
        answer = client.request("GET", path, repeatable=True)
    except errors.RequestFailed as failure:
        raise errors.unreachable(failure) from failure
    if not answer.is_ok:
        raise errors.unavailable(answer.status, answers.error(answer.body))
    try:
        resolved = _RESOLVED.decode(answer.body).indices
    except msgspec.MsgspecError as error:
        raise StoreUnavailable(f"not what Elasticsearch answers: {error}") from error
    queues = (names.queue_of(index.name) for index in resolved)
    return frozenset(queue for queue in queues if queue is not None)
