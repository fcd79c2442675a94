"""The exact searches, what is made of their answers, and poison; no cluster takes part."""

import json
import logging
from functools import partial

import attrs
import pytest
from elastic_transport import ConnectionTimeout

from tasques.core.documents import Stored
from tasques.core.errors import StoreUnavailable
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    ClaimableQuery,
    Malformed,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import TaskKey
from tasques.core.values import Duration
from tests.elasticsearch.stub import NOW, StubCluster, document, found, hit

Q = QueueName("q")


def query(*queues: str, limit: int = 10) -> ClaimableQuery:
    """Ask for tasks to claim."""
    return ClaimableQuery(queues=tuple(QueueName(queue) for queue in queues), now=NOW, limit=limit)


def test_fresh_queues_are_refreshed_first_by_their_names(cluster: StubCluster) -> None:
    """Once for all queries, and nothing but these: a refresh of all would meet a missing shard."""
    shards = {"_shards": {"total": 2, "successful": 2, "failed": 0}}
    cluster.answer("POST /t_queue-a,t_queue-b/_refresh", shards)
    cluster.answer("POST /_msearch", {"responses": [found()] * 4})
    queries = [
        attrs.evolve(query("a", "x"), fresh=(QueueName("a"),)),
        attrs.evolve(query(), fresh=(QueueName("a"), QueueName("b"))),
    ]
    cluster.backend().tasks.find_claimable(queries)
    first, second = cluster.requests
    assert first.path == "/t_queue-a,t_queue-b/_refresh"
    assert "ignore_unavailable=true" in first.query
    assert len(second.lines) == 8


def test_more_fresh_queues_than_fit_into_a_line_are_refreshed_in_turns(
    cluster: StubCluster,
) -> None:
    """Elasticsearch takes no first line of more than 4096 bytes."""
    names = [QueueName(f"{number:0200}") for number in range(40)]
    paths: list[str] = []

    def note(path: str, body: bytes) -> tuple[int, object]:
        paths.append(path)
        return 200, {}

    for start in range(0, 40, 16):
        joined = ",".join(f"t_queue-{name}" for name in names[start : start + 16])
        cluster.answer_by(f"POST /{joined}/_refresh", partial(note, joined))
    cluster.answer("POST /_msearch", {"responses": [found()] * 2})
    cluster.backend().tasks.find_claimable([attrs.evolve(query(), fresh=tuple(names))])
    assert len(paths) == 3
    assert ",".join(paths).count("t_queue-") == 40


def test_a_refresh_that_nobody_answers_does_not_keep_the_search_back(cluster: StubCluster) -> None:
    """A shard is missing: what the others have is proposed."""
    cluster.fail("POST /t_queue-q/_refresh", ConnectionTimeout("no answer"))
    cluster.answer("POST /_msearch", {"responses": [found(hit(document("t1"))), found()]})
    (proposed,) = cluster.backend().tasks.find_claimable([attrs.evolve(query("q"), fresh=(Q,))])
    assert [stored.document.id for stored in proposed] == ["t1"]


def test_a_refresh_that_is_refused_is_trouble(cluster: StubCluster) -> None:
    """Who has too much to do is not asked for more."""
    busy = {"error": {"type": "es_rejected_execution_exception", "reason": "busy"}}
    cluster.answer("POST /t_queue-q/_refresh", busy, status=429)
    with pytest.raises(StoreUnavailable):
        cluster.backend().tasks.find_claimable([attrs.evolve(query("q"), fresh=(Q,))])
    assert len(cluster.requests) == 1


def test_claimable_tasks_are_sought_in_one_multi_search(cluster: StubCluster) -> None:
    """Two searches for each query, word for word: by rank, and what has none by the old sorts."""
    cluster.answer("POST /_msearch", {"responses": [found()] * 4})
    cluster.backend().tasks.find_claimable([query("a", "b", limit=3), query()])
    (request,) = cluster.requests
    assert request.query == ""
    header, ranked, _, unranked, every, *_ = request.lines
    assert header == {
        "index": ["t_queue-a", "t_queue-b"],
        "ignore_unavailable": True,
        "allow_no_indices": True,
        "expand_wildcards": "open,hidden",
    }
    assert every["index"] == "t_queue-*"
    due = [
        {"terms": {"state": ["failed", "queued"]}},
        {"range": {"run_at": {"lte": str(NOW), "format": "strict_date_optional_time"}}},
        {"range": {"remaining_attempts": {"gt": 0}}},
    ]
    has_rank = {"exists": {"field": "rank"}}
    by_id = {"id.keyword": {"order": "asc", "unmapped_type": "keyword"}}
    attempts = {"remaining_attempts": {"order": "desc", "unmapped_type": "long"}}
    common = {
        "size": 3,
        "seq_no_primary_term": True,
        "track_total_hits": False,
        "timeout": "5s",
    }
    assert ranked == {
        "query": {"bool": {"filter": [*due, has_rank], "must_not": []}},
        "sort": [{"rank": {"order": "asc", "unmapped_type": "long"}}, attempts, by_id],
        **common,
    }
    assert unranked == {
        "query": {"bool": {"filter": due, "must_not": [has_rank]}},
        "sort": [
            {"priority": {"order": "desc", "unmapped_type": "long"}},
            {"run_at": {"order": "asc", "unmapped_type": "date"}},
            attempts,
            by_id,
        ],
        **common,
    }


def test_where_there_was_less_than_a_page_one_search_comes_instead_of_two(
    cluster: StubCluster,
) -> None:
    """With a rank or without, in no order; what it finds is given in the order of claims."""
    cluster.answer("POST /_msearch", {"responses": [found()] * 2})
    hits = [hit(document("b", priority=1)), hit(document("a", priority=7))]
    cluster.answer("POST /_msearch", {"responses": [found(*hits)]})
    tasks = cluster.backend().tasks
    assert tasks.find_claimable([query("q", limit=3)]) == [[]]
    for _ in range(2):
        (proposed,) = tasks.find_claimable([query("q", limit=3)])
        assert [stored.document.id for stored in proposed] == ["a", "b"]
    first, glance, again = (request.lines for request in cluster.requests)
    assert glance[0] == first[0]
    assert again == glance
    assert glance[1:] == [
        {
            "query": {"bool": {"filter": first[1]["query"]["bool"]["filter"][:-1], "must_not": []}},
            "size": 3,
            "seq_no_primary_term": True,
            "track_total_hits": False,
            "timeout": "5s",
        }
    ]


def test_where_there_is_more_than_a_page_the_first_are_searched_for(
    cluster: StubCluster,
) -> None:
    """What came first in no order may be the last; the other queues have been answered."""
    cluster.answer("POST /_msearch", {"responses": [found()] * 4})
    some = [hit(document("y")), hit(document("z"))]
    cluster.answer("POST /_msearch", {"responses": [found(*some), found(hit(document("c")))]})
    ranked, unranked = [hit(document("b", priority=2))], [hit(document("a", priority=5))]
    cluster.answer("POST /_msearch", {"responses": [found(*ranked), found(*unranked)]})
    tasks = cluster.backend().tasks
    queries = [query("q", limit=2), query("q", "r", limit=2)]
    tasks.find_claimable(queries)
    proposed = tasks.find_claimable(queries)
    assert [[stored.document.id for stored in tasks] for tasks in proposed] == [["a", "b"], ["c"]]
    tasks.find_claimable(queries[:1])
    # And from then on the two come at once.
    assert [len(request.lines) for request in cluster.requests] == [8, 4, 4, 4]
    assert cluster.requests[-1].lines == cluster.requests[-2].lines


def test_bad_documents_do_not_hide_the_good_ones_without_an_order(cluster: StubCluster) -> None:
    """A page that is full of them says that there is more behind."""
    cluster.answer("POST /_msearch", {"responses": [found()] * 2})
    cluster.answer("POST /_msearch", {"responses": [found(hit({"id": "bad"}))]})
    cluster.answer("POST /_msearch", {"responses": [found(hit(document("good"))), found()]})
    tasks = cluster.backend().tasks
    tasks.find_claimable([query("q", limit=1)])
    ((one,),) = tasks.find_claimable([query("q", limit=1)])
    assert one.document.id == "good"


def test_both_searches_are_merged_in_the_order_of_claims(cluster: StubCluster) -> None:
    """A task without a rank may come first; the rest is cut off."""
    ranked = [hit(document("b", priority=5)), hit(document("d", priority=1))]
    unranked = [hit(document("a", priority=7)), hit(document("c", priority=5))]
    cluster.answer("POST /_msearch", {"responses": [found(*ranked), found(*unranked)]})
    (proposed,) = cluster.backend().tasks.find_claimable([query("q", limit=3)])
    assert [stored.document.id for stored in proposed] == ["a", "b", "c"]


def test_what_is_due_within_the_millisecond_is_left_out(cluster: StubCluster) -> None:
    """The index rounds down to milliseconds; the port does not."""
    later = NOW.plus(Duration(1))
    hits = [hit(document("a")), hit(document("b", run_at=str(later)))]
    cluster.answer("POST /_msearch", {"responses": [found(*hits), found()]})
    (proposed,) = cluster.backend().tasks.find_claimable([query("q")])
    assert [stored.document.id for stored in proposed] == ["a"]


def test_an_index_in_the_making_holds_nothing_yet(cluster: StubCluster) -> None:
    """Its shard is not there for a moment: no error, and the others are found."""
    absent = {
        "error": {
            "type": "search_phase_execution_exception",
            "reason": "all shards failed",
            "root_cause": [{"type": "no_shard_available_action_exception", "reason": None}],
        },
        "status": 503,
    }
    here = found(hit(document()))
    cluster.answer("POST /_msearch", {"responses": [absent, absent, here, found()]})
    nothing, something = cluster.backend().tasks.find_claimable([query("new"), query("q")])
    assert list(nothing) == []
    assert [stored.document.id for stored in something] == ["t0"]


def test_a_search_that_fails_alone_hinders_no_other(
    cluster: StubCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A queue whose mapping is broken finds nothing, and is logged once in a while."""
    broken = {
        "error": {
            "type": "search_phase_execution_exception",
            "root_cause": [{"type": "illegal_argument_exception", "reason": "no sort on text"}],
        },
        "status": 400,
    }
    good = found(hit(document()))
    cluster.answer("POST /_msearch", {"responses": [broken, found(), good, found()]})
    tasks = cluster.backend().tasks
    for _ in range(3):
        nothing, something = tasks.find_claimable([query("bad"), query("q", limit=1)])
        assert (len(nothing), len(something)) == (0, 1)
    assert len(caplog.records) == 1


def test_overload_is_said(cluster: StubCluster) -> None:
    """It concerns every search, and the caller has to go slower."""
    busy = {
        "error": {
            "type": "search_phase_execution_exception",
            "root_cause": [{"type": "es_rejected_execution_exception", "reason": "queue"}],
        },
        "status": 429,
    }
    cluster.answer("POST /_msearch", {"responses": [busy, found(), found(), found()]})
    with pytest.raises(StoreUnavailable):
        cluster.backend().tasks.find_claimable([query("a"), query("b")])


def test_timed_out_tasks_are_sought_in_every_queue(cluster: StubCluster) -> None:
    """The longest over first, so that none waits for ever."""
    cluster.answer("POST /_msearch", {"responses": [found()]})
    cluster.backend().tasks.find_timed_out(before=NOW, limit=300)
    (request,) = cluster.requests
    header, body = request.lines
    assert header["index"] == "t_queue-*"
    until = {"lte": str(NOW), "format": "strict_date_optional_time"}
    assert body["query"]["bool"]["filter"] == [
        {"term": {"state": "claimed"}},
        {"range": {"last_claimed.times_out_at": until}},
    ]
    assert body["sort"] == [
        {"last_claimed.times_out_at": {"order": "asc", "unmapped_type": "date"}},
        {"id.keyword": {"order": "asc", "unmapped_type": "keyword"}},
    ]
    assert body["size"] == 300


def test_poison_is_passed_over_logged_once_and_left_out_from_then_on(
    cluster: StubCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """By version: the repaired document would be found again."""
    page = found(hit(document("bad", kind=7), seq_no=9), hit(document("good")))
    cluster.answer("POST /_msearch", {"responses": [page, found()]})
    cluster.answer("POST /_msearch", {"responses": [page]})
    backend = cluster.backend()
    for _ in range(2):
        (proposed,) = backend.tasks.find_claimable([query("q")])
        assert [stored.document.id for stored in proposed] == ["good"]
    excluded = {
        "bool": {
            "filter": [
                {"term": {"_index": "t_queue-q"}},
                {"term": {"_id": "bad"}},
                {"term": {"_seq_no": 9}},
            ]
        }
    }
    first, second = cluster.requests
    assert first.lines[1]["query"]["bool"]["must_not"] == []
    assert second.lines[1]["query"]["bool"]["must_not"] == [excluded]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "bad" in caplog.text
    assert backend.quarantine.met == 1


def test_a_page_full_of_poison_is_followed_by_the_next(cluster: StubCluster) -> None:
    """No number of bad documents at the head of a queue hides the good ones."""
    bad = [hit(document(f"bad{i}", kind=None)) for i in range(2)]
    more = [hit(document(f"worse{i}", kind=None)) for i in range(500)]
    cluster.answer("POST /_msearch", {"responses": [found(*bad), found()]})
    cluster.answer("POST /_msearch", {"responses": [found(*more)]})
    cluster.answer("POST /_msearch", {"responses": [found(hit(document("good")))]})
    (proposed,) = cluster.backend().tasks.find_claimable([query("q", limit=2)])
    assert [stored.document.id for stored in proposed] == ["good"]
    _, second, third = cluster.requests
    assert second.lines[1]["search_after"] == [1, "bad1"]
    assert second.lines[1]["size"] == 500
    assert third.lines[1]["search_after"] == [1, "worse499"]
    assert len(third.lines[1]["query"]["bool"]["must_not"]) == 50


@pytest.mark.parametrize("args", [b'{"a":' * 2000 + b"1" + b"}" * 2000, b'{"\\ud800":1}'])
def test_a_document_beyond_reading_hurts_itself_only(cluster: StubCluster, args: bytes) -> None:
    """Elasticsearch keeps a thousand levels, and halves of surrogate pairs; no parser here does."""
    bad = json.dumps(hit(document("bad", args="DEEP"))).encode().replace(b'"DEEP"', args)
    good = json.dumps(hit(document("good", args={"text": '}]{\\"'}))).encode()
    body = b'{"responses":[{"hits":{"hits":[%b,%b]}},{"hits":{"hits":[]}}]}' % (bad, good)
    cluster.answer("POST /_msearch", body)
    (proposed,) = cluster.backend().tasks.find_claimable([query("q")])
    assert [stored.document.id for stored in proposed] == ["good"]
    docs = b'{"docs":[%b,%b]}' % (bad[:-1] + b',"found":true}', good[:-1] + b',"found":true}')
    cluster.answer("POST /_mget", docs)
    keys = [TaskKey(Q, TaskId(id)) for id in ("bad", "good")]
    malformed, read = cluster.backend().tasks.get(keys)
    assert isinstance(malformed, Malformed)
    assert isinstance(read, Stored)
    assert read.document.args == JsonObject('{"text":"}]{\\\\\\""}')
