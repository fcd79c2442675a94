"""What is deleted on a cluster is what servers made there, and what it tells is summed up."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from benchmarks import cluster
from benchmarks.cluster import Cluster, ClusterFailed


class Canned(BaseHTTPRequestHandler):
    """Answers as Elasticsearch would, and notes what it was asked."""

    answers: ClassVar[dict[str, tuple[int, Any]]]
    asked: ClassVar[list[str]]

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(f"{self.command} {path}")
        default: tuple[int, Any] = (404, {}) if self.command == "GET" else (200, {})
        status, body = self.answers.get(path, default)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def canned(answers: dict[str, tuple[int, Any]]) -> Iterator[tuple[Cluster, list[str]]]:
    asked_here: list[str] = []

    class Handler(Canned):
        asked = asked_here

    Handler.answers = answers
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        host, port = server.server_address[:2]
        yield Cluster(urls=(f"http://{host!s}:{port}",), pids=()), asked_here
        server.shutdown()
        thread.join()


def test_queues_and_archive_are_deleted() -> None:
    """Each by its name, since a cluster may refuse patterns."""
    path = "/_cat/indices/.tasques_queue-*,.tasques_archive*"
    found = [{"index": ".tasques_queue-a"}, {"index": ".tasques_archive"}]
    with canned({path: (200, found)}) as (there, asked):
        there.wipe()
    assert asked == [f"GET {path}", "DELETE /.tasques_queue-a", "DELETE /.tasques_archive"]


def test_templates_of_both_kinds_are_deleted() -> None:
    """A kind of which there are none is answered 404."""
    composable = {"index_templates": [{"name": ".tasques_queues"}]}
    with canned({"/_index_template/.tasques_*": (200, composable)}) as (there, asked):
        there.forget_templates()
    assert [each for each in asked if each.startswith("DELETE")] == [
        "DELETE /_index_template/.tasques_queues"
    ]
    with canned({"/_template/.tasques_*": (200, {".tasques_old": {}})}) as (there, asked):
        there.forget_templates()
    assert "DELETE /_template/.tasques_old" in asked


def test_what_the_indices_hold() -> None:
    """Documents, deleted ones, and writes that were refused; of no index there is nothing."""
    primaries = {
        "indexing": {"index_total": 90, "index_failed": 10},
        "docs": {"count": 30, "deleted": 60},
        "store": {"size_in_bytes": 2**20},
        "refresh": {"total": 4},
    }
    stats = {"_all": {"primaries": primaries, "total": {"search": {"query_total": 7}}}}
    with canned({"/.tasques_queue-*/_stats": (200, stats)}) as (there, _):
        store = there.store()
    assert (store["documents"], store["deleted"], store["mb"]) == (30, 60, 1.0)
    assert (store["written"], store["refused"], store["searches"]) == (90, 10, 7)
    with canned({"/.tasques_queue-*/_stats": (200, {"_all": {}})}) as (there, _):
        assert not there.store()


def test_what_is_refused_is_said() -> None:
    """With the answer."""
    with (
        canned({"/_cat/nodes": (500, "no")}) as (there, _),
        pytest.raises(ClusterFailed, match="500"),
    ):
        there.version()


def test_nodes_of_one_cluster_know_each_other() -> None:
    """One alone is told nothing; of several the first one forms the cluster."""
    with contextlib.ExitStack() as stack:
        assert cluster._settings(1, stack) == [{}]
        three = cluster._settings(3, stack)
    assert len({each["transport.port"] for each in three}) == 3
    assert {each["cluster.initial_master_nodes"] for each in three} == {three[0]["node.name"]}
    assert all(
        f"127.0.0.1:{other['transport.port']}" in each["discovery.seed_hosts"]
        for each in three
        for other in three
    )
