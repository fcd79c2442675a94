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
from opentelemetry import metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from tasques_opentelemetry.providers import ApmServer, meter_provider

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
    request = ExportMetricsServiceRequest.FromString(body)
    (resource,) = request.resource_metrics
    return Sent(
        path=path,
        authorization=authorization,
        resource={each.key: each.value.string_value for each in resource.resource.attributes},
        names=frozenset(
            metric.name for scope in resource.scope_metrics for metric in scope.metrics
        ),
    )


@pytest.fixture
def apm() -> Iterator[ApmDouble]:
    """One that listens."""
    made = ApmDouble()
    yield made
    made.close()


def test_a_server_sends_what_it_measures(apm: ApmDouble) -> None:
    """To the address of the settings, with the token, under the original's name."""
    settings = {"backend": "memory:", "apm.address": f"{apm.url}/", "apm.secret_token": "hush"}
    with TasquesServer(settings, environment={"OTEL_METRIC_EXPORT_INTERVAL": "100"}):
        # It comes with the first request, which asked whether the server is ready.
        sent = next(
            each
            for each in (apm.received.get(timeout=120) for _ in range(1_000))
            if "tasques_request_seconds_count" in each.names
        )
    assert (sent.path, sent.authorization) == ("/v1/metrics", "Bearer hush")
    assert sent.resource["service.name"] == "tasques"
    assert sent.resource["service.instance.id"]
    assert {"tasques_ready", "tasques_archived_total"} <= sent.names


def test_without_an_address_it_is_the_program_s_own_provider() -> None:
    """So a server can be run under opentelemetry-instrument, or tell nobody."""
    assert meter_provider({"apm.address": None}) is metrics.get_meter_provider()


def test_a_missing_exporter_is_said_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The original's settings are taken over by many who do not want it."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    with caplog.at_level(logging.WARNING):
        assert meter_provider({"apm.address": "http://apm:8200"}) is metrics.get_meter_provider()
    assert "tasques-opentelemetry[otlp]" in caplog.text


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
