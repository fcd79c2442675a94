"""
What the failures of Elasticsearch mean to us, as one table; nothing else translates them.

The question about a failed write is always the same: is it certain that nothing was written? A
compare-and-set that nobody answered may still happen, and a 503 may follow a first attempt that a
node made by itself (reliability 1.1), so only what is known to come before any write counts as a
definite no.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import attrs

from tasques.adapters.elasticsearch.answers import Cause
from tasques.core.documents import D
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import (
    Blocked,
    Conflict,
    Create,
    Exists,
    Failure,
    Invalid,
    Rejected,
    Unknown,
    Write,
)

#: What a failed write comes to, before it is known whether it was a create.
Verdict: TypeAlias = Callable[[str], Failure]


class RequestFailed(Exception):
    """The base of the failures of a request that got no answer; the message has no credentials."""


class NotSent(RequestFailed):
    """The request never left: nobody listened, or the connection was not trusted."""


class NoAnswer(RequestFailed):
    """The request left, or part of it, and no answer came: it may have been carried out."""


def _conflict(reason: str) -> Failure:
    del reason
    return Conflict()


def _no_room(reason: str) -> Failure:
    return Rejected(
        "the cluster has no room for the index of another queue; delete the indices of unused"
        f" queues or raise cluster.max_shards_per_node: {reason}"
    )


def _not_allowed(reason: str) -> Failure:
    return Rejected(f"Elasticsearch does not allow it; see elasticsearch.user or api_key: {reason}")


def _too_slow(reason: str) -> Failure:
    return Rejected(reason, is_local=True)


def _no_index(reason: str) -> Failure:
    return Rejected(f"the index is not there and may not be made: {reason}")


#: By status and type of error; None stands for any. The most exact row decides.
TABLE: Final[Mapping[tuple[int | None, str | None], Verdict]] = {
    (409, None): _conflict,
    # Too much to do: pool queues, memory, too many bytes under way. Nothing was begun.
    (429, None): Rejected,
    # The same status for a full disk, which no waiting of seconds cures. 403 in older versions,
    # and where an operator has set the block.
    (429, "cluster_block_exception"): Blocked,
    (403, "cluster_block_exception"): Blocked,
    (400, "index_closed_exception"): Blocked,
    # What the document or its id is, nothing will change.
    (400, None): Invalid,
    (413, None): Invalid,
    # But an index that cannot be made is not the task's fault.
    (400, "validation_exception"): _no_room,
    (404, "index_not_found_exception"): _no_index,
    # Making the index took the master too long; the document itself was not sent on.
    (503, "process_cluster_event_timeout_exception"): _too_slow,
    (401, None): _not_allowed,
    (403, None): _not_allowed,
    # A client and a cluster that do not understand each other.
    (400, "media_type_header_exception"): Rejected,
    (None, None): Unknown,
}

#: Where the whole request failed, and not one action in it, these rows come first.
REQUEST_TABLE: Final[Mapping[tuple[int | None, str | None], Verdict]] = {
    # A cluster that is starting or has no master: seen before anything is sent on.
    (503, "cluster_block_exception"): Rejected,
    # Whose fault it is, is found by sending the actions apart.
    (404, None): Rejected,
    (405, None): Rejected,
    (410, None): Rejected,
}


def item_outcome(write: Write[D], status: int, cause: Cause | None) -> Failure:
    """What a failed action of a bulk request comes to."""
    cause = cause or Cause()
    if cause.type == "index_not_found_exception" and not isinstance(write, Create):
        # No index, no document; a delete never makes one, and a template may forbid it to others.
        return Conflict()
    outcome = _looked_up((TABLE,), write, status, cause)
    # Others of the same request have answers of their own: it is this document's shard.
    return attrs.evolve(outcome, is_local=True) if isinstance(outcome, Unknown) else outcome


def request_outcome(write: Write[D], status: int, cause: Cause) -> Failure:
    """What a write comes to whose whole request failed."""
    return _looked_up((REQUEST_TABLE, TABLE), write, status, cause)


def is_divisible(status: int, cause: Cause) -> bool:
    """Whether one action may have spoilt the request for its neighbours, so that halves may do."""
    return status in (400, 413) and cause.type != "media_type_header_exception"


def failure_outcome(failure: RequestFailed) -> Failure:
    """What a write comes to whose request got no answer."""
    return Rejected(str(failure)) if isinstance(failure, NotSent) else Unknown(str(failure))


def unavailable(status: int, cause: Cause) -> StoreUnavailable:
    """The error of a read that was refused."""
    return StoreUnavailable(f"Error from Elasticsearch: {describe(status, cause)}")


def unreachable(failure: RequestFailed) -> StoreUnavailable:
    """The error of a read that got no answer."""
    return StoreUnavailable(f"Elasticsearch is out of reach: {failure}")


def describe(status: int, cause: Cause) -> str:
    """Status, type and reason on one line; without the documents that some reasons repeat."""
    reason = (cause.reason or "").partition(", request: [")[0]
    return " ".join(f"{status} {cause.type} {reason}".split())[:400]


#: What a shard says that is not there at the moment, as it is while its index is being made.
ABSENT_SHARDS: Final = frozenset(
    {
        "no_shard_available_action_exception",
        "index_not_found_exception",
        "shard_not_found_exception",
        "illegal_index_shard_state_exception",
        "unavailable_shards_exception",
    }
)


def is_overload(status: int, cause: Cause | None) -> bool:
    """Whether a search failed because there is too much to do, wherever it looked."""
    kind = cause.type if cause is not None else ""
    return status == 429 or kind in (
        "es_rejected_execution_exception",
        "circuit_breaking_exception",
    )


def _looked_up(
    tables: tuple[Mapping[tuple[int | None, str | None], Verdict], ...],
    write: Write[D],
    status: int,
    cause: Cause,
) -> Failure:
    keys = ((status, cause.type), (None, cause.type), (status, None))
    found = next((table[key] for table in tables for key in keys if key in table), None)
    outcome = (found or TABLE[None, None])(describe(status, cause))
    return Exists() if outcome == Conflict() and isinstance(write, Create) else outcome
