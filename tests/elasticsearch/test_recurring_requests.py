"""The exact requests about recurring tasks and locks, and what is made of answers; no cluster."""

import json
import logging
from typing import Any

import pytest
from elastic_transport import ConnectionTimeout

from tasques.adapters.elasticsearch import recurring_documents, scan
from tasques.adapters.elasticsearch.http_node import ConnectionNotMade
from tasques.adapters.elasticsearch.indices import IndexNames, lock_indices, recurring_indices
from tasques.core.documents import Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.leadership import LOCK_NAME
from tasques.core.ports import (
    Conflict,
    Create,
    Delete,
    Deleted,
    Missing,
    Rejected,
    Replace,
    Written,
)
from tasques.core.recurring import RecurringTaskId
from tasques.testing.examples import leader_lock, recurring
from tests.elasticsearch.stub import StubCluster, failed, item

INDEX = "t_recurring_tasks"
LOCKS = "t_leader_locks"
NAMES = IndexNames("t_")
REFRESH = f"POST /{INDEX}/_refresh"
# One that asks for nothing, before a refresh, and the one for the first page.
PROBE = FIRST = f"POST /{INDEX}/_search"
OPEN = f"POST /{INDEX}/_pit"
SEARCH = "POST /_search"
CLOSE = "DELETE /_pit"
ALL_SHARDS = {"_shards": {"total": 2, "successful": 2, "failed": 0}}


def hit(id: str, seq_no: int = 0, **changes: object) -> dict[str, Any]:
    """A recurring task found, the sort value being its number."""
    source = {**json.loads(recurring_documents.encode(recurring(id))), **changes}
    return {
        "_index": INDEX,
        "_id": id,
        "_seq_no": seq_no,
        "_primary_term": 1,
        "_source": source,
        "sort": [seq_no],
    }


def page(*hits: dict[str, Any], pit_id: str = "p1", failed: int = 0, **more: object) -> object:
    """A page of what is found, at a point in time if it is not the first."""
    shards = {"total": 2, "failed": failed}
    return {"pit_id": pit_id, "hits": {"hits": list(hits)}, "_shards": shards, **more}


def many(prefix: str, start: int = 0) -> list[dict[str, Any]]:
    """As many as fill a page."""
    return [hit(f"{prefix}{n}", start + n) for n in range(scan.PAGE_SIZE)]


def a_cluster(*, without: str = "") -> StubCluster:
    """A cluster with both indices, as ours, that answers all requests but *without*."""
    stub = StubCluster()
    for kind in (recurring_indices(NAMES), lock_indices(NAMES)):
        mapping = {"mappings": {"properties": kind.fields}}
        stub.answer(f"GET /{kind.pattern}/_mapping", {kind.pattern: mapping})
    ready: dict[str, object] = {
        PROBE: {"hits": {"hits": []}, **ALL_SHARDS},
        REFRESH: ALL_SHARDS,
        OPEN: {"id": "p0"},
        CLOSE: {"succeeded": True},
    }
    for request, answer in ready.items():
        if request != without:
            stub.answer(request, answer)
    return stub


@pytest.fixture
def cluster() -> StubCluster:
    """A cluster that lacks nothing but the pages of a search."""
    return a_cluster()


def asked(cluster: StubCluster) -> list[str]:
    """Methods and paths of all requests."""
    return [f"{request.method} {request.path}" for request in cluster.requests]


# ------------------------------------------------------------------------------ by their ids


def test_recurring_tasks_are_written_as_tasks_are(cluster: StubCluster) -> None:
    """One bulk, on condition; the document does not say its id; a delete has no document."""
    cluster.answer(
        "POST /_bulk", {"items": [item(), item(200, 8, "index"), item(200, 9, "delete")]}
    )
    new, old, gone = recurring("a"), recurring("b/?"), recurring("c")
    outcomes = cluster.backend().recurring_tasks.write(
        [
            Create(document=new),
            Replace(document=old, expected=Version(3, 7)),
            Delete(document=gone, expected=Version(3, 6)),
        ]
    )
    (request,) = cluster.asked("POST /_bulk")
    create, created, index, _, delete = request.lines
    assert create == {"create": {"_index": INDEX, "_id": "a"}}
    assert "id" not in created
    condition = {"if_seq_no": 7, "if_primary_term": 3}
    assert index == {"index": {"_index": INDEX, "_id": "b/?", **condition}}
    condition = {"if_seq_no": 6, "if_primary_term": 3}
    assert delete == {"delete": {"_index": INDEX, "_id": "c", **condition}}
    assert outcomes == [
        Written(Stored(document=new, version=Version(1, 0))),
        Written(Stored(document=old, version=Version(1, 8))),
        Deleted(),
    ]


def test_locks_are_written_and_read_in_an_index_of_their_own(cluster: StubCluster) -> None:
    """By their names."""
    cluster.answer("POST /_bulk", {"items": [item()]})
    found = {"_index": LOCKS, "_id": LOCK_NAME, "found": False}
    cluster.answer("POST /_mget", {"docs": [found]})
    locks = cluster.backend().leader_locks
    (outcome,) = locks.write([Create(document=leader_lock(LOCK_NAME))])
    assert isinstance(outcome, Written)
    assert list(locks.get([LOCK_NAME])) == [Missing()]
    (written,) = cluster.asked("POST /_bulk")
    assert written.lines[0] == {"create": {"_index": LOCKS, "_id": LOCK_NAME}}
    (read,) = cluster.asked("POST /_mget")
    assert json.loads(read.body) == {"docs": [{"_index": LOCKS, "_id": LOCK_NAME}]}


def test_what_an_index_lacks_is_mapped_before_the_first_write(cluster: StubCluster) -> None:
    """An original's index is dynamic: ext would be taken apart, field by field, for good."""
    opaque = {"type": "object", "enabled": False}
    for kind in (recurring_indices(NAMES), lock_indices(NAMES)):
        stub = StubCluster()
        theirs = {name: field for name, field in kind.fields.items() if name != "ext"}
        mapping = {"mappings": {"dynamic": "true", "properties": theirs}}
        stub.answer(f"GET /{kind.pattern}/_mapping", {kind.pattern: mapping})
        stub.answer(f"PUT /{kind.pattern}/_mapping", {"acknowledged": True})
        stub.answer("POST /_bulk", {"items": [item()]})
        if kind.pattern == INDEX:
            stub.backend().recurring_tasks.write([Create(document=recurring())])
        else:
            stub.backend().leader_locks.write([Create(document=leader_lock())])
        _, put, write = stub.requests
        assert json.loads(put.body) == {"properties": {"ext": opaque}}
        assert write.path == "/_bulk"


def test_an_index_that_the_write_will_make_needs_its_own_template() -> None:
    """That of another kind does not help."""
    cluster = StubCluster()
    cluster.answer("GET /_index_template/t_queues_index_template", {"index_templates": []})
    cluster.answer("POST /_bulk", {"items": [item()]})
    backend = cluster.backend()
    for outcome in (
        *backend.recurring_tasks.write([Create(document=recurring())]),
        *backend.leader_locks.write([Create(document=leader_lock())]),
    ):
        assert isinstance(outcome, Rejected)
        assert "tasques setup" in outcome.reason
    name = "t_recurring_tasks_index_template"
    cluster.answer(f"GET /_index_template/{name}", {"index_templates": []})
    (outcome,) = backend.recurring_tasks.write([Create(document=recurring())])
    assert isinstance(outcome, Written)


def test_a_delete_where_there_is_no_index_conflicts(cluster: StubCluster) -> None:
    """What is not there conflicts; a delete makes no index."""
    missing = failed(404, "index_not_found_exception", "delete")
    cluster.answer("POST /_bulk", {"items": [missing]})
    delete = Delete(document=recurring(), expected=Version(1, 0))
    (outcome,) = cluster.backend().recurring_tasks.write([delete])
    assert outcome == Conflict()


# ---------------------------------------------------------------------------------- searches


ALL_FOUND = {
    "query": {"bool": {"must_not": [{"term": {"is_deleted": True}}]}},
    "size": 500,
    "seq_no_primary_term": True,
    "track_total_hits": False,
}


def test_all_are_found_by_one_search_after_a_refresh(cluster: StubCluster) -> None:
    """Word for word; a page that is not full is all there is."""
    cluster.answer(FIRST, page(hit("b", 5), hit("a", 6)))
    found = cluster.backend().recurring_tasks.find_all()
    assert [stored.document.id for stored in found] == ["a", "b"]
    assert found[1] == Stored(document=recurring("b"), version=Version(1, 5))
    assert asked(cluster) == [PROBE, REFRESH, FIRST]
    probe, refresh, first = cluster.requests
    assert refresh.query == ""
    assert probe.query == first.query == "allow_partial_search_results=false"
    assert json.loads(first.body) == ALL_FOUND


def test_what_fills_a_page_is_found_at_a_point_in_time(cluster: StubCluster) -> None:
    """Word for word; from its beginning, since it is another time; and the point is closed."""
    cluster.answer(FIRST, page(*many("x")))
    cluster.answer(SEARCH, page(hit("a", 6)))
    found = cluster.backend().recurring_tasks.find_all()
    assert [stored.document.id for stored in found] == ["a"]
    assert asked(cluster) == [PROBE, REFRESH, FIRST, OPEN, SEARCH, CLOSE]
    *_, opened, search, closed = cluster.requests
    assert opened.query == "keep_alive=1m"
    assert search.query == "allow_partial_search_results=false"
    assert json.loads(search.body) == {
        **ALL_FOUND,
        "pit": {"id": "p0", "keep_alive": "1m"},
        "sort": [{"_shard_doc": "asc"}],
    }
    assert json.loads(closed.body) == {"id": "p1"}


def test_changes_are_found_without_a_refresh() -> None:
    """Deleted ones too; what was taken up since the index looked is left out."""
    cluster = a_cluster(without=PROBE)
    taken_up = hit("c", loaded_at="2026-01-01T00:00:00Z")
    cluster.answer(FIRST, page(hit("b", is_deleted=True), hit("a"), taken_up))
    found = cluster.backend().recurring_tasks.find_changed()
    assert [stored.document.id for stored in found] == ["b", "a"]
    assert asked(cluster) == [FIRST]
    body = json.loads(cluster.asked(FIRST)[0].body)
    assert body["query"] == {"bool": {"must_not": [{"exists": {"field": "loaded_at"}}]}}


def test_page_follows_page_until_one_is_not_full(cluster: StubCluster) -> None:
    """Each after the last of the page before, at the point in time that the last answer named."""
    cluster.answer(FIRST, page(*many("a")))
    cluster.answer(SEARCH, page(*many("a"), pit_id="p1"))
    cluster.answer(SEARCH, page(*many("b", 500), pit_id="p2"))
    cluster.answer(SEARCH, page(pit_id="p3"))
    assert len(cluster.backend().recurring_tasks.find_all()) == 1000
    bodies = [json.loads(request.body) for request in cluster.asked(SEARCH)]
    assert [body["pit"]["id"] for body in bodies] == ["p0", "p1", "p2"]
    assert [body.get("search_after") for body in bodies] == [None, [499], [999]]
    assert json.loads(cluster.asked(CLOSE)[0].body) == {"id": "p3"}


@pytest.mark.parametrize("number", range(4))
def test_without_an_index_there_are_none(number: int) -> None:
    """Neither before the first write nor after somebody deleted it, at whatever moment."""
    missing = {"error": {"type": "index_not_found_exception", "reason": "no such index"}}
    requests = [PROBE, REFRESH, FIRST, OPEN]
    cluster = a_cluster(without=requests[number])
    if requests[number] != PROBE:
        cluster.answer(FIRST, page(*many("a")))
    elif number:
        cluster.answer(PROBE, {})
    cluster.answer(requests[number], missing, status=404)
    cluster.answer(SEARCH, page(hit("a")))
    assert list(cluster.backend().recurring_tasks.find_all()) == []
    assert asked(cluster) == requests[: number + 1]


BROKEN = {"error": {"type": "t", "reason": "r"}}


def let_fail(cluster: StubCluster, request_made: str, failure: object) -> None:
    """Answer so: with an exception, a status or a body."""
    if isinstance(failure, Exception):
        cluster.fail(request_made, failure)
    elif isinstance(failure, int):
        cluster.answer(request_made, BROKEN, status=failure)
    else:
        cluster.answer(request_made, failure)


PAGES_THAT_ARE_NONE = [
    page(failed=1),
    page(timed_out=True),
    b"<html>",
    b"{}",
    503,
    ConnectionNotMade("refused"),
]


@pytest.mark.parametrize(
    ("request_made", "failure"),
    [
        (PROBE, 503),
        (PROBE, 404),
        (REFRESH, {"_shards": {"total": 2, "failed": 1}}),
        (REFRESH, b"<html>"),
        (REFRESH, b"{}"),
        (OPEN, ConnectionTimeout("slow")),
        (OPEN, 503),
        (OPEN, b"{}"),
        *((SEARCH, failure) for failure in PAGES_THAT_ARE_NONE),
    ],
)
def test_a_part_is_never_given_for_all(request_made: str, failure: object) -> None:
    """A leader would unschedule what a missing shard holds; the point in time is closed."""
    cluster = a_cluster(without=request_made)
    let_fail(cluster, request_made, failure)
    if request_made != PROBE:
        cluster.answer(FIRST, page(*many("a")))
    if request_made != SEARCH:
        cluster.answer(SEARCH, page())
    with pytest.raises(StoreUnavailable):
        cluster.backend().recurring_tasks.find_all()
    assert len(cluster.asked(CLOSE)) == len(cluster.asked(SEARCH))


@pytest.mark.parametrize("failure", PAGES_THAT_ARE_NONE)
def test_nor_is_a_part_of_the_first_page(cluster: StubCluster, failure: object) -> None:
    """Nor what some proxy says, for an empty index."""
    let_fail(cluster, FIRST, failure)
    with pytest.raises(StoreUnavailable):
        cluster.backend().recurring_tasks.find_all()
    assert asked(cluster) == [PROBE, REFRESH, FIRST]


def test_a_page_that_is_lost_loses_all(cluster: StubCluster) -> None:
    """The first pages alone would be a part."""
    cluster.answer(FIRST, page(*many("a")))
    cluster.answer(SEARCH, page(*many("a")))
    cluster.answer(SEARCH, page(failed=1))
    with pytest.raises(StoreUnavailable):
        cluster.backend().recurring_tasks.find_all()
    assert len(cluster.asked(CLOSE)) == 1


def test_a_point_in_time_that_cannot_be_closed_hurts_nobody() -> None:
    """It goes by itself within a minute."""
    cluster = a_cluster(without=CLOSE)
    cluster.answer(FIRST, page(*many("a")))
    cluster.answer(SEARCH, page(hit("a")))
    cluster.fail(CLOSE, ConnectionTimeout("slow"))
    assert len(cluster.backend().recurring_tasks.find_all()) == 1


def test_poison_is_left_out_and_logged_once(
    cluster: StubCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are found each time."""
    cluster.answer(FIRST, page(hit("bad", 7, schedule_expression=5), hit("good")))
    store = cluster.backend().recurring_tasks
    for _ in range(2):
        assert [stored.document.id for stored in store.find_all()] == [RecurringTaskId("good")]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "[bad]" in caplog.text
