"""
How many bytes of bodies are worked on at once.

Each body is bounded, and so is their number; together they could still fill the memory. Beyond the
budget a request is refused for now, before its body is read.
"""

from __future__ import annotations

import threading
from typing import Final

import falcon

from tasques.core.errors import Overloaded

#: In the environment of a request whose body was counted in.
_IN_FLIGHT: Final = "tasques.body_bytes"


class BodyBudgetMiddleware:
    """
    Keeps the bytes of all bodies in flight below *limit*; a lone larger one is let through.

    Attributes:
        in_flight: So many bytes are being worked on.
    """

    def __init__(self, limit: int) -> None:
        self.in_flight = 0
        self._limit = limit
        self._lock = threading.Lock()

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """
        Count the body in.

        Raises:
            Overloaded: If there is no room for it.
        """
        size = request.content_length or 0
        if not size:
            return
        if _IN_FLIGHT in request.env:  # it was parked, and has been counted since
            request.context.body_bytes = size
            return
        with self._lock:
            if self.in_flight and self.in_flight + size > self._limit:
                raise Overloaded("the bodies of other requests fill the memory set aside for them")
            self.in_flight += size
        request.context.body_bytes = request.env[_IN_FLIGHT] = size

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        succeeded: bool,
    ) -> None:
        """Count the body out, if it was counted in."""
        size = getattr(request.context, "body_bytes", 0)
        if size:
            with self._lock:
                self.in_flight -= size
