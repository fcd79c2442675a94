"""The Swagger form against the names and types of the original's description."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tasques.server.openapi.document import openapi_document
from tasques.server.openapi.swagger import swagger_document
from tasques.server.routes import ROUTES, Route

DOCUMENT = swagger_document()

#: By operation id: method, path, parameters in their order, body, success.
#: Source: lloydmeta/tasques, revision 83a686f, docs/swagger.json (names and types only).
OPERATIONS = {
    "create-task": ("post", "/tasques", ["newTask"], "task.NewTask", ("201", "task.Task")),
    "get-existing-task": (
        "get",
        "/tasques/{queue}/{id}",
        ["queue", "id"],
        None,
        ("200", "task.Task"),
    ),
    "claim-tasks": (
        "post",
        "/tasques/claims",
        ["X-TASQUES-WORKER-ID", "claim"],
        "task.Claim",
        ("200", "[task.Task]"),
    ),
    "unclaim-existing-task": (
        "delete",
        "/tasques/claims/{queue}/{id}",
        ["queue", "id", "X-TASQUES-WORKER-ID"],
        None,
        ("200", "task.Task"),
    ),
    "report-on-claimed-task": (
        "put",
        "/tasques/reports/{queue}/{id}",
        ["newReport", "queue", "id", "X-TASQUES-WORKER-ID"],
        "task.NewReport",
        ("200", "task.Task"),
    ),
    "mark-claimed-task-done": (
        "put",
        "/tasques/done/{queue}/{id}",
        ["success", "queue", "id", "X-TASQUES-WORKER-ID"],
        "task.Success",
        ("200", "task.Task"),
    ),
    "mark-claimed-task-failed": (
        "put",
        "/tasques/failed/{queue}/{id}",
        ["failure", "queue", "id", "X-TASQUES-WORKER-ID"],
        "task.Failure",
        ("200", "task.Task"),
    ),
    "create-recurring-task": (
        "post",
        "/recurring_tasques",
        ["newRecurringTask"],
        "recurring.NewTask",
        ("201", "recurring.Task"),
    ),
    "list-existing-recurring-tasks": (
        "get",
        "/recurring_tasques",
        [],
        None,
        ("200", "[recurring.Task]"),
    ),
    "get-existing-recurring-task": (
        "get",
        "/recurring_tasques/{id}",
        ["id"],
        None,
        ("200", "recurring.Task"),
    ),
    "update-existing-recurring-task": (
        "put",
        "/recurring_tasques/{id}",
        ["id", "recurringTaskUpdate"],
        "recurring.TaskUpdate",
        ("200", "recurring.Task"),
    ),
    "delete-existing-recurring-task": (
        "delete",
        "/recurring_tasques/{id}",
        ["id"],
        None,
        ("200", "recurring.Task"),
    ),
}

#: By definition: the type of each property, and which are required. Source: as above.
DEFINITIONS = {
    "common.Body": ("message:string", "message"),
    "common.Metadata": (
        "created_at:string/date-time modified_at:string/date-time version:#common.Version",
        "",
    ),
    "common.Version": ("primary_term:integer seq_num:integer", ""),
    "recurring.NewTask": (
        "id:string schedule_expression:string skip_if_outstanding_tasks_exist:boolean"
        " task_definition:#recurring.TaskDefinition",
        "id schedule_expression task_definition",
    ),
    "recurring.Task": (
        "id:string loaded_at:string metadata:#common.Metadata schedule_expression:string"
        " skip_if_outstanding_tasks_exist:boolean task_definition:#recurring.TaskDefinition",
        "id metadata schedule_expression task_definition",
    ),
    "recurring.TaskDefinition": (
        "args:object context:object kind:string priority:integer processing_timeout:string"
        " queue:string retry_times:integer",
        "kind queue",
    ),
    "recurring.TaskUpdate": (
        "schedule_expression:string skip_if_outstanding_tasks_exist:boolean"
        " task_definition:#recurring.TaskDefinition",
        "",
    ),
    "task.Args": ("#task.JsonObj", ""),
    "task.Claim": ("amount:integer block_for:string queues:[string]", "queues"),
    "task.Context": ("#task.JsonObj", ""),
    "task.Failure": ("data:object", ""),
    "task.JsonObj": ("", ""),
    "task.LastClaimed": (
        "claimed_at:string/date-time last_report:#task.Report result:#task.Result"
        " times_out_at:string/date-time worker_id:string",
        "claimed_at times_out_at worker_id",
    ),
    "task.NewReport": ("data:#task.ReportedData", ""),
    "task.NewTask": (
        "args:object context:object id:string kind:string priority:integer"
        " processing_timeout:string queue:string retry_times:integer run_at:string/date-time",
        "kind queue",
    ),
    "task.Report": ("at:string/date-time data:object", "at"),
    "task.ReportedData": ("#task.JsonObj", ""),
    "task.Result": ("at:string/date-time failure:object success:object", "at"),
    "task.Success": ("data:object", ""),
    "task.Task": (
        "args:object attempted:integer context:object id:string kind:string"
        " last_claimed:#task.LastClaimed last_enqueued_at:string/date-time"
        " metadata:#common.Metadata priority:integer processing_timeout:string queue:string"
        " recurring_task_id:string retry_times:integer run_at:string/date-time state:string",
        "attempted id kind last_enqueued_at metadata priority processing_timeout queue retry_times"
        " run_at state",
    ),
}


def type_of(schema: dict[str, Any]) -> str:
    """A schema's type in the shorthand of the tables above."""
    if "$ref" in schema:
        return "#" + str(schema["$ref"]).removeprefix("#/definitions/")
    if schema["type"] == "array":
        return f"[{type_of(schema['items'])}]"
    return "/".join(schema[name] for name in ("type", "format") if name in schema)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_its_names(name: str) -> None:
    """Methods of generated clients keep their names, arguments and results; new arguments are optional."""
    method, path, parameters, body, (status, result) = OPERATIONS[name]
    operation = DOCUMENT["paths"][path][method]
    assert operation["operationId"] == name
    assert operation["tags"] == ["recurring-tasks" if "recurring" in path else "tasks"]
    assert [p["name"] for p in operation["parameters"] if p["required"]] == parameters
    bodies = [p["schema"]["$ref"] for p in operation["parameters"] if p["in"] == "body"]
    assert bodies == ([f"#/definitions/{body}"] if body else [])
    assert type_of(operation["responses"][status]["schema"]).replace("#", "") == result
    assert all(
        p["type"] == "string" for p in operation["parameters"] if p["in"] in ("path", "header")
    )


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_keeps_its_properties(name: str) -> None:
    """Types of generated clients keep their names and fields, each with its type; they get more."""
    properties, required = DEFINITIONS[name]
    definition = DOCUMENT["definitions"][name]
    if properties.startswith("#"):
        assert type_of(definition) == properties
        return
    assert definition["type"] == "object"
    assert sorted(definition.get("required", [])) == required.split()
    ours = definition.get("properties", {})
    for described in properties.split():
        field, _, kind = described.partition(":")
        assert type_of(ours[field]) == kind, field


def test_what_needs_no_credentials_promises_none() -> None:
    """Without users configured, nothing is said of them."""
    assert "securityDefinitions" not in DOCUMENT
    closed = swagger_document(credentials=True)
    assert closed["securityDefinitions"] == {"BasicAuth": {"type": "basic"}}
    assert closed["paths"]["/tasques"]["post"]["security"] == [{"BasicAuth": []}]
    assert "security" not in closed["paths"]["/health/live"]["get"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_both_descriptions_have_the_same_routes_and_statuses(route: Route) -> None:
    """Whichever of the two one reads, the API is the same."""
    openapi = openapi_document(credentials=True)["paths"][route.path][route.method.lower()]
    swagger = swagger_document(credentials=True)["paths"][route.path][route.method.lower()]
    assert set(swagger["responses"]) == set(openapi["responses"])
    named = [p["name"] for p in swagger["parameters"] if p["in"] != "body"]
    assert named == [p["name"] for p in openapi["parameters"] if "name" in p]
    for status, response in swagger["responses"].items():
        assert set(response["headers"]) == set(openapi["responses"][status]["headers"])


def test_nothing_of_openapi_3_is_left_over() -> None:
    """Generators for Swagger 2.0 meet no keyword that they do not know, and no pattern at all."""
    text = str(DOCUMENT)
    for word in ("nullable", "oneOf", "allOf", "pattern", "components", "requestBody"):
        assert not re.search(rf"\b{word}\b", text), word
