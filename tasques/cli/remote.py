"""
A server that runs somewhere, asked on behalf of a command line.

The client's transport and addresses, in a command's words: answers are kept as they came, to the last
digit, and what goes wrong says what the person at the terminal can do. No redirects, no proxies: what is
sent goes to the address that was given, with its credentials, and nowhere else. Passwords are in no
message and in no ``repr``.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, TypeVar

import attrs
import msgspec

from tasques.client.address import Address, bare, basic, split_url
from tasques.client.commands.base import Repeat, Request
from tasques.client.errors import AnswerLost, Reply, Said
from tasques.client.options import Options
from tasques.client.retrying import NotReached
from tasques.client.thread_transport import ThreadTransport
from tasques.core.errors import Fault, InvalidInput, TasquesError
from tasques.core.values import Duration, Instant

__all__ = ["Answer", "NoAnswer", "Refused", "Server", "as_json", "decode", "split_url"]

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
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


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


class Server:
    """
    A server and how to ask it.

    Attributes:
        url: Its address without credentials, for messages.
    """

    def __init__(self, address: Address, timeout: Duration = DEFAULT_TIMEOUT) -> None:
        self.url = address.url
        self._options = Options(address=address, timeout=timeout, user_agent="tasques-cli")
        self._transport = ThreadTransport(self._options)

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
        return cls(Address(url=bare(parts), authorization=_authorization(parts, environ)), timeout)

    def get(self, *path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        """
        Read; tried again for a while where the server says that it cannot right now.

        Args:
            path: Its parts, not encoded yet.

        Raises:
            RemoteError, InvalidInput: As for :meth:`post`.
        """
        return self._call("GET", path, query=tuple(query), may_repeat=True)

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
        path: tuple[str, ...],
        *,
        query: tuple[tuple[str, str], ...] = (),
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        may_repeat: bool,
    ) -> Answer:
        request: Request[bytes] = Request(
            method=method,
            path=path,
            query=query,
            headers=headers or {},
            content=content,
            decode=bytes,
            repeat=Repeat.FREELY if may_repeat else Repeat.NEVER,
        )
        for left in reversed(range(_REPEATS if may_repeat else 1)):
            reply = self._send(request)
            if reply.is_success:
                return Answer(reply.content, _instant(reply.date))
            if reply.status != HTTPStatus.SERVICE_UNAVAILABLE or not left:
                raise self._refusal(reply)
            wish = 1 if reply.retry_after is None else reply.retry_after
            time.sleep(min(wish, _LONGEST_PAUSE_SECONDS))
        raise AssertionError("the last try returns or raises")

    def _send(self, request: Request[bytes]) -> Reply:
        try:
            return self._transport.send(request)
        except NotReached as error:
            raise NoAnswer(
                f"cannot reach {self.url}: {_reason(error)}; --url or TASQUES_URL says where the "
                "server is"
            ) from error
        except AnswerLost as error:
            done = "" if request.method == "GET" else "; it may have been done all the same"
            if isinstance(error.__cause__, TimeoutError):
                silent = f"did not answer within {self._options.timeout.seconds:g} s"
                raise NoAnswer(f"{self.url} {silent}{done}") from error
            raise NoAnswer(f"{self.url} broke off: {_reason(error)}{done}") from error
        finally:
            # Between two requests somebody is asked, and thinks, while the server's end may go.
            self._transport.close()

    @property
    def _why_unauthorized(self) -> str:
        if self._options.address.authorization is None:
            return "wants credentials: set TASQUES_USER and TASQUES_PASSWORD"
        return "does not take this user with this password"

    def _refusal(self, reply: Reply) -> TasquesError:
        status, said = reply.status, Said.of(reply.content)
        if said.faults:
            return InvalidInput(said.faults)
        if status == HTTPStatus.UNAUTHORIZED:
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
        return Refused(message, status=status)


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
    return basic(user, password)


def _reason(error: Exception) -> str:
    """Why the transport failed with *error*, in a few words."""
    match error.__cause__:
        case TimeoutError():
            return "it does not answer"
        case OSError(strerror=str(reason)):
            return reason
        case http.client.IncompleteRead():
            return "the answer ended in its midst"
        case http.client.HTTPException() as cause:
            return f"the answer is not HTTP ({type(cause).__name__})"
        case cause:
            return str(cause) or type(cause).__name__


def _instant(header: str | None) -> Instant:
    try:
        seconds = parsedate_to_datetime(header or "").timestamp()
    except (ValueError, TypeError):
        seconds = time.time()
    return Instant(int(seconds) * 1_000_000_000)
