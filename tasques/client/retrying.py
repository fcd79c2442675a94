"""Whether a request that came to nothing is sent again, and when."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from tasques.client.commands.base import Repeat
from tasques.client.errors import AnswerLost, ServerUnavailable
from tasques.core import errors

_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 2.0
#: What a server asks for is heeded up to here.
_LONGEST_WISH_SECONDS: Final = 10.0


class NotReached(ServerUnavailable):
    """No connection came about, so nothing was done."""


def may_repeat(repeat: Repeat, failure: Exception) -> bool:
    """
    Whether a request that ended so may be sent again.

    For :attr:`Repeat.KEYED` that the server knows keys is to be found out besides.
    """
    if isinstance(failure, NotReached):
        return True
    if not isinstance(failure, errors.Unavailable):
        return False
    match repeat:
        case Repeat.FREELY | Repeat.NAMED | Repeat.KEYED:
            return True
        case Repeat.IF_REFUSED:
            return not isinstance(failure, errors.OutcomeUnknown)
        case _:
            return False


class Tries:
    """
    The tries of one request.

    Pauses double from 50 ms up to 2 s, each shortened by chance down to none ("full jitter"), so
    that those who lost one server at the same moment do not return at the same moment. What the
    server asks for by ``Retry-After`` is the least.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        patience: From the first trouble on, so many seconds.
        clock: Monotonic seconds.
        chance: A number in ``[0, 1)``.
    """

    def __init__(
        self,
        patience: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._chance = chance
        self._give_up_at: float | None = None
        self._failed = 0

    def pause(self, failure: Exception) -> float | None:
        """How long to wait before the next try, in seconds; None if there is to be none."""
        now = self._clock()
        if self._give_up_at is None:
            self._give_up_at = now + self._patience
        longest = min(_FIRST_PAUSE_SECONDS * 2**self._failed, _LONGEST_PAUSE_SECONDS)
        self._failed += 1
        pause = longest * self._chance()
        # Where no answer came, there is no wish.
        if isinstance(failure, errors.Unavailable) and not isinstance(
            failure, NotReached | AnswerLost
        ):
            pause += min(failure.retry_after_seconds, _LONGEST_WISH_SECONDS)
        return None if now + pause > self._give_up_at else pause
