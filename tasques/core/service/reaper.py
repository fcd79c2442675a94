"""
Ends the claims whose time is over, as failures.

Every server does it: each end is a compare-and-set on the version that was found, so a report or a
completion that comes first wins, and two reapers are no worse than one. A margin keeps it from
ending a claim early while clocks differ a little; while this server's clock cannot be trusted it
ends none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from tasques.core import errors, lifecycle
from tasques.core.documents import Operation
from tasques.core.ports import Blocked, Rejected, Replace, Runtime, TaskStore, Written
from tasques.core.tasks import StoredTask, Task
from tasques.core.values import Duration, Instant

_log = logging.getLogger(__name__)

#: Sweeps of several servers spread over this part of the interval.
_JITTER: Final = 0.1
_SHORTEST_PAUSE: Final = Duration.of_seconds(0.05)


@attrs.frozen(kw_only=True)
class ReaperOptions:
    """
    How often and how much.

    Attributes:
        interval: Between sweeps that left nothing behind.
        margin: A claim is ended no sooner than so long after its time-out.
        page_size: Claims looked at in one sweep; a full sweep is followed by another as soon as its
            writes can be seen.
    """

    interval: Duration = Duration.of_seconds(15)
    margin: Duration = Duration.of_seconds(2)
    page_size: int = 300


def _nobody(stored: StoredTask) -> None:
    """Nobody wants to know."""


class Reaper:
    """
    One sweep at each :meth:`step`.

    Args:
        gate: Raises an :class:`~tasques.core.errors.Unavailable` while the clock may not decide.
        on_waiting: Told of every task that began to wait again.

    Attributes:
        reaped: Claims ended here so far.
    """

    def __init__(
        self,
        store: TaskStore,
        runtime: Runtime,
        *,
        options: ReaperOptions = ReaperOptions(),
        gate: Callable[[], None] = lambda: None,
        on_waiting: Callable[[StoredTask], None] = _nobody,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._options = options
        self._gate = gate
        self._on_waiting = on_waiting
        self.reaped = 0

    def step(self) -> Duration:
        """
        Sweep once; returns when the next sweep is wanted.

        Raises:
            Unavailable: If the clock may not decide, or the store cannot be searched.
        """
        self._gate()
        now = self._runtime.wall()
        before = now.plus(Duration(-self._options.margin.nanoseconds))
        found = self._store.find_timed_out(before=before, limit=self._options.page_size)
        writes = [w for w in (self._end(stored, now) for stored in found) if w is not None]
        refused = self._carry_out(writes) if writes else False
        if len(found) >= self._options.page_size and not refused:
            return max(self._store.traits.visibility_lag, _SHORTEST_PAUSE)
        spread = 1 + _JITTER * (self._runtime.random() - 0.5)
        return Duration.of_seconds(self._options.interval.seconds * spread)

    def _end(self, stored: StoredTask, now: Instant) -> Replace[Task] | None:
        try:
            ended = lifecycle.time_out(stored.document, now=now, jitter=self._runtime.random())
        except errors.TaskError:
            return None  # What was found has no time to run out, whatever the search thought.
        operation = Operation(token=self._runtime.new_id(), verb="time_out")
        return Replace(document=ended.stamped(operation), expected=stored.version)

    def _carry_out(self, writes: Sequence[Replace[Task]]) -> bool:
        """Write, and tell of what waits again; whether the store refused to take some."""
        refused = False
        ended = 0
        for outcome in self._store.write(writes):
            refused = refused or isinstance(outcome, Rejected | Blocked)
            if not isinstance(outcome, Written):
                continue  # Somebody came first, or the next sweep sees what became of it.
            ended += 1
            if outcome.stored.document.state.is_claimable:
                self._on_waiting(outcome.stored)
        if ended:
            self.reaped += ended
            _log.info("ended %d claims whose time was over", ended)
        return refused
