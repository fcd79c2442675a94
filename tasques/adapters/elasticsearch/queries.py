"""
The searches, as pure functions that give the bodies of requests, each with why it is right.

None sees the last write: a search sees what Elasticsearch has refreshed, by default once a second,
and two searches in a row may see different copies. So what they give are proposals; the
compare-and-set that follows decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import msgspec

from tasques.adapters.elasticsearch.indices import Json
from tasques.core.ports import FinishedQuery
from tasques.core.tasks import State, TaskKey
from tasques.core.values import Instant

#: More cannot be asked for at once: ``index.max_result_window``.
MAX_SIZE: Final = 10_000
#: A search gives what it has by then.
TIMEOUT: Final = "5s"

CLAIMABLE_STATES: Final = sorted(state.value for state in State if state.is_claimable)
FINAL_STATES: Final = sorted(state.value for state in State if state.is_final)
OUTSTANDING_STATES: Final = sorted(state.value for state in State if not state.is_final)


@attrs.frozen(kw_only=True)
class Excluded:
    """
    One version of a document that is not worth finding again.

    Attributes:
        index: The concrete index it is in.
    """

    index: str
    id: str
    seq_no: int


@attrs.frozen(kw_only=True)
class Page:
    """
    Which part of what a search finds.

    Attributes:
        size: At most so many.
        excluded: None of these.
        after: The sort values of the last hit of the page before, or None for the first page.
    """

    size: int
    excluded: Sequence[Excluded] = ()
    after: msgspec.Raw | None = None


def claimable_ranked(now: Instant, page: Page, within: Json | None = None) -> Json:
    """
    Tasks due at *now* that have a ``rank``, best first; only those *within*, a filter, if given.

    One sort key, which Elasticsearch reads from the lowest value on, leaving out whatever cannot be
    among the first: flat in the number of ready tasks. The other keys settle ties, so that a page
    ends where the order of claims would end it. ``unmapped_type`` because the index may be an
    original's, in which nothing has a rank yet.
    """
    return _search(
        filters=[*ready_now(now), _HAS_RANK if within is None else within],
        must_not=[],
        sort=[_sort("rank", "asc"), _sort("remaining_attempts", "desc"), _ID],
        page=page,
    )


def claimable_unranked(now: Instant, page: Page) -> Json:
    """
    Tasks due at *now* without a ``rank``, best first by the original's own sorts.

    An original writes none, and some tasks are out of its range. The two searches find disjoint
    sets; where everything has a rank this one ends at once, because Elasticsearch sees from its
    counts that no document lacks the field.
    """
    return _search(
        filters=ready_now(now),
        must_not=[_HAS_RANK],
        sort=[
            _sort("priority", "desc"),
            _sort("run_at", "asc", "date"),
            _sort("remaining_attempts", "desc"),
            _ID,
        ],
        page=page,
    )


def claimable_at_all(now: Instant, page: Page) -> Json:
    """
    Tasks due at *now*, with a ``rank`` or without, in no order.

    For where most likely there are few: a page that is not full holds all there is, for less than the
    two above cost, and Elasticsearch ends as soon as one is full.
    """
    return _search(filters=ready_now(now), must_not=[], sort=[], page=page)


def timed_out(before: Instant, page: Page) -> Json:
    """
    Claimed tasks whose time is over at *before*, the longest over first.

    So that none waits for ever behind a page of others. ``times_out_at`` is rounded down to the
    millisecond in the index, so a task may be found up to a millisecond early; the caller looks.
    """
    return _search(
        filters=[
            {"term": {"state": State.CLAIMED.value}},
            _until("last_claimed.times_out_at", before),
        ],
        must_not=[],
        sort=[_sort("last_claimed.times_out_at", "asc", "date"), _ID],
        page=page,
    )


def expired(before: Instant, page: Page) -> Json:
    """
    Waiting tasks that were to be started by *before*, the longest over first.

    In an index of an original's making nothing has the field, and nothing is found.
    """
    return _search(
        filters=[{"terms": {"state": CLAIMABLE_STATES}}, _until("expires_at", before)],
        must_not=[],
        sort=[_sort("expires_at", "asc", "date"), _ID],
        page=page,
    )


def finished(query: FinishedQuery, page: Page, *, with_result: bool) -> Json:
    """
    Tasks done or dead for long enough, the longest first.

    One search for those whose last attempt has a result, as the original looks for them, and one for
    those that ended without: no field holds the end of both. Tasks of recurring tasks have a limit
    of their own.
    """
    field = "last_claimed.result.at" if with_result else "metadata.modified_at"
    has_result: Json = {"exists": {"field": "last_claimed.result.at"}}
    is_recurring: Json = {"exists": {"field": "recurring_task_id.keyword"}}
    old_enough: Json = {
        "bool": {
            "should": [
                {"bool": {"filter": [_until(field, query.before)], "must_not": [is_recurring]}},
                {"bool": {"filter": [_until(field, query.recurring_before), is_recurring]}},
            ]
        }
    }
    filters = [{"terms": {"state": FINAL_STATES}}, old_enough]
    return _search(
        filters=[*filters, has_result] if with_result else filters,
        must_not=[] if with_result else [has_result],
        sort=[_sort(field, "asc", "date"), _ID],
        page=page,
    )


def outstanding(recurring_task_id: str) -> Json:
    """How many tasks that a recurring task made are not finished: the count alone, and exact."""
    return {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"recurring_task_id.keyword": recurring_task_id}},
                    {"terms": {"state": OUTSTANDING_STATES}},
                ]
            }
        },
        "size": 0,
        "track_total_hits": True,
        "timeout": TIMEOUT,
    }


#: Recurring tasks that are there for everybody. One of which nobody knows is found and looked at.
NOT_DELETED: Final[Json] = {"bool": {"must_not": [{"term": {"is_deleted": True}}]}}
#: Recurring tasks, deleted ones too, that changed since a leader took them up: an original marks
#: them so as well.
NOT_TAKEN_UP: Final[Json] = {"bool": {"must_not": [{"exists": {"field": "loaded_at"}}]}}


def archived(key: TaskKey, *, start: int, size: int) -> Json:
    """
    What the archive has under a task's name, the last created first; so many from *start* on.

    By name, because an original server lets Elasticsearch make the ids of its copies. Where copies
    of one life are left in several indices, the one that was changed last comes first. Pages go by
    number and not by the last hit: nothing that is sorted by tells two copies apart.
    """
    return {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"id.keyword": key.id}},
                    {"term": {"queue.keyword": key.queue}},
                ]
            }
        },
        "sort": [
            _sort("metadata.created_at", "desc", "date"),
            _sort("metadata.modified_at", "desc", "date"),
        ],
        "from": start,
        "size": size,
        "seq_no_primary_term": True,
        "track_total_hits": False,
        "timeout": TIMEOUT,
    }


_HAS_RANK: Final[Json] = {"exists": {"field": "rank"}}
# Ties on everything else are settled as claims settle them. As a keyword: ``_id`` itself may not be
# sorted by since Elasticsearch 8.
_ID: Final[Json] = {"id.keyword": {"order": "asc", "unmapped_type": "keyword"}}


def ready_now(now: Instant) -> list[Json]:
    """What a task has to fulfil to be claimable at *now*."""
    # The index holds run_at in milliseconds, rounded down, so this never misses a due one; it may
    # find one due within the millisecond, which the caller leaves out.
    return [
        {"terms": {"state": CLAIMABLE_STATES}},
        _until("run_at", now),
        {"range": {"remaining_attempts": {"gt": 0}}},
    ]


def _until(field: str, instant: Instant) -> Json:
    return {"range": {field: {"lte": _exact(instant), "format": "strict_date_optional_time"}}}


def _exact(instant: Instant) -> str:
    # Without decimals, Elasticsearch takes the upper bound of a range for the end of that second.
    text = str(instant)
    return text if "." in text else text.replace("Z", ".000Z")


def _sort(field: str, order: str, kind: str = "long") -> Json:
    return {field: {"order": order, "unmapped_type": kind}}


def _exclusion(document: Excluded) -> Json:
    # By version, so that a document that was repaired is found at once; by index, because ids are
    # unique in their queue only.
    return {
        "bool": {
            "filter": [
                {"term": {"_index": document.index}},
                {"term": {"_id": document.id}},
                {"term": {"_seq_no": document.seq_no}},
            ]
        }
    }


def _search(
    *, filters: Sequence[Json], must_not: Sequence[Json], sort: Sequence[Json], page: Page
) -> Json:
    excluded = [_exclusion(document) for document in page.excluded]
    body: dict[str, object] = {
        "query": {"bool": {"filter": filters, "must_not": [*must_not, *excluded]}},
        "size": min(page.size, MAX_SIZE),
        "seq_no_primary_term": True,
        "track_total_hits": False,
        "timeout": TIMEOUT,
    }
    if sort:
        body["sort"] = sort
    if page.after is not None:
        body["search_after"] = page.after
    return body
