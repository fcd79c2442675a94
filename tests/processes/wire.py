"""Connections to a server process, on which a request can be sent in parts and answered later."""

from __future__ import annotations

import json
import socket
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

#: No test waits longer than this for anything that it does not wait for on purpose.
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """One answer, as it came."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Connection:
    """A connection; answers are read one at a time, when somebody wants them."""

    def __init__(self, url: str) -> None:
        server = urllib.parse.urlsplit(url)
        place = (server.hostname, server.port)
        self._socket = socket.create_connection(place, timeout=PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._read.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        worker: str = "worker-1",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a request whole, and do not wait for its answer."""
        content = b"" if body is None else json.dumps(body).encode()
        sent = {
            "Host": "test",
            "X-TASQUES-WORKER-ID": worker,
            "Content-Length": str(len(content)),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + content)

    def answer(self) -> Answer:
        """The next answer; ConnectionError if there is none."""
        line = self._read.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (line := self._read.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, self._read.read(int(headers.get("content-length", 0))))

    def call(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """Send a request, and read its answer."""
        self.request(method, path, body, **more)
        return self.answer()

    @property
    def has_answer(self) -> bool:
        """Whether something has come, or the other side has closed."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self._socket.settimeout(PATIENCE_SECONDS)
        return True


def ask(url: str, method: str, path: str, body: object = None, **more: Any) -> Answer:
    """One request on a connection of its own."""
    with Connection(url) as connection:
        return connection.call(method, path, body, **more)


def is_refused(url: str) -> bool:
    """Whether no further connection is taken."""
    try:
        Connection(url).close()
    except ConnectionRefusedError:
        return True
    return False


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it comes true in time; looked at often."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
