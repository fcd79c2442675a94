"""The exact requests that read by id, and what is made of each answer; no cluster takes part."""

import json
from collections.abc import Callable

import pytest
from elastic_transport import ConnectionError, ConnectionTimeout

from tasques.adapters.elasticsearch.http_node import ConnectionNotMade
from tasques.core.documents import Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import (
    Malformed,
    Missing,
    TaskStore,
    Unreadable,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import TaskKey
from tests.elasticsearch.stub import NOW, StubCluster, a_task, document, hit

Q = QueueName("q")


def test_reading_is_one_multi_get(cluster: StubCluster) -> None:
    """Realtime, by index and id in the body, where no character has to be escaped."""
    poison = document("bad", kind=7)
    cluster.answer(
        "POST /_mget",
        {
            "docs": [
                {**hit(document()), "found": True},
                {"_index": "t_queue-q", "_id": "x", "found": False},
                {
                    "_index": "t_queue-none",
                    "_id": "x",
                    "error": {"type": "index_not_found_exception", "reason": "no such index"},
                },
                {**hit(poison, 5), "found": True},
            ]
        },
    )
    keys = [TaskKey(Q, TaskId(id)) for id in ("t0", "x")]
    keys += [TaskKey(QueueName("none"), TaskId("x")), TaskKey(Q, TaskId("bad"))]
    outcomes = cluster.backend().tasks.get(keys)
    (request,) = cluster.requests
    assert request.query == ""
    assert json.loads(request.body) == {
        "docs": [
            {"_index": "t_queue-q", "_id": "t0"},
            {"_index": "t_queue-q", "_id": "x"},
            {"_index": "t_queue-none", "_id": "x"},
            {"_index": "t_queue-q", "_id": "bad"},
        ]
    }
    assert outcomes[:3] == [
        Stored(document=a_task(), version=Version(1, 0)),
        Missing(),
        Missing(),
    ]
    assert isinstance(outcomes[3], Malformed)


def test_an_index_that_is_out_of_reach_is_only_its_own(cluster: StubCluster) -> None:
    """Its documents may be there or not; those of other indices are read."""
    cause = {"type": "no_shard_available_action_exception", "reason": "No shard available"}
    cluster.answer(
        "POST /_mget",
        {
            "docs": [
                {"_index": "t_queue-lost", "_id": "x", "error": cause},
                {**hit(document()), "found": True},
            ]
        },
    )
    lost, there = TaskKey(QueueName("lost"), TaskId("x")), TaskKey(Q, TaskId("t0"))
    assert cluster.backend().tasks.get([lost, there]) == [
        Unreadable("503 no_shard_available_action_exception No shard available"),
        Stored(document=a_task(), version=Version(1, 0)),
    ]


def test_nothing_to_read_sends_nothing(cluster: StubCluster) -> None:
    """An empty multi get would be refused."""
    assert list(cluster.backend().tasks.get([])) == []
    assert cluster.requests == []


FAILURES = [ConnectionNotMade("x"), ConnectionTimeout("x"), 429, 503, 403, b"<html>", b"{}"]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(
    ("request_made", "read"),
    [
        ("POST /_mget", lambda tasks: tasks.get([TaskKey(Q, TaskId("a"))])),
        ("POST /_msearch", lambda tasks: tasks.find_timed_out(before=NOW, limit=5)),
    ],
    ids=["get", "find"],
)
def test_a_read_that_fails_is_unavailable(
    cluster: StubCluster,
    request_made: str,
    read: Callable[[TaskStore], object],
    failure: Exception | int | bytes,
) -> None:
    """Whatever went wrong, one error for it; never one of the client library's."""
    if isinstance(failure, Exception):
        cluster.fail(request_made, failure)
    elif isinstance(failure, int):
        cluster.answer(request_made, {"error": {"type": "t", "reason": "r"}}, status=failure)
    else:
        cluster.answer(request_made, failure)
    tasks = cluster.backend().tasks
    with pytest.raises(StoreUnavailable):
        read(tasks)


def test_a_read_whose_connection_breaks_is_repeated_elsewhere(cluster: StubCluster) -> None:
    """Reading twice harms nobody."""
    cluster.fail("POST /_mget", ConnectionError("reset"))
    cluster.answer("POST /_mget", {"docs": [{"_index": "t_queue-q", "_id": "a", "found": False}]})
    backend = cluster.backend(addresses=("http://a:1", "http://b:1"))
    assert backend.tasks.get([TaskKey(Q, TaskId("a"))]) == [Missing()]
