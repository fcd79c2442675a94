"""
Middleware: what a plugin does around the requests that a server answers.

A middleware is asked when a request begins, and told when its answer is made. It sees neither bodies
nor the server's framework, so it fits any server of this version of the hooks. It is asked once for
each request, whatever the server does meanwhile: a claim that waits is served in two halves, mostly on
two threads, and is one request here.

One that raises has failed, and what that means it declares itself, as a filter does: an *open* one is
passed over, a *closed* one lets nothing pass (503).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import attrs

from tasques.core.errors import Fault, InvalidInput
from tasques.core.service.filters import Failing

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
# RFC 9110, sections 5.1 and 5.5; what is beyond ASCII is left out, as nobody agrees on how to read it.
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"([!-~]([ -~]*[!-~])?)?")
#: How the answer is sent is the server's business.
_OF_THE_SERVER: Final = frozenset(
    {"connection", "content-encoding", "content-length", "keep-alive", "trailer"}
    | {"transfer-encoding", "upgrade"}
)


@attrs.frozen(kw_only=True)
class HttpRequest:
    """
    A request, before anything of it is looked at.

    Attributes:
        path: Percent-decoded, without the query.
        query: As it was sent, without the question mark.
        headers: By name, in lower case; credentials are among them.
        remote: The address of whoever sent it.
        id: The request's, as the log has it and the answer's ``X-Request-Id``.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    remote: str
    id: str


@attrs.frozen(kw_only=True)
class HttpAnswer:
    """
    What was answered.

    Attributes:
        route: As the API's reference has it, ``/tasques/{queue}/{id}``; None if there is none,
            or if the request was refused before it was looked up.
        bytes: Of the body as it is sent.
        seconds: Since the request began; a claim's wait is among them.
    """

    status: int
    route: str | None
    bytes: int
    seconds: float


def ensure_headers(headers: Mapping[str, str]) -> None:
    """
    Pass if *headers* may be set in an answer.

    Raises:
        ValueError: If one is no header, or says how the answer is sent.
    """
    for name, value in headers.items():
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise ValueError(f"{name!r}: {value!r} is no header")
        if name.lower() in _OF_THE_SERVER:
            raise ValueError(f"the header {name} is the server's")


def _are_headers(
    instance: object, attribute: attrs.Attribute[Any], headers: Mapping[str, str]
) -> None:
    ensure_headers(headers)


def _is_refusal(instance: object, attribute: attrs.Attribute[int], status: int) -> None:
    if not 400 <= status <= 599:
        raise ValueError(f"a refusal has a status from 400 to 599, and not {status}")


@attrs.frozen(kw_only=True)
class Refusal:
    """
    The request is not done.

    Attributes:
        status: From 400 to 599.
        message: For the one who asked.
        headers: To be sent along, such as ``Retry-After``.

    Raises:
        ValueError: If *status* is that of no refusal, or *headers* cannot be sent.
    """

    status: int = attrs.field(validator=_is_refusal)
    message: str
    headers: Mapping[str, str] = attrs.field(default=_NONE, validator=_are_headers)


#: Told the answer; gives headers to be set in it, or None for none.
OnAnswer: TypeAlias = Callable[[HttpAnswer], Mapping[str, str] | None]
#: Asked about a request; None to leave it alone.
OnRequest: TypeAlias = Callable[[HttpRequest], OnAnswer | Refusal | None]


def _takes_a_request(instance: HttpMiddleware, attribute: object, value: Any) -> None:
    name = f"middleware {instance.name}"
    if not callable(value):
        raise InvalidInput([Fault(name, "callable", "on_request is nothing to be called")])
    try:
        inspect.signature(value).bind(None)
    except TypeError as error:
        message = f"on_request cannot be called with a request alone: {error}"
        raise InvalidInput([Fault(name, "signature", message)]) from error
    except ValueError:
        return  # what has no signature to be looked at, such as a function in C


@attrs.frozen(kw_only=True)
class HttpMiddleware:
    """
    What a plugin wants around each request.

    Attributes:
        name: For errors, logs and metrics.
        on_request: Called on the request's thread, from several at once, before credentials are
            looked at. What it gives is called with the answer, perhaps on another thread, before
            that is sent; not at all if the server ends before.
        failing: What happens to a request when *on_request* raises. What it gave may raise, and
            changes nothing then.
        waits: Whether *on_request*, or what it gives, may wait for anything, as for another server or a
            file. If none does, the thread that does all the I/O calls them, which makes a request cheaper.

    Raises:
        InvalidInput: If *on_request* cannot be called with a request.
    """

    name: str
    on_request: OnRequest = attrs.field(validator=_takes_a_request)
    failing: Failing = Failing.OPEN
    waits: bool = True
