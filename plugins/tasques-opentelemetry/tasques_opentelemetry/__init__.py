"""
Tasques by OpenTelemetry.

- :mod:`~tasques_opentelemetry.tracing`: :class:`OpenTelemetry`, for an application that enqueues and for
  one that works: ``app.use(OpenTelemetry())``. What goes along with a task, and how, is in
  :mod:`~tasques_opentelemetry.propagation`.
- :mod:`~tasques_opentelemetry.server`: the plugin, which a server loads by itself; it gives the
  :mod:`~tasques_opentelemetry.measurements` of the server, and a span for each of the
  :mod:`~tasques_opentelemetry.requests` that it answers, to whom
  :mod:`~tasques_opentelemetry.providers` says.
"""

from tasques_opentelemetry.server import OpenTelemetryPlugin, plugin
from tasques_opentelemetry.tracing import OpenTelemetry

__all__ = ["OpenTelemetry", "OpenTelemetryPlugin", "plugin"]
