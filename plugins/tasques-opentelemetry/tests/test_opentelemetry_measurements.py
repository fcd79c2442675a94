"""A server's measurements as a collector in the process reads them."""

from __future__ import annotations

import threading

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader, Metric, Sum
from tasques_opentelemetry.measurements import Measurements

from tasques.core.metrics import (
    Distribution,
    MetricFamily,
    MetricKind,
    Sample,
    counter,
    gauge,
)

SEARCHES = MetricFamily(
    name="tasques_search_seconds",
    kind=MetricKind.HISTOGRAM,
    help="Searches.",
    samples=(Sample((), Distribution((0.1, 1), (2, 3, 4), 12.5)),),
)


class Source:
    """Gives families, and counts how often it is asked."""

    def __init__(self, *families: MetricFamily) -> None:
        self.families = families
        self.asked = 0

    def __call__(self) -> tuple[MetricFamily, ...]:
        self.asked += 1
        return self.families


class Collector:
    """Reads what a source gives."""

    def __init__(self, source: Source) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])
        self._measurements = Measurements(source, self.provider.get_meter("tests"))

    def read(self) -> dict[str, Metric]:
        """By name, as of now."""
        found = self._reader.get_metrics_data()
        return {
            metric.name: metric
            for resource in (found.resource_metrics if found else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def points(metric: Metric) -> list[tuple[dict[str, object], float]]:
    """The values of a counter or a gauge with their labels."""
    assert isinstance(metric.data, Sum | Gauge)
    return [(dict(each.attributes or {}), each.value) for each in metric.data.data_points]


def test_every_kind_is_read() -> None:
    """Names and labels stay; a distribution is three counters, its buckets cumulative."""
    source = Source(
        counter("tasques_archived_total", "Tasks archived.", 3),
        gauge("tasques_queue_tasks", "Tasks.", 2, queue="mail", state="queued"),
        gauge("tasques_leading", "Whether.", True),
        SEARCHES,
        MetricFamily(name="tasques_problems", kind=MetricKind.GAUGE, help="None now."),
    )
    found = Collector(source).read()
    archived = found["tasques_archived_total"]
    assert isinstance(archived.data, Sum)
    assert archived.data.is_monotonic
    assert (archived.description, points(archived)) == ("Tasks archived.", [({}, 3)])
    assert isinstance(found["tasques_queue_tasks"].data, Gauge)
    assert points(found["tasques_queue_tasks"]) == [({"queue": "mail", "state": "queued"}, 2)]
    assert {type(value) for _, value in points(found["tasques_leading"])} == {float}
    assert points(found["tasques_search_seconds_count"]) == [({}, 9)]
    assert points(found["tasques_search_seconds_sum"]) == [({}, 12.5)]
    assert found["tasques_search_seconds_sum"].unit == "s"
    assert points(found["tasques_search_seconds_bucket"]) == [
        ({"le": "0.1"}, 2),
        ({"le": "1.0"}, 5),
        ({"le": "+Inf"}, 9),
    ]
    assert "tasques_problems" not in found


def test_a_reading_asks_the_server_once() -> None:
    """However many instruments there are; and the next one sees what has changed."""
    source = Source(counter("tasques_a_total", "A.", 1), gauge("tasques_b", "B.", 1), SEARCHES)
    collector = Collector(source)
    before = source.asked
    collector.read()
    assert source.asked == before + 1
    source.families = (counter("tasques_a_total", "A.", 5), gauge("tasques_b", "B.", 7), SEARCHES)
    found = collector.read()
    assert source.asked == before + 2
    assert points(found["tasques_a_total"]) == [({}, 5)]
    assert points(found["tasques_b"]) == [({}, 7)]


def test_what_is_measured_later_is_read_later() -> None:
    """A family that comes with the first request has its instrument by the next reading but one."""
    source = Source(gauge("tasques_b", "B.", 1))
    collector = Collector(source)
    source.families = (*source.families, counter("tasques_late_total", "Late.", 4))
    collector.read()
    for thread in threading.enumerate():
        if thread.name == "tasques-instruments":
            thread.join(60)
    assert points(collector.read()["tasques_late_total"]) == [({}, 4)]
