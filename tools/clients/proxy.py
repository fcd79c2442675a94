"""
What stands in front of a server that is restarted, and notes what passes.

It listens from its start to its end. While nobody listens behind it, a connection waits: it is
never refused, and never reset because of that. There are three manners:

- ``TCP``: each connection of a client is one connection to the server. What was sent is sent once,
  and where the server closes its side, the client's is closed. A proxy for TCP does that. A request
  that is sent while the server closes an idle connection is lost.
- ``HTTP``: each request has a connection of its own to the server, so that none meets its end. What
  was sent is sent once.
- ``REPEATING``: as before, and a request that got no answer is sent again. That takes a server at
  which a repeated request does no harm.

Bytes are passed on as they came; that messages are understood serves the notes and the repeats.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tools.clients.messages import LONGEST_HEAD, Malformed, Message, read_message

_KNOCK_EVERY_SECONDS = 0.05
_BACKLOG = 1024


@dataclass(frozen=True, kw_only=True)
class Manner:
    """
    How it treats connections.

    Attributes:
        is_shared: Whether the requests of one connection share one to the server.
        repeats: Whether a request that was sent and not answered is sent again.
        hold_seconds: So long a request waits for somebody to listen.
    """

    is_shared: bool
    repeats: bool
    hold_seconds: float = 60.0


TCP = Manner(is_shared=True, repeats=False)
HTTP = Manner(is_shared=False, repeats=False)
REPEATING = Manner(is_shared=False, repeats=True)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """
    A request, and what became of it.

    Attributes:
        answer: None where the client got none.
        sent: When it had come from the client, on the monotonic clock.
        received: When the answer had come, or it was clear that none would.
        unanswered: How often it was sent to the server and not answered.
        is_abandoned: The client went away first.
    """

    request: Message
    answer: Message | None
    sent: float
    received: float
    unanswered: int = 0
    is_abandoned: bool = False


@dataclass(kw_only=True)
class Traffic:
    """
    What has passed.

    Attributes:
        connections: How many clients have made.
        held: How many requests had to wait for somebody to listen, and found somebody.
        longest_hold: The longest of these waits, in seconds.
        broken: What could not be understood, on either side.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    connections: int = 0
    held: int = 0
    longest_hold: float = 0.0
    broken: list[str] = field(default_factory=list)


class Proxy:
    """
    A proxy on a thread of its own; usable as a context manager.

    Args:
        port: That of the server, on the loopback interface.
        manner: How connections are treated.
        listen: The port to listen on; 0 for one that is free.

    Attributes:
        traffic: Grows while it runs; exchanges are added in the order of their ends.
        port: Where it listens.
    """

    def __init__(self, port: int, manner: Manner = TCP, *, listen: int = 0) -> None:
        self.traffic = Traffic()
        self.port = listen
        self._server_port = port
        self.manner = manner
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where clients find it: host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{self.address}"

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run(self._close())
        self._end()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=LONGEST_HEAD, backlog=_BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.traffic.connections += 1
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        relay = _Relay(reader, writer, self._server_port, self.manner, self.traffic)
        # Cancelled at the end only; a task that ends as cancelled would be reported as an error.
        with contextlib.suppress(asyncio.CancelledError):
            await relay.run()


class _Side:
    """A connection, and the next message that comes on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.following = self._next()

    def _next(self) -> asyncio.Task[Message | None]:
        return asyncio.create_task(read_message(self._reader))

    @property
    def is_over(self) -> bool:
        """Whether the other side has gone away, or speaks another language."""
        done = self.following
        return done.done() and (done.exception() is not None or done.result() is None)

    async def send(self, message: Message) -> bool:
        """Pass a message on; whether the other side still took it."""
        try:
            self._writer.write(message.raw)
            await self._writer.drain()
        except OSError:
            return False
        return True

    def take(self) -> Message | None:
        """
        The message that has come; the next one is waited for from now on. None at the end.

        Raises:
            Malformed: If it is none.
        """
        message = self.following.result()
        if message is not None:
            self.following = self._next()
        return message

    def close(self) -> None:
        """Let go of it."""
        if not self.following.cancel() and not self.following.cancelled():
            self.following.exception()  # looked at, or Python complains
        self._writer.close()


class _Relay:
    """One connection of a client, from its first to its last request."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        port: int,
        manner: Manner,
        traffic: Traffic,
    ) -> None:
        self._client = _Side(reader, writer)
        self._server: _Side | None = None
        self._port = port
        self._manner = manner
        self._traffic = traffic

    async def run(self) -> None:
        """Pass requests and answers on until one of both has had enough."""
        try:
            while await self._is_asked():
                request = self._client.take()
                if request is None or not await self._pass_on(request):
                    return
        except Malformed as error:
            self._traffic.broken.append(str(error))
        finally:
            self._client.close()
            self._let_go()

    def _let_go(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None

    async def _is_asked(self) -> bool:
        """Wait for the client's next request, or its end; false where the server ends it."""
        while not self._client.following.done():
            if self._server is None:
                await asyncio.wait({self._client.following})
                continue
            await _first(self._client, self._server)
            if self._server.following.done() and not self._client.following.done():
                self._let_go()
                return False
        return True

    async def _pass_on(self, request: Message) -> bool:
        """Have a request answered; whether the client may send another one."""
        sent = time.monotonic()
        unanswered = 0
        answer = None
        while True:
            if not await self._reach(sent + self._manner.hold_seconds):
                break
            answer = await self._ask(request)
            if answer is not None or self._client.is_over:
                break
            unanswered += 1
            if not self._manner.repeats:
                break
        if not self._manner.is_shared:
            self._let_go()
        exchange = Exchange(
            request=request,
            answer=answer,
            sent=sent,
            received=time.monotonic(),
            unanswered=unanswered,
            is_abandoned=answer is None and self._client.is_over,
        )
        self._traffic.exchanges.append(exchange)
        return answer is not None and await self._client.send(answer)

    async def _reach(self, deadline: float) -> bool:
        """Have a connection to the server; false if nobody listens until the deadline."""
        began = time.monotonic()
        while self._server is None:
            try:
                self._server = _Side(
                    *await asyncio.open_connection("127.0.0.1", self._port, limit=LONGEST_HEAD)
                )
            except OSError:
                if time.monotonic() > deadline or self._client.is_over:
                    return False
                await asyncio.sleep(_KNOCK_EVERY_SECONDS)
                continue
            if (waited := time.monotonic() - began) > _KNOCK_EVERY_SECONDS:
                self._traffic.held += 1
                self._traffic.longest_hold = max(self._traffic.longest_hold, waited)
        return True

    async def _ask(self, request: Message) -> Message | None:
        """The server's answer; None, and no connection, where it closes without one."""
        server = self._server
        assert server is not None
        if await server.send(request):
            while not (server.following.done() or self._client.is_over):
                await _first(self._client, server)
            if server.following.done():
                with contextlib.suppress(Malformed):
                    if (answer := server.take()) is not None:
                        return answer
        self._let_go()
        return None


async def _first(*sides: _Side) -> None:
    """Wait until something more comes on one of the connections, or one ends."""
    waiting = {each.following for each in sides if not each.following.done()}
    if waiting:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
