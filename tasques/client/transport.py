"""
Requests on their way, by httpcore's pools of connections; synchronous and asynchronous.

A pool belongs to the process, and an asynchronous one to the event loop too, in which it was made:
after a fork the child makes its own, and touches nothing of its parent's, whose locks may be held by
threads that the child does not have.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import Final

import httpcore

from tasques.client.commands.base import Request
from tasques.client.errors import AnswerLost, Reply, reason, wish
from tasques.client.options import Options
from tasques.client.retrying import NotReached
from tasques.core.errors import Fault, InvalidInput

# Nothing has been sent.
_BEFORE: Final = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)
# It may have been done.
_AFTER: Final = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError)


def _failure(options: Options, error: Exception) -> Exception:
    """What *error* of httpcore's means here."""
    url = options.address.url
    if isinstance(error, _BEFORE):
        return NotReached(f"cannot reach {url}: {reason(error)}")
    if isinstance(error, httpcore.LocalProtocolError):
        return InvalidInput([Fault("", "header", str(error))])
    return AnswerLost(f"{url} did not answer: {reason(error)}")


def _reply(response: httpcore.Response) -> Reply:
    later = next((v for n, v in response.headers if n.lower() == b"retry-after"), b"")
    return Reply(
        status=response.status,
        content=response.content,
        retry_after=wish(later.decode("latin-1")),
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
