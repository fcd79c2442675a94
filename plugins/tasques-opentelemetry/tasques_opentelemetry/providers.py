"""
Where a server's measurements and the spans of its requests go.

The settings ``apm.*`` of the original name an Elastic APM server, which takes OTLP; so it gets both by
that. Without them it is whatever the program has told OpenTelemetry.
Source: https://www.elastic.co/docs/solutions/observability/apm/upstream-opentelemetry-collectors-language-sdks
"""

from __future__ import annotations

import functools
import logging
import os
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs
from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider as OwnProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider as OwnTracerProvider

_log: Final = logging.getLogger(__name__)

_INSTALL: Final = (
    "an APM server is set, and gets nothing: what sends to it is not installed "
    "(pip install 'tasques-opentelemetry[otlp]')"
)


@attrs.frozen(kw_only=True)
class ApmServer:
    """
    An Elastic APM server, and who speaks to it.

    Attributes:
        service: By what name this server is shown; None where OpenTelemetry's own variables say it.
    """

    address: str
    token: str | None = attrs.field(default=None, repr=False)
    service: str | None = "tasques"

    @classmethod
    def of(cls, options: Mapping[str, object], environ: Mapping[str, str]) -> ApmServer | None:
        """
        The one that the settings name, or the variables of Elastic's agents, as with the original.

        Args:
            options: Settings by dotted name.
        """
        address = options.get("apm.address") or environ.get("ELASTIC_APM_SERVER_URL")
        if not address:
            return None
        token = options.get("apm.secret_token") or environ.get("ELASTIC_APM_SECRET_TOKEN")
        is_named = "OTEL_SERVICE_NAME" in environ
        service = None if is_named else environ.get("ELASTIC_APM_SERVICE_NAME", "tasques")
        return cls(address=str(address), token=str(token) if token else None, service=service)

    def endpoint(self, signal: str) -> str:
        """Where it takes a *signal*: ``metrics``, ``traces``."""
        return f"{self.address.rstrip('/')}/v1/{signal}"

    @property
    def headers(self) -> Mapping[str, str]:
        """What it knows us by."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


def meter_provider(options: Mapping[str, object]) -> MeterProvider:
    """Who takes the measurements of a server with these settings."""
    server = ApmServer.of(options, os.environ)
    if server is None:
        return metrics.get_meter_provider()
    try:
        return sending_to(server)
    except ImportError:
        _log.warning("%s", _INSTALL)
        return metrics.get_meter_provider()


def tracer_provider(options: Mapping[str, object]) -> TracerProvider:
    """Who takes the spans of the requests to a server with these settings."""
    server = ApmServer.of(options, os.environ)
    if server is None:
        return trace.get_tracer_provider()
    try:
        return tracing_to(server)
    except ImportError:  # of which the measurements have warned
        return trace.get_tracer_provider()


def sending_to(server: ApmServer) -> OwnProvider:
    """
    Sends to *server* once a minute, or as ``OTEL_METRIC_EXPORT_INTERVAL`` says, and when the program ends.

    Raises:
        ImportError: If what that takes is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider as OwnProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    exporter = OTLPMetricExporter(server.endpoint("metrics"), headers=dict(server.headers))
    return OwnProvider([PeriodicExportingMetricReader(exporter)], _resource(server))


def tracing_to(server: ApmServer) -> OwnTracerProvider:
    """
    Sends to *server* every five seconds, or as ``OTEL_BSP_SCHEDULE_DELAY`` says, and when the program ends.

    Raises:
        ImportError: If what that takes is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider as OwnTracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = OwnTracerProvider(resource=_resource(server))
    exporter = OTLPSpanExporter(server.endpoint("traces"), headers=dict(server.headers))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _resource(server: ApmServer) -> Resource:
    from opentelemetry.sdk.resources import Resource

    named = {} if server.service is None else {"service.name": server.service}
    return Resource.create({**named, "service.instance.id": _instance()})


@functools.cache
def _instance() -> str:
    # Each process counts what it does; under one name their counts would take turns.
    return str(uuid.uuid4())
