"""
How deep the queues are, for those who measure.

Counting costs the store an aggregation, so it is done in the background, not too often, and only while
somebody collects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tasques.core.listing import QueueSummary
from tasques.core.metrics import MetricFamily, MetricKind, Sample
from tasques.core.ports import Runtime, TaskStore
from tasques.core.values import Duration, Instant

INTERVAL: Final = Duration.of_seconds(15)
#: For so long after somebody collected, the queues are counted.
_NEEDED_SECONDS: Final = 300.0


class QueueDepths:
    """What :meth:`step` last counted."""

    def __init__(self, store: TaskStore, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime
        self._collected_at = float("-inf")
        self._summaries: Sequence[QueueSummary] = ()
        self._counted_at: Instant | None = None

    def step(self) -> Duration:
        """
        Count, if somebody wants to know; returns when to do so again.

        Raises:
            StoreUnavailable: If the store cannot be searched.
        """
        if self._runtime.monotonic() - self._collected_at < _NEEDED_SECONDS:
            now = self._runtime.wall()
            self._summaries = self._store.summarise(now=now)
            self._counted_at = now
        return INTERVAL

    def families(self) -> Iterable[MetricFamily]:
        """What was counted last; empty before the first time."""
        self._collected_at = self._runtime.monotonic()
        if (counted_at := self._counted_at) is None:
            return
        summaries = self._summaries
        yield MetricFamily(
            name="tasques_queue_tasks",
            kind=MetricKind.GAUGE,
            help="Tasks in a queue, by state; as of the last count, every 15 seconds.",
            samples=tuple(
                Sample((("queue", summary.queue), ("state", state.value)), count)
                for summary in summaries
                for state, count in summary.counts.items()
            ),
        )
        yield MetricFamily(
            name="tasques_queue_ready_tasks",
            kind=MetricKind.GAUGE,
            help="Tasks in a queue that can be claimed now.",
            samples=tuple(
                Sample((("queue", summary.queue),), summary.ready) for summary in summaries
            ),
        )
        yield MetricFamily(
            name="tasques_queue_oldest_ready_seconds",
            kind=MetricKind.GAUGE,
            help="For how long the longest due task of a queue has been ready.",
            samples=tuple(
                Sample((("queue", s.queue),), max(counted_at.since(s.oldest_ready).seconds, 0.0))
                for s in summaries
                if s.oldest_ready is not None
            ),
        )
