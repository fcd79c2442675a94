"""What happens to a whole node: it comes and goes, or has a limit for all that use it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import pytest

from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.core.documents import Operation, Stored
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import Create, Rejected, Unknown, Written
from tasques.core.service.settlement import Settlement
from tasques.core.tasks import Task
from tasques.core.values import Duration
from tasques.runtime import ThreadRuntime
from tests.elasticsearch.conftest import Real
from tests.elasticsearch.stub import a_task
from tests.elasticsearch.test_real_health import codes
from tools.elasticsearch_node import ElasticsearchNode


@pytest.fixture
def gone(
    own_elasticsearch_node: ElasticsearchNode, connect: Callable[..., ElasticsearchBackend]
) -> ElasticsearchBackend:
    """The adapter on a node that the test may stop, with a queue in it."""
    # A prefix for each test: the node is one for all. Removed with the node.
    real = Real(own_elasticsearch_node.url, f".t{secrets.token_hex(6)}_")
    backend = connect(real, request_timeout=Duration.of_seconds(2))
    backend.setup(apply=True)
    acknowledged(backend, a_task("before"))
    assert codes(backend) == {}
    return backend


def acknowledged(backend: ElasticsearchBackend, task: Task) -> None:
    """Create *task*, until it is acknowledged: a busy node may take longer than a request waits."""
    write = Create(document=task.stamped(Operation(token=task.id, verb="test")))
    runtime = ThreadRuntime()
    Settlement(backend.tasks, runtime).settle(write, deadline=runtime.monotonic() + 60)


def test_health_follows_a_node_that_dies_and_comes_back(
    gone: ElasticsearchBackend, own_elasticsearch_node: ElasticsearchNode
) -> None:
    """Red at once, reads and writes say so, green by itself; nothing acknowledged is lost."""
    own_elasticsearch_node.kill()
    assert codes(gone) == {"unreachable": True}
    # Unknown where a connection had been kept that the node's end had not reached yet.
    (outcome,) = gone.tasks.write([Create(document=a_task("during"))])
    assert isinstance(outcome, Rejected | Unknown)
    with pytest.raises(StoreUnavailable):
        gone.tasks.get([a_task("before").key])
    with pytest.raises(StoreUnavailable):
        gone.server_time()
    with pytest.raises(StoreUnavailable):
        gone.setup(apply=False)
    own_elasticsearch_node.start()
    deadline = time.monotonic() + 60
    while codes(gone) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert codes(gone) == {}
    (stored,) = gone.tasks.get([a_task("before").key])
    assert isinstance(stored, Stored)
    assert stored.document.key == a_task("before").key
    (outcome,) = gone.tasks.write([Create(document=a_task("after"))])
    assert isinstance(outcome, Written)


def test_a_node_that_hangs_is_unreachable_within_its_time(
    gone: ElasticsearchBackend, own_elasticsearch_node: ElasticsearchNode
) -> None:
    """And what was written meanwhile is unknown, since it may still happen."""
    # An index that a write finds is looked at first; without a look, nothing would be sent.
    acknowledged(gone, a_task("seen"))
    own_elasticsearch_node.pause()
    started = time.monotonic()
    assert codes(gone) == {"unreachable": True}
    (outcome,) = gone.tasks.write([Create(document=a_task("hung"))])
    assert isinstance(outcome, Unknown)
    # Two requests of two seconds each; without a limit, they would take as long as the pause.
    assert time.monotonic() - started < 20
    own_elasticsearch_node.resume()
    assert codes(gone) == {}


def test_a_cluster_full_of_shards_rejects_with_advice(
    gone: ElasticsearchBackend, own_elasticsearch_node: ElasticsearchNode
) -> None:
    """A 400 that is not the caller's fault; queues that have an index go on."""
    limit = "cluster.max_shards_per_node"
    node = Real(own_elasticsearch_node.url, "")
    node("PUT", "/_cluster/settings", {"persistent": {limit: 1}})
    try:
        rejected, written = gone.tasks.write(
            [Create(document=a_task("t", "new")), Create(document=a_task("u"))]
        )
    finally:
        node("PUT", "/_cluster/settings", {"persistent": {limit: None}})
    assert isinstance(rejected, Rejected)
    assert limit in rejected.reason
    assert isinstance(written, Written)
