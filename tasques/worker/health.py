"""How the worker is, over HTTP: for Kubernetes, for people, for whoever measures."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Final, Self

from tasques.worker.snapshot import Snapshot

#: Whoever sends nothing is not waited for.
_REQUEST_SECONDS: Final = 10.0

_JSON: Final = "application/json; charset=utf-8"
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


class HealthServer:
    """
    Answers ``GET /health/live``, ``/health/ready``, ``/counters`` and ``/metrics``; a context manager.

    - live: 200 while the worker's own threads run. A server of tasks that is down is no reason to be
      restarted.
    - ready: 200 if the last claim was answered and the worker is not stopping, else 503; either way with
      what runs.
    - counters: what was counted since the worker began; metrics: the same, and gauges, for Prometheus.

    Everything is readable by whoever reaches the port: ids and kinds of tasks, never their arguments.

    Args:
        seen: How the worker is.
        is_alive: Whether its threads run.
        port: 0 for a free one.

    Raises:
        OSError: If the port is taken.
    """

    def __init__(
        self, seen: Callable[[], Snapshot], is_alive: Callable[[], bool], port: int, host: str = ""
    ) -> None:
        class Handler(_Handler):
            pages: ClassVar = {
                "/health/live": lambda: _live(is_alive()),
                "/health/ready": lambda: _ready(seen()),
                "/counters": lambda: (HTTPStatus.OK, seen().document()["counters"]),
                "/metrics": lambda: (HTTPStatus.OK, seen().exposition()),
            }

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, name="tasques-health", daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


_Page = Callable[[], tuple[HTTPStatus, object]]


class _Handler(BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, _Page]]
    timeout = _REQUEST_SECONDS
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0], _nothing)
        status, said = page()
        is_text = isinstance(said, str)
        content = said.encode() if isinstance(said, str) else json.dumps(said).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", _EXPOSITION if is_text else _JSON)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """A probe every few seconds is no news."""


def _nothing() -> tuple[HTTPStatus, object]:
    return HTTPStatus.NOT_FOUND, {"message": "No such route."}


def _live(is_alive: bool) -> tuple[HTTPStatus, object]:
    status = HTTPStatus.OK if is_alive else HTTPStatus.SERVICE_UNAVAILABLE
    return status, {"live": is_alive}


def _ready(seen: Snapshot) -> tuple[HTTPStatus, object]:
    is_ready = seen.is_reached and not seen.is_stopping
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    return status, {"ready": is_ready, **seen.document()}
