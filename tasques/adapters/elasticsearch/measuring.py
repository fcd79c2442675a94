"""Counts the requests to Elasticsearch, by what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tasques.core.metrics import SECONDS, MetricFamily
from tasques.core.ports import Runtime
from tasques.core.service.meter import Counter, Histogram, Meter

#: The status that is counted where there was no answer.
NO_ANSWER: Final = 0
#: The last parts of paths that say what a request is for; whatever has another is ``other``.
_OPERATIONS: Final = frozenset(
    {"_bulk", "_msearch", "_mget", "_search", "_refresh", "_mapping", "_pit", "_stats", "_alias"}
)


class RequestMeter:
    """What :class:`~tasques.adapters.elasticsearch.client.Client` counts."""

    def __init__(self, runtime: Runtime) -> None:
        self._meter = Meter(runtime)
        # Found again without building labels.
        self._seconds: dict[str, Histogram] = {}
        self._counts: dict[tuple[str, int], Counter] = {}

    def note(self, path: str, status: int, seconds: float) -> None:
        """A request to *path* was answered with *status*."""
        operation = operation_of(path)
        histogram = self._seconds.get(operation)
        if histogram is None:
            histogram = self._seconds[operation] = self._meter.histogram(
                "tasques_elasticsearch_request_seconds",
                "How long requests to Elasticsearch took, by what they are for.",
                SECONDS,
                operation=operation,
            )
        histogram.observe(seconds)
        count = self._counts.get((operation, status))
        if count is None:
            count = self._counts[operation, status] = self._meter.counter(
                "tasques_elasticsearch_requests_total",
                "Requests to Elasticsearch, by what they are for; status 0 without an answer.",
                operation=operation,
                status=str(status),
            )
        count.add()

    def collect(self) -> Sequence[MetricFamily]:
        """All of it, as of now."""
        return self._meter.collect()


def operation_of(path: str) -> str:
    """What a request is for: ``bulk``, ``msearch``, ``refresh`` …"""
    last = path.partition("?")[0].rpartition("/")[2]
    return last[1:] if last in _OPERATIONS else "other"
