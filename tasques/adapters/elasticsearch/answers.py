"""
The shape of what Elasticsearch answers, as far as we read it; decoding and nothing else.

Sources of documents stay raw bytes: each is decoded by itself later, so that one that cannot be
hurts itself only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from tasques.adapters.elasticsearch import nesting
from tasques.core.json_object import MAX_DEPTH

T = TypeVar("T")

#: Of a document; its free-form objects lie up to four levels deep in it.
_MAX_LEVELS: Final = MAX_DEPTH + 4


class UnreadableAnswer(ValueError):
    """An answer that is not what Elasticsearch gives; a proxy's error page, or half of one."""


class Cause(msgspec.Struct):
    """Why something failed."""

    type: str = ""
    reason: str | None = None


class ErrorAnswer(msgspec.Struct):
    """The body of an error status; some errors are a mere text."""

    error: Cause | str = ""


class BulkItem(msgspec.Struct):
    """What became of one action of a bulk request."""

    status: int
    error: Cause | None = None
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    primary_term: int = msgspec.field(name="_primary_term", default=-1)
    index: str = msgspec.field(name="_index", default="")


class BulkAnswer(msgspec.Struct):
    """The items in the order of the actions, each under the action's name."""

    items: list[dict[str, BulkItem]]


class Hit(msgspec.Struct):
    """A document found."""

    index: str = msgspec.field(name="_index")
    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"null"))
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    primary_term: int = msgspec.field(name="_primary_term", default=-1)
    sort: msgspec.Raw = msgspec.Raw(b"[]")


class ShardFailure(msgspec.Struct):
    """Why a shard took no part in a search."""

    reason: Cause | None = None


class Shards(msgspec.Struct):
    """How many shards took part."""

    total: int = 0
    failed: int = 0
    failures: list[ShardFailure] = msgspec.field(default_factory=list)


class Total(msgspec.Struct):
    """How many documents there are; negative where that was not asked for."""

    value: int = -1


class Hits(msgspec.Struct):
    """The documents found, in the order asked for."""

    hits: list[Hit] = msgspec.field(default_factory=list)
    total: Total = msgspec.field(default_factory=Total)


class BroadcastAnswer(msgspec.Struct):
    """What became of something asked of every shard of an index."""

    shards: Shards = msgspec.field(name="_shards")


class SearchError(Cause):
    """Why a whole search failed; the reasons of its shards are the causes behind it."""

    root_cause: list[Cause] = msgspec.field(default_factory=list)


class SearchAnswer(msgspec.Struct):
    """
    One search's result.

    Attributes:
        took: Milliseconds.
        error: Set if the search failed as a whole; then there are no hits.
        pit_id: The point in time to go on with, where it was one that was searched.
    """

    hits: Hits = msgspec.field(default_factory=Hits)
    shards: Shards = msgspec.field(name="_shards", default_factory=Shards)
    took: int = 0
    timed_out: bool = False
    error: SearchError | None = None
    status: int = 200
    pit_id: str = ""


class PointInTimeAnswer(msgspec.Struct):
    """What to search a point in time by."""

    id: str


class MultiSearchAnswer(msgspec.Struct):
    """The results of several searches, in their order."""

    responses: list[SearchAnswer]


class Document(msgspec.Struct):
    """A document asked for by its id."""

    index: str = msgspec.field(name="_index")
    id: str = msgspec.field(name="_id")
    found: bool = False
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"null"))
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    primary_term: int = msgspec.field(name="_primary_term", default=-1)
    error: Cause | None = None


class MultiGetAnswer(msgspec.Struct):
    """The documents in the order asked for, found or not."""

    docs: list[Document]


_BULK: Final = msgspec.json.Decoder(BulkAnswer)
_MULTI_SEARCH: Final = msgspec.json.Decoder(MultiSearchAnswer)
_SEARCH: Final = msgspec.json.Decoder(SearchAnswer)
_MULTI_GET: Final = msgspec.json.Decoder(MultiGetAnswer)
_POINT_IN_TIME: Final = msgspec.json.Decoder(PointInTimeAnswer)
_BROADCAST: Final = msgspec.json.Decoder(BroadcastAnswer)
_ERROR: Final = msgspec.json.Decoder(ErrorAnswer)


class _Skipped(msgspec.Struct):
    source: msgspec.Raw


#: Reads a document as an answer is read around it: without looking inside.
_SKIP: Final = msgspec.json.Decoder(_Skipped)


def bulk(body: bytes) -> Sequence[BulkItem]:
    """
    What became of each action, in order.

    Raises:
        UnreadableAnswer: If *body* is no answer to a bulk request.
    """
    return [item for named in _decode(_BULK, body).items for item in named.values()]


def multi_search(body: bytes) -> Sequence[SearchAnswer]:
    """
    The result of each search, in order.

    Raises:
        UnreadableAnswer: If *body* is no answer to a multi search.
    """
    return _with_sources(_MULTI_SEARCH, body, level=7).responses


def search(body: bytes) -> SearchAnswer:
    """
    The result of a search.

    Raises:
        UnreadableAnswer: If *body* is no answer to a search.
    """
    return _with_sources(_SEARCH, body, level=5)


def point_in_time(body: bytes) -> str:
    """
    What a point in time that was opened is called.

    Raises:
        UnreadableAnswer: If *body* does not tell.
    """
    return _decode(_POINT_IN_TIME, body).id


def shards(body: bytes) -> Shards:
    """
    How many shards took part in what has nothing else to say.

    Raises:
        UnreadableAnswer: If *body* does not tell.
    """
    return _decode(_BROADCAST, body).shards


def multi_get(body: bytes) -> Sequence[Document]:
    """
    The documents, in the order asked for.

    Raises:
        UnreadableAnswer: If *body* is no answer to a multi get.
    """
    return _with_sources(_MULTI_GET, body, level=4).docs


def error(body: bytes) -> Cause:
    """The cause that the body of an error status names; any body is good enough."""
    try:
        cause = _ERROR.decode(body).error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return Cause(reason=body[:200].decode(errors="replace"))
    return cause if isinstance(cause, Cause) else Cause(reason=cause)


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise UnreadableAnswer(f"not what Elasticsearch answers: {fault}") from fault


def _with_sources(decoder: msgspec.json.Decoder[T], body: bytes, *, level: int) -> T:
    """Decode an answer that holds documents, whose sources are objects at *level*."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Perhaps a document is at fault: Elasticsearch keeps what no parser here passes over,
        # nesting of a thousand levels and halves of surrogate pairs. Those are taken out.
        readable = nesting.with_nulls(body, level=level, wherever=_is_unreadable)
        return _decode(decoder, readable)


def _is_unreadable(source: bytes) -> bool:
    if nesting.is_deeper(source, _MAX_LEVELS):
        return True
    try:
        _SKIP.decode(b'{"source":' + source + b"}")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return True
    return False
