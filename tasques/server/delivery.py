"""
A claim whose answer could not be sent is given back.

Tasks are claimed before their worker has heard of them. If it is known for certain that it never
will, since its connection was gone before the answer was handed to it, they go back to their queue
at once instead of waiting for their time-out. Where it is not certain they stay claimed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import falcon

_log = logging.getLogger(__name__)


class Delivery:
    """
    The body of an answer, as a WSGI iterable that notices whether it was taken.

    A WSGI server asks for the next part only after it has taken the last one, and calls
    :meth:`close` in any case (PEP 3333).

    Args:
        body: Sent as one part.
        undelivered: Called once, if the body was definitely not taken.
    """

    def __init__(self, body: bytes, undelivered: Callable[[], None]) -> None:
        self._body = body
        self._undelivered = undelivered
        self._settled = False

    def __iter__(self) -> Iterator[bytes]:
        """The body; being asked for more means that it was taken."""
        yield self._body
        self._settled = True

    def close(self) -> None:
        """Act, if the body was not taken."""
        if self._settled:
            return
        self._settled = True
        _log.info("the answer to a claim could not be delivered; its tasks are given back")
        self._undelivered()


class DeliveryMiddleware:
    """Watches over the answers that a responder marked with :func:`when_undelivered`."""

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        succeeded: bool,
    ) -> None:
        """Replace the finished body, compressed or not, by one that is watched."""
        undelivered = getattr(response.context, "undelivered", None)
        if undelivered is None:
            return
        if not succeeded or not response.data:
            undelivered()
            return
        body = response.data
        response.data = None
        response.set_stream(Delivery(body, undelivered), len(body))


def when_undelivered(response: falcon.Response, action: Callable[[], None]) -> None:
    """Have *action* called if the answer definitely does not reach its client."""
    response.context.undelivered = action
