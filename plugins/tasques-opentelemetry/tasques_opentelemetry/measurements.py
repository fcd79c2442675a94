"""
A server's measurements as OpenTelemetry's observable instruments, under the same names and labels.

OpenTelemetry has no histogram that is read off. So a distribution is three counters, as it is in
Prometheus's format: ``_count``, ``_sum``, and ``_bucket`` with the bound as ``le``, cumulative.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from tasques.core.metrics import Distribution, MetricFamily, MetricKind, Sample

Collect: TypeAlias = Callable[[], Sequence[MetricFamily]]
_Read: TypeAlias = Callable[[MetricFamily], Iterable[Observation]]

_UNITS: Final = {"seconds": "s", "bytes": "By"}


class Measurements:
    """Has *meter* observe whatever *collect* gives; families that come later from then on."""

    def __init__(self, collect: Collect, meter: Meter) -> None:
        self._collect = collect
        self._meter = meter
        self._lock = threading.Lock()
        self._declaring = threading.Lock()
        self._families: dict[str, MetricFamily] = {}
        self._read: set[str] = set()
        self._known: set[str] = set()
        self._declare(collect())

    def _declare(self, families: Sequence[MetricFamily]) -> None:
        with self._declaring:
            for family in families:
                if family.name not in self._known:
                    self._known.add(family.name)
                    self._observe(family)

    def _observe(self, family: MetricFamily) -> None:
        name, help, unit = family.name, family.help, _unit(family.name)
        match family.kind:
            case MetricKind.GAUGE:
                self._meter.create_observable_gauge(
                    name, [self._reading(name, name, _values)], unit, help
                )
            case MetricKind.COUNTER:
                self._counter(family, name, _values, unit)
            case MetricKind.HISTOGRAM:
                self._counter(family, f"{name}_count", _counts, "")
                self._counter(family, f"{name}_sum", _sums, unit)
                self._counter(family, f"{name}_bucket", _buckets, "")

    def _counter(self, family: MetricFamily, name: str, read: _Read, unit: str) -> None:
        callback = self._reading(family.name, name, read)
        self._meter.create_observable_counter(name, [callback], unit, family.help)

    def _reading(
        self, family: str, instrument: str, read: _Read
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(options: CallbackOptions) -> Iterable[Observation]:
            found = self._present(family, instrument)
            return () if found is None else read(found)

        return observe

    def _present(self, family: str, instrument: str) -> MetricFamily | None:
        with self._lock:
            # One look at the server serves all instruments: the next begins where one asks again.
            if not self._families or instrument in self._read:
                self._families = {each.name: each for each in self._collect()}
                self._read = set()
                self._declare_later()
            self._read.add(instrument)
            return self._families.get(family)

    def _declare_later(self) -> None:
        new = [each for name, each in self._families.items() if name not in self._known]
        if new:
            # On a thread of its own: whoever reads holds the lock that a new instrument needs.
            declaring = threading.Thread(
                target=self._declare, args=(new,), name="tasques-instruments", daemon=True
            )
            # The last reading is when the program ends, and then there are no new threads.
            with contextlib.suppress(RuntimeError):
                declaring.start()


def _unit(name: str) -> str:
    return _UNITS.get(name.removesuffix("_total").rpartition("_")[2], "")


def _values(family: MetricFamily) -> Iterator[Observation]:
    for sample in family.samples:
        assert not isinstance(sample.value, Distribution)
        # One kind of number per name; a gauge that is yes or no could not even be sent.
        yield Observation(float(sample.value), dict(sample.labels))


def _distributions(family: MetricFamily) -> Iterator[tuple[Sample, Distribution]]:
    for sample in family.samples:
        assert isinstance(sample.value, Distribution)
        yield sample, sample.value


def _counts(family: MetricFamily) -> Iterator[Observation]:
    for sample, each in _distributions(family):
        yield Observation(each.count, dict(sample.labels))


def _sums(family: MetricFamily) -> Iterator[Observation]:
    for sample, each in _distributions(family):
        yield Observation(float(each.total), dict(sample.labels))


def _buckets(family: MetricFamily) -> Iterator[Observation]:
    for sample, each in _distributions(family):
        bounds = [*(str(float(bound)) for bound in each.bounds), "+Inf"]
        for bound, count in zip(bounds, accumulate(each.counts), strict=True):
            yield Observation(count, {**dict(sample.labels), "le": bound})
