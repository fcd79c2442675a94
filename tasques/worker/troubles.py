"""Trouble that lasts, told once when it begins, now and then while it lasts, and when it is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from tasques.core.errors import TasquesError

_TELL_EVERY_SECONDS: Final = 60.0


class Trouble:
    """
    Trouble with one thing; for one thread.

    Args:
        what: What is troubled: ``claiming``.
    """

    def __init__(
        self, what: str, log: logging.Logger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._log = log
        self._clock = clock
        self._told_at: float | None = None
        self._times = 0

    def met(self, error: BaseException, pause: float | None = None) -> None:
        """It went wrong once more; *pause* seconds until the next try."""
        self._times += 1
        now = self._clock()
        if self._told_at is not None and now - self._told_at < _TELL_EVERY_SECONDS:
            return
        self._told_at = now
        again = "" if pause is None else f"; trying again from in {pause:.1f} s on"
        # Trouble with a server needs no traceback; anything else is a fault of ours.
        known = isinstance(error, TasquesError)
        self._log.warning(
            "%s fails (%d times): %s%s",
            self._what,
            self._times,
            error if known else repr(error),
            again,
            exc_info=None if known else error,
        )

    def over(self) -> None:
        """It went well."""
        if self._told_at is not None:
            self._log.warning("%s works again, after %d failures", self._what, self._times)
            self._told_at = None
        self._times = 0
