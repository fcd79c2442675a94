"""A server that does with each request what a test has scripted, and remembers what it was asked."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import attrs


@attrs.frozen
class Say:
    """Answer."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Drop:
    """Read the request, and close the connection without a word."""


@attrs.frozen
class Asked:
    """A request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes


Act = Say | Drop
#: What an original server, which knows no such route, says.
NO_ROUTE = Say(404, {"message": "No such route."})
ALIVE = Say(200, {"status": "live"})


class Scripted:
    """
    Listens on loopback.

    Args:
        acts: What is done with the requests, in their order; the last one with all that follow.
        alive: What is said to ``/health/live``, which is not counted among them.
        ssl_context: To speak HTTPS.
    """

    def __init__(
        self,
        acts: Iterable[Act],
        *,
        alive: Act = ALIVE,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.asked: list[Asked] = []
        left = list(acts)
        scripted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/health/live":
                    self.act(alive)
                    return
                headers = dict(self.headers.items())
                scripted.asked.append(Asked(self.command, self.path, headers, content))
                self.act(left.pop(0) if len(left) > 1 else left[0])

            def act(self, act: Act) -> None:
                self.close_connection = True
                if isinstance(act, Drop):
                    return
                content = b"" if act.body is None else json.dumps(act.body).encode()
                self.send_response(act.status)
                for name, value in act.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        if ssl_context is not None:
            plain = self._server.socket
            self._server.socket = ssl_context.wrap_socket(plain, server_side=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

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
        self._thread.join()
        self._server.server_close()


def task_body(**fields: object) -> dict[str, object]:
    """A task as a server shows it."""
    at = "2026-11-22T04:00:00Z"
    return {
        "id": "t1",
        "queue": "mail",
        "retry_times": 25,
        "attempted": 0,
        "kind": "send",
        "state": "queued",
        "priority": 0,
        "processing_timeout": "30m0s",
        "run_at": at,
        "last_enqueued_at": at,
        "metadata": {
            "created_at": at,
            "modified_at": at,
            "version": {"seq_num": 1, "primary_term": 1},
        },
        **fields,
    }
