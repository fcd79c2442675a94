"""A Tasques server, asked over HTTP."""

from __future__ import annotations

import asyncio
import copy
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import attrs

from tasques.client import times
from tasques.client.address import Address
from tasques.client.commands.base import Command, Repeat, Request
from tasques.client.commands.batches import (
    CreateTogether,
    Outcomes,
    SayTogether,
    together,
)
from tasques.client.errors import NoSuchRoute, NotUnderstood, Reply, refusal
from tasques.client.options import (
    DEFAULT_CONNECTIONS,
    DEFAULT_PATIENCE,
    DEFAULT_TIMEOUT,
    Options,
)
from tasques.client.queue_verbs import QueueVerbs
from tasques.client.recurring_verbs import RecurringVerbs
from tasques.client.retrying import NotReached, Tries, may_repeat
from tasques.client.task_verbs import TaskVerbs
from tasques.client.thread_transport import ThreadTransport
from tasques.client.times import DurationLike
from tasques.core import errors
from tasques.core.errors import InvalidInput, TasquesError

if TYPE_CHECKING:
    from tasques.client.transport import Transport

Answer = TypeVar("Answer")

#: Single requests that stand for one of many, at a time.
_ABREAST: Final = 8
#: A server that does not know requests for many is not asked for so long whether it does.
_WITHOUT_BATCHES_SECONDS: Final = 60.0


@attrs.frozen
class _Alive:
    """Asks whether a server is one of ours: an original has no such route."""

    def request(self) -> Request[bool]:
        return Request(
            method="GET",
            path=("health", "live"),
            decode=lambda content: b'"live"' in content,
            repeat=Repeat.NEVER,
        )

    def refusal(self, status: int, message: str) -> TasquesError | None:
        return None


class Client(TaskVerbs, RecurringVerbs, QueueVerbs):
    """
    The HTTP client of a Tasques server: ours or, with less, an original one.

    Every call has a synchronous and an asynchronous twin. It may be used from several threads, in
    several event loops, and after a fork.

    What is known not to have been done, or is as good done twice as once, is tried again for
    *patience*. A create carries an idempotency key and is repeated where the server knows keys;
    against an original server it is not.

    Args:
        url: As ``http://user:password@host:8080``.
        timeout: How long the server may be silent, beyond what it is asked to wait.
        patience: How long trouble is met by trying again; 0 for not at all.
        connections: At most so many at a time.
        repeat_creates: Whether a create without an id is repeated when its answer is lost. To be
            False while original servers answer at the same address as ours.
        ssl_context: For ``https``; None for the certificates that the system trusts.

    Raises:
        InvalidInput: If *url* is no address.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: DurationLike = DEFAULT_TIMEOUT,
        patience: DurationLike = DEFAULT_PATIENCE,
        connections: int = DEFAULT_CONNECTIONS,
        repeat_creates: bool = True,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        # Slow to import, and not wanted by those whose tasks are elsewhere, or who need no pool.
        from tasques.client.transport import AsyncTransport, Transport

        options = Options(
            address=Address.parse(url),
            timeout=times.duration(timeout, "timeout"),
            connections=connections,
            ssl_context=ssl_context,
        )
        self._options = options
        self.url = options.address.url
        self._patience = times.duration(patience, "patience").seconds
        self._transport: Transport | ThreadTransport = Transport(options)
        self._async_transport = AsyncTransport(options)
        self._repeats_creates = repeat_creates
        self._is_original: bool | None = None
        self._batches_again_at = float("-inf")

    def of_threads(self) -> Client:
        """
        The same client for a few threads that ask much: each has a connection of its own, at a
        fraction of the cost of a pool's, and nothing is tried again.
        """
        other = copy.copy(self)
        other._patience = 0.0
        other._transport = ThreadTransport(self._options)
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close_async()

    def close(self) -> None:
        """Close the connections; another call opens new ones."""
        self._transport.close()

    async def close_async(self) -> None:
        """Close the connections, those of this event loop among them."""
        await self._async_transport.close()
        self._transport.close()

    # ------------------------------------------------------------------------ the port

    def do(self, command: Command[Answer]) -> Answer:
        request, tries = command.request(), Tries(self._patience)
        doubtful = False
        while True:
            try:
                return _answer(command, request, self._transport.send(request))
            except TasquesError as error:
                if doubtful and _may_be_an_echo(request, error):
                    raise errors.OutcomeUnknown(f"{error}; perhaps by this very request") from error
                failure = error
                pause = tries.pause(failure) if may_repeat(request.repeat, failure) else None
                if pause is None:
                    raise
            time.sleep(pause)
            doubtful = doubtful or isinstance(failure, errors.OutcomeUnknown)
            if _needs_keys(request, failure) and not self._may_repeat_keyed(tries):
                raise failure

    async def do_async(self, command: Command[Answer]) -> Answer:
        request, tries = command.request(), Tries(self._patience)
        doubtful = False
        while True:
            try:
                return _answer(command, request, await self._async_transport.send(request))
            except TasquesError as error:
                if doubtful and _may_be_an_echo(request, error):
                    raise errors.OutcomeUnknown(f"{error}; perhaps by this very request") from error
                failure = error
                pause = tries.pause(failure) if may_repeat(request.repeat, failure) else None
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            doubtful = doubtful or isinstance(failure, errors.OutcomeUnknown)
            if _needs_keys(request, failure) and not await self._may_repeat_keyed_async(tries):
                raise failure

    def do_many(self, commands: Sequence[Command[Answer]]) -> list[Answer | TasquesError]:
        outcomes: list[Any] = []
        try:
            for part in self._together(commands):
                outcomes += self._of_part(part)
        except NoSuchRoute:
            self._batches_again_at = time.monotonic() + _WITHOUT_BATCHES_SECONDS
        for command in commands[len(outcomes) :]:
            try:
                outcomes.append(self.do(command))
            except TasquesError as error:
                outcomes.append(error)
        return outcomes

    async def do_many_async(
        self, commands: Sequence[Command[Answer]]
    ) -> list[Answer | TasquesError]:
        outcomes: list[Any] = []
        try:
            for part in self._together(commands):
                outcomes += await self._of_part_async(part)
        except NoSuchRoute:
            self._batches_again_at = time.monotonic() + _WITHOUT_BATCHES_SECONDS
        places = asyncio.Semaphore(_ABREAST)

        async def outcome(command: Command[Answer]) -> Answer | TasquesError:
            async with places:
                try:
                    return await self.do_async(command)
                except TasquesError as error:
                    return error

        rest = commands[len(outcomes) :]
        return [*outcomes, *await asyncio.gather(*(outcome(command) for command in rest))]

    def _of_part(self, part: CreateTogether | SayTogether) -> Outcomes:
        """What became of each of *part*; trouble with the request is trouble of each."""
        try:
            return self.do(part)
        except NoSuchRoute:
            raise
        except TasquesError as error:
            return [error] * len(part)

    async def _of_part_async(self, part: CreateTogether | SayTogether) -> Outcomes:
        try:
            return await self.do_async(part)
        except NoSuchRoute:
            raise
        except TasquesError as error:
            return [error] * len(part)

    def _together(self, commands: Sequence[Command[Any]]) -> list[CreateTogether | SayTogether]:
        """The requests for all of *commands*; none if each is to be sent by itself."""
        if len(commands) < 2 or time.monotonic() < self._batches_again_at:
            return []
        return together(commands)

    # ----------------------------------------------------------------- whom we speak to

    def is_original(self) -> bool:
        """
        Whether the server is an original one, which knows no idempotency keys and no giving up.

        Asked once, and remembered.

        Raises:
            Unavailable: If it cannot be asked.
        """
        if self._is_original is None:
            self._learn(self._transport.send(_ALIVE))
        return bool(self._is_original)

    async def is_original_async(self) -> bool:
        """As :meth:`is_original`."""
        if self._is_original is None:
            self._learn(await self._async_transport.send(_ALIVE))
        return bool(self._is_original)

    def _learn(self, reply: Reply) -> None:
        if not reply.is_success and reply.status not in (404, 405):
            raise refusal(_Alive(), reply)
        self._is_original = not reply.is_success

    def _may_repeat_keyed(self, tries: Tries) -> bool:
        """Whether the server, once it can be asked again, is one that knows keys."""
        while self._repeats_creates:
            try:
                return not self.is_original()
            except errors.Unavailable as failure:
                pause = tries.pause(failure)
                if pause is None:
                    return False
            except TasquesError:
                return False
            time.sleep(pause)
        return False

    async def _may_repeat_keyed_async(self, tries: Tries) -> bool:
        while self._repeats_creates:
            try:
                return not await self.is_original_async()
            except errors.Unavailable as failure:
                pause = tries.pause(failure)
                if pause is None:
                    return False
            except TasquesError:
                return False
            await asyncio.sleep(pause)
        return False


_ALIVE: Final = _Alive().request()


def _answer(command: Command[Answer], request: Request[Answer], reply: Reply) -> Answer:
    if not reply.is_success:
        raise refusal(command, reply)
    try:
        return request.decode(reply.content)
    except InvalidInput as error:
        message = f"the answer is not one of a Tasques server's: {error}"
        raise NotUnderstood(message, status=reply.status) from error


def _needs_keys(request: Request[object], failure: TasquesError) -> bool:
    """Whether a repeat makes a second task, unless the server knows idempotency keys."""
    return request.repeat is Repeat.KEYED and not isinstance(failure, NotReached)


def _may_be_an_echo(request: Request[object], error: TasquesError) -> bool:
    """Whether *error* may be about what an earlier try of *request* has made."""
    is_there = isinstance(error, errors.TaskAlreadyExists | errors.RecurringTaskAlreadyExists)
    return request.repeat is Repeat.NAMED and is_there
