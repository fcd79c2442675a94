"""What the OpenAPI description says, against the table of routes and the rules of the core."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest
from falcon.inspect import inspect_compiled_router
from hypothesis import assume, given
from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate

import tasques
from tasques.core import cron
from tasques.core.errors import InvalidInput
from tasques.core.queues import QueueName, TaskId, WorkerId, queue_name, task_id
from tasques.core.tasks import ClaimId
from tasques.core.values import Duration, Instant
from tasques.schemas.recurring_requests import ScheduleExpression
from tasques.server.app import create_app
from tasques.server.documentation.resources import ASSETS
from tasques.server.openapi.document import openapi_document
from tasques.server.openapi.links import NEXT
from tasques.server.openapi.notations import NOTATIONS
from tasques.server.openapi.pages import PAGES
from tasques.server.openapi.swagger import swagger_document
from tasques.server.options import ServerOptions
from tasques.server.routes import ROUTES, Route
from tasques.testing import strategies as some
from tests.server.conftest import World

DOCUMENT = openapi_document()
CLOSED_DOCUMENT = openapi_document(credentials=True)


def operation(route: Route, document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][route.path][route.method.lower()]
    return found


@pytest.mark.parametrize("credentials", [False, True])
def test_the_descriptions_obey_their_specifications(credentials: bool) -> None:
    """Any tool that reads OpenAPI 3.0 or Swagger 2.0 can read them."""
    validate(openapi_document(credentials=credentials))
    validate(swagger_document(credentials=credentials))
    assert openapi_document()["info"]["version"] == tasques.__version__


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_a_route_is_described_whole(route: Route) -> None:
    """Each status, parameter, body and error of the table can be looked up."""
    described = operation(route, CLOSED_DOCUMENT)
    assert described["operationId"] == route.operation_id
    assert set(described["responses"]) == {str(s) for s in (route.status, *route.all_errors)}
    assert [p["name"] for p in described["parameters"][:-1]] == [p.name for p in route.parameters]
    assert described["parameters"][-1]["$ref"].endswith("/X-Request-Id")
    assert ("requestBody" in described) == (route.request is not None)


def test_every_route_that_is_served_is_described(world: World) -> None:
    """Nothing is served in secret, save the files that the pages are made of."""
    app = create_app(world.services, ServerOptions())
    served = {
        (method.method.lower(), route.path)
        for route in inspect_compiled_router(app._router)
        for method in route.methods
        # OPTIONS is refused everywhere, and so are the others that are not ours.
        if method.method != "OPTIONS" and not method.internal
    }
    described = {(method, path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert served - described == {("get", ASSETS + "/{name}")}
    assert described <= served


def test_every_tag_is_explained() -> None:
    """A reader of the page finds a sentence about each group of operations."""
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert tags == {route.tag for route in ROUTES} | {"documentation"}


def test_credentials_are_described_only_where_they_are_wanted() -> None:
    """A client generated from a server without users knows nothing of users."""
    assert "securitySchemes" not in DOCUMENT["components"]
    assert CLOSED_DOCUMENT["components"]["securitySchemes"] == {
        "BasicAuth": {"type": "http", "scheme": "basic"}
    }
    for route in ROUTES:
        assert "401" not in operation(route)["responses"]
        assert "security" not in operation(route)
        described = operation(route, CLOSED_DOCUMENT)
        assert ("401" in described["responses"]) == route.wants_credentials
        assert ("security" in described) == route.wants_credentials


def test_header_fields_of_answers_are_described_where_they_occur() -> None:
    """A client learns when to look for Retry-After and WWW-Authenticate."""
    answers = operation(ROUTES[0], CLOSED_DOCUMENT)["responses"]
    assert set(answers["503"]["headers"]) == {"X-Request-Id", "Retry-After"}
    assert set(answers["401"]["headers"]) == {"X-Request-Id", "WWW-Authenticate"}
    assert set(answers["201"]["headers"]) == {"X-Request-Id"}
    assert "content" not in answers["401"]


def test_links_lead_to_operations_and_bring_all_that_they_require() -> None:
    """One can follow a link with nothing but the answer, the request and a body."""
    by_id = {route.operation_id: route for route in ROUTES}
    assert set(NEXT) <= set(by_id)
    for route in ROUTES:
        success = operation(route)["responses"][str(route.status)]
        followed = success.get("links", {})
        assert tuple(followed) == NEXT.get(route.operation_id, ())
        for name, link in followed.items():
            required = {each.name for each in by_id[name].parameters if each.required}
            assert set(link["parameters"]) == required


def schemas_with_examples() -> list[tuple[str, dict[str, Any]]]:
    """Each schema that has an example, with its place."""
    found: list[tuple[str, dict[str, Any]]] = []

    def walk(node: Any, place: str) -> None:
        if isinstance(node, dict):
            if "example" in node:
                found.append((place, node))
            for name, inner in node.items():
                walk(inner, f"{place}/{name}")
        elif isinstance(node, list):
            for index, inner in enumerate(node):
                walk(inner, f"{place}/{index}")

    walk({"paths": DOCUMENT["paths"], "components": DOCUMENT["components"]}, "")
    return found


@pytest.mark.parametrize(("place", "node"), schemas_with_examples(), ids=lambda x: str(x)[-60:])
def test_examples_are_examples(place: str, node: dict[str, Any]) -> None:
    """What an example shows, the schema beside it accepts."""
    schema = dict(node.get("schema", node))
    if "allOf" in schema:
        # Shown beside a reference, where there is something more telling than the type's own.
        schema = schema["allOf"][0]
    whole = {**schema, "components": DOCUMENT["components"]}
    OAS30Validator(whole, format_checker=OAS30Validator.FORMAT_CHECKER).validate(node["example"])


def test_a_body_that_may_be_empty_may_be_null() -> None:
    """What is read as {} is described as such, and only that."""
    schemas = DOCUMENT["components"]["schemas"]
    nullable = {name for name, schema in schemas.items() if schema.get("nullable")}
    assert nullable == {"task.NewReport", "task.Success", "task.Failure", "recurring.TaskUpdate"}


def test_in_a_body_null_is_nothing_and_in_an_answer_it_does_not_occur() -> None:
    """Optional fields of bodies may be null; those of answers are absent."""
    schemas = DOCUMENT["components"]["schemas"]
    priority = schemas["task.NewTask"]["properties"]["priority"]
    assert priority["nullable"]
    assert "nullable" not in schemas["task.NewTask"]["properties"]["queue"]
    timeout = schemas["task.NewTask"]["properties"]["processing_timeout"]
    assert timeout["oneOf"][0]["nullable"]
    assert "nullable" not in json.dumps(schemas["task.Task"])
    update = schemas["recurring.TaskUpdate"]
    assert None in update["properties"]["catch_up"]["enum"]
    for sent in ({"task_definition": None, "catch_up": None, "schedule_expression": None}, None):
        OAS30Validator({**update, "components": DOCUMENT["components"]}).validate(sent)


# ------------------------------------------------------------------------------- notations


def matches(kind: object, text: str, *, unsigned: bool = False) -> bool:
    """Whether the description's pattern and length let *text* pass."""
    notation = NOTATIONS[kind]
    pattern = notation.unsigned_pattern if unsigned else notation.pattern
    assert pattern is not None
    # A pattern's $ means the end, not "the end or before a last line break".
    found = re.search(pattern.replace("$", r"\Z"), text)
    return found is not None and len(text) <= (notation.max_length or len(text))


@given(some.queue_names())
def test_every_queue_name_matches(name: QueueName) -> None:
    """The description forbids no name that the server takes."""
    assert matches(QueueName, name)


@given(some.task_ids())
def test_every_task_id_matches(id: TaskId) -> None:
    """The description forbids no id that the server takes."""
    assert matches(TaskId, id)


@given(some.worker_ids())
def test_every_worker_id_matches(id: WorkerId) -> None:
    """The description forbids no worker that the server takes."""
    assert matches(WorkerId, id)


@given(some.claim_ids())
def test_every_claim_id_matches(id: ClaimId) -> None:
    """The description forbids none that the server gives."""
    assert matches(ClaimId, id)


@given(st.text(max_size=5) | st.sampled_from(["@daily", "\u3000* * * * *", "TZ= @hourly"]))
def test_a_schedule_without_anything_to_see_is_none(text: str) -> None:
    """All else is up to the format; the pattern is no stricter than the server."""
    if not matches(ScheduleExpression, text):
        with pytest.raises(cron.InvalidSchedule):
            cron.parse(text)


@given(some.durations())
def test_every_duration_matches(duration: Duration) -> None:
    """The description forbids no duration in canonical form, negative ones only where they are."""
    assert matches(Duration, str(duration))
    assert matches(Duration, str(duration), unsigned=True) == (duration.nanoseconds >= 0)


@given(some.instants())
def test_every_time_matches(instant: Instant) -> None:
    """The description forbids no time in the server's own form."""
    assert matches(Instant, str(instant))


ASCII = st.text(st.characters(max_codepoint=127), max_size=8)


@given(ASCII)
def test_a_queue_name_in_ascii_is_legal_exactly_if_it_matches(text: str) -> None:
    """Within ASCII the pattern is the whole truth."""
    assert matches(QueueName, text) == _is_legal(queue_name, text)


@given(ASCII | st.sampled_from(["", ".", "..", "...", "/", "a/b", ".\n", "..\n"]))
def test_a_task_id_in_ascii_is_legal_exactly_if_it_matches(text: str) -> None:
    """Within ASCII the pattern is the whole truth; an empty id counts as none."""
    assert matches(TaskId, text) == (not text or _is_legal(task_id, text))


@given(st.from_regex(NOTATIONS[Duration].pattern.replace("$", r"\Z")))
def test_what_matches_is_a_duration_unless_it_is_too_long(text: str) -> None:
    """Beside the range the pattern is the whole truth."""
    try:
        Duration.parse(text)
    except ValueError as error:
        assume("out of range" not in str(error))
        raise


@given(
    st.datetimes(datetime.fromisoformat("0002-01-01"), datetime.fromisoformat("9998-12-31")),
    st.sampled_from(["", ".5", ".000000000", ".1234567890123", ",25"]),
    st.sampled_from(["Z", "+00:00", "-00:00", "+23:59", "-11:30"]),
)
def test_rfc_3339_with_upper_case_letters_is_a_time_and_matches(
    day: datetime, decimals: str, zone: str
) -> None:
    """The pattern takes nothing away from RFC 3339 that the server takes."""
    text = day.replace(microsecond=0).isoformat() + decimals + zone
    Instant.parse(text)
    assert matches(Instant, text)


def _is_legal(rule: Any, text: str) -> bool:
    try:
        rule(text)
    except InvalidInput:
        return False
    return True


def test_every_notation_is_explained() -> None:
    """A format with a name of our own has its meaning in the introduction."""
    for notation in NOTATIONS.values():
        assert f"`{notation.format}`: {notation.meaning}" in DOCUMENT["info"]["description"]


def test_the_pages_describe_themselves() -> None:
    """The descriptions and pages are routes like others."""
    for page in PAGES:
        described = DOCUMENT["paths"][page.path]["get"]
        assert page.media_type in described["responses"]["200"]["content"]
        assert "security" not in CLOSED_DOCUMENT["paths"][page.path]["get"]
