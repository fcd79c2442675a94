"""What a route is, what it takes, and what any request may meet."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import attrs

from tasques.schemas.answers import ErrorAnswer
from tasques.schemas.fields import About


@attrs.frozen(kw_only=True)
class Parameter:
    """
    A part of a request beside its body.

    Attributes:
        name: As it is sent.
        place: Where it is sent.
        type: What it is read as.
        required: Whether a request without it is refused.
        about: Description, example, bounds.
    """

    name: str
    place: Literal["path", "query", "header"]
    type: type[object]
    about: About
    required: bool = True


@attrs.frozen(kw_only=True)
class Route:
    """
    A method on a path.

    Attributes:
        method: In upper case.
        path: A template; each ``{name}`` stands for one segment, percent-encoded.
        operation_id: Stable; generated clients name their methods after it.
        parameters: In the order in which they are looked at.
        request: The model of the body; None where no body is read.
        response: The model of the body of a success.
        many: Whether a success is an array of *response*.
        status: The status of a success.
        errors: What each further status means here, beyond :data:`COMMON_ERRORS`.
        error_responses: The models of the statuses whose body is not an :class:`ErrorAnswer`.
        wants_credentials: Whether it is closed to strangers where users are configured.
        from_original: Whether the original server has it too.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    operation_id: str
    tag: str
    summary: str
    description: str
    response: type[object]
    parameters: tuple[Parameter, ...] = ()
    request: type[object] | None = None
    many: bool = False
    status: int = 200
    errors: Mapping[int, str] = MappingProxyType({})
    error_responses: Mapping[int, type[object]] = MappingProxyType({})
    wants_credentials: bool = True
    from_original: bool = True

    @property
    def all_errors(self) -> dict[int, str]:
        """What every status but the success means, this route's own and the common ones."""
        common = COMMON_ERRORS if self.wants_credentials else OPEN_ERRORS
        return dict(sorted({**common, **self.errors}.items()))

    def error_response(self, status: int) -> type[object] | None:
        """The model of the body of an error; None where the body is empty."""
        if status in self.error_responses:
            return self.error_responses[status]
        return None if status == UNAUTHORIZED else ErrorAnswer


UNAUTHORIZED: Final = 401

#: What any request may meet, whatever its route.
OPEN_ERRORS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "The request is malformed",
        408: "The request did not arrive in time",
        413: "The body is larger than the server takes",
        431: "The headers are larger than the server takes",
        500: "A fault of the server's own",
        501: "The body comes in a transfer coding other than chunked",
        503: "Trouble behind the server, or more work than it can hold; see Retry-After",
    }
)

#: What a request for a closed route may meet.
COMMON_ERRORS: Final[Mapping[int, str]] = MappingProxyType(
    {**OPEN_ERRORS, UNAUTHORIZED: "No valid credentials, where the server wants them; empty body"}
)
