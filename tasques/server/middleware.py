"""What surrounds every responder: the request's id, the access log, compression."""

from __future__ import annotations

import gzip
import logging
import time
from http import HTTPStatus
from typing import Final

import falcon

from tasques.core.errors import Fault, InvalidInput
from tasques.server import request_id
from tasques.server.routes import REQUEST_ID_HEADER

access_log: Final = logging.getLogger("tasques.access")

_BEGAN: Final = "tasques.began"
_REQUEST_ID: Final = "tasques.request_id"

# A line of the log is a line, and a terminal does not obey it.
_VISIBLE: Final = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}


class AccessLogMiddleware:
    """
    Gives each request an id and each answer a line in the log ``tasques.access``.

    At level debug, or info where the server failed.

    The line has the method, path (without the query), status, bytes and seconds, as text and as
    attributes of the record; never a header's value.
    """

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Begin."""
        # Both are kept for a request that is parked, and served again.
        request.context.began = request.env.setdefault(_BEGAN, time.perf_counter())
        brought = request.env.get(_REQUEST_ID) or request.get_header(REQUEST_ID_HEADER)
        request.env[_REQUEST_ID] = begun = request_id.begin(brought)
        response.set_header(REQUEST_ID_HEADER, begun)

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        succeeded: bool,
    ) -> None:
        """Log, as the last of all middleware."""
        # A line costs a sixth of a creation, so what went as it should is for those who debug.
        failed = falcon.http_status_to_code(response.status) >= HTTPStatus.INTERNAL_SERVER_ERROR
        level = logging.INFO if failed else logging.DEBUG
        if access_log.isEnabledFor(level):
            self._log(level, request, response)
        request_id.end()

    def _log(self, level: int, request: falcon.Request, response: falcon.Response) -> None:
        now = time.perf_counter()
        began = getattr(request.context, "began", now)  # not there if Falcon refused the method
        fields = {
            "request_id": request_id.current(),
            "method": request.method,
            "path": request.path.translate(_VISIBLE),
            "status": falcon.http_status_to_code(response.status),
            "seconds": round(now - began, 6),
            "bytes": len(response.data or b""),
            "remote": request.remote_addr,
        }
        access_log.log(
            level,
            "%(method)s %(path)s %(status)d %(bytes)d bytes in %(seconds).6f s",
            fields,
            extra=fields,
        )


class PathMiddleware:
    """Refuses a path that is not UTF-8, which would name what nobody meant."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """
        Look at the path as it was sent, percent-decoded once.

        Raises:
            InvalidInput: If it is not UTF-8.
        """
        path: str = request.env["PATH_INFO"]
        if path.isascii():
            return
        try:
            path.encode("latin-1").decode()
        except UnicodeError as error:
            fault = Fault("", "utf-8", "the path is not valid UTF-8")
            raise InvalidInput([fault]) from error


class GzipMiddleware:
    """
    Compresses answers for those who take it.

    The quickest level: answers are small, and the original's clients ask for gzip every time.
    """

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        succeeded: bool,
    ) -> None:
        """Compress what there is, if the request's ``Accept-Encoding`` has gzip."""
        if not response.data:
            return
        response.set_header("Vary", "Accept-Encoding")
        if takes_gzip(request.get_header("Accept-Encoding") or ""):
            response.data = gzip.compress(response.data, compresslevel=1, mtime=0)
            response.set_header("Content-Encoding", "gzip")


def takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip is listed, and not with a weight of zero (RFC 9110, section 12.5.3)."""
    for item in accept_encoding.split(","):
        coding, _, weight = item.partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
