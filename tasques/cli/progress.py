"""How far long work is, on the standard error."""

from __future__ import annotations

import sys


class Progress:
    """
    Says how far it is: ``1,200 of 5,000``.

    On a terminal one line is written again and again, elsewhere a line each time.

    Args:
        is_wanted: Whether it says anything.
    """

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._is_shown = False

    def show(self, done: int, total: int | None) -> None:
        """
        Say that so many are done.

        Args:
            total: Of how many; None where nobody knows. Tasks come and go meanwhile, so it may be
                outrun; then it is not said.
        """
        if not self._is_wanted:
            return
        words = f"{done:,}" if total is None or total < done else f"{done:,} of {total:,}"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)
            self._is_shown = True
        else:
            print(words, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for something else on the terminal."""
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._is_shown = False
