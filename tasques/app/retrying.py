"""Retry policies: what becomes of a task whose attempt raised, by kind of task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import attrs

from tasques.app.signals import GiveUp, Retry
from tasques.client import times
from tasques.client.times import DurationLike
from tasques.core.values import Duration


class RetryPolicy(Protocol):
    """
    Decides, seeing the error, what follows a failed attempt.

    A plain function will do. It must be quick, and should not raise; one that does counts as None.
    """

    def __call__(self, error: BaseException, attempt: int) -> Retry | GiveUp | None:
        """
        What is to follow; None for the server's growing pause.

        Args:
            attempt: Which one failed; 1 for the first.
        """
        ...


def exponential(
    first: DurationLike, *, factor: float = 2.0, most: DurationLike = "24h"
) -> Callable[[int], Duration]:
    """
    Pauses that grow: *first* after the first attempt, times *factor* after each further one.

    Without jitter: the server's own growing pause has some, and should be preferred where many tasks
    fail together.

    >>> exponential("10s", most="1m")(4)
    Duration('1m0s')
    """
    start, cap = times.duration(first, "first").seconds, times.duration(most, "most").seconds

    def pause(attempt: int) -> Duration:
        # The exponent is bounded: a float overflows beyond a thousand doublings.
        return Duration.of_seconds(min(start * factor ** min(attempt - 1, _GROWS), cap))

    return pause


_GROWS: Final = 60


@attrs.frozen(kw_only=True)
class RetryOn:
    """
    The usual policy: by the class of the error.

    Attributes:
        give_up_on: These are not tried again.
        only_on: If not empty, no others than these are tried again.
        backoff: The pause after an attempt, by its number; None for the server's growing one.
    """

    give_up_on: tuple[type[BaseException], ...] = ()
    only_on: tuple[type[BaseException], ...] = ()
    backoff: Callable[[int], DurationLike] | None = None

    def __call__(self, error: BaseException, attempt: int) -> Retry | GiveUp | None:
        """What is to follow *error*."""
        if isinstance(error, self.give_up_on):
            return GiveUp()
        if self.only_on and not isinstance(error, self.only_on):
            return GiveUp()
        return None if self.backoff is None else Retry(in_=self.backoff(attempt))
