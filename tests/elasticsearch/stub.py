"""A cluster that answers what a test says, and notes what it was asked; and a task to begin with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import unquote

import attrs
from elastic_transport import ApiResponseMeta, BaseNode, HttpHeaders
from elastic_transport._node import NodeApiResponse
from elastic_transport.client_utils import DEFAULT, DefaultType

from tasques.adapters.elasticsearch import client
from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.documents import encode
from tasques.adapters.elasticsearch.indices import QUEUE_FIELDS
from tasques.adapters.elasticsearch.settings import ElasticsearchSettings
from tasques.core import lifecycle
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import NewTask, Task
from tasques.core.values import Duration, Instant
from tasques.runtime import ThreadRuntime

NOW = Instant.parse("2026-11-22T04:00:00.5Z")


def a_task(id: str = "t0", queue: str = "q", **changes: Any) -> Task:
    """A task as it is created at :data:`NOW`."""
    new = NewTask(
        queue=QueueName(queue), kind="k", retry_times=2, processing_timeout=Duration.parse("1m")
    )
    return attrs.evolve(lifecycle.create(new, id=TaskId(id), now=NOW), **changes)


_Given: TypeAlias = (
    tuple[int, object, Mapping[str, str]] | Callable[[bytes], tuple[int, object]] | Exception
)


@attrs.frozen
class Request:
    """One request as it arrived."""

    node: str
    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def lines(self) -> Sequence[Any]:
        """The body, each line decoded."""
        return [json.loads(line) for line in self.body.splitlines()]


class StubCluster:
    """
    Answers requests by method and path; the last answer given for a path stays.

    What nobody said anything about is 404.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, list[_Given]] = {}

    def answer(
        self, request: str, body: object = None, *, status: int = 200, **headers: str
    ) -> None:
        """Answer *request*, ``GET /path``, so; several times for one answer after another."""
        self._answers.setdefault(request, []).append((status, body, headers))

    def answer_by(self, request: str, made: Callable[[bytes], tuple[int, object]]) -> None:
        """Answer *request* with the status and body that *made* gives for its body."""
        self._answers.setdefault(request, []).append(made)

    def fail(self, request: str, error: Exception) -> None:
        """Let *request* end in *error*."""
        self._answers.setdefault(request, []).append(error)

    def has_index(self, index: str, **fields: object) -> None:
        """Let the index of a queue be there, with our mapping but for *fields*; None: not mapped."""
        changed = {**QUEUE_FIELDS, **fields}
        properties = {name: field for name, field in changed.items() if field is not None}
        self.answer(f"GET /{index}/_mapping", {index: {"mappings": {"properties": properties}}})

    def asked(self, request: str) -> Sequence[Request]:
        """The requests of that method and path so far."""
        return [made for made in self.requests if f"{made.method} {made.path}" == request]

    def connect(self, **settings: Any) -> Client:
        """A client for this cluster."""
        cluster = self

        class Node(BaseNode):
            def perform_request(
                self,
                method: str,
                target: str,
                body: bytes | None = None,
                headers: HttpHeaders | None = None,
                request_timeout: float | DefaultType | None = DEFAULT,
            ) -> NodeApiResponse:
                return cluster.perform(self, method, target, body or b"", headers or HttpHeaders())

        return client.connect(_settings(settings), ThreadRuntime(), node_class=Node)

    def backend(self, **settings: Any) -> ElasticsearchBackend:
        """A backend on this cluster."""
        connected = self.connect(**settings)
        return ElasticsearchBackend(_settings(settings), connected, ThreadRuntime())

    def perform(
        self, node: BaseNode, method: str, target: str, body: bytes, headers: HttpHeaders
    ) -> NodeApiResponse:
        """Note a request and answer it."""
        path, _, query = target.partition("?")
        made = Request(node.host, method, unquote(path), query, body, dict(headers))
        self.requests.append(made)
        answers = self._answers.get(f"{method} {made.path}", [(404, {"error": "?"}, {})])
        given = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(given, Exception):
            raise given
        status, content, more = given if isinstance(given, tuple) else (*given(body), {})
        meta = ApiResponseMeta(status, "1.1", HttpHeaders(more), 0.0, node.config)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return NodeApiResponse(meta, raw)


def _settings(changes: Mapping[str, Any]) -> ElasticsearchSettings:
    return ElasticsearchSettings(**{"addresses": ("http://es:9200",), "prefix": "t_", **changes})


# ------------------------------------------------------------------- parts of answers


def item(status: int = 201, seq_no: int = 0, action: str = "create") -> dict[str, Any]:
    """An item of a bulk answer that went well."""
    return {action: {"status": status, "_seq_no": seq_no, "_primary_term": 1}}


def failed(status: int, kind: str, action: str = "create") -> dict[str, Any]:
    """An item of a bulk answer that did not."""
    return {action: {"status": status, "error": {"type": kind, "reason": "why"}}}


def document(id: str = "t0", **changes: Any) -> dict[str, Any]:
    """A task's document."""
    return {**json.loads(encode(a_task(id))), **changes}


def hit(document: dict[str, Any], seq_no: int = 0) -> dict[str, Any]:
    """A document found in the index of the queue ``q``."""
    return {
        "_index": "t_queue-q",
        "_id": document["id"],
        "_seq_no": seq_no,
        "_primary_term": 1,
        "_source": document,
        "sort": [1, document["id"]],
    }


def found(*hits: dict[str, Any]) -> dict[str, Any]:
    """The result of one search."""
    return {"hits": {"hits": list(hits)}, "_shards": {"failed": 0}, "status": 200}
