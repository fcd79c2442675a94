"""
A span for each request that a server answers, below the one that its headers name.

A claim that waits has one from its beginning to its answer, on whichever threads it is served.
Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

from typing import Final

from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from tasques.http_middleware import HttpAnswer, HttpRequest, OnAnswer
from tasques_opentelemetry.propagation import from_headers

#: Asked every few seconds by those who watch over servers, and of no interest.
_UNTRACED: Final = "/health/"
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)


class RequestSpans:
    """Has *tracer* make a span for each request; may be called from several threads at once."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def on_request(self, request: HttpRequest) -> OnAnswer | None:
        """Begin one; what it gives ends it."""
        if request.path.startswith(_UNTRACED):
            return None
        method = request.method if request.method in _METHODS else "HTTP"
        # Not the current one of its thread, which goes on to other requests while this one waits.
        span = self._tracer.start_span(
            method,
            context=from_headers(request.headers),
            kind=SpanKind.SERVER,
            attributes=_of_request(request),
        )
        if not span.is_recording():
            return None

        def end(answer: HttpAnswer) -> None:
            if answer.route is not None:
                span.update_name(f"{method} {answer.route}")
                span.set_attribute("http.route", answer.route)
            span.set_attribute("http.response.status_code", answer.status)
            span.set_attribute("http.response.body.size", answer.bytes)
            if answer.status >= 500:
                span.set_attribute("error.type", str(answer.status))
                span.set_status(StatusCode.ERROR)
            span.end()

        return end


def _of_request(request: HttpRequest) -> dict[str, AttributeValue]:
    said: dict[str, AttributeValue] = {
        "http.request.method": request.method,
        "url.scheme": "http",
        "url.path": request.path,
        "client.address": request.remote,
        # By which the server's log has it.
        "http.response.header.x-request-id": [request.id],
    }
    if request.method not in _METHODS:
        said["http.request.method"] = "_OTHER"
        said["http.request.method_original"] = request.method
    if "user-agent" in request.headers:
        said["user_agent.original"] = request.headers["user-agent"]
    return said
