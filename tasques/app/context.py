"""What a task knows about its own attempt while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Final, TypeAlias

import attrs

from tasques.client.values import Task
from tasques.core.errors import Fault, InvalidInput

#: Takes what a task reports; must not block. Of several reports before one is sent the last wins.
TakeReport: TypeAlias = Callable[[Mapping[str, object]], None]


def _nobody(data: Mapping[str, object]) -> None:
    """Nobody wants to know."""


def _no() -> bool:
    return False


@attrs.frozen(kw_only=True)
class Context:
    """
    An attempt, as the body of its task sees it.

    Every method may be called from any thread, and none blocks.

    Attributes:
        task: As it was claimed; None for a direct call, outside of any worker.
    """

    task: Task | None = None
    _take_report: TakeReport = _nobody
    _is_cancelled: Callable[[], bool] = _no
    _is_shutting_down: Callable[[], bool] = _no

    @property
    def id(self) -> str:
        """The task's id; empty for a direct call."""
        return "" if self.task is None else self.task.id

    @property
    def attempt(self) -> int:
        """Which attempt this is; 1 for the first."""
        return 1 if self.task is None else self.task.attempted

    @property
    def is_last(self) -> bool:
        """Whether a failure of this attempt is the end."""
        return self.task is None or self.task.attempted > self.task.retry_times

    @property
    def cancelled(self) -> bool:
        """
        Whether the result is not wanted any more: somebody cancelled the task, or its claim is lost.

        A task that takes long looks here now and then, and returns.
        """
        return self._is_cancelled()

    @property
    def shutting_down(self) -> bool:
        """Whether the worker is stopping: a good moment to save what is done, and ``Snooze``."""
        return self._is_shutting_down()

    def report(
        self, percent: float | None = None, data: Mapping[str, object] | None = None
    ) -> None:
        """
        Say how far it is; anybody who looks at the task sees it.

        The worker keeps the task alive by itself, and sends what is said here when it next does, the
        latest alone.

        Raises:
            InvalidInput: If *percent* is not 0 … 100.
        """
        said: dict[str, object] = dict(data or {})
        if percent is not None:
            if not 0 <= percent <= 100:
                raise InvalidInput([Fault("percent", "maximum", "must be within 0 and 100")])
            said["percent"] = percent
        self._take_report(said)


_CURRENT: Final[ContextVar[Context]] = ContextVar("tasques.context")


def current_context() -> Context:
    """The attempt that this code runs in; one that nobody listens to outside of any worker."""
    return _CURRENT.get(_DETACHED)


_DETACHED: Final = Context()


@contextlib.contextmanager
def running_in(context: Context) -> Iterator[None]:
    """Have :func:`current_context` give *context* here."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)
