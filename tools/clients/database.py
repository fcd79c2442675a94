"""
A stand-in for the database of the original's example, an Elasticsearch of its own.

The example keeps its messages there, apart from the queue: its server stores a message and lists
them, its workers get one and write into it what they have made of it. That Elasticsearch was of
version 7, and the clients for it in Java do not understand the answers of later ones. This answers
what they ask, in the words of version 7, in memory; and it counts what workers write, which
is a witness of their work that does not depend on any task queue.
"""

import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_INDEX = "messages_and_their_ciphers"


class Messages:
    """The messages, and how often each field of each was written; safe for any number of threads."""

    def __init__(self) -> None:
        self._writes: Counter[tuple[str, str]] = Counter()
        self._documents: dict[str, dict[str, Any]] = {}
        self._versions: Counter[str] = Counter()
        self._lock = threading.Lock()

    def plains(self) -> dict[str, str]:
        """The text of each message, by its id."""
        with self._lock:
            return {id: document["plain"] for id, document in self._documents.items()}

    def field(self, id: str, name: str) -> tuple[int, object]:
        """How often a field of a message was written, and what it is now."""
        with self._lock:
            return self._writes[id, name], self._documents.get(id, {}).get(name)

    def create(self, id: str, document: Mapping[str, Any]) -> tuple[int, object]:
        """Store a new message."""
        with self._lock:
            if id in self._documents:
                return 409, {"error": {"type": "version_conflict_engine_exception"}, "status": 409}
            self._documents[id] = dict(document)
            return 201, self._written(id, "created")

    def get(self, id: str) -> tuple[int, object]:
        """One message."""
        with self._lock:
            place = {"_index": _INDEX, "_type": "_doc", "_id": id}
            if id not in self._documents:
                return 404, {**place, "found": False}
            version = {"_version": self._versions[id], "_seq_no": 0, "_primary_term": 1}
            return 200, {**place, **version, "found": True, "_source": self._documents[id]}

    def update(self, id: str, fields: Mapping[str, Any]) -> tuple[int, object]:
        """Write fields of a message."""
        with self._lock:
            if id not in self._documents:
                return 404, {"error": {"type": "document_missing_exception"}, "status": 404}
            self._documents[id].update(fields)
            self._writes.update((id, name) for name in fields if name != "modified_at")
            return 200, self._written(id, "updated")

    def newest(self) -> tuple[int, object]:
        """
        A list of messages, of which the example shows a page.

        Only the last few: all of them, after each new one, would be most of the work of a run.
        """
        with self._lock:
            hits = [{"_source": document} for document in list(self._documents.values())[-3:]]
            return 200, {"hits": {"hits": hits}}

    def _written(self, id: str, result: str) -> dict[str, Any]:
        self._versions[id] += 1
        return {
            "_index": _INDEX,
            "_type": "_doc",
            "_id": id,
            "_version": self._versions[id],
            "result": result,
            "_shards": {"total": 1, "successful": 1, "failed": 0},
            "_seq_no": 0,
            "_primary_term": 1,
        }


class Database:
    """Serves messages over HTTP on a port of the loopback interface; a context manager."""

    def __init__(self) -> None:
        self.messages = Messages()
        handler = type("Handler", (_Handler,), {"messages": self.messages})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client was stopped."""


class _Handler(BaseHTTPRequestHandler):
    messages: Messages
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def do_PUT(self) -> None:
        self._respond()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status, answer = self._answer(json.loads(body) if body else {})
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, body: Mapping[str, Any]) -> tuple[int, object]:
        words = self.path.partition("?")[0].strip("/").split("/")
        messages = self.messages
        match self.command, words:
            case "GET", [name, "_doc", id] if name == _INDEX:
                return messages.get(id)
            case "PUT" | "POST", [name, "_create", id] if name == _INDEX:
                return messages.create(id, body)
            case "POST", [name, "_update", id] if name == _INDEX:
                return messages.update(id, body["doc"])
            case "GET" | "POST", [name, "_search"] if name == _INDEX:
                return messages.newest()
        return 400, {"error": {"type": "not_of_the_example", "path": self.path}, "status": 400}
