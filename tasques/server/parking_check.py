"""
Whether requests can be parked with the waitress that is installed.

Parking rests on what waitress does not promise: that an exception which is none of its own leaves a
request where it was, and that a connection is served again when it is asked for. So a server tries
both before it takes the first request, on a connection to itself within this process.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any, Final

from waitress.adjustments import Adjustments  # type: ignore[import-untyped]

from tasques.server.channel import Channel
from tasques.server.parking import PARKING, Parking

_PATIENCE_SECONDS: Final = 5.0
_REQUESTS: Final = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"


def why_not_parking() -> str | None:
    """
    Try it out; takes about a millisecond.

    Returns:
        What is not as parking needs it; None if everything is.
    """
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(_PATIENCE_SECONDS)
        try:
            return _Trial(near, far).fault()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a reason not to park
            return f"{type(error).__name__}: {error}"


class _Trial:
    """As much of a waitress server as one connection needs; its application parks each request."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.adj = Adjustments(channel_request_lookahead=1, ident=None)
        self.server_name, self.effective_port = "trial", 0
        self.parks, self.is_draining = True, False
        self.application = self
        self.active_channels: dict[int, Any] = {}
        self._tasks: list[Any] = []
        self._parked: list[Parking] = []
        self._far = far
        self._channel = Channel(self, near, ("127.0.0.1", 0), self.adj, map={})

    def add_task(self, task: Any) -> None:
        self._tasks.append(task)

    def pull_trigger(self) -> None:
        """Nobody needs to be woken."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "trial" not in environ:
            environ["trial"] = environ[PARKING]()
            self._parked.append(environ["trial"])
            environ["trial"].park()
        body: bytes = environ["PATH_INFO"].encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def fault(self) -> str | None:
        """Two requests, one behind the other; each is parked, resumed and answered in turn."""
        self._channel.received(_REQUESTS)
        for number in (1, 2):
            self._serve()
            if len(self._parked) != number or self._tasks or len(self._channel.requests) < 1:
                return "a parked request does not stay the one that is served next"
            self._parked[-1].resume()
            self._serve()
            if not self._receive().endswith(b"\r\n\r\n/%d" % number):
                return "a parked request is not answered when it is served again"
        return None if not self._channel.requests else "an answered request is not forgotten"

    def _serve(self) -> None:
        (task,) = self._tasks
        self._tasks.clear()
        task.service()

    def _receive(self) -> bytes:
        received = b""
        while not received.partition(b"\r\n\r\n")[2]:
            part = self._far.recv(4096)
            if not part:
                break
            received += part
        return received
