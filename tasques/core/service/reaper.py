"""
Ends what has run out of time: claims, as failures, and tasks that nobody started in time.

Every server does it: each end is a compare-and-set on the version that was found, so a report, a
completion or a claim that comes first wins, and two reapers are no worse than one. A margin keeps it
from ending anything early while clocks differ a little; while this server's clock cannot be trusted
it ends nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from tasques.core import errors, lifecycle
from tasques.core.documents import Operation
from tasques.core.ports import Blocked, Rejected, Replace, Runtime, TaskStore, Written
from tasques.core.tasks import EndReason, StoredTask, Task
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
        expired: Tasks ended here so far because nobody had started them in time.
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
        self.expired = 0

    def step(self) -> Duration:
        """
        Sweep once; returns when the next sweep is wanted.

        Raises:
            Unavailable: If the clock may not decide, or the store cannot be searched.
        """
        self._gate()
        now = self._runtime.wall()
        before = now.plus(Duration(-self._options.margin.nanoseconds))
        limit = self._options.page_size
        timed_out = self._store.find_timed_out(before=before, limit=limit)
        expired = self._store.find_expired(before=before, limit=limit)
        writes = [self._time_out(stored, now) for stored in timed_out]
        writes += [self._expire(stored, now) for stored in expired]
        refused = self._carry_out([write for write in writes if write is not None])
        if max(len(timed_out), len(expired)) >= limit and not refused:
            return max(self._store.traits.visibility_lag, _SHORTEST_PAUSE)
        spread = 1 + _JITTER * (self._runtime.random() - 0.5)
        return Duration.of_seconds(self._options.interval.seconds * spread)

    def _time_out(self, stored: StoredTask, now: Instant) -> Replace[Task] | None:
        jitter = self._runtime.random()
        return self._end(
            stored, "time_out", lambda task: lifecycle.time_out(task, now=now, jitter=jitter)
        )

    def _expire(self, stored: StoredTask, now: Instant) -> Replace[Task] | None:
        return self._end(stored, "expire", lambda task: lifecycle.expire(task, now=now))

    def _end(
        self, stored: StoredTask, verb: str, decide: Callable[[Task], Task]
    ) -> Replace[Task] | None:
        try:
            ended = decide(stored.document)
        except errors.TaskError:
            return None  # What was found has no time to run out, whatever the search thought.
        operation = Operation(token=self._runtime.new_id(), verb=verb)
        return Replace(document=ended.stamped(operation), expected=stored.version)

    def _carry_out(self, writes: Sequence[Replace[Task]]) -> bool:
        """Write, and tell of what waits again; whether the store refused to take some."""
        if not writes:
            return False
        refused = False
        timed_out = expired = 0
        for write, outcome in zip(writes, self._store.write(writes), strict=True):
            refused = refused or isinstance(outcome, Rejected | Blocked)
            if not isinstance(outcome, Written):
                continue  # Somebody came first, or the next sweep sees what became of it.
            if _is_expiry(write.document):
                expired += 1
            else:
                timed_out += 1
            if outcome.stored.document.state.is_claimable:
                self._on_waiting(outcome.stored)
        if timed_out or expired:
            self.reaped += timed_out
            self.expired += expired
            _log.info("ended %d claims and %d tasks whose time was over", timed_out, expired)
        return refused


def _is_expiry(task: Task) -> bool:
    ended = task.extensions.ended
    return ended is not None and ended.reason is EndReason.EXPIRED
