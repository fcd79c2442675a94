"""
Requests on their way, over one connection for each thread that sends any; synchronous.

For a few threads that live long and ask much, such as a worker's: the standard library's connection
costs a quarter of the CPU of a pool's (a claim of nothing: 120 µs against 465, with two cores shared by
others), and a pool's merit, to share connections, is nothing to them.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
import threading
import time
import urllib.parse

from tasques.client.commands.base import Request
from tasques.client.errors import AnswerLost, Reply, reason, wish
from tasques.client.options import CONNECT_SECONDS, KEEP_IDLE_SECONDS, Options
from tasques.client.retrying import NotReached
from tasques.core.errors import Fault, InvalidInput


class _Kept:
    """A connection of one thread in one process; closed with the last reference to it."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        self._process = os.getpid()
        self.used_at = time.monotonic()

    @property
    def may_be_used(self) -> bool:
        # After a fork the connection is the parent's; after a while the server's end may be closed.
        is_fresh = time.monotonic() - self.used_at < KEEP_IDLE_SECONDS
        return is_fresh and self._process == os.getpid() and self.connection.sock is not None

    def close(self) -> None:
        """Close this process's end."""
        with contextlib.suppress(OSError):
            self.connection.close()

    def __del__(self) -> None:
        self.close()


class ThreadTransport:
    """As :class:`~tasques.client.transport.Transport`, of which it is a cheaper form."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._local = threading.local()
        parts = urllib.parse.urlsplit(options.address.url)
        self._host, self._port = parts.hostname or "", parts.port
        self._is_tls = parts.scheme == "https"
        #: What a request's URL has before its path.
        self._origin = len(f"{parts.scheme}://{parts.netloc}")
        self._context: ssl.SSLContext | None = None

    def send(self, request: Request[object]) -> Reply:
        """
        The answer to *request*.

        Raises:
            NotReached: If nothing was sent.
            AnswerLost: If it may have been done.
            InvalidInput: If a header cannot be sent.
        """
        options, url = self._options, self._options.address.url
        try:
            kept = self._connection()
        except (OSError, UnicodeError) as error:  # the latter of a name that can be none
            raise NotReached(f"cannot reach {url}: {reason(error)}") from error
        headers = {name.decode(): value for name, value in options.headers(request)}
        target = options.address.target(request.path, request.query)[self._origin :]
        connection = kept.connection
        if connection.sock is not None:
            connection.sock.settimeout(options.patience(request))
        try:
            connection.request(request.method, target, request.content, headers)
            response = connection.getresponse()
            reply = _reply(response)
        except ValueError as error:
            self.close()
            raise InvalidInput([Fault("", "header", str(error))]) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise AnswerLost(f"{url} did not answer: {reason(error)}") from error
        except BaseException:
            # Half an answer must not be taken for that of the next request.
            self.close()
            raise
        kept.used_at = time.monotonic()
        return reply

    def close(self) -> None:
        """Close the connection of this thread; that of another is closed when the thread ends."""
        kept: _Kept | None = getattr(self._local, "kept", None)
        self._local.kept = None
        if kept is not None:
            # At once: an error's traceback may hold on to it.
            kept.close()

    def _connection(self) -> _Kept:
        kept: _Kept | None = getattr(self._local, "kept", None)
        if kept is None or not kept.may_be_used:
            self.close()
            kept = self._local.kept = _Kept(self._connected())
        return kept

    def _connected(self) -> http.client.HTTPConnection:
        seconds = min(CONNECT_SECONDS, self._options.timeout.seconds)
        made = (
            http.client.HTTPSConnection(
                self._host, self._port, timeout=seconds, context=self._trusted()
            )
            if self._is_tls
            else http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        )
        made.connect()
        return made

    def _trusted(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = self._options.ssl_context or ssl.create_default_context()
        return self._context


def _reply(response: http.client.HTTPResponse) -> Reply:
    return Reply(
        status=response.status,
        content=response.read(),
        retry_after=wish(response.getheader("Retry-After", "")),
        date=response.getheader("Date"),
    )
