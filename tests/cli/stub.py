"""A server that answers what a test has it say, and remembers what it was asked."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs


@attrs.frozen(kw_only=True)
class Asked:
    """One request, as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> Sequence[tuple[str, str]]:
        return urllib.parse.parse_qsl(self.target.partition("?")[2])

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@attrs.frozen
class Said:
    """One answer."""

    status: int
    content: bytes
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Stub:
    """Listens on loopback; answers in the order in which :meth:`say` gave them."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: list[Said] = []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                stub._handle(self)

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the output is the tests' own."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def only(self) -> Asked:
        """The one request that was made."""
        (one,) = self.asked
        return one

    def say(self, body: object, *, status: int = 200, **headers: str) -> Self:
        """Answer so, after what was given before; bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers.append(Said(status, content, named))
        return self

    def _handle(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.asked.append(
            Asked(
                method=handler.command,
                target=handler.path,
                headers=dict(handler.headers),
                content=content,
            )
        )
        said = self._answers.pop(0) if self._answers else Said(500, b'{"message": "unexpected"}')
        handler.send_response_only(said.status)
        for name, value in {"Date": "Sun, 22 Nov 2026 10:00:00 GMT", **said.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(said.content)))
        handler.end_headers()
        handler.wfile.write(said.content)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def task(id: str = "mail-7", **fields: object) -> dict[str, Any]:
    """A task as a server answers it."""
    return {
        "id": id,
        "queue": "mail",
        "retry_times": 25,
        "attempted": 1,
        "kind": "welcome",
        "state": "queued",
        "priority": 0,
        "processing_timeout": "30m0s",
        "run_at": "2026-11-22T09:59:00.5Z",
        "last_enqueued_at": "2026-11-22T09:59:00.5Z",
        "metadata": {
            "created_at": "2026-11-22T09:54:48.25Z",
            "modified_at": "2026-11-22T09:59:00.5Z",
            "version": {"seq_num": 1, "primary_term": 1},
        },
        **fields,
    }
