"""How fast a store may be asked: what it costs, and how it takes it."""

from __future__ import annotations

from typing import Final

import attrs

from tasques.core.ports import Runtime

#: The pause between searches after the first trouble, and at the most.
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 3.0
#: By so much each search that is answered shortens it.
_RECOVERY_SECONDS: Final = 0.1
#: At most this part of the time is spent searching: a store that answers slowly is asked less often.
_SEARCH_SHARE: Final = 0.2

#: At most this part of the time is spent making the store show everything.
_FRESH_SHARE: Final = 0.05
_SHORTEST_FRESH_SECONDS: Final = 0.1
#: After searches that showed nothing new in spite of it, up to so much less.
_LEAST_THRIFT: Final = 16


@attrs.define(eq=False)
class Pace:
    """
    How long to pause between searches: doubled by trouble, shortened a little by each success.

    So a store that refuses under load finds the load it can bear, instead of all of it again after
    its first answer (additive increase, multiplicative decrease, as in TCP: RFC 5681, section 3.1).
    Not safe between threads: the dispatcher's lock guards it.
    """

    _runtime: Runtime
    _pause: float = 0.0
    _cost: float = 0.0
    _quiet_until: float = float("-inf")

    def back_off(self) -> None:
        """The store has too much to do, or is not there: leave it alone for a while."""
        longest = min(max(2 * self._pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        self._pause = longest
        # By chance, lest all servers come back at once.
        self._quiet_until = self._runtime.monotonic() + self._runtime.random() * longest

    def recover(self, seconds: float) -> None:
        """A search was answered after so many *seconds*."""
        self._pause = max(self._pause - _RECOVERY_SECONDS, 0.0)
        self._cost = seconds / _SEARCH_SHARE

    @property
    def quiet_until(self) -> float:
        """Until when to ask nothing at all, on the monotonic clock."""
        return self._quiet_until

    def interval(self, wanted: float) -> float:
        """How long after one search the next may come, where *wanted* seconds would do."""
        return max(wanted + self._pause, min(self._cost, _LONGEST_PAUSE_SECONDS))


@attrs.define(eq=False)
class FreshBudget:
    """
    How often a search may demand to see everything, which for Elasticsearch means a refresh.

    A refresh costs as much as hundreds of writes, whatever there is to show. So it may take a
    twentieth of the time, and less where it brought nothing; never more often than ten times a
    second. Not safe between threads: the dispatcher's lock guards it.
    """

    _next_at: float = float("-inf")
    _thrift: int = 1

    @property
    def next_at(self) -> float:
        """When the next one is allowed, on the monotonic clock."""
        return self._next_at

    def spend(self, seconds: float, *, at: float, servers: int, was_worth_it: bool) -> None:
        """
        Account for a search that demanded it, and ended at *at*.

        Args:
            seconds: How long it took.
            servers: Among how many the budget is split, so far as is known.
            was_worth_it: Whether it showed anything new.
        """
        self._thrift = 1 if was_worth_it else min(2 * self._thrift, _LEAST_THRIFT)
        pause = seconds * servers * self._thrift * (1 / _FRESH_SHARE - 1)
        self._next_at = at + max(pause, _SHORTEST_FRESH_SECONDS)
