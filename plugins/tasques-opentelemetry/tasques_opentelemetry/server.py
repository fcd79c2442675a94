"""The hooks, for a server: what it measures, to whom it is to be told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tasques.core.ports import Runtime
from tasques.hookspecs import hookimpl
from tasques_opentelemetry.measurements import Collect, Measurements
from tasques_opentelemetry.providers import meter_provider
from tasques_opentelemetry.tracing import NAME


class OpenTelemetryPlugin:
    """The hooks of this plugin."""

    TASQUES_API = (1, 0)

    def __init__(self) -> None:
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


plugin: Final = OpenTelemetryPlugin()
