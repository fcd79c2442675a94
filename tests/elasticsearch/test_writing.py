"""The exact requests that write, and what is made of each answer; no cluster takes part."""

import json

import pytest
from elastic_transport import ConnectionError, ConnectionTimeout

from tasques.adapters.elasticsearch.http_node import ConnectionNotMade
from tasques.core.documents import Stored, Version
from tasques.core.ports import (
    Blocked,
    Conflict,
    Create,
    Exists,
    Invalid,
    Rejected,
    Replace,
    Unknown,
    Written,
)
from tests.elasticsearch.stub import StubCluster, a_task, failed, item


def test_writes_are_one_bulk_of_whole_documents(cluster: StubCluster) -> None:
    """A create by ``create``, a replace by ``index`` on condition of its version; short waits."""
    cluster.answer("POST /_bulk", {"items": [item(), item(200, 8, "index")]})
    new, old = a_task("a"), a_task("b/?#%")
    outcomes = cluster.backend().tasks.write(
        [Create(document=new), Replace(document=old, expected=Version(3, 7))]
    )
    (request,) = cluster.asked("POST /_bulk")
    assert request.query.startswith("timeout=1s&filter_path=items.*.status,")
    assert request.headers["content-type"].startswith("application/vnd.elasticsearch+x-ndjson")
    assert request.body.endswith(b"\n")
    create, created, index, replaced = request.lines
    assert create == {"create": {"_index": "t_queue-q", "_id": "a"}}
    assert created["id"] == "a"
    assert index == {
        "index": {"_index": "t_queue-q", "_id": "b/?#%", "if_seq_no": 7, "if_primary_term": 3}
    }
    assert replaced["id"] == "b/?#%"
    assert outcomes == [
        Written(Stored(document=new, version=Version(1, 0))),
        Written(Stored(document=old, version=Version(1, 8))),
    ]


def test_each_item_has_its_own_outcome(cluster: StubCluster) -> None:
    """In the order of the writes, whatever happened to the neighbours."""
    items = [
        item(),
        failed(409, "version_conflict_engine_exception"),
        failed(409, "version_conflict_engine_exception", "index"),
        failed(429, "cluster_block_exception"),
        failed(429, "es_rejected_execution_exception"),
        failed(400, "document_parsing_exception"),
        failed(503, "unavailable_shards_exception"),
    ]
    cluster.answer("POST /_bulk", {"items": items})
    writes = [
        Replace(document=a_task(str(i)), expected=Version(1, 0))
        if i == 2
        else Create(document=a_task(str(i)))
        for i in range(7)
    ]
    outcomes = cluster.backend().tasks.write(writes)
    expected = [Written, Exists, Conflict, Blocked, Rejected, Invalid, Unknown]
    assert [type(outcome) for outcome in outcomes] == expected


def test_nothing_to_write_sends_nothing(cluster: StubCluster) -> None:
    """An empty bulk would be refused."""
    assert cluster.backend().tasks.write([]) == []
    assert cluster.requests == []


def test_a_refused_connection_is_a_definite_no(cluster: StubCluster) -> None:
    """Nothing was sent, so the writes may be repeated."""
    cluster.fail("POST /_bulk", ConnectionNotMade("refused"))
    (outcome,) = cluster.backend().tasks.write([Create(document=a_task())])
    assert isinstance(outcome, Rejected)


@pytest.mark.parametrize("error", [ConnectionTimeout("slow"), ConnectionError("reset")])
def test_a_lost_answer_is_unknown_and_never_repeated(
    cluster: StubCluster, error: Exception
) -> None:
    """A repeated compare-and-set would meet its own first try; another node may not have it."""
    cluster.fail("POST /_bulk", error)
    backend = cluster.backend(addresses=("http://a:1", "http://b:1", "http://c:1"))
    outcomes = backend.tasks.write([Create(document=a_task(id)) for id in "ab"])
    assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]
    assert len(cluster.asked("POST /_bulk")) == 1


def test_where_nothing_was_sent_another_node_is_tried(cluster: StubCluster) -> None:
    """One node of three is gone: no caller notices."""
    cluster.fail("POST /_bulk", ConnectionNotMade("refused"))
    cluster.answer("POST /_bulk", {"items": [item()]})
    backend = cluster.backend(addresses=("http://a:1", "http://b:1", "http://c:1"))
    (outcome,) = backend.tasks.write([Create(document=a_task())])
    assert isinstance(outcome, Written)
    first, second = cluster.asked("POST /_bulk")
    assert first.node != second.node


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"items":[]}', b'{"items":[{"create":{"status":"201"}}]}', b""]
)
def test_an_answer_that_says_nothing_is_unknown(cluster: StubCluster, body: bytes) -> None:
    """A proxy's page, another number of items: the writes may have happened."""
    cluster.answer("POST /_bulk", body)
    (outcome,) = cluster.backend().tasks.write([Create(document=a_task())])
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("status", [400, 413])
def test_a_spoilt_request_is_halved_until_the_spoiler_is_alone(
    cluster: StubCluster, status: int
) -> None:
    """One write that Elasticsearch cannot read hurts itself only."""

    def picky(body: bytes) -> tuple[int, object]:
        ids = [json.loads(line)["create"]["_id"] for line in body.splitlines()[::2]]
        if "bad" in ids:
            return status, {"error": {"type": "illegal", "reason": "bad"}}
        return 200, {"items": [item(seq_no=int(id)) for id in ids]}

    cluster.answer_by("POST /_bulk", picky)
    ids = ["0", "1", "bad", "3", "4"]
    outcomes = cluster.backend().tasks.write([Create(document=a_task(id)) for id in ids])
    assert [type(outcome) for outcome in outcomes] == [Written, Written, Invalid, Written, Written]
    assert [o.stored.version.seq_no for o in outcomes if isinstance(o, Written)] == [0, 1, 3, 4]


def test_a_document_that_json_cannot_say_is_invalid_alone(cluster: StubCluster) -> None:
    """It is not sent, its neighbour is."""
    cluster.answer("POST /_bulk", {"items": [item()]})
    writes = [Create(document=a_task("a", kind="\ud800")), Create(document=a_task("b"))]
    first, second = cluster.backend().tasks.write(writes)
    assert isinstance(first, Invalid)
    assert isinstance(second, Written)
