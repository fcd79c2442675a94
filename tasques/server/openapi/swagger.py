"""
The API as a Swagger 2.0 document, at the original's address and under its names.

Clients are generated from it, so operation ids, tags, definitions, the order of parameters and the
types of fields are those of the original's description. For that it is laxer than the OpenAPI
document, of which it is made: a pattern, a bound or a further format would change the type that a
generator chooses, or be checked by a client with rules of its own. What it describes is true all
the same, save that it does not say everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from tasques.schemas.answers import MetadataAnswer, VersionAnswer
from tasques.schemas.definitions import BODY_NAMES, DEFINITION_NAMES
from tasques.schemas.recurring_answers import RecurringTaskAnswer, TaskDefinitionAnswer
from tasques.schemas.requests import TaskDefinitionBody
from tasques.server.openapi.document import (
    ANSWER_HEADERS,
    JSON,
    SECURITY_SCHEME,
    Node,
    answer_headers,
    errors,
    openapi_document,
    success_schema,
)
from tasques.server.openapi.shapes import REFERENCE, Schema, Use, reference, value_schema
from tasques.server.routes import ROUTES, Parameter, Route

#: The formats that the original's description has too.
_FORMATS: Final = ("date-time",)

#: What a schema keeps as it is.
_KEPT: Final = ("type", "description", "example", "required", "additionalProperties")

#: Definitions of the original's that are other names for a free-form object.
_ALIASES: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "task.JsonObj": {"type": "object", "additionalProperties": True},
        "task.Args": {"$ref": "#/definitions/task.JsonObj"},
        "task.Context": {"$ref": "#/definitions/task.JsonObj"},
        "task.ReportedData": {"$ref": "#/definitions/task.JsonObj"},
    }
)

#: The one property that has such a name for its type.
_ALIASED: Final = ("task.NewReport", "data", "task.ReportedData")

#: Always there, but not so in the original's description: a generator takes what is required for
#: another type than what is not.
_NOT_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        DEFINITION_NAMES[MetadataAnswer]: ("created_at", "modified_at", "version"),
        DEFINITION_NAMES[VersionAnswer]: ("seq_num", "primary_term"),
        DEFINITION_NAMES[RecurringTaskAnswer]: ("skip_if_outstanding_tasks_exist",),
    }
)

#: A time that is but a string in the original's description.
_PLAIN: Final = ("recurring.Task", "loaded_at")

#: What the original's description calls by one name, whether it is sent or answered.
_ONE_NAME: Final[Mapping[str, str]] = MappingProxyType(
    {DEFINITION_NAMES[TaskDefinitionAnswer]: DEFINITION_NAMES[TaskDefinitionBody]}
)

#: Where the original's description has the body before the other parameters.
_BODY_FIRST: Final = (
    "create-task",
    "report-on-claimed-task",
    "mark-claimed-task-done",
    "mark-claimed-task-failed",
)


def swagger_document(*, credentials: bool = False, routes: Iterable[Route] = ROUTES) -> Node:
    """
    The description as what ``json.dumps`` takes; a new one each time.

    Args:
        credentials: Whether users are configured, so that the API is closed to strangers.
    """
    chosen = tuple(routes)
    document = openapi_document(credentials=credentials, routes=chosen, pages=())
    paths: dict[str, Node] = {}
    for route in chosen:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, credentials)
    tags = {route.tag for route in chosen}
    swagger: Node = {
        "swagger": "2.0",
        "info": document["info"],
        "basePath": "/",
        "tags": [tag for tag in document["tags"] if tag["name"] in tags],
        "paths": paths,
        "definitions": _definitions(document["components"]["schemas"]),
    }
    if credentials:
        swagger["securityDefinitions"] = {SECURITY_SCHEME: {"type": "basic"}}
    return swagger


def _definitions(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    definitions = {name: loosened(schema) for name, schema in schemas.items()}
    for name, fields in _NOT_REQUIRED.items():
        required = [each for each in definitions[name].pop("required") if each not in fields]
        if required:
            definitions[name]["required"] = required
    for name in _ONE_NAME:
        del definitions[name]
    definition, field = _PLAIN
    del definitions[definition]["properties"][field]["format"]
    definition, field, alias = _ALIASED
    definitions[definition]["properties"][field] = {"$ref": f"#/definitions/{alias}"}
    return {**definitions, **{name: dict(schema) for name, schema in _ALIASES.items()}}


def loosened(schema: Schema) -> Schema:
    """
    A schema of OpenAPI 3.0 in the words of Swagger 2.0, with what the original's description has.

    Of alternatives the first is taken. Nothing may stand beside a reference.
    """
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return {"$ref": "#/definitions/" + _ONE_NAME.get(name, name)}
    if "allOf" in schema:
        return loosened(schema["allOf"][0])
    if "oneOf" in schema and "$ref" in schema["oneOf"][0]:
        return loosened(schema["oneOf"][0])
    kept: Schema = {name: schema[name] for name in _KEPT if name in schema}
    if "oneOf" in schema:
        kept = loosened(schema["oneOf"][0]) | kept
    if schema.get("format") in _FORMATS:
        kept["format"] = schema["format"]
    if "items" in schema:
        kept["items"] = loosened(schema["items"])
    if "properties" in schema:
        kept["properties"] = {name: loosened(inner) for name, inner in schema["properties"].items()}
    return kept


def _operation(route: Route, credentials: bool) -> Node:
    operation: Node = {
        "consumes": [JSON],
        "produces": [JSON],
        "tags": [route.tag],
        "summary": route.summary,
        "description": route.description,
        "operationId": route.operation_id,
        "parameters": _parameters(route),
        "responses": _responses(route, credentials),
    }
    if credentials and route.wants_credentials:
        operation["security"] = [{SECURITY_SCHEME: []}]
    return operation


def _parameters(route: Route) -> list[Node]:
    parameters = [_parameter(each) for each in route.parameters]
    if route.request is not None:
        body = {
            "name": BODY_NAMES[route.request],
            "in": "body",
            "required": True,
            "description": "What is wanted, as JSON.",
            "schema": loosened(reference(route.request)),
        }
        parameters.insert(0 if route.operation_id in _BODY_FIRST else len(parameters), body)
    return parameters


def _parameter(parameter: Parameter) -> Node:
    schema = loosened(value_schema(parameter.type, parameter.about, Use.PARAMETER))
    schema.pop("example", None)  # which only a schema may have
    if schema["type"] == "array":
        schema["collectionFormat"] = "multi"
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        **schema,
    }


def _responses(route: Route, credentials: bool) -> Node:
    responses: Node = {str(route.status): _response("Success", route.status, success_schema(route))}
    for status, meaning in errors(route, credentials=credentials).items():
        model = route.error_response(status)
        responses[str(status)] = _response(
            meaning, status, None if model is None else reference(model)
        )
    return responses


def _response(description: str, status: int, schema: Schema | None) -> Node:
    response: Node = {"description": description, "headers": {}}
    for name in answer_headers(status):
        header = ANSWER_HEADERS[name]
        response["headers"][name] = {"description": header["description"], **header["schema"]}
    if schema is not None:
        response["schema"] = loosened(schema)
    return response
