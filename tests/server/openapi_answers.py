"""Holds real answers against the OpenAPI description of a server with users."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import attrs
from falcon.testing import Result
from openapi_schema_validator import OAS30Validator

from tasques.schemas.definitions import DEFINITION_NAMES, READ
from tasques.server.app import create_app
from tasques.server.openapi.document import openapi_document
from tasques.server.options import ServerOptions
from tasques.settings.kinds import User
from tests.server.conftest import Api, World

OPTIONS: Final = ServerOptions(users=(User(name="ann", password="secret"),))
KNOWN: Final = {"Authorization": "Basic YW5uOnNlY3JldA=="}
#: What the templates of paths stand for, unless a test says else.
NAMES: Final = {"queue": "mail", "id": "t1"}

DOCUMENT: Final = openapi_document(credentials=True)

#: Every operation id of the description, with its method and its path.
OPERATIONS: Final = {
    operation["operationId"]: (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}


@attrs.frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, result: Result) -> Answer:
        headers = {name.lower(): value for name, value in result.headers.items()}
        return cls(result.status_code, headers, result.content)


def closed(node: Any) -> Any:
    """*node* with nothing beside the properties that are described."""
    if isinstance(node, dict):
        copy = {name: closed(inner) for name, inner in node.items()}
        return {**copy, "additionalProperties": False} if "properties" in node else copy
    return [closed(inner) for inner in node] if isinstance(node, list) else node


# Further properties are allowed, so that there may be more one day; today there are none.
_BODIES: Final = {DEFINITION_NAMES[model] for model in READ}
_COMPONENTS: Final = {
    "schemas": {
        name: schema if name in _BODIES else closed(schema)
        for name, schema in DOCUMENT["components"]["schemas"].items()
    }
}


def check(operation_id: str, answer: Answer, *, by_front: bool = False) -> None:
    """
    That *answer* is one of those that the operation is said to give.

    Args:
        by_front: It was refused before the application saw it, so it has no id.
    """
    method, path = OPERATIONS[operation_id]
    described = DOCUMENT["paths"][path][method.lower()]["responses"][str(answer.status)]
    for name in described["headers"]:
        assert name.lower() in answer.headers or (by_front and name == "X-Request-Id")
    if "content" not in described:
        assert answer.body == b""
        return
    ((media_type, content),) = described["content"].items()
    assert answer.headers["content-type"].partition(";")[0] == media_type
    if media_type == "application/json":
        schema = {**content["schema"], "components": _COMPONENTS}
        checker = OAS30Validator.FORMAT_CHECKER
        OAS30Validator(schema, format_checker=checker).validate(json.loads(answer.body))


@attrs.frozen
class Bench:
    """A server whose users are configured, one of whom asks; and what is called ``t1`` there."""

    world: World
    api: Api

    def send(
        self,
        operation_id: str,
        body: object = None,
        *,
        names: Mapping[str, str] = NAMES,
        query: str = "",
        worker: str | None = "w1",
        **more: Any,
    ) -> Answer:
        method, path = OPERATIONS[operation_id]
        headers = {**KNOWN, **more.pop("headers", {})}
        path = path.format_map(names) + query
        return Answer.of(self.api.call(method, path, body, worker=worker, headers=headers, **more))

    def created(self, **fields: object) -> Answer:
        return self.send("create-task", {"queue": "mail", "kind": "send", "id": "t1", **fields})

    def repeated(self, **fields: object) -> Answer:
        definition = {"queue": "mail", "kind": "send"}
        new = {"id": "t1", "schedule_expression": "@daily", "task_definition": definition}
        return self.send("create-recurring-task", {**new, **fields})

    def claimed(self, **fields: object) -> Answer:
        self.created(**fields)
        return self.send("claim-tasks", {"queues": ["mail"], "block_for": "0s"})


def describes(operation_id: str, status: int) -> bool:
    """Whether the description has that status there."""
    method, path = OPERATIONS[operation_id]
    return str(status) in DOCUMENT["paths"][path][method.lower()]["responses"]


def failing(world: World, error: Exception) -> Bench:
    """A server on which everything fails with *error*, once a route is found."""

    class Failing:
        def process_resource(self, *_: object) -> NoReturn:
            raise error

    app = create_app(world.services, OPTIONS)
    app.add_middleware(Failing())
    return Bench(world, Api(app))
