"""
What the body of a task may raise to say how its attempt ends, if not by success or failure.

A policy answers with the same words; see :mod:`tasques.app.retrying`.
"""

from __future__ import annotations

from tasques.client import times
from tasques.client.times import DurationLike


class Signal(Exception):
    """The base of what a task raises on purpose, to steer and not because anything went wrong."""


class Retry(Signal):
    """
    This attempt failed, and counts; try again after *in_*.

    With no attempt left the task is dead all the same.

    Args:
        reason: For people; stored as the failure's message.
        in_: The pause before the next attempt; None for the server's growing one.
    """

    def __init__(self, reason: str = "", *, in_: DurationLike | None = None) -> None:
        super().__init__(reason)
        self.in_ = times.optional_duration(in_, "in_")


class Snooze(Signal):
    """
    Not now: give the task back, and do not hand it out before *for_* is over. Costs no attempt.

    An original server cannot; there it is a failure with the server's growing pause.
    """

    def __init__(self, for_: DurationLike, reason: str = "") -> None:
        super().__init__(reason)
        self.for_ = times.duration(for_, "for_")


class GiveUp(Signal):
    """
    This attempt failed, and no other would succeed: the task is dead.

    An original server cannot; there it is an ordinary failure.

    Args:
        reason: For people; stored as the failure's message.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
