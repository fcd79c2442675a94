"""
Everything that a query finds in an index, however much: for searches that must not miss a document.

A refresh before lets them see what was acknowledged. Mostly all there is fits into a page, and one search
gives it. Where it does not, they go at a point in time, page after page, in the order in which the
documents lie there; so a document that is written meanwhile is neither met twice nor pushed out of sight.
Any other order would need a field that no two documents share, and there is none: Elasticsearch sorts by
``_id`` no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.answers import Hit, SearchAnswer
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.indices import Json
from tasques.core.errors import StoreUnavailable

#: Of a path: an index that is not there, or closed, holds nothing.
ANYWAY: Final = "ignore_unavailable=true&allow_no_indices=true&expand_wildcards=open,hidden"
#: The end of a path, or all of it: a search of every shard, or none.
SEARCH: Final = "/_search?allow_partial_search_results=false"
#: Documents of one page.
PAGE_SIZE: Final = 500
#: A point in time outlives a page by so long; one that nobody closes costs the cluster memory.
KEEP_ALIVE: Final = "1m"

_ENCODE: Final = msgspec.json.Encoder().encode


def refresh(client: Client, index: str) -> bool:
    """
    Let searches of *index* see every write acknowledged so far.

    Returns:
        Whether there is such an index; one that is closed is there.

    Raises:
        StoreUnavailable: If Elasticsearch is out of reach, or any shard did not take part.
    """
    name = quote(index, safe="")
    # A refresh that meets a missing shard waits for it a minute; a search says so at once.
    if read_if_there(client, f"/{name}{SEARCH}", _ENCODE({"size": 0})) is None:
        return False
    answer = read_if_there(client, f"/{name}/_refresh")
    try:
        if answer is not None and answers.shards(answer).failed:
            raise StoreUnavailable(f"only a part of index [{index}] could be refreshed")
    except answers.UnreadableAnswer as error:
        raise StoreUnavailable(str(error)) from error
    return answer is not None


def scan(client: Client, index: str, query: Json) -> Sequence[Hit]:
    """
    All documents of *index* that *query* finds, as of the last refresh; none without an index.

    Raises:
        StoreUnavailable: If Elasticsearch is out of reach, or any shard did not take part.
    """
    path = f"/{quote(index, safe='')}{SEARCH}"
    first = read_if_there(client, path, _ENCODE(_body(query)))
    if first is None:
        return ()
    answer = _whole(first)
    if not answer.shards.total:  # some proxy's, which is not to be taken for an empty index
        raise StoreUnavailable("an answer that does not say what was searched")
    hits = answer.hits.hits
    return hits if len(hits) < PAGE_SIZE else _scan_at_a_point(client, index, query)


def _scan_at_a_point(client: Client, index: str, query: Json) -> Sequence[Hit]:
    """All of it in pages, from the first on: the search before was at another time."""
    point = _open(client, index)
    if point is None:
        return ()
    found: list[Hit] = []
    try:
        after = None
        while True:
            answer = _page(client, point, query, after)
            point = answer.pit_id
            hits = answer.hits.hits
            found.extend(hits)
            if len(hits) < PAGE_SIZE:
                return found
            after = hits[-1].sort
    finally:
        _close(client, point)


def _open(client: Client, index: str) -> str | None:
    path = f"/{quote(index, safe='')}/_pit?keep_alive={KEEP_ALIVE}"
    answer = read_if_there(client, path)
    try:
        return None if answer is None else answers.point_in_time(answer)
    except answers.UnreadableAnswer as error:
        raise StoreUnavailable(str(error)) from error


def read_if_there(client: Client, path: str, body: bytes = b"") -> bytes | None:
    """
    What is answered, or None where there is no index.

    Not by ``ignore_unavailable``, to which a closed index is one that holds nothing.
    """
    try:
        answer = client.request("POST", path, body, repeatable=True)
    except errors.RequestFailed as failure:
        raise errors.unreachable(failure) from failure
    if answer.is_ok:
        return answer.body
    cause = answers.error(answer.body)
    if answer.status == 404 and cause.type == "index_not_found_exception":
        return None
    raise errors.unavailable(answer.status, cause)


def _page(client: Client, point: str, query: Json, after: msgspec.Raw | None) -> SearchAnswer:
    body = {
        **_body(query),
        "pit": {"id": point, "keep_alive": KEEP_ALIVE},
        "sort": [{"_shard_doc": "asc"}],
    }
    if after is not None:
        body["search_after"] = after
    answer = _whole(client.read(SEARCH, _ENCODE(body)))
    if not answer.pit_id:
        raise StoreUnavailable("a page of an index does not say which is the next")
    return answer


def _body(query: Json) -> dict[str, object]:
    return {
        "query": query,
        "size": PAGE_SIZE,
        "seq_no_primary_term": True,
        "track_total_hits": False,
    }


def _whole(body: bytes) -> SearchAnswer:
    """
    What all shards have found.

    Raises:
        StoreUnavailable: If one of them took no part, or not to its end.
    """
    try:
        answer = answers.search(body)
    except answers.UnreadableAnswer as error:
        raise StoreUnavailable(str(error)) from error
    if answer.shards.failed or answer.timed_out:
        raise StoreUnavailable("only a part of an index could be searched")
    return answer


def _close(client: Client, point: str) -> None:
    try:
        client.request("DELETE", "/_pit", _ENCODE({"id": point}))
    except errors.RequestFailed:
        # It goes by itself, soon.
        pass
