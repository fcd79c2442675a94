"""
How many claims may wait at once.

A waiting claim holds a connection and, where it cannot be parked, a thread; so there is a limit, and
the rest is left to everybody else. A claim beyond it is 503 with ``Retry-After`` and counted; it is
never answered with nothing at once, since clients repeat an empty claim without a pause.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasques.core.errors import Overloaded
from tasques.core.values import ZERO, Duration


class WaitingClaims:
    """
    The places for claims that wait; may be used from several threads at once.

    Attributes:
        limit: So many places there are.
        refused: So many claims found none, since the start.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.refused = 0
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many places are taken now."""
        return self._taken

    @contextmanager
    def place(self, block_for: Duration) -> Iterator[None]:
        """
        Hold a place meanwhile; a claim that does not wait needs none.

        Raises:
            Overloaded: If there is none left.
        """
        free = self.take(block_for)
        try:
            yield
        finally:
            free()

    def take(self, block_for: Duration) -> Callable[[], None]:
        """
        Take a place; a claim that does not wait needs none.

        Returns:
            What frees it again; to be called once.

        Raises:
            Overloaded: If there is none left.
        """
        if block_for <= ZERO:
            return _nothing
        with self._lock:
            if self._taken >= self.limit:
                self.refused += 1
                raise Overloaded(f"{self.limit} claims wait here already; no more may wait")
            self._taken += 1
        return self._free

    def _free(self) -> None:
        with self._lock:
            self._taken -= 1


def _nothing() -> None:
    """A place that was not needed is freed."""
