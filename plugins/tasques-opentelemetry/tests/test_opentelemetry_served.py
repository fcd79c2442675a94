"""A server with the plugin installed and an APM server set, as that one meets it."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import pytest
from opentelemetry import metrics, trace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from tasques_opentelemetry.providers import ApmServer, meter_provider, tracer_provider

from tools.elasticsearch_node import call
from tools.tasques_server import TasquesServer


@attrs.frozen(kw_only=True)
class Sent:
    """What came in one request."""

    path: str
    authorization: str | None
    resource: Mapping[str, str]
    names: frozenset[str]


class ApmDouble:
    """Takes OTLP, as an APM server does."""

    def __init__(self) -> None:
        self.received: queue.Queue[Sent] = queue.Queue()
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.put(_sent(self.path, self.headers["Authorization"], body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _sent(path: str, authorization: str | None, body: bytes) -> Sent:
    if path == "/v1/traces":
        (spans,) = ExportTraceServiceRequest.FromString(body).resource_spans
        resource = spans.resource
        names = {span.name for scope in spans.scope_spans for span in scope.spans}
    else:
        (read,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
        resource = read.resource
        names = {metric.name for scope in read.scope_metrics for metric in scope.metrics}
    return Sent(
        path=path,
        authorization=authorization,
        resource={each.key: each.value.string_value for each in resource.attributes},
        names=frozenset(names),
    )


@pytest.fixture
def apm() -> Iterator[ApmDouble]:
    """One that listens."""
    made = ApmDouble()
    yield made
    made.close()


def test_a_server_sends_what_it_measures_and_answers(apm: ApmDouble) -> None:
    """To the address of the settings, with the token, under the original's name."""
    settings = {"backend": "memory:", "apm.address": f"{apm.url}/", "apm.secret_token": "hush"}
    often = {"OTEL_METRIC_EXPORT_INTERVAL": "100", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    found: dict[str, Sent] = {}
    wanted = {"/v1/metrics": "tasques_request_seconds_count", "/v1/traces": "GET /tasques"}
    with TasquesServer(settings, environment=often) as server:
        assert call(server.url, "GET", "/tasques/mail/x")[0] == 404
        while len(found) < len(wanted):
            sent = apm.received.get(timeout=120)
            # Measurements of a request come after it.
            if any(name.startswith(wanted[sent.path]) for name in sent.names):
                found[sent.path] = sent
    for sent in found.values():
        assert sent.authorization == "Bearer hush"
        assert sent.resource["service.name"] == "tasques"
    assert len({sent.resource["service.instance.id"] for sent in found.values()}) == 1
    assert {"tasques_ready", "tasques_archived_total"} <= found["/v1/metrics"].names


def test_without_an_address_it_is_the_program_s_own_provider() -> None:
    """So a server can be run under opentelemetry-instrument, or tell nobody."""
    assert meter_provider({"apm.address": None}) is metrics.get_meter_provider()
    assert tracer_provider({"apm.address": None}) is trace.get_tracer_provider()


def test_a_missing_exporter_is_said_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The original's settings are taken over by many who do not want it."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    with caplog.at_level(logging.WARNING):
        assert meter_provider({"apm.address": "http://apm:8200"}) is metrics.get_meter_provider()
    assert "tasques-opentelemetry[otlp]" in caplog.text
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert tracer_provider({"apm.address": "http://apm:8200"}) is trace.get_tracer_provider()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"ELASTIC_APM_SERVER_URL": "http://a:1"}, ApmServer(address="http://a:1")),
        (
            {
                "ELASTIC_APM_SERVER_URL": "http://a:1",
                "ELASTIC_APM_SECRET_TOKEN": "t",
                "ELASTIC_APM_SERVICE_NAME": "queues",
            },
            ApmServer(address="http://a:1", token="t", service="queues"),
        ),
        (
            {"ELASTIC_APM_SERVER_URL": "http://a:1", "OTEL_SERVICE_NAME": "mine"},
            ApmServer(address="http://a:1", service=None),
        ),
    ],
)
def test_the_variables_of_elastic_s_agents_count_as_with_the_original(
    environ: Mapping[str, str], expected: ApmServer | None
) -> None:
    """Where the settings say nothing; these come first."""
    assert ApmServer.of({}, environ) == expected
    set_here = ApmServer.of({"apm.address": "http://b:2", "apm.secret_token": "s"}, environ)
    assert set_here is not None
    assert (set_here.address, set_here.token) == ("http://b:2", "s")
    assert "s'" not in repr(set_here).replace("tasques'", "").replace("queues'", "")
