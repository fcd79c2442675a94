"""Whether this server can be relied on, and if not, why; kept fresh in the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import attrs

from tasques.core.ports import Backend, Problem, Runtime
from tasques.core.service.clock import ClockWatch
from tasques.core.service.election import Leadership
from tasques.core.values import Duration

_INTERVAL: Final = Duration.of_seconds(1)


class Work(Protocol):
    """Something that runs in the background."""

    @property
    def name(self) -> str:
        """What it is called in logs and health."""

    @property
    def last_error(self) -> str | None:
        """What went wrong the last time it ran; None if nothing did."""


@attrs.frozen(kw_only=True)
class Readiness:
    """
    What the server says of itself.

    Attributes:
        ready: Whether requests should be sent here.
        problems: Fatal ones make it not ready, the others want a look.
        backend: Where the tasks are, without credentials.
        clock_skew: How far this clock is ahead of the store's, where that is known.
        leadership: Who leads, as far as is known here; None where nobody stands for election.
    """

    ready: bool
    problems: tuple[Problem, ...]
    backend: str
    clock_skew: Duration | None
    leadership: Leadership | None = None


class Health:
    """
    Collects what is known of the backend, the clock and the background work.

    Not ready until the backend was looked at once, and after :meth:`start_draining`.

    Args:
        leadership: Tells who leads; must not block.
    """

    def __init__(
        self,
        backend: Backend,
        runtime: Runtime,
        clock: ClockWatch,
        work: Sequence[Work] = (),
        *,
        leadership: Callable[[], Leadership] | None = None,
    ) -> None:
        self._backend = backend
        self._runtime = runtime
        self._clock = clock
        self._work = tuple(work)
        self._leadership = leadership
        self._found: tuple[Problem, ...] = (
            Problem(code="starting", message="the backend has not been looked at yet"),
        )
        self._draining = False

    def watch(self, work: Sequence[Work]) -> None:
        """Include what runs in the background."""
        self._work += tuple(work)

    def step(self) -> Duration:
        """Look at the backend; returns when to look again."""
        self._found = tuple(self._backend.check())
        return _INTERVAL

    def start_draining(self) -> None:
        """From now on this server is not ready, for good."""
        self._draining = True

    def readiness(self) -> Readiness:
        """What is known now; never blocks."""
        problems = list(self._found)
        if self._draining:
            problems.append(Problem(code="draining", message="this server is stopping"))
        if (skewed := self._clock.problem()) is not None:
            problems.append(skewed)
        problems += [
            Problem(code="background_work", message=f"{w.name}: {w.last_error}", fatal=False)
            for w in self._work
            if w.last_error is not None
        ]
        return Readiness(
            ready=not any(problem.fatal for problem in problems),
            problems=tuple(problems),
            backend=self._backend.url,
            clock_skew=self._clock.skew,
            leadership=None if self._leadership is None else self._leadership(),
        )
