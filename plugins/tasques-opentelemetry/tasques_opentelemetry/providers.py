"""
Where a server's measurements go.

The settings ``apm.*`` of the original name an Elastic APM server, which takes OTLP; so it gets them by
that. Without them it is whatever the program has told OpenTelemetry.
Source: https://www.elastic.co/docs/solutions/observability/apm/upstream-opentelemetry-collectors-language-sdks
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs
from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider as OwnProvider

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

    @property
    def endpoint(self) -> str:
        """Where it takes measurements."""
        return f"{self.address.rstrip('/')}/v1/metrics"

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


def sending_to(server: ApmServer) -> OwnProvider:
    """
    Sends to *server* once a minute, or as ``OTEL_METRIC_EXPORT_INTERVAL`` says, and when the program ends.

    Raises:
        ImportError: If what that takes is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider as OwnProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    named = {} if server.service is None else {"service.name": server.service}
    # Each process counts what it does; under one name their counts would take turns.
    resource = Resource.create({**named, "service.instance.id": str(uuid.uuid4())})
    exporter = OTLPMetricExporter(server.endpoint, headers=dict(server.headers))
    return OwnProvider([PeriodicExportingMetricReader(exporter)], resource)
