"""The plugin as a server meets it, and what Prometheus's own parser makes of its answer."""

from __future__ import annotations

from io import BytesIO

from prometheus_client.parser import text_string_to_metric_families
from tasques_prometheus import PATH, PrometheusPlugin

from tasques.core.metrics import (
    Distribution,
    MetricFamily,
    MetricKind,
    Sample,
    counter,
    gauge,
)

FAMILIES = (
    counter("tasques_archived_total", "Tasks archived.", 3),
    gauge("tasques_queue_tasks", 'Tasks, "all".', 2, queue='a"b\\c\n', state="queued"),
    MetricFamily(
        name="tasques_search_seconds",
        kind=MetricKind.HISTOGRAM,
        help="Searches.",
        samples=(Sample((), Distribution((0.1, 1), (2, 3, 4), 12.5)),),
    ),
    MetricFamily(name="tasques_problems", kind=MetricKind.GAUGE, help="None now."),
)


def scraped() -> dict[str, list[tuple[str, dict[str, str], float]]]:
    """What a scrape holds, by family."""
    plugin = PrometheusPlugin()
    plugin.tasques_metrics(collect=lambda: FAMILIES)
    mounted = plugin.tasques_wsgi()
    assert mounted is not None
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "wsgi.input": BytesIO(),
    }
    said: list[str] = []
    body = mounted[PATH](environ, lambda status, headers, error=None: said.append(status))  # type: ignore[arg-type]
    text = b"".join(body).decode()
    assert said == ["200 OK"]
    return {
        family.name: [(s.name, dict(s.labels), s.value) for s in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_every_kind_is_read_by_prometheus() -> None:
    """Counters keep their names, labels may hold anything, buckets are cumulative."""
    found = scraped()
    assert found["tasques_archived"] == [("tasques_archived_total", {}, 3.0)]
    labels = {"queue": 'a"b\\c\n', "state": "queued"}
    assert found["tasques_queue_tasks"] == [("tasques_queue_tasks", labels, 2.0)]
    buckets = {
        sample[1]["le"]: sample[2]
        for sample in found["tasques_search_seconds"]
        if sample[0].endswith("_bucket")
    }
    assert buckets == {"0.1": 2.0, "1.0": 5.0, "+Inf": 9.0}
    assert ("tasques_search_seconds_count", {}, 9.0) in found["tasques_search_seconds"]
    assert ("tasques_search_seconds_sum", {}, 12.5) in found["tasques_search_seconds"]
    assert found["tasques_problems"] == []


def test_without_measurements_nothing_is_served() -> None:
    """A server that measures nothing has no such page."""
    assert PrometheusPlugin().tasques_wsgi() is None
