"""An index is looked at before the first write to it; no cluster takes part."""

import json

import pytest
from elastic_transport import ConnectionTimeout

from tasques.core.ports import (
    Create,
    Rejected,
    Written,
)
from tests.elasticsearch.stub import StubCluster, a_task, item


def test_a_known_index_is_looked_at_once(cluster: StubCluster) -> None:
    """The first write of a process costs one request more, the others none."""
    cluster.answer("POST /_bulk", {"items": [item()]})
    tasks = cluster.backend().tasks
    for id in "abc":
        tasks.write([Create(document=a_task(id))])
    assert [f"{request.method} {request.path}" for request in cluster.requests] == [
        "GET /t_queue-q/_mapping",
        "POST /_bulk",
        "POST /_bulk",
        "POST /_bulk",
    ]


def test_what_an_index_lacks_is_mapped_before_the_first_write() -> None:
    """Afterwards it could not be: a dynamic mapping would have taken ext apart."""
    cluster = StubCluster()
    cluster.has_index("t_queue-q", rank=None, ext=None)
    cluster.answer("PUT /t_queue-q/_mapping", {"acknowledged": True})
    cluster.answer("POST /_bulk", {"items": [item()]})
    cluster.backend().tasks.write([Create(document=a_task())])
    look, put, write = cluster.requests
    assert (look.method, write.path) == ("GET", "/_bulk")
    assert json.loads(put.body) == {
        "properties": {"rank": {"type": "long"}, "ext": {"type": "object", "enabled": False}}
    }


def test_an_index_that_the_write_will_make_needs_its_template() -> None:
    """Without, it would be made with a mapping of Elasticsearch's own guessing."""
    cluster = StubCluster()
    cluster.answer("POST /_bulk", {"items": [item()]})
    (outcome,) = cluster.backend().tasks.write([Create(document=a_task())])
    assert isinstance(outcome, Rejected)
    assert "tasques setup" in outcome.reason
    assert not cluster.asked("POST /_bulk")
    cluster.answer("GET /_index_template/t_queues_index_template", {"index_templates": []})
    (outcome,) = cluster.backend().tasks.write([Create(document=a_task())])
    assert isinstance(outcome, Written)


def test_an_index_that_cannot_be_prepared_refuses_its_own_writes_only(
    cluster: StubCluster,
) -> None:
    """Missing privileges for one index, or an answer lost: definite, since nothing was sent."""
    cluster.answer("GET /t_queue-shut/_mapping", {"error": {"type": "security"}}, status=403)
    cluster.fail("GET /t_queue-lost/_mapping", ConnectionTimeout("slow"))
    cluster.answer("POST /_bulk", {"items": [item()]})
    outcomes = cluster.backend().tasks.write(
        [
            Create(document=a_task("a", "shut")),
            Create(document=a_task("b", "q")),
            Create(document=a_task("c", "lost")),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Rejected, Written, Rejected]


def test_an_index_mapped_otherwise_is_written_to_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing can change its mapping; health says so, and the log does once."""
    cluster = StubCluster()
    cluster.has_index("t_queue-q", state={"type": "text"})
    cluster.answer("POST /_bulk", {"items": [item()]})
    tasks = cluster.backend().tasks
    for id in "ab":
        (outcome,) = tasks.write([Create(document=a_task(id))])
        assert isinstance(outcome, Written)
    assert [record.args for record in caplog.records] == [("t_queue-q", ("state",))]
