"""The exact requests about finished and outstanding tasks, and what is made of answers; no cluster."""

import json

import pytest
from elastic_transport import ConnectionTimeout

from tasques.core.documents import Version
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import FinishedQuery
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration
from tests.elasticsearch.stub import NOW, StubCluster, a_task, document, found, hit

EARLIER = NOW.plus(Duration.of_seconds(-3600))
Q = QueueName("q")
SEARCH = "POST /t_queue-q/_search"
REFRESH = "POST /t_queue-q/_refresh"


def query(*but: StoredTask, limit: int = 7) -> FinishedQuery:
    """Tasks finished before now, those of recurring tasks an hour before."""
    return FinishedQuery(before=NOW, recurring_before=EARLIER, limit=limit, but=but)


def test_finished_tasks_are_sought_in_every_queue_by_two_searches(cluster: StubCluster) -> None:
    """Word for word: by their result, and by their last change where there is none."""
    cluster.answer("POST /_msearch", {"responses": [found()] * 2})
    cluster.backend().tasks.find_finished(query())
    (request,) = cluster.requests
    header, with_result, _, without = request.lines
    assert header["index"] == "t_queue-*"

    def until(field: str, instant: object) -> dict[str, object]:
        condition = {"lte": str(instant), "format": "strict_date_optional_time"}
        return {"range": {field: condition}}

    recurring = {"exists": {"field": "recurring_task_id.keyword"}}
    has_result = {"exists": {"field": "last_claimed.result.at"}}
    for body, field in ((with_result, "last_claimed.result.at"), (without, "metadata.modified_at")):
        old_enough = {
            "bool": {
                "should": [
                    {"bool": {"filter": [until(field, NOW)], "must_not": [recurring]}},
                    {"bool": {"filter": [until(field, EARLIER), recurring]}},
                ]
            }
        }
        filters = [{"terms": {"state": ["dead", "done"]}}, old_enough]
        searches_results = field != "metadata.modified_at"
        assert body["query"]["bool"] == {
            "filter": [*filters, has_result] if searches_results else filters,
            "must_not": [] if searches_results else [has_result],
        }
        assert body["sort"] == [
            {field: {"order": "asc", "unmapped_type": "date"}},
            {"id.keyword": {"order": "asc", "unmapped_type": "keyword"}},
        ]
        assert body["size"] == 7


def test_known_versions_are_left_out_by_the_query(cluster: StubCluster) -> None:
    """By index, id and number: a version that moved is found."""
    cluster.answer("POST /_msearch", {"responses": [found()] * 2})
    known = StoredTask(document=a_task("t1"), version=Version(2, 9))
    cluster.backend().tasks.find_finished(query(known))
    _, with_result, _, without = cluster.requests[0].lines
    excluded = {
        "bool": {
            "filter": [
                {"term": {"_index": "t_queue-q"}},
                {"term": {"_id": "t1"}},
                {"term": {"_seq_no": 9}},
            ]
        }
    }
    assert excluded in with_result["query"]["bool"]["must_not"]
    assert excluded in without["query"]["bool"]["must_not"]


def test_what_is_finished_within_the_millisecond_is_left_out(cluster: StubCluster) -> None:
    """The index rounds down to milliseconds; the port does not. The rest comes in one order."""

    def cancelled(id: str, nanoseconds: int) -> dict[str, object]:
        changed = str(NOW.plus(Duration(nanoseconds)))
        return document(id, state="dead", metadata={"created_at": changed, "modified_at": changed})

    hits = [hit(cancelled("b", -1)), hit(cancelled("a", 0)), hit(cancelled("c", 1))]
    cluster.answer("POST /_msearch", {"responses": [found(hits[1]), found(hits[0], hits[2])]})
    proposed = cluster.backend().tasks.find_finished(query())
    assert [stored.document.id for stored in proposed] == ["b", "a"]


def test_the_count_follows_a_refresh_of_the_index(cluster: StubCluster) -> None:
    """Of the queue's index, not of the queue; exact, and of every shard."""
    nothing = {"_shards": {"failed": 0}}
    cluster.answer(SEARCH, nothing)
    cluster.answer(SEARCH, {**found(), "hits": {"hits": [], "total": {"value": 3}}})
    cluster.answer(REFRESH, nothing)
    assert cluster.backend().tasks.count_outstanding(Q, RecurringTaskId("hourly")) == 3
    probe, refresh, count = cluster.requests
    assert refresh.query == ""
    assert probe.query == count.query == "allow_partial_search_results=false"
    assert json.loads(probe.body) == {"size": 0}
    assert json.loads(count.body) == {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"recurring_task_id.keyword": "hourly"}},
                    {"terms": {"state": ["claimed", "failed", "queued"]}},
                ]
            }
        },
        "size": 0,
        "track_total_hits": True,
        "timeout": "5s",
    }


@pytest.mark.parametrize(
    "counted",
    [
        {"_shards": {"failed": 1}, "hits": {"hits": [], "total": {"value": 0}}},
        {"timed_out": True, "hits": {"hits": [], "total": {"value": 0}}},
        b"<html>",
        b"{}",
        ConnectionTimeout("slow"),
    ],
)
def test_a_part_is_never_counted_for_all(cluster: StubCluster, counted: object) -> None:
    """A second task would be made beside one that nobody counted."""
    cluster.answer(SEARCH, {"_shards": {"failed": 0}})
    cluster.answer(REFRESH, {"_shards": {"failed": 0}})
    if isinstance(counted, Exception):
        cluster.fail(SEARCH, counted)
    else:
        cluster.answer(SEARCH, counted)
    with pytest.raises(StoreUnavailable):
        cluster.backend().tasks.count_outstanding(Q, RecurringTaskId("hourly"))
