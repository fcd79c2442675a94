"""
One node's connections, over plain sockets.

A bulk of one write takes 125 µs of CPU this way, the client around it included, and 240 on the
standard library's client; the client library's own node class, on urllib3, takes another 140. That is
as much as all the rest of a request (explanation/hot-path.md). Nor do they say whether a failed
request was sent, which is the one thing that a compare-and-set has to know.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from functools import lru_cache
from typing import Final

from elastic_transport import (
    ApiResponseMeta,
    BaseNode,
    ConnectionError,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
)

# What every node has to return, and yet not among the names the library shows.
from elastic_transport._node import NodeApiResponse
from elastic_transport.client_utils import DEFAULT, DefaultType

from tasques.adapters.elasticsearch.http_answers import HttpAnswer, UnreadableAnswer, read_answer

#: Seconds to wait for a connection; a request may take longer.
CONNECT_SECONDS: Final = 3.0
#: Idle connections kept; more are opened when wanted and closed afterwards.
MAX_IDLE: Final = 32

_PORTS: Final = {"http": 80, "https": 443}

#: Would end a header, or the first line, before its end.
_BREAKS_A_LINE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BREAKS_A_TARGET: Final = re.compile(r"[^\x21-\x7e]")


class ConnectionNotMade(ConnectionError):
    """The request was not sent: there was no connection to send it over."""


class HttpNode(BaseNode):
    """
    Sends requests to one node, each over a connection of its own for that while.

    May be used from any number of threads at once: idle connections are kept, as many as were
    wanted at a time, and no thread waits for another's.

    Raises (from ``perform_request``):
        ConnectionNotMade: If nothing was sent.
        ConnectionTimeout: If there was no answer in time; the request may have been carried out.
        ConnectionError: If the connection broke; the request may have been carried out.
    """

    _CLIENT_META_HTTP_CLIENT = ("hc", "1")

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        # The latest used first, so that those of a past peak grow old and are closed.
        self._idle: deque[socket.socket] = deque(maxlen=None)
        self._fixed_headers = _header_lines(
            (("host", _host(config)), ("accept-encoding", "identity"), *self._headers.items())
        )

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: float | None | DefaultType = DEFAULT,
    ) -> NodeApiResponse:
        """Send one request and read its answer, whatever its status."""
        started = time.monotonic()
        timeout = self.config.request_timeout if request_timeout is DEFAULT else request_timeout
        assert not isinstance(timeout, DefaultType)
        request = self._head(method, target, body, headers) + (body or b"")
        connection = self._connection()
        try:
            connection.settimeout(timeout)
            # Head and body at once: each call costs, and each packet a wake-up at the other end.
            connection.sendall(request)
            answer = read_answer(connection, has_body=method != "HEAD")
        except TimeoutError as error:
            connection.close()
            raise ConnectionTimeout(f"no answer of {self.base_url} in time", (error,)) from error
        except (OSError, UnreadableAnswer) as error:
            connection.close()
            said = f"{type(error).__name__}: {error}"
            raise ConnectionError(f"lost {self.base_url}: {said}", (error,)) from error
        except BaseException:
            # Half a conversation: nobody may go on with it.
            connection.close()
            raise
        self._give_back(connection, answer)
        meta = ApiResponseMeta(
            status=answer.status,
            http_version="1.1",
            headers=HttpHeaders(answer.headers),
            duration=time.monotonic() - started,
            node=self.config,
        )
        return NodeApiResponse(meta, answer.body)

    def _head(
        self, method: str, target: str, body: bytes | None, headers: HttpHeaders | None
    ) -> bytes:
        target = self.path_prefix + target
        if _BREAKS_A_TARGET.search(target):
            raise ValueError(f"[{target[:80]}] cannot be asked for")
        lines = _header_lines(tuple(headers.items())) if headers else ""
        length = (
            "" if body is None and method != "POST" else f"content-length: {len(body or b'')}\r\n"
        )
        return f"{method} {target} HTTP/1.1\r\n{self._fixed_headers}{lines}{length}\r\n".encode(
            "latin-1"
        )

    def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _connection(self) -> socket.socket:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._new_connection()
            if not _is_stale(connection):
                return connection
            connection.close()

    def _new_connection(self) -> socket.socket:
        connection: socket.socket | None = None
        try:
            connection = socket.create_connection((self.host, self.port), CONNECT_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.scheme == "https":
                context = self.config.ssl_context
                assert isinstance(context, ssl.SSLContext)
                return context.wrap_socket(connection, server_hostname=self.host)
        except OSError as error:
            if connection is not None:
                connection.close()
            raise ConnectionNotMade(f"cannot connect to {self.base_url}: {error}") from error
        return connection

    def _give_back(self, connection: socket.socket, answer: HttpAnswer) -> None:
        if answer.is_last or len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)


def _host(config: NodeConfig) -> str:
    """The header of that name; without the port where it goes without saying."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return host if config.port == _PORTS.get(config.scheme) else f"{host}:{config.port}"


# The same few sets of headers go with every request.
@lru_cache(maxsize=64)
def _header_lines(headers: tuple[tuple[str, str], ...]) -> str:
    for name, value in headers:
        if _BREAKS_A_LINE.search(name + value):
            raise ValueError(f"the header [{name[:80]}] has characters that no header may have")
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def _is_stale(connection: socket.socket) -> bool:
    """Whether the other end has closed, or has said something that nobody asked for."""
    poll = select.poll()
    poll.register(connection, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(0))
