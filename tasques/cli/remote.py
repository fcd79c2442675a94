"""
A server that runs somewhere, asked over HTTP.

A connection for each request, no redirects, no proxies: what is sent goes to the address that was
given, with its credentials, and nowhere else. Passwords are in no message and in no ``repr``.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import attrs
import msgspec

from tasques.core.errors import Fault, InvalidInput, TasquesError
from tasques.core.values import Duration, Instant

DEFAULT_URL: Final = "http://localhost:8080"
DEFAULT_TIMEOUT: Final = Duration.of_seconds(60)
#: How often a request that may be repeated is sent again when the server says "later".
_REPEATS: Final = 4
_LONGEST_PAUSE_SECONDS: Final = 10

_T = TypeVar("_T")
_NOT_PLAIN: Final = re.compile("[^ -~]")


class RemoteError(TasquesError):
    """The server could not be asked, or said no; the message says which one, and what it said."""


class NoAnswer(RemoteError):
    """There is no server, it broke off or was silent for too long, or speaks something else."""


class Refused(RemoteError):
    """
    The server said no.

    Attributes:
        status: As HTTP has it.
        retry_after_seconds: When it may be worth while to ask again.
    """

    def __init__(self, message: str, *, status: int, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


@attrs.frozen
class Answer:
    """
    What the server said.

    Attributes:
        body: JSON.
        at: When, by its own clock, to the second; by this machine's where it does not say.
    """

    body: bytes
    at: Instant


def split_url(url: str) -> urllib.parse.SplitResult:
    """
    The parts of a server's address.

    Raises:
        ValueError: If it is none; the message does not repeat it, for it may hold a password.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_good = False
    is_plain = url.isprintable() and " " not in url
    if not is_good or not is_plain or parts.query or parts.fragment or not parts.path.isascii():
        raise ValueError("is not an address such as http://localhost:8080")
    return parts


@attrs.frozen(kw_only=True)
class Server:
    """
    A server and how to ask it.

    Attributes:
        url: Its address without credentials, for requests and for messages.
        timeout_seconds: How long it may be silent.
    """

    url: str
    authorization: str | None = attrs.field(default=None, repr=False)
    timeout_seconds: float = DEFAULT_TIMEOUT.seconds

    @classmethod
    def of(
        cls, url: str | None, environ: Mapping[str, str], *, timeout: Duration = DEFAULT_TIMEOUT
    ) -> Server:
        """
        The server that is meant.

        Args:
            url: As given on the command line; else ``TASQUES_URL`` counts, else localhost.

        Raises:
            InvalidInput: If ``TASQUES_URL``, or the credentials, make no sense.
        """
        try:
            parts = split_url(url or environ.get("TASQUES_URL") or DEFAULT_URL)
        except ValueError as error:
            raise InvalidInput([Fault("TASQUES_URL", "url", str(error))]) from error
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        return cls(
            url=address,
            authorization=_authorization(parts, environ),
            timeout_seconds=timeout.seconds,
        )

    def get(self, *path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        """
        Read; tried again for a while where the server says that it cannot right now.

        Args:
            path: Its parts, not encoded yet.

        Raises:
            RemoteError, InvalidInput: As for :meth:`post`.
        """
        return self._call("GET", path, query=query, may_repeat=True)

    def post(
        self,
        *path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        may_repeat: bool = False,
    ) -> Answer:
        """
        Have something done.

        Args:
            path: Its parts, not encoded yet.
            body: What msgspec can write as JSON; nothing if None.
            may_repeat: Whether doing it twice is as good as once. Then it is tried again for a
                while where the server says that it cannot right now.

        Raises:
            NoAnswer: If it cannot be asked. What was sent may have been done all the same.
            InvalidInput: With the faults that the server found.
            Refused: If it said no otherwise.
        """
        content = None if body is None else msgspec.json.encode(body)
        return self._call("POST", path, content=content, headers=headers, may_repeat=may_repeat)

    def _call(
        self,
        method: str,
        path: Sequence[str],
        *,
        query: Sequence[tuple[str, str]] = (),
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        may_repeat: bool,
    ) -> Answer:
        # Arguments of the process may have bytes that are not UTF-8; they are passed on as they are.
        target = "".join(
            f"/{urllib.parse.quote(part, safe='', errors='surrogateescape')}" for part in path
        )
        if query:
            target += "?" + urllib.parse.urlencode(query, errors="surrogateescape")
        sent = dict(headers or {})
        if content is not None:
            sent["Content-Type"] = "application/json"
        for left in reversed(range(_REPEATS if may_repeat else 1)):
            try:
                return self._call_once(method, target, content, sent)
            except Refused as error:
                if error.status != http.HTTPStatus.SERVICE_UNAVAILABLE or not left:
                    raise
                time.sleep(min(error.retry_after_seconds, _LONGEST_PAUSE_SECONDS))
        raise AssertionError("the last try returns or raises")

    def _call_once(
        self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        parts = split_url(self.url)
        connection = self._connected(parts)
        try:
            connection.request(
                method,
                parts.path + target,
                body=content,
                headers={**self._own_headers(), **_latin1(headers)},
            )
            response = connection.getresponse()
            body = response.read()
        except TimeoutError as error:
            raise NoAnswer(
                f"{self.url} did not answer within {self.timeout_seconds:g} s{_may_be(method)}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"{self.url} broke off: {_reason(error)}{_may_be(method)}") from error
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise self._refusal(response, body)
        return Answer(body, _date(response.getheader("Date")))

    def _connected(self, parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        assert parts.hostname is not None  # else it had not been taken for an address
        connection = kind(parts.hostname, parts.port, timeout=self.timeout_seconds)
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:
            connection.close()
            raise NoAnswer(
                f"cannot reach {self.url}: {_reason(error)}; --url or TASQUES_URL says where the "
                "server is"
            ) from error
        return connection

    @property
    def _why_unauthorized(self) -> str:
        if self.authorization is None:
            return "wants credentials: set TASQUES_USER and TASQUES_PASSWORD"
        return "does not take this user with this password"

    def _own_headers(self) -> dict[str, str]:
        headers = {"Connection": "close", "Accept": "application/json"}
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        return headers

    def _refusal(self, response: http.client.HTTPResponse, body: bytes) -> TasquesError:
        status = response.status
        said = _said(body)
        if said.faults:
            return InvalidInput(said.faults)
        if status == http.HTTPStatus.UNAUTHORIZED:
            message = f"{self.url} {self._why_unauthorized}"
        elif 300 <= status < 400:
            message = f"{self.url} sends elsewhere ({status}); give the address that it means"
        elif status >= 500:
            message = (
                f"{self.url} is in trouble ({status}){': ' if said.message else ''}{said.message}"
            )
        elif said.message in ("", "No such route."):
            message = (
                f"{self.url} does not know this ({status}): an older server, or another program"
            )
        else:
            message = said.message.strip()
        later = response.getheader("Retry-After", "")
        return Refused(
            message,
            status=status,
            retry_after_seconds=int(later) if later.isdecimal() and len(later) < 6 else 1,
        )


@attrs.frozen
class _Said:
    message: str = ""
    faults: tuple[Fault, ...] = ()


def _said(body: bytes) -> _Said:
    """What an error's body says; nothing if it is not one of ours."""
    try:
        return msgspec.json.decode(body, type=_Said)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Said()


def decode(body: bytes | msgspec.Raw, form: type[_T]) -> _T:
    """
    JSON as a value of type *form*; fields that it does not have are passed over.

    Raises:
        NoAnswer: If it is nothing of the kind.
    """
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoAnswer(f"the answer is not one of a Tasques server's: {error}") from error


def as_json(raw: bytes | msgspec.Raw) -> str:
    """
    JSON in one line, as the server sent it, numbers to the last digit.

    What is not ASCII is escaped, so that it passes through any terminal and any pipe.
    """
    # Outside of texts JSON is ASCII; inside of them it has neither of these three as such.
    line = bytes(raw).decode(errors="replace").translate(dict.fromkeys(b"\t\n\r", " "))
    return _NOT_PLAIN.sub(lambda match: json.dumps(match[0])[1:-1], line.strip())


def _authorization(parts: urllib.parse.SplitResult, environ: Mapping[str, str]) -> str | None:
    """Of the environment's variables first: they are what somebody sets to decide it."""
    user = environ.get("TASQUES_USER") or urllib.parse.unquote(parts.username or "")
    password = environ.get("TASQUES_PASSWORD") or urllib.parse.unquote(parts.password or "")
    if not user and not password:
        return None
    if ":" in user or not user:
        message = "is missing" if not user else "must not have a colon"
        raise InvalidInput([Fault("TASQUES_USER", "user", f"the name of the user {message}")])
    pair = f"{user}:{password}".encode(errors="surrogateescape")
    return f"Basic {base64.b64encode(pair).decode()}"


def _latin1(headers: Mapping[str, str]) -> dict[str, str]:
    """*headers* so that the library sends them in UTF-8."""
    return {
        name: value.encode(errors="surrogateescape").decode("latin-1")
        for name, value in headers.items()
    }


def _may_be(method: str) -> str:
    return "" if method == "GET" else "; it may have been done all the same"


def _reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "it does not answer"
        case OSError(strerror=str(reason)):
            return reason
        case http.client.IncompleteRead():
            return "the answer ended in its midst"
        case http.client.HTTPException():
            return f"the answer is not HTTP ({type(error).__name__})"
        case _:
            return str(error) or type(error).__name__


def _date(header: str | None) -> Instant:
    try:
        seconds = parsedate_to_datetime(header or "").timestamp()
    except (ValueError, TypeError):
        seconds = time.time()
    return Instant(int(seconds) * 1_000_000_000)
