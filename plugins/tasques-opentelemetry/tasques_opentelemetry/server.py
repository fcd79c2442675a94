"""The hooks, for a server: what it measures and which requests it answers, and who is to be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from opentelemetry.trace import TracerProvider

from tasques.core.ports import Runtime
from tasques.hookspecs import hookimpl
from tasques.http_middleware import HttpMiddleware
from tasques_opentelemetry.measurements import Collect, Measurements
from tasques_opentelemetry.providers import meter_provider, tracer_provider
from tasques_opentelemetry.requests import RequestSpans
from tasques_opentelemetry.tracing import NAME


class OpenTelemetryPlugin:
    """
    The hooks of this plugin.

    Args:
        tracer_provider: Makes the spans of requests; that of the settings if not given.
    """

    TASQUES_API = (1, 1)

    def __init__(self, *, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer_provider = tracer_provider
        self._options: Mapping[str, object] = MappingProxyType({})

    # First, as whoever comes after the one that opens the backend is not asked.
    @hookimpl(tryfirst=True)
    def tasques_backend(self, url: str, options: Mapping[str, object], runtime: Runtime) -> None:
        """Remember what is set; the backend is somebody else's."""
        self._options = options

    @hookimpl
    def tasques_metrics(self, collect: Collect) -> None:
        """Have the measurements observed."""
        Measurements(collect, meter_provider(self._options).get_meter(NAME))

    @hookimpl
    def tasques_http_middleware(self) -> Sequence[HttpMiddleware]:
        """Have a span for each request."""
        provider = self._tracer_provider or tracer_provider(self._options)
        spans = RequestSpans(provider.get_tracer(NAME))
        # Spans are sent by a thread of the provider's own.
        return [HttpMiddleware(name="opentelemetry", on_request=spans.on_request, waits=False)]


plugin: Final = OpenTelemetryPlugin()
