"""
How far this server's wall clock is from the store's.

What is due, and which claim is over, is decided by stored wall-clock times, as the original decides
it; so servers must agree on the time about as well as claims are long. Each server compares its
clock with the store's now and then, and in between knows from the monotonic clock how far its wall
clock has jumped since. Too far off, it decides nothing by the clock: it neither hands out work nor
ends claims, while completions, which need no clock, go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from tasques.core import errors
from tasques.core.ports import Problem, Runtime
from tasques.core.values import Duration, Instant

_INTERVAL: Final = Duration.of_seconds(60)
_GLANCE: Final = Duration.of_seconds(1)
#: A jump of more than so much is worth a new comparison at once.
_JUMP: Final = Duration.of_seconds(1)


@attrs.frozen(kw_only=True)
class ClockLimits:
    """
    How far off a clock may be.

    Attributes:
        amber: Beyond this, health says so, and no claim is ended until the clock is compared anew.
        red: Beyond this, the server is not ready and decides nothing by its clock.
    """

    amber: Duration = Duration.of_seconds(5)
    red: Duration = Duration.of_seconds(30)


@attrs.frozen
class _Comparison:
    """The store's clock was at *store* when the monotonic one was at *monotonic*."""

    store: Instant
    monotonic: float
    skew: Duration


class ClockWatch:
    """
    Compares clocks.

    Args:
        server_time: The store's clock; None if it has none to compare with: then this server's own
            is taken as right.
    """

    def __init__(
        self,
        server_time: Callable[[], Instant | None],
        runtime: Runtime,
        limits: ClockLimits = ClockLimits(),
    ) -> None:
        self._server_time = server_time
        self._runtime = runtime
        self._limits = limits
        self._last: _Comparison | None = None
        #: It was to be compared, never was, and may be off by any amount.
        self._is_unknown = False

    def step(self) -> Duration:
        """Compare if it is time to, or the clock has jumped; returns when to look again."""
        last, skew = self._last, self.skew
        due = last is None or self._runtime.monotonic() >= last.monotonic + _INTERVAL.seconds
        if due or (last and skew and _distance(skew, last.skew) > _JUMP):
            self._compare()
        return _GLANCE

    def _compare(self) -> None:
        before = self._runtime.monotonic()
        try:
            store = self._server_time()
        except errors.Unavailable:
            # Health says so already. The last comparison stands, if there was one.
            self._is_unknown = self._last is None
            return
        self._is_unknown = False
        if store is None:
            self._last = None
            return
        # The answer was made about halfway between asking and receiving.
        middle = (before + self._runtime.monotonic()) / 2
        ago = Duration.of_seconds(self._runtime.monotonic() - middle)
        skew = self._runtime.wall().since(store.plus(ago))
        self._last = _Comparison(store, middle, skew)

    @property
    def skew(self) -> Duration | None:
        """How far this clock is ahead of the store's just now; None if that is not known."""
        last = self._last
        if last is None:
            return None
        elapsed = Duration.of_seconds(self._runtime.monotonic() - last.monotonic)
        return self._runtime.wall().since(last.store.plus(elapsed))

    def ensure_trusted(self) -> None:
        """
        Pass while this clock may decide what is due.

        Raises:
            ClockUntrusted: If it is too far off, or the store could not be asked so far.
        """
        if self._is_unknown:
            raise errors.ClockUntrusted("this server's clock could not be compared yet")
        skew = self.skew
        if skew is not None and _size(skew) > self._limits.red:
            raise errors.ClockUntrusted(self._words(skew))

    def ensure_steady(self) -> None:
        """
        Pass while this clock may decide whose time is over.

        Raises:
            ClockUntrusted: If it is too far off, or has jumped since it was last compared.
        """
        self.ensure_trusted()
        last, skew = self._last, self.skew
        if last and skew and _distance(skew, last.skew) > self._limits.amber:
            raise errors.ClockUntrusted("this server's clock has just jumped")

    def problem(self) -> Problem | None:
        """What health is to say of it."""
        skew = self.skew
        if skew is None or _size(skew) <= self._limits.amber:
            return None
        return Problem(
            code="clock_skew", message=self._words(skew), fatal=_size(skew) > self._limits.red
        )

    def _words(self, skew: Duration) -> str:
        direction = "ahead of" if skew.nanoseconds > 0 else "behind"
        return f"this server's clock is {_size(skew)} {direction} the store's; set it right"


def _size(duration: Duration) -> Duration:
    return Duration(abs(duration.nanoseconds))


def _distance(one: Duration, other: Duration) -> Duration:
    return Duration(abs(one.nanoseconds - other.nanoseconds))
