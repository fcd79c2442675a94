"""A client that says exactly what a test has it say, byte by byte."""

from __future__ import annotations

import json
import socket
import struct
import urllib.parse
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import attrs

from tasques.server.front import Front

#: No test waits longer than this for anything.
PATIENCE_SECONDS = 60


@attrs.frozen
class Answer:
    """One answer, as it came."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Wire:
    """A connection to a server; answers are read one at a time, when somebody wants them."""

    def __init__(self, server: Front | str) -> None:
        """Connect to a front, or to an address such as ``http://127.0.0.1:8080``."""
        url = urllib.parse.urlsplit(server if isinstance(server, str) else server.url)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=PATIENCE_SECONDS)
        # What a test sends in parts is to arrive in parts.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self.socket.makefile("rb")

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
        """Close as clients do."""
        self._read.close()
        self.socket.close()

    def vanish(self) -> None:
        """Close without a farewell: the other side gets a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        worker: str = "w1",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a request whole."""
        content = b"" if body is None else json.dumps(body).encode()
        sent = {
            "Host": "test",
            "X-TASQUES-WORKER-ID": worker,
            "Content-Length": str(len(content)),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + content)

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

    def call(self, method: str, target: str, body: object = None, **more: Any) -> Answer:
        """Send a request, and read its answer."""
        self.request(method, target, body, **more)
        return self.answer()

    @property
    def is_closed(self) -> bool:
        """Whether the other side closes, now or within the time of patience."""
        try:
            return self._read.read(1) == b""
        except ConnectionError:
            return True
