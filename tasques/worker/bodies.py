"""The bodies of tasks, run: what they are handed, and what becomes of what they return or raise."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from tasques.app.context import Context
from tasques.app.declared import DeclaredTask
from tasques.app.outcomes import outcome_of_error
from tasques.app.signals import Signal
from tasques.client.values import Ending, Failed
from tasques.core.errors import TasquesError
from tasques.worker.attempts import Attempt, Finishing, Why, finishing_of
from tasques.worker.desk import Desk
from tasques.worker.limits import TaskCancelled, UnknownKind
from tasques.worker.log_fields import fields
from tasques.worker.rules import NO_LIMITS, Limits

_log: Final = logging.getLogger("tasques.worker")


class Runner(Protocol):
    """Runs bodies, in threads or in an event loop."""

    def start(self, attempts: list[Attempt]) -> None:
        """Run the bodies of *attempts*; returns at once."""
        ...

    def interrupt(self, attempt: Attempt, why: Why) -> None:
        """Have its body end, as far as that is possible; returns at once."""
        ...

    def stacks(self) -> Mapping[Attempt, str]:
        """Where each body is."""
        ...

    def close(self) -> None:
        """Start nothing more; does not wait for what runs."""
        ...


def _nothing() -> None:
    """Nothing is to be freed."""


class Bodies:
    """
    What is declared, for whoever runs it.

    Args:
        is_shutting_down: Whether the worker stops.
    """

    def __init__(
        self,
        tasks: Mapping[str, DeclaredTask[..., Any]],
        desk: Desk,
        is_shutting_down: Callable[[], bool],
    ) -> None:
        self._tasks = tasks
        self._desk = desk
        self._is_shutting_down = is_shutting_down

    def declared(self, attempt: Attempt) -> DeclaredTask[..., Any] | None:
        """The function of its kind; None if there is none here."""
        return self._tasks.get(attempt.task.kind)

    def is_async(self, attempt: Attempt) -> bool:
        """Whether its body is to be awaited."""
        declared = self.declared(attempt)
        return declared is not None and declared.is_async

    def begin(self, attempt: Attempt) -> bool:
        """Whether the body may run, as of now."""
        return self._desk.begin(attempt, self._limits(attempt))

    def call(self, attempt: Attempt) -> Any:
        """
        Call the body; for an asynchronous one this gives a coroutine.

        Raises:
            Exception: Whatever the body raises; UnknownKind if there is none.
        """
        declared = self.declared(attempt)
        if declared is None:
            raise UnknownKind(attempt.task.kind)
        return declared.invoke(self._context(attempt), attempt.task.args)

    def returned(
        self, attempt: Attempt, result: object, freeing: Callable[[], None] = _nothing
    ) -> None:
        """
        The body has returned.

        Args:
            freeing: Called just before the slot is free.
        """
        declared = self.declared(attempt)
        if declared is not None:
            self._end(attempt, declared.ending(result), freeing)

    def raised(
        self, attempt: Attempt, error: BaseException, freeing: Callable[[], None] = _nothing
    ) -> None:
        """The body has raised, or could not even be called; as :meth:`returned`."""
        if attempt.unwanted is not None and isinstance(error, asyncio.CancelledError):
            error = TaskCancelled(attempt.unwanted.value)
        # Of what was not raised by mistake a traceback tells nothing.
        is_meant = isinstance(error, Signal | TaskCancelled | UnknownKind)
        _log.log(
            logging.INFO if isinstance(error, Signal | TaskCancelled) else logging.WARNING,
            "the attempt ended with %s: %s",
            type(error).__name__,
            error,
            exc_info=None if is_meant else error,
            extra=fields(attempt.task),
        )
        self._end(attempt, self._ending_of(attempt, error), freeing)

    def finishing_of_error(self, attempt: Attempt, error: BaseException) -> Finishing:
        """How the attempt ends by *error*."""
        return _finishing(attempt, self._ending_of(attempt, error))

    def _ending_of(self, attempt: Attempt, error: BaseException) -> Ending:
        declared, number = self.declared(attempt), attempt.task.attempted
        if declared is None:
            return outcome_of_error(error, attempt=number)
        return declared.ending_of_error(error, attempt=number)

    def _end(self, attempt: Attempt, ending: Ending, freeing: Callable[[], None]) -> None:
        finishing = _finishing(attempt, ending)
        freeing()
        self._desk.end(attempt, finishing)

    def _limits(self, attempt: Attempt) -> Limits:
        declared = self.declared(attempt)
        if declared is None:
            return NO_LIMITS
        soft, hard = declared.settings.soft_limit, declared.settings.hard_limit
        return None if soft is None else soft.seconds, None if hard is None else hard.seconds

    def _context(self, attempt: Attempt) -> Context:
        return Context(
            task=attempt.task,
            take_report=lambda data: self._desk.report(attempt, data),
            is_cancelled=lambda: attempt.unwanted is not None,
            is_shutting_down=self._is_shutting_down,
        )


def _finishing(attempt: Attempt, ending: Ending) -> Finishing:
    try:
        return finishing_of(attempt, ending)
    except TasquesError as error:
        # Not what JSON can say. This can be said, whatever the class of the error.
        said = {"type": "InvalidResult", "message": str(error).encode(errors="replace").decode()}
        return finishing_of(attempt, Failed(data=said))
