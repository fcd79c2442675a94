"""What a command is: something to be asked of Tasques, as a value, and its form in HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

import attrs

from tasques.core import errors
from tasques.core.values import Duration
from tasques.schemas.converter import encode, read, unstructure

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)

#: The headers of the API; that the server has the same is held by a test.
WORKER_ID_HEADER: Final = "X-TASQUES-WORKER-ID"
CLAIM_ID_HEADER: Final = "X-TASQUES-CLAIM-ID"
IDEMPOTENCY_KEY_HEADER: Final = "Idempotency-Key"

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Repeat(Enum):
    """Whether a request may be sent again when nobody knows whether it was done."""

    #: It changes nothing, or doing it twice is as good as once.
    FREELY = auto()
    #: It names what it makes: a repeat that finds it there cannot tell who made it.
    NAMED = auto()
    #: A server that knows idempotency keys makes one thing of all repeats; an original does not.
    KEYED = auto()
    #: Only after an answer that says that nothing was done: 503 to a claim.
    IF_REFUSED = auto()
    #: Never.
    NEVER = auto()


@attrs.frozen(kw_only=True)
class Request(Generic[Answer_co]):
    """
    A command in HTTP.

    Attributes:
        path: Its parts, not encoded yet.
        query: Names and values, not encoded yet.
        content: JSON; None for no body.
        decode: Reads the body of the answer.
        waits: So long the server may keep the request by intent.
    """

    method: str
    path: tuple[str, ...]
    decode: Callable[[bytes], Answer_co]
    repeat: Repeat
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = _NO_HEADERS
    content: bytes | None = None
    waits: Duration = Duration(0)


class Command(Protocol[Answer_co]):
    """
    Something to be asked of Tasques, as a value.

    It is carried out over HTTP by :class:`tasques.client.Client`, or within the process by an
    application that holds a backend; both give the same answer and raise the same errors.
    """

    def request(self) -> Request[Answer_co]:
        """Its form in HTTP."""
        ...

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        """The error that the server's refusal stands for; None if it is not about this command."""
        ...


class Plain:
    """A command of which the server says nothing special."""

    #: A command without state of its own still tells its kind by its class.
    __slots__: ClassVar[tuple[str, ...]] = ()

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        return None


def body(model: object) -> bytes:
    """A wire model as the content of a request."""
    return encode(unstructure(model))


def reading(model: type[Answer]) -> Callable[[bytes], Answer]:
    """Reads answers of the form *model*, strictly."""
    return lambda content: read(model, content)


def reading_all(model: type[Answer]) -> Callable[[bytes], tuple[Answer, ...]]:
    """Reads answers that are arrays of *model*, strictly."""
    form: Any = tuple[model, ...]  # type: ignore[valid-type]
    return lambda content: read(form, content)
