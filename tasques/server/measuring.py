"""Counts requests: how many of each kind, how they ended and how long they took."""

from __future__ import annotations

import time
from typing import Final

import falcon

from tasques.core.metrics import SECONDS
from tasques.core.service.meter import Histogram, Meter

#: Of requests that no route is for; their paths are not ours to keep.
_NO_ROUTE = "none"

_BEGAN: Final = "tasques.measured_from"


class MeasuringMiddleware:
    """
    Notes each request under its method, its route as the table has it, and its status.

    A claim's time is mostly waiting.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        # Found again without building labels.
        self._known: dict[tuple[str, str, str], Histogram] = {}

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Begin."""
        # A request that was parked, and is served again, began the first time.
        request.context.measured_from = request.env.setdefault(_BEGAN, time.perf_counter())

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        succeeded: bool,
    ) -> None:
        """Note it."""
        now = time.perf_counter()
        began = getattr(request.context, "measured_from", now)
        route = request.uri_template or _NO_ROUTE
        status = str(falcon.http_status_to_code(response.status))
        # A method is the client's to choose; only those of routes are kept apart.
        method = request.method if request.uri_template else _NO_ROUTE
        self._histogram((method, route, status)).observe(now - began)

    def _histogram(self, key: tuple[str, str, str]) -> Histogram:
        known = self._known.get(key)
        if known is None:
            method, route, status = key
            known = self._known[key] = self._meter.histogram(
                "tasques_request_seconds",
                "How long requests took, by method, route and status.",
                SECONDS,
                method=method,
                route=route,
                status=status,
            )
        return known
