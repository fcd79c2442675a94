"""
HTTP basic authentication with a fixed list of users.

How long a check takes says nothing about who exists or what the password begins with: digests of
equal length are compared in constant time, with all users, whichever matches.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final

import falcon

from tasques.settings.kinds import User

#: Outside the API proper: what load balancers and people who look things up need.
OPEN_PATHS: Final = ("/health", "/openapi.json", "/docs", "/swagger")

#: Closed whether or not a route is there, as everything under them is the API's.
CLOSED_PATHS: Final = ("/tasques", "/recurring_tasques", "/queues")

CHALLENGE: Final = 'Basic realm="Authorization Required"'


def is_open(path: str) -> bool:
    """Whether *path* is one of :data:`OPEN_PATHS`, or lies below one."""
    return any(path == each or path.startswith(f"{each}/") for each in OPEN_PATHS)


class Users:
    """Who may use the API."""

    def __init__(self, users: Iterable[User]) -> None:
        self._digests = tuple(_digest(f"{user.name}:{user.password}".encode()) for user in users)

    def __bool__(self) -> bool:
        """Whether anybody is listed; if not, everybody may."""
        return bool(self._digests)

    def admit(self, authorization: str | None) -> bool:
        """Whether a header ``Authorization`` is that of a user."""
        presented = _digest(_credentials(authorization or ""))
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(known, presented)
        return found


def _digest(credentials: bytes) -> bytes:
    return hashlib.sha256(credentials).digest()


def _credentials(authorization: str) -> bytes:
    """``name:password`` as it was sent, or nothing if it is no basic authentication."""
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return binascii.a2b_base64(encoded.strip().encode("latin-1"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""


class CredentialsMiddleware:
    """
    Asks for credentials before anything else of a request is looked at.

    A route that exists is closed unless it is listed in :data:`OPEN_PATHS`, so that a route added
    later, by a plugin too, is closed by default. A route that does not exist is 404 for everybody.
    """

    def __init__(self, users: Users) -> None:
        self._users = users

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Close what is under the API's own paths."""
        if request.path.startswith(CLOSED_PATHS):
            self._check(request, response)

    def process_resource(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        params: dict[str, Any],
    ) -> None:
        """Close every other route that exists, unless it is open."""
        if not (is_open(request.path) or request.path.startswith(CLOSED_PATHS)):
            self._check(request, response)

    def _check(self, request: falcon.Request, response: falcon.Response) -> None:
        if self._users.admit(request.get_header("Authorization")):
            return
        response.status = falcon.HTTP_401
        response.set_header("WWW-Authenticate", CHALLENGE)
        response.complete = True
