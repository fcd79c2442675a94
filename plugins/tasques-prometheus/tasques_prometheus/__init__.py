"""
A plugin of Tasques that serves its measurements to Prometheus.

Everything is read when it is asked for; between two scrapes it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Final
from wsgiref.types import WSGIApplication

import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tasques.core.metrics import Distribution, MetricFamily, MetricKind
from tasques.hookspecs import hookimpl

__all__ = ["PrometheusPlugin", "dashboard", "plugin"]

PATH: Final = "/metrics"

Collect = Callable[[], Sequence[MetricFamily]]


class PrometheusPlugin:
    """The hooks of this plugin."""

    def __init__(self) -> None:
        self._collect: Collect | None = None

    @hookimpl
    def tasques_metrics(self, collect: Collect) -> None:
        """Remember where the measurements are."""
        self._collect = collect

    @hookimpl
    def tasques_wsgi(self) -> Mapping[str, WSGIApplication] | None:
        """Serve them."""
        if self._collect is None:
            return None
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Measurements(self._collect))
        # Compression is the server's business, for all its answers alike.
        return {PATH: prometheus_client.make_wsgi_app(registry, disable_compression=True)}


class _Measurements(Collector):
    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        """All families, as of now."""
        for family in self._collect():
            yield as_metric(family)


def dashboard() -> str:
    """A dashboard of Grafana's for what servers and workers measure, as JSON to import there."""
    return (resources.files(__name__) / "dashboard.json").read_text("utf-8")


def as_metric(family: MetricFamily) -> Metric:
    """*family* in the terms of Prometheus's client, whose histograms count cumulatively."""
    names = tuple(name for name, _ in family.samples[0].labels) if family.samples else ()
    match family.kind:
        case MetricKind.COUNTER:
            counted = CounterMetricFamily(family.name, family.help, labels=names)
            for sample in family.samples:
                counted.add_metric([value for _, value in sample.labels], _number(sample.value))
            return counted
        case MetricKind.GAUGE:
            measured = GaugeMetricFamily(family.name, family.help, labels=names)
            for sample in family.samples:
                measured.add_metric([value for _, value in sample.labels], _number(sample.value))
            return measured
        case MetricKind.HISTOGRAM:
            observed = HistogramMetricFamily(family.name, family.help, labels=names)
            for sample in family.samples:
                assert isinstance(sample.value, Distribution)
                observed.add_metric(
                    [value for _, value in sample.labels],
                    buckets=_buckets(sample.value),
                    sum_value=sample.value.total,
                )
            return observed


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    so_far = 0
    bounds = [*map(_bound, distribution.bounds), "+Inf"]
    for bound, count in zip(bounds, distribution.counts, strict=True):
        so_far += count
        buckets.append((bound, so_far))
    return buckets


def _bound(bound: float) -> str:
    return str(float(bound))


def _number(value: float | Distribution) -> float:
    assert not isinstance(value, Distribution)
    return float(value)


plugin: Final = PrometheusPlugin()
