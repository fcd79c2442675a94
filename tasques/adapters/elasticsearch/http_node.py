"""
One node's connections, on the standard library's HTTP.

The client library's own node class, on urllib3, takes about 140 µs of CPU more for each request,
which is half of what a request costs; and it does not say whether a failed request was sent, which
is the one thing that a compare-and-set has to know.
"""

from __future__ import annotations

import http.client
import select
import ssl
import time
from collections import deque
from contextlib import suppress
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

#: Seconds to wait for a connection; a request may take longer.
CONNECT_SECONDS: Final = 3.0
#: Idle connections kept; more are opened when wanted and closed afterwards.
MAX_IDLE: Final = 32


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
        self._idle: deque[http.client.HTTPConnection] = deque(maxlen=None)
        self._fixed_headers = dict(self._headers)

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
        sent_headers = {**self._fixed_headers, **(headers or {})}
        connection = self._connection()
        try:
            assert connection.sock is not None
            connection.sock.settimeout(timeout)
            connection.request(method, self.path_prefix + target, body=body, headers=sent_headers)
            response = connection.getresponse()
            content = response.read()
        except TimeoutError as error:
            connection.close()
            raise ConnectionTimeout(f"no answer of {self.base_url} in time", (error,)) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            said = f"{type(error).__name__}: {error}"
            raise ConnectionError(f"lost {self.base_url}: {said}", (error,)) from error
        except BaseException:
            # Half a conversation: nobody may go on with it.
            connection.close()
            raise
        self._give_back(connection, response)
        meta = ApiResponseMeta(
            status=response.status,
            http_version="1.1",
            headers=HttpHeaders(response.headers.items()),
            duration=time.monotonic() - started,
            node=self.config,
        )
        return NodeApiResponse(meta, content)

    def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _connection(self) -> http.client.HTTPConnection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._new_connection()
            if not _is_stale(connection):
                return connection
            connection.close()

    def _new_connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self.scheme == "https":
            context = self.config.ssl_context
            assert isinstance(context, ssl.SSLContext)
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=CONNECT_SECONDS, context=context
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise ConnectionNotMade(f"cannot connect to {self.base_url}: {error}") from error
        return connection

    def _give_back(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        if response.will_close or len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)


def _is_stale(connection: http.client.HTTPConnection) -> bool:
    """Whether the other end has closed, or has said something that nobody asked for."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(0))
