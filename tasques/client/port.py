"""The one port that everything above is written over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tasques.client.commands.base import Command
from tasques.core.errors import TasquesError

Answer = TypeVar("Answer")


class Operations(Protocol):
    """
    Carries out commands: over HTTP (:class:`tasques.client.Client`), or on the services of this
    process (:mod:`tasques.app.embedded`).

    Guarantees:

    1. A command has the same answer and raises the same errors, whoever carries it out; only that
       trouble behind an original server is an :class:`~tasques.core.errors.Unavailable` that cannot
       say which.
    2. Every method may be called from several threads, and after a fork. Of the asynchronous ones
       none blocks the event loop.
    3. An asynchronous call that is cancelled may have been carried out, or not. One that claims and
       is cancelled gives back what it was given, or leaves that to the time-out.
    """

    def do(self, command: Command[Answer]) -> Answer:
        """
        Carry out *command*.

        Raises:
            TasquesError: As the command says.
        """
        ...

    async def do_async(self, command: Command[Answer]) -> Answer:
        """As :meth:`do`, without blocking."""
        ...

    def do_many(self, commands: Sequence[Command[Answer]]) -> list[Answer | TasquesError]:
        """
        Carry out *commands*, together where that can be; one outcome each, in their order.

        An error concerns its command alone, and is returned, not raised.
        """
        ...

    async def do_many_async(
        self, commands: Sequence[Command[Answer]]
    ) -> list[Answer | TasquesError]:
        """As :meth:`do_many`, without blocking."""
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...

    async def close_async(self) -> None:
        """As :meth:`close`, for those of this event loop too."""
        ...
