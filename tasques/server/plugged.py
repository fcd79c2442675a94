"""
The middleware of plugins, among the server's own.

Each is asked once for each request, and its faults are its own; see :mod:`tasques.http_middleware`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import falcon

from tasques.core import errors
from tasques.core.service.filters import Failing
from tasques.core.service.meter import Meter
from tasques.http_middleware import (
    HttpAnswer,
    HttpMiddleware,
    HttpRequest,
    OnAnswer,
    Refusal,
    ensure_headers,
)
from tasques.server import request_id
from tasques.server.errors import send_refusal

_log = logging.getLogger(__name__)

#: In the environment of a request that was asked about.
_ASKED: Final = "tasques.asked"
#: The pause after an error was logged with its traceback, before the next one is.
_SILENCE_SECONDS: Final = 60.0


class _Asked:
    """What is to be told the answer of one request, the innermost last."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.to_tell: list[tuple[_Guarded, OnAnswer]] = []


class PluggedMiddleware:
    """Asks each of *middleware* about a request, and tells each of them the answer."""

    def __init__(self, middleware: Sequence[HttpMiddleware], meter: Meter) -> None:
        self._all = [_Guarded(each, meter) for each in middleware]

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """
        Ask, in the order of installation, until one refuses.

        Raises:
            MiddlewareFailed: If one that fails closed does.
        """
        # A request that was parked comes again with the same environment, and was asked about.
        if _ASKED in request.env:
            return
        asked = request.env[_ASKED] = _Asked()
        shown = _shown(request)
        for each in self._all:
            decided = each.asked(shown)
            if isinstance(decided, Refusal):
                send_refusal(response, decided.status, decided.message)
                _set(response, decided.headers)
                response.complete = True
                return
            if decided is not None:
                asked.to_tell.append((each, decided))

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        succeeded: bool,
    ) -> None:
        """Tell the answer, innermost first."""
        asked: _Asked | None = request.env.pop(_ASKED, None)
        if asked is None or not asked.to_tell:
            return
        answer = HttpAnswer(
            status=falcon.http_status_to_code(response.status),
            route=request.uri_template,
            bytes=len(response.data or b""),
            seconds=time.perf_counter() - asked.began,
        )
        for each, tell in reversed(asked.to_tell):
            each.told(tell, answer, response)


class _Guarded:
    """A middleware whose faults concern nobody else, unless it fails closed."""

    def __init__(self, middleware: HttpMiddleware, meter: Meter) -> None:
        self._middleware = middleware
        self._failed = meter.counter(
            "tasques_middleware_errors_total",
            "Errors that the middleware of plugins raised, by middleware.",
            middleware=middleware.name,
        )
        # A hint: a race between threads costs a line of the log.
        self._silent_until = -math.inf

    def asked(self, request: HttpRequest) -> OnAnswer | Refusal | None:
        """What it wants; nothing if it fails open."""
        try:
            decided: object = self._middleware.on_request(request)
            if decided is None or isinstance(decided, Refusal):
                return decided
            if not callable(decided):
                raise TypeError(f"it gave {decided!r}, which cannot be called with an answer")
        except Exception as error:  # whatever a plugin does
            self._note(error)
            if self._middleware.failing is Failing.OPEN:
                return None
            raise errors.MiddlewareFailed(self._middleware.name) from error
        return decided

    def told(self, tell: OnAnswer, answer: HttpAnswer, response: falcon.Response) -> None:
        """Tell it the answer, which gets the headers that it gives."""
        try:
            _set(response, tell(answer) or {})
        except Exception as error:  # noqa: BLE001 - whatever a plugin does
            self._note(error)

    def _note(self, error: Exception) -> None:
        self._failed.add()
        now = time.monotonic()
        if now < self._silent_until:
            return
        self._silent_until = now + _SILENCE_SECONDS
        _log.error("the middleware %s failed: %s", self._middleware.name, error, exc_info=error)


def _shown(request: falcon.Request) -> HttpRequest:
    return HttpRequest(
        method=request.method,
        path=request.path,
        query=request.query_string,
        headers=MappingProxyType(request.headers_lower),
        remote=request.remote_addr,
        id=request_id.current() or "",
    )


def _set(response: falcon.Response, headers: Mapping[str, str]) -> None:
    ensure_headers(headers)
    for name, value in headers.items():
        response.set_header(name, value)
