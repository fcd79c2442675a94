"""
The trace that goes along: with a task, in its context beside whatever else is there; with a request to
a server, in its headers.

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/; the keys are its headers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tasques.core.json_object import JsonObject

KEYS: Final = ("traceparent", "tracestate")

_W3C: Final = TraceContextTextMapPropagator()


def with_trace(context: JsonObject | None, span: Span) -> JsonObject | None:
    """
    A task's *context* with the trace of *span*; all else in it stays as it was written.

    It stays as a whole where somebody has put a trace there, and where *span* belongs to none.
    """
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    if not carrier or _has_trace(context):
        return context
    if context is None or context.text == "{}":
        return JsonObject.of(carrier)
    # The text is extended, and not read and written anew: what is there is somebody else's.
    added = json.dumps(carrier, separators=(",", ":"))
    return JsonObject(f"{context.text[:-1]},{added[1:]}")


def carried(context: JsonObject | None) -> SpanContext | None:
    """The span that a task's *context* names; None if it names none."""
    if not _has_trace(context):
        return None
    assert context is not None
    texts = {name: text for name, text in context.value().items() if isinstance(text, str)}
    carrier = {name: texts[name] for name in KEYS if name in texts}
    found = trace.get_current_span(_W3C.extract(carrier, Context())).get_span_context()
    return found if found.is_valid else None


def _has_trace(context: JsonObject | None) -> bool:
    # Reading it is dear, and seldom needed.
    if context is None or not any(f'"{name}"' in context.text for name in KEYS):
        return False
    return any(name in context.value() for name in KEYS)


def current_headers() -> Mapping[str, str]:
    """The headers that name the current span; none if there is none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier


def from_headers(headers: Mapping[str, str]) -> Context:
    """Below the span that a request's *headers*, by lower-case names, name; below none otherwise."""
    return _W3C.extract(headers, Context())
