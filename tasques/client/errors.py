"""
What can go wrong between here and a server, and what its refusals mean.

::

    TasquesError                    (tasques.core.errors)
    ├── Unavailable                 and all of its subclasses, where a server names the trouble
    │   ├── ServerUnavailable       not reached, or 503 or 429 was said without a name for it
    │   └── OutcomeUnknown
    │       └── AnswerLost          sent, and no answer came: it may have been done
    └── ServerError                 an answer that is no answer to what was asked
        ├── Unauthorized            no credentials, or wrong ones
        ├── NoSuchRoute             an older server, an original one, or another program
        └── NotUnderstood           not in the form of a Tasques server's

Everything that a server refuses on purpose, and every trouble that it names, is an error of
:mod:`tasques.core.errors`, as within the process, with the server's words as its message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import attrs
import msgspec

from tasques.client.commands.base import Command
from tasques.core import errors
from tasques.core.errors import Fault, InvalidInput, TasquesError


class ServerUnavailable(errors.Unavailable):
    """
    The server could not be reached, or cannot do it right now and does not say why.

    An original one does not, nor does a proxy; of ours the error is that of :mod:`tasques.core.errors`.
    """

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class AnswerLost(errors.OutcomeUnknown):
    """The request was sent, and no answer came: it may have been done."""


class ServerError(TasquesError):
    """
    The server gave no answer to what was asked.

    Attributes:
        status: As HTTP has it.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Unauthorized(ServerError):
    """The server wants credentials, or others."""


class NoSuchRoute(ServerError):
    """The server does not know this: it is older, an original one, or another program."""


class NotUnderstood(ServerError):
    """The answer is not one of a Tasques server's."""


#: Longer wishes of a server's are none.
_WISH_DIGITS: Final = 5


@attrs.frozen(kw_only=True)
class Reply:
    """
    What came back.

    Attributes:
        retry_after: Seconds, as the server said; None if it did not.
        date: The header, where the transport keeps it.
    """

    status: int
    content: bytes
    retry_after: int | None = None
    date: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300


def wish(retry_after: str) -> int | None:
    """
    The seconds of a ``Retry-After``; None if it has none, or more digits than are believed.

    Of its two forms only this one is read; dates are not.
    """
    is_wish = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= _WISH_DIGITS
    return int(retry_after) if is_wish else None


def reason(error: Exception) -> str:
    """What a library's *error* says, or is called if it says nothing."""
    return str(error) or type(error).__name__


#: What a server names, and how that is made of its message.
_TROUBLES: Final[Mapping[str, Callable[[str], errors.Unavailable]]] = MappingProxyType(
    {
        "StoreUnavailable": errors.StoreUnavailable,
        "StoreBlocked": errors.StoreBlocked,
        "OutcomeUnknown": errors.OutcomeUnknown,
        "Overloaded": errors.Overloaded,
        "FilterFailed": lambda message: errors.FilterFailed(_bracketed(message)),
        "MiddlewareFailed": lambda message: errors.MiddlewareFailed(_bracketed(message)),
        "ClockUntrusted": errors.ClockUntrusted,
        "ShuttingDown": errors.ShuttingDown,
    }
)

#: As :class:`tasques.core.errors.Vetoed` has it.
_VETO: Final = re.compile(r"Refused by \[(.*?)\]: (.*)", re.DOTALL)


@attrs.frozen
class Said:
    """
    What the body of a refusal says; nothing if it is not one of ours.

    Attributes:
        code: The name of a trouble, if it is a text.
    """

    message: str = ""
    faults: tuple[Fault, ...] = ()
    code: object = None  # of others' JSON it may be a number

    @classmethod
    def of(cls, content: bytes) -> Said:
        """Read it."""
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return cls()


def refusal(command: Command[object], reply: Reply) -> TasquesError:
    """The error that *reply*, which is no success, stands for."""
    said = Said.of(reply.content)
    if said.faults:
        return InvalidInput(said.faults, said.message)
    known = _veto(reply, said.message) or command.refusal(reply.status, said.message)
    if known is not None:
        if said.message:
            known.args = (said.message,)
        return known
    return _trouble(reply, said) or _general(reply, said.message)


def _veto(reply: Reply, message: str) -> errors.Vetoed | None:
    found = _VETO.match(message) if reply.status == HTTPStatus.FORBIDDEN else None
    return None if found is None else errors.Vetoed(found[1], found[2])


def _trouble(reply: Reply, said: Said) -> errors.Unavailable | None:
    """The error that a server of ours has named."""
    is_named = reply.status == HTTPStatus.SERVICE_UNAVAILABLE and isinstance(said.code, str)
    make = _TROUBLES.get(str(said.code)) if is_named else None
    if make is None:
        return None
    error = make(said.message)
    error.args = (said.message,)
    if reply.retry_after is not None:
        error.retry_after_seconds = reply.retry_after
    return error


def _bracketed(message: str) -> str:
    return message.partition("[")[2].partition("]")[0]


def _general(reply: Reply, message: str) -> TasquesError:
    status = reply.status
    shown = message or f"HTTP status {status}"
    match status:
        case HTTPStatus.BAD_REQUEST if message:
            return InvalidInput([Fault("", "request", message)], message)
        case HTTPStatus.UNAUTHORIZED:
            return Unauthorized("the server wants other credentials", status=status)
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return NoSuchRoute(f"the server does not know this: {shown}", status=status)
        case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
            wish = 1 if reply.retry_after is None else reply.retry_after
            return ServerUnavailable(shown, retry_after_seconds=wish)
        case HTTPStatus.BAD_GATEWAY | HTTPStatus.GATEWAY_TIMEOUT:
            return AnswerLost(f"a gateway on the way got no answer: {shown}")
    if status < 400:
        return NotUnderstood(f"the server sends elsewhere: {shown}", status=status)
    return ServerError(shown, status=status)
