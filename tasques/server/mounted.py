"""
WSGI applications of plugins, as resources among the server's own.

So whatever surrounds the API surrounds them too: request ids, the log, credentials, compression.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from wsgiref.types import WSGIApplication

import falcon

from tasques.core import errors
from tasques.server.routes import ROUTES


class MountedResource:
    """Answers GET with what a WSGI application answers."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Have the application answer, and take its answer over."""

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> object:
            response.status = status
            for name, value in headers:
                # Of the body that is sent, which may be compressed; Falcon knows its length.
                if name.lower() != "content-length":
                    response.append_header(name, value)
            return lambda data: None

        body = self._application(request.env, start_response)  # type: ignore[arg-type]
        try:
            response.data = b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()


def gathered(
    mounts: Iterable[Mapping[str, WSGIApplication] | None],
) -> Mapping[str, WSGIApplication]:
    """
    All applications by their paths.

    Raises:
        InvalidInput: If a path is no path, or has an owner already.
    """
    taken = {route.path for route in ROUTES}
    found: dict[str, WSGIApplication] = {}
    for mount in mounts:
        for path, application in (mount or {}).items():
            if not path.startswith("/") or "{" in path:
                raise _refused(path, "is no plain path")
            if path in taken or path in found:
                raise _refused(path, "is taken")
            found[path] = application
    return found


def _refused(path: str, reason: str) -> errors.InvalidInput:
    return errors.InvalidInput(
        [errors.Fault("tasques_wsgi", "path", f"the path [{path}] of a plugin {reason}")]
    )
