"""How soon a process that ended is replaced, by how it ended; pure."""

from __future__ import annotations

from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
#: A process that lived so long did not fail for the reason the one before did.
LONG_LIFE_SECONDS: Final = 60.0


class Restarts:
    """
    The pauses of one place, which one process after the other takes.

    None after a process that ended in order. After the others half a second, doubled up to half a
    minute, and from the beginning after one that lived for a minute.
    """

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_SECONDS

    def pause(self, status: int, lived: float) -> float:
        """
        Seconds until the next process takes the place.

        Args:
            status: Of the exit; negative for a signal.
            lived: Seconds from its start to its end.
        """
        if status == 0:
            return 0.0
        if lived > LONG_LIFE_SECONDS:
            self._next = FIRST_PAUSE_SECONDS
        pause = self._next
        self._next = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return pause
