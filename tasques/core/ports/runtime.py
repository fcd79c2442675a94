"""Time, randomness and concurrency, as the core asks for them."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from tasques.core.values import Instant


class Condition(Protocol):
    """A lock with waiting, as :class:`threading.Condition`."""

    def __enter__(self) -> bool:
        """Take the lock."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Give the lock back."""

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock back until notified or *timeout* seconds are over; False if over."""

    def notify(self, n: int = 1) -> None:
        """Wake up to *n* that wait."""

    def notify_all(self) -> None:
        """Wake all that wait."""


class Runtime(Protocol):
    """
    Time, randomness and concurrency: all that makes a run differ from another.

    With threads it is :class:`tasques.runtime.ThreadRuntime`; a simulator brings its own, in which
    every call here and every call of a port may switch to another actor. So locks come from here,
    and none is held across a call of a port.
    """

    def wall(self) -> Instant:
        """Now, on the wall; may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps back."""

    def sleep(self, seconds: float) -> None:
        """Let others run for so long."""

    def condition(self, sharing: Condition | None = None) -> Condition:
        """A new condition, with a lock of its own or that of *sharing*."""

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Run *target* beside everything else; it does not keep the process alive."""

    def random(self) -> float:
        """A number in ``[0, 1)``."""

    def new_id(self) -> str:
        """128 random bits as 32 lower-case hexadecimal digits."""
