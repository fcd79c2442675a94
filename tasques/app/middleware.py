"""
What an application has done around its enqueues and around the attempts of its tasks.

A trace that travels with a task wants both sides: something goes along when it is enqueued, and is
taken up where it is done. Installed by :meth:`tasques.app.Tasques.use`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from types import TracebackType
from typing import Any, Final, TypeAlias, TypeVar, cast

import attrs

from tasques.client.commands.base import Command
from tasques.client.commands.tasks import CreateTask
from tasques.client.port import Operations
from tasques.client.values import Task
from tasques.core.errors import TasquesError

Answer = TypeVar("Answer")
_Made: TypeAlias = Callable[[], AbstractContextManager[object]]

_log: Final = logging.getLogger(__name__)
_NOTHING: Final = nullcontext()


def _as_many(
    enqueue: Enqueue, attribute: attrs.Attribute[Any], commands: Sequence[CreateTask]
) -> tuple[CreateTask, ...]:
    if len(commands) != len(enqueue.commands):
        raise ValueError("a middleware may change tasks, and neither add nor remove any")
    return tuple(commands)


@attrs.define(kw_only=True, eq=False)
class Enqueue:
    """
    Tasks that are enqueued with one call.

    Attributes:
        commands: One or more; a middleware may put others in their places, as many.
        outcomes: What became of each, in their order, once that is known.
    """

    commands: tuple[CreateTask, ...] = attrs.field(on_setattr=_as_many)
    outcomes: tuple[Task | TasquesError, ...] = ()


class Middleware:
    """
    What happens around enqueues and attempts; override what you want.

    Each method gives a context manager, which is entered before and left after, the first installed
    being the outermost. It sees what is raised within, and cannot keep it from anybody. What it raises
    by itself is logged, and concerns nobody else: the enqueue or the attempt goes on without it.
    """

    def enqueuing(self, enqueue: Enqueue) -> AbstractContextManager[object]:
        """
        Around each call that enqueues, in whatever thread or event loop it is made.

        ``enqueue.commands`` may be changed before; ``enqueue.outcomes`` says afterwards what became
        of each. Of a single task an error is raised besides. Recurring tasks are no enqueues.
        """
        return _NOTHING

    def attempting(self, task: Task) -> AbstractContextManager[object]:
        """
        Around the body of *task*, as it was claimed, in the body's thread or asyncio task.

        Within, :func:`~tasques.app.current_context` is the attempt. What the body raises is seen;
        whether the worker's word reaches the server is not. Tasks of a kind that is not declared here
        have no body.
        """
        return _NOTHING


class _Guarded:
    """A context manager whose own failures are logged, and that swallows nothing."""

    def __init__(self, made: _Made) -> None:
        self._made = made
        self._entered: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        try:
            inner = self._made()
            inner.__enter__()
            self._entered = inner
        except Exception:  # noqa: BLE001 - somebody else's code
            _log.exception("a middleware failed, and is passed over")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._entered is None:
            return
        try:
            self._entered.__exit__(kind, error, traceback)
        except Exception as raised:  # noqa: BLE001 - somebody else's code
            if raised is not error:
                _log.exception("a middleware failed at its end")


@contextlib.contextmanager
def _within(made: Sequence[_Made]) -> Iterator[None]:
    with ExitStack() as stack:
        for each in made:
            stack.enter_context(_Guarded(each))
        yield


def around_attempt(
    middleware: Sequence[Middleware], task: Task | None
) -> AbstractContextManager[None]:
    """All of *middleware* around the body of *task*; nothing for a direct call, which has none."""
    if not middleware or task is None:
        return _NOTHING
    return _within([partial(each.attempting, task) for each in middleware])


@contextlib.contextmanager
def _around_enqueue(
    middleware: Sequence[Middleware], commands: Sequence[CreateTask]
) -> Iterator[Enqueue]:
    enqueue = Enqueue(commands=tuple(commands))
    with _within([partial(each.enqueuing, enqueue) for each in middleware]):
        try:
            yield enqueue
        except TasquesError as error:
            enqueue.outcomes = (error,) * len(enqueue.commands)
            raise


class Surrounded:
    """
    The :class:`~tasques.client.port.Operations` of *inner*, with middleware around what is enqueued.

    Every other command passes as it is.
    """

    def __init__(self, inner: Operations, middleware: Sequence[Middleware]) -> None:
        self._inner = inner
        self._middleware = middleware

    def do(self, command: Command[Answer]) -> Answer:
        asked: object = command
        if not isinstance(asked, CreateTask):
            return self._inner.do(command)
        with _around_enqueue(self._middleware, [asked]) as enqueue:
            task = self._inner.do(enqueue.commands[0])
            enqueue.outcomes = (task,)
            return cast("Answer", task)

    async def do_async(self, command: Command[Answer]) -> Answer:
        asked: object = command
        if not isinstance(asked, CreateTask):
            return await self._inner.do_async(command)
        with _around_enqueue(self._middleware, [asked]) as enqueue:
            task = await self._inner.do_async(enqueue.commands[0])
            enqueue.outcomes = (task,)
            return cast("Answer", task)

    def do_many(self, commands: Sequence[Command[Answer]]) -> list[Answer | TasquesError]:
        places = _enqueues(commands)
        if not places:
            return self._inner.do_many(commands)
        with _around_enqueue(self._middleware, list(places.values())) as enqueue:
            outcomes = self._inner.do_many(_replaced(commands, places, enqueue))
            enqueue.outcomes = _outcomes(outcomes, places)
            return outcomes

    async def do_many_async(
        self, commands: Sequence[Command[Answer]]
    ) -> list[Answer | TasquesError]:
        places = _enqueues(commands)
        if not places:
            return await self._inner.do_many_async(commands)
        with _around_enqueue(self._middleware, list(places.values())) as enqueue:
            outcomes = await self._inner.do_many_async(_replaced(commands, places, enqueue))
            enqueue.outcomes = _outcomes(outcomes, places)
            return outcomes

    def close(self) -> None:
        self._inner.close()

    async def close_async(self) -> None:
        await self._inner.close_async()


def _enqueues(commands: Sequence[object]) -> dict[int, CreateTask]:
    """Those that enqueue, by their places."""
    return {
        place: command for place, command in enumerate(commands) if isinstance(command, CreateTask)
    }


def _replaced(
    commands: Sequence[Command[Answer]], places: dict[int, CreateTask], enqueue: Enqueue
) -> list[Command[Answer]]:
    changed: dict[int, Any] = dict(zip(places, enqueue.commands, strict=True))
    return [changed.get(place, command) for place, command in enumerate(commands)]


def _outcomes(outcomes: Sequence[Any], places: dict[int, CreateTask]) -> tuple[Any, ...]:
    return tuple(outcomes[place] for place in places)
