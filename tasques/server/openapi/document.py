"""
The API as an OpenAPI 3.0 document, as exact as the notation allows.

3.0 and not 3.1, because the interactive page's swagger-ui 4 reads no later version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import attrs

import tasques
from tasques.core.queues import TaskId
from tasques.schemas.answers import ErrorAnswer
from tasques.schemas.fields import about_of, is_required
from tasques.server.openapi.links import links
from tasques.server.openapi.notations import NOTATIONS
from tasques.server.openapi.pages import PAGES, Page
from tasques.server.openapi.shapes import Schema, Use, components, reference, value_schema
from tasques.server.routes import (
    OPEN_ERRORS,
    REQUEST_ID_HEADER,
    ROUTES,
    UNAUTHORIZED,
    Parameter,
    Route,
)

#: A part of a description, as what ``json.dumps`` takes.
Node: TypeAlias = dict[str, Any]

#: Clients generated from the original's description are named after it.
TITLE: Final = "Tasques API"
LICENCE: Final = MappingProxyType(
    {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"}
)
SECURITY_SCHEME: Final = "BasicAuth"
JSON: Final = "application/json"

TAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tasks": "Creating tasks, claiming them and saying what came of them.",
        "recurring-tasks": "Having tasks made by a schedule.",
        "operators": "Seeing how queues stand, and changing tasks and queues by hand.",
        "health": "For whatever watches over the server; wants no credentials.",
        "documentation": "What you are reading; wants no credentials.",
    }
)

#: The header fields of answers: which status has which is :func:`answer_headers`.
ANSWER_HEADERS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        REQUEST_ID_HEADER: {
            "description": (
                "The request's id, by which the server's log finds it; absent where the request was"
                " refused before it was read."
            ),
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "description": "After so many seconds it is worth while to ask again.",
            "schema": {"type": "integer", "minimum": 0},
        },
        "WWW-Authenticate": {
            "description": "That basic authentication is wanted.",
            "schema": {"type": "string"},
        },
    }
)

_REQUEST_ID: Final[Node] = {
    "name": REQUEST_ID_HEADER,
    "in": "header",
    "required": False,
    "description": (
        "An id for the request, so that one id runs through the logs of several services: up to 128"
        " letters, digits, `.`, `_` and `-`. Anything else, or nothing, and the server makes one."
    ),
    "schema": {"type": "string"},
}


def openapi_document(
    *, credentials: bool = False, routes: Iterable[Route] = ROUTES, pages: Iterable[Page] = PAGES
) -> Node:
    """
    The description as what ``json.dumps`` takes; a new one each time.

    Args:
        credentials: Whether users are configured, so that the API is closed to strangers.
    """
    schemes: Node = {}
    if credentials:
        schemes["securitySchemes"] = {SECURITY_SCHEME: {"type": "http", "scheme": "basic"}}
    chosen = tuple(routes)
    paths: dict[str, Node] = {}
    for route in chosen:
        operation = _operation(route, credentials)
        if following := links(route, chosen):
            operation["responses"][str(route.status)]["links"] = following
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    for page in pages:
        paths[page.path] = {"get": _page_operation(page)}
    return {
        "openapi": "3.0.3",
        "info": {
            "title": TITLE,
            "description": _introduction(),
            "license": dict(LICENCE),
            "version": tasques.__version__,
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components(),
            "headers": {name: dict(header) for name, header in ANSWER_HEADERS.items()},
            "parameters": {REQUEST_ID_HEADER: _REQUEST_ID},
            **schemes,
        },
    }


def errors(route: Route, *, credentials: bool) -> dict[int, str]:
    """What each status but the success means; 401 only where users are configured."""
    return {
        status: meaning
        for status, meaning in route.all_errors.items()
        if credentials or status != UNAUTHORIZED
    }


def answer_headers(status: int) -> list[str]:
    """The names of the header fields that an answer with *status* has."""
    names = [REQUEST_ID_HEADER]
    if status == UNAUTHORIZED:
        names.append("WWW-Authenticate")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        names.append("Retry-After")
    return names


def success_schema(route: Route) -> Schema:
    """The schema of the body of a success."""
    one = reference(route.response)
    return {"type": "array", "items": one} if route.many else one


def _introduction() -> str:
    notations = "\n".join(
        f"- `{notation.format}`: {notation.meaning}."
        for notation in dict.fromkeys(NOTATIONS.values())
    )
    return (
        "A task queue: clients create tasks, workers claim them and say what came of them.\n\n"
        "Bodies are JSON in UTF-8, whatever the `Content-Type`. In a body, `null` for an optional"
        " field means that it is not given, and unknown fields are ignored, save in those that"
        " operators send; in an answer, a field without a value is absent. Every error has a `message`;"
        " where the input was wrong, also the list of all its `faults`.\n\n"
        f"Strings may have one of these formats:\n\n{notations}\n"
    )


def _operation(route: Route, credentials: bool) -> Node:
    operation: Node = {
        "tags": [route.tag],
        "summary": route.summary,
        "description": route.description,
        "operationId": route.operation_id,
        "parameters": [_parameter(each) for each in route.parameters] + [_request_id()],
    }
    if route.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {
                JSON: {"schema": reference(route.request), "example": body_example(route.request)}
            },
        }
    operation["responses"] = _responses(route, credentials)
    if credentials and route.wants_credentials:
        operation["security"] = [{SECURITY_SCHEME: []}]
    return operation


def _page_operation(page: Page) -> Node:
    kind = "object" if page.media_type == JSON else "string"
    success = _response("Success", 200, {"type": kind}, media_type=page.media_type)
    unchanged = _response("It is what `If-None-Match` names, still", 304, None)
    return {
        "tags": ["documentation"],
        "summary": page.summary,
        "operationId": page.operation_id,
        "parameters": [_request_id()],
        "responses": {
            "200": success,
            "304": unchanged,
            **{
                str(status): _response(meaning, status, reference(ErrorAnswer))
                for status, meaning in OPEN_ERRORS.items()
            },
        },
    }


def _request_id() -> Node:
    return {"$ref": f"#/components/parameters/{REQUEST_ID_HEADER}"}


def _parameter(parameter: Parameter) -> Node:
    schema = value_schema(parameter.type, parameter.about, Use.PARAMETER)
    description, example = schema.pop("description"), schema.pop("example", None)
    described: Node = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": description,
        "schema": schema,
    }
    if example is not None and parameter.required:
        described["example"] = example
    elif example is not None:
        # An interactive page fills in what has an example, and these are the caller's choice.
        described["description"] += f" For example `{example}`."
    return described


def body_example(model: type) -> Node:
    """The examples of the fields of *model* together: a body that can be sent any number of times."""
    attrs.resolve_types(model)
    return {
        field.name: about_of(field).example
        for field in attrs.fields(model)
        # An id could be taken only once.
        if is_required(field) or field.type != TaskId | None
    }


def _responses(route: Route, credentials: bool) -> Node:
    success = _response(
        HTTPStatus(route.status).phrase, route.status, success_schema(route), media_type=JSON
    )
    responses = {str(route.status): success}
    for status, meaning in errors(route, credentials=credentials).items():
        model = route.error_response(status)
        schema = None if model is None else reference(model)
        responses[str(status)] = _response(meaning, status, schema)
    return responses


def _response(
    description: str, status: int, schema: Schema | None, *, media_type: str = JSON
) -> Node:
    response: Node = {
        "description": description,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"} for name in answer_headers(status)
        },
    }
    if schema is not None:
        response["content"] = {media_type: {"schema": schema}}
    return response
