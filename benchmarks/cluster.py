"""The Elasticsearch under all that is measured."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from benchmarks.figures import Json
from benchmarks.processes import listener
from tools.elasticsearch_node import ElasticsearchNode, call
from tools.ports import reserved_port

_QUEUES: Final = ".tasques_queue-*"
_WIPED: Final = f"{_QUEUES},.tasques_archive*"
_NAMED: Final = ".tasques_*"
_FORM_SECONDS: Final = 50


class ClusterFailed(Exception):
    """Elasticsearch does not do what it is asked; the message has its answer."""


@attrs.frozen(kw_only=True)
class Cluster:
    """
    An Elasticsearch that answers.

    Attributes:
        urls: Of its nodes.
        pids: Of its processes, as far as they run here.
    """

    urls: tuple[str, ...]
    pids: tuple[int, ...]

    def wipe(self) -> None:
        """Delete every queue and the archive, with what is in them."""
        path = f"/_cat/indices/{_WIPED}?format=json&h=index&expand_wildcards=all"
        for row in self._ask("GET", f"{path}&ignore_unavailable=true"):
            self._ask("DELETE", f"/{row['index']}?ignore_unavailable=true")

    def forget_templates(self) -> None:
        """Delete every template of a server, since ours prevail over the original's."""
        for kind, answer in (("_index_template", "index_templates"), ("_template", None)):
            found = self._ask("GET", f"/{kind}/{_NAMED}", missing={})
            names = found if answer is None else [each["name"] for each in found.get(answer, ())]
            for name in names:
                self._ask("DELETE", f"/{kind}/{name}")

    def change(self, path: str, body: object) -> None:
        """Put *body* at *path*."""
        self._ask("PUT", path, body)

    def store(self) -> Json:
        """What all queues' indices hold, and what was done to them since they were made."""
        found = self._ask("GET", f"/{_QUEUES}/_stats?expand_wildcards=all")["_all"]
        primaries, total = found.get("primaries", {}), found.get("total", {})
        if not primaries:
            return {}
        indexing, docs = primaries["indexing"], primaries["docs"]
        return {
            "documents": docs["count"],
            "deleted": docs["deleted"],
            "mb": round(primaries["store"]["size_in_bytes"] / 2**20, 1),
            "written": indexing["index_total"],
            "refused": indexing["index_failed"],
            "searches": total["search"]["query_total"],
            "refreshes": primaries["refresh"]["total"],
        }

    def await_nodes(self, number: int) -> None:
        """Wait until so many nodes have found each other."""
        self._ask("GET", f"/_cluster/health?wait_for_nodes={number}&timeout={_FORM_SECONDS}s")

    def version(self) -> str:
        """Of the software."""
        return str(self._ask("GET", "/_cat/nodes?format=json&h=version")[0]["version"])

    def _ask(self, method: str, path: str, body: object = None, *, missing: Any = None) -> Any:
        status, answer = call(self.urls[0], method, path, body, timeout_seconds=60)
        if status == 404 and (missing is not None or method == "DELETE"):
            return missing
        if status >= 300:
            raise ClusterFailed(f"{method} {path} was answered {status}: {answer}")
        return answer


@contextlib.contextmanager
def running(version: str, *, nodes: int, heap_megabytes: int) -> Iterator[Cluster]:
    """
    A cluster of its own for as long as it is wanted; with several nodes, it has formed.

    Raises:
        NodeUnavailable: If a node does not come up.
        ClusterFailed: If they do not find each other.
    """
    # Its own choice of compilers: a quick start is not what is measured.
    with contextlib.ExitStack() as stack:
        made = [
            ElasticsearchNode(
                version, heap_megabytes=heap_megabytes, java_options=(), settings=settings
            )
            for settings in _settings(nodes, stack)
        ]
        for node in made:
            stack.enter_context(node)
        cluster = Cluster(urls=tuple(n.url for n in made), pids=tuple(n.pid for n in made))
        cluster.await_nodes(nodes)
        yield cluster


def _settings(nodes: int, stack: contextlib.ExitStack) -> Sequence[dict[str, str]]:
    """A node's settings for each; one alone needs none."""
    if nodes == 1:
        return [{}]
    # Bound by nobody else as long as they are held, and the nodes reuse addresses.
    ports = [stack.enter_context(reserved_port()).getsockname()[1] for _ in range(nodes)]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return [
        {
            "discovery.type": "multi-node",
            "discovery.seed_hosts": hosts,
            "cluster.initial_master_nodes": "node-0",
            "node.name": f"node-{number}",
            "transport.port": str(port),
        }
        for number, port in enumerate(ports)
    ]


def elsewhere(url: str) -> Cluster:
    """One that runs already, and is left running; its processes are found by their ports."""
    port = urllib.parse.urlsplit(url).port or 9200
    pid = listener(port)
    return Cluster(urls=(url.rstrip("/"),), pids=() if pid is None else (pid,))
