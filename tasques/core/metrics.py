"""
Measurements as values: what a server gives out about itself, for whoever collects it.

Names and units are Prometheus's: ``tasques_`` before, the unit after (``seconds``, ``bytes``),
``_total`` behind what only grows. A distribution is a histogram with fixed bounds.

Source: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

import attrs

#: Names and values that tell samples of one family apart, sorted by name.
Labels: TypeAlias = tuple[tuple[str, str], ...]

#: Bounds for times, in seconds: from half a millisecond to what a claim waits.
SECONDS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
)
#: Bounds for times that may be long: how tasks wait and run, in seconds.
LONG_SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
#: Bounds for how many go together.
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class MetricKind(StrEnum):
    """How a family is to be read."""

    #: Only grows, until the server starts anew.
    COUNTER = "counter"
    #: Goes up and down.
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@attrs.frozen
class Distribution:
    """
    How often what was observed.

    Attributes:
        bounds: The upper ends of the buckets, ascending; the last bucket has none.
        counts: How many fell into each bucket; one more than there are bounds.
        total: The sum of all that was observed.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.counts)


@attrs.frozen
class Sample:
    """One value of a family."""

    labels: Labels
    value: float | Distribution


@attrs.frozen(kw_only=True)
class MetricFamily:
    """
    All that is measured under one name.

    Attributes:
        name: ``tasques_requests_total``.
        help: What it says, in a sentence.
    """

    name: str
    kind: MetricKind
    help: str
    samples: tuple[Sample, ...] = ()


def gauge(name: str, help: str, value: float, **labels: str) -> MetricFamily:
    """A family of one value."""
    sample = Sample(tuple(sorted(labels.items())), value)
    return MetricFamily(name=name, kind=MetricKind.GAUGE, help=help, samples=(sample,))


def counter(name: str, help: str, value: float, **labels: str) -> MetricFamily:
    """A family of one value that only grows."""
    sample = Sample(tuple(sorted(labels.items())), value)
    return MetricFamily(name=name, kind=MetricKind.COUNTER, help=help, samples=(sample,))
