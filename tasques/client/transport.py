"""
Requests on their way, by httpcore's pools of connections; synchronous and asynchronous.

A pool belongs to the process, and an asynchronous one to the event loop too, in which it was made:
after a fork the child makes its own, and touches nothing of its parent's, whose locks may be held by
threads that the child does not have.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import weakref
from typing import Any, Final

import attrs
import httpcore

from tasques.client.address import Address
from tasques.client.beside import beside
from tasques.client.commands.base import Request
from tasques.client.errors import AnswerLost, Reply
from tasques.client.retrying import NotReached
from tasques.core.errors import Fault, InvalidInput
from tasques.core.values import Duration

#: Shorter than a server keeps a silent connection.
KEEP_IDLE_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
#: On top of what the server may keep a request by intent.
DEFAULT_TIMEOUT: Final = Duration.of_seconds(30)
DEFAULT_CONNECTIONS: Final = 100

# Nothing has been sent.
_BEFORE: Final = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)
# It may have been done.
_AFTER: Final = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError)

_Headers = list[tuple[bytes, bytes]]


@attrs.frozen(kw_only=True)
class Options:
    """
    How a server is asked.

    Attributes:
        timeout: How long it may be silent, beyond what it is asked to wait.
        connections: At most so many at a time.
        ssl_context: For ``https``; None for the certificates that the system trusts.
        user_agent: What the server's log is to say of who asks.
    """

    address: Address
    timeout: Duration = DEFAULT_TIMEOUT
    connections: int = DEFAULT_CONNECTIONS
    ssl_context: ssl.SSLContext | None = None
    user_agent: str = "tasques-python"

    def arguments(self, request: Request[object]) -> dict[str, Any]:
        """What httpcore is to be called with."""
        return {
            "method": request.method,
            "url": self.address.target(request.path, request.query),
            "headers": self.headers(request),
            "content": request.content,
            "extensions": {
                "timeout": {
                    "connect": min(CONNECT_SECONDS, self.timeout.seconds),
                    "pool": self.timeout.seconds,
                    "read": self.patience(request),
                    "write": self.timeout.seconds,
                }
            },
        }

    def patience(self, request: Request[object]) -> float:
        """How long the server may be silent on *request*, in seconds."""
        return self.timeout.seconds + max(request.waits.seconds, 0.0)

    def headers(self, request: Request[object]) -> _Headers:
        """Everything that is to be said of *request*."""
        content = request.content
        headers: _Headers = [
            (b"Accept", b"application/json"),
            (b"User-Agent", self.user_agent.encode()),
        ]
        if content is not None:
            headers.append((b"Content-Type", b"application/json"))
            headers.append((b"Content-Length", str(len(content)).encode()))
        if self.address.authorization is not None:
            headers.append((b"Authorization", self.address.authorization.encode()))
        # White space around a value does not count, and cannot be sent.
        for said in (request.headers, beside()):
            headers += [(name.encode(), value.strip().encode()) for name, value in said.items()]
        return headers

    def pool_arguments(self) -> dict[str, Any]:
        """How a pool is to be made."""
        context = self.ssl_context
        if context is None and self.address.url.startswith("https:"):
            # Of its own, httpcore trusts what comes with certifi alone.
            context = ssl.create_default_context()
        return {
            "ssl_context": context,
            "max_connections": self.connections,
            "max_keepalive_connections": self.connections,
            "keepalive_expiry": KEEP_IDLE_SECONDS,
        }


def _failure(options: Options, error: Exception) -> Exception:
    """What *error* of httpcore's means here."""
    url = options.address.url
    if isinstance(error, _BEFORE):
        return NotReached(f"cannot reach {url}: {_reason(error)}")
    if isinstance(error, httpcore.LocalProtocolError):
        return InvalidInput([Fault("", "header", str(error))])
    return AnswerLost(f"{url} did not answer: {_reason(error)}")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _reply(response: httpcore.Response) -> Reply:
    wish = next((v for n, v in response.headers if n.lower() == b"retry-after"), b"")
    return Reply(
        status=response.status,
        content=response.content,
        retry_after=int(wish) if wish.isdigit() and len(wish) < 6 else None,
    )


class Transport:
    """Sends requests and waits for the answers; may be called from several threads."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._pools: dict[int, httpcore.ConnectionPool] = {}

    def send(self, request: Request[object]) -> Reply:
        """
        The answer to *request*.

        Raises:
            NotReached: If nothing was sent.
            AnswerLost: If it may have been done.
            InvalidInput: If a header cannot be sent.
        """
        try:
            return _reply(self._pool().request(**self._options.arguments(request)))
        except (*_BEFORE, *_AFTER, httpcore.LocalProtocolError) as error:
            raise _failure(self._options, error) from error

    def close(self) -> None:
        """Close the connections of this process."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _pool(self) -> httpcore.ConnectionPool:
        pid = os.getpid()
        pool = self._pools.get(pid)
        if pool is None:
            # Atomic, and without a lock that a fork could find held.
            pool = self._pools.setdefault(
                pid, httpcore.ConnectionPool(**self._options.pool_arguments())
            )
        return pool


class AsyncTransport:
    """Sends requests in whichever event loop it is called."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._pools: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, httpcore.AsyncConnectionPool
        ] = weakref.WeakKeyDictionary()

    async def send(self, request: Request[object]) -> Reply:
        """
        The answer to *request*.

        Raises:
            NotReached, AnswerLost, InvalidInput: As of :meth:`Transport.send`.
        """
        try:
            return _reply(await self._pool().request(**self._options.arguments(request)))
        except (*_BEFORE, *_AFTER, httpcore.LocalProtocolError) as error:
            raise _failure(self._options, error) from error

    async def close(self) -> None:
        """Close the connections of this event loop."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.aclose()

    def _pool(self) -> httpcore.AsyncConnectionPool:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            pool = httpcore.AsyncConnectionPool(**self._options.pool_arguments())
            self._pools[loop] = pool
        return pool
