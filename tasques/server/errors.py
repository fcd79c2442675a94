"""
From an error to an answer: one table, most specific class first.

What is not in the table is a fault of ours: 500, logged with its traceback, and no word of it to
the client but the request's id.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import falcon

from tasques.core import errors
from tasques.schemas.answers import ErrorAnswer, FaultAnswer
from tasques.schemas.converter import encode, unstructure
from tasques.server import request_id

_log = logging.getLogger(__name__)

#: The status of each error that the services raise on purpose.
STATUS_BY_ERROR: Final[Mapping[type[errors.TasquesError], HTTPStatus]] = MappingProxyType(
    {
        errors.InvalidInput: HTTPStatus.BAD_REQUEST,
        errors.TaskNotFound: HTTPStatus.NOT_FOUND,
        errors.TaskAlreadyExists: HTTPStatus.CONFLICT,
        errors.TaskNotClaimed: HTTPStatus.BAD_REQUEST,
        errors.TaskNotOwned: HTTPStatus.FORBIDDEN,
        errors.ReportFromThePast: HTTPStatus.BAD_REQUEST,
        errors.VersionConflict: HTTPStatus.CONFLICT,
        errors.IllegalTransition: HTTPStatus.BAD_REQUEST,
        errors.MalformedTask: HTTPStatus.INTERNAL_SERVER_ERROR,
        errors.RecurringTaskNotFound: HTTPStatus.NOT_FOUND,
        errors.RecurringTaskAlreadyExists: HTTPStatus.CONFLICT,
        errors.RecurringTaskConflict: HTTPStatus.CONFLICT,
        errors.MalformedRecurringTask: HTTPStatus.INTERNAL_SERVER_ERROR,
        errors.Vetoed: HTTPStatus.FORBIDDEN,
        errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)

#: What the original says to a route, and to a method, that it does not have.
NO_SUCH_ROUTE: Final = "No such route."


def install(app: falcon.App[falcon.Request, falcon.Response]) -> None:
    """Have *app* answer every error in the form of the API."""
    app.add_error_handler(Exception, _on_fault)
    app.add_error_handler(errors.TasquesError, _on_tasques_error)
    app.add_error_handler(falcon.HTTPError, _on_http_error)


def status_of(error: errors.TasquesError) -> HTTPStatus | None:
    """The status for *error*, by the nearest of its classes in the table; None if none is there."""
    for kind in type(error).__mro__:
        if kind in STATUS_BY_ERROR:
            return STATUS_BY_ERROR[kind]
    return None


def _on_tasques_error(
    request: falcon.Request,
    response: falcon.Response,
    error: errors.TasquesError,
    params: dict[str, Any],
) -> None:
    status = status_of(error)
    if status is None:
        _on_fault(request, response, error, params)
        return
    _send(response, status, answer_to(error))
    if isinstance(error, errors.Unavailable):
        response.set_header("Retry-After", str(error.retry_after_seconds))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("%s: %s", type(error).__name__, error)


def _on_http_error(
    request: falcon.Request,
    response: falcon.Response,
    error: falcon.HTTPError,
    params: dict[str, Any],
) -> None:
    """What Falcon itself refuses: routes, methods, malformed headers."""
    status = falcon.http_status_to_code(error.status)
    unknown = status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
    send_refusal(
        response, status, NO_SUCH_ROUTE if unknown else error.description or error.title or ""
    )
    for name, value in dict(error.headers or {}).items():
        response.set_header(name, value)
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        # Falcon lists OPTIONS, which is refused too.
        allowed = dict(error.headers or {})["Allow"].split(", ")
        response.set_header("Allow", ", ".join(name for name in allowed if name != "OPTIONS"))


def _on_fault(
    request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, Any]
) -> None:
    _log.error("a request failed unexpectedly", exc_info=error)
    send_refusal(
        response,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"The server failed unexpectedly; its log has more under [{request_id.current()}]",
    )


def answer_to(error: errors.TasquesError) -> ErrorAnswer:
    """
    What *error* says, with every fault if it is about the input.

    Trouble has its name besides: all of it is 503, and what a client had best do is not the same.
    """
    faults = None
    if isinstance(error, errors.InvalidInput):
        faults = tuple(
            FaultAnswer(path=f.path, rule=f.rule, message=f.message) for f in error.faults
        )
    code = type(error).__name__ if isinstance(error, errors.Unavailable) else None
    return ErrorAnswer(message=str(error), faults=faults, code=code)


def send_refusal(response: falcon.Response, status: int, message: str) -> None:
    """Answer with *message*, in the form of the API's errors."""
    _send(response, status, ErrorAnswer(message=message))


def _send(response: falcon.Response, status: int, answer: ErrorAnswer) -> None:
    response.status = status
    response.stream = None
    response.data = encode(unstructure(answer))
