"""
What schemathesis has to know about the API beside its description.

Schemathesis imports this, as ``SCHEMATHESIS_HOOKS`` tells it to. ``TASQUES_TEST_SERVER`` is the
server's address, with credentials.
"""

from __future__ import annotations

import json
import os
import string
from itertools import count
from typing import Any, TypeAlias
from urllib.parse import unquote
from uuid import uuid4

import attrs
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

from tasques.core import queues
from tasques.core.errors import InvalidInput
from tasques.core.listing import Position
from tasques.core.values import Duration
from tasques.schemas.fields import about_of
from tasques.schemas.positions import position_text
from tasques.schemas.recurring_requests import NewRecurringTaskBody
from tasques.schemas.requests import NewTaskBody
from tasques.server.routes import CLAIM_ID_HEADER, IDEMPOTENCY_KEY_HEADER, WORKER_ID_HEADER
from tasques.testing import strategies as some

schemathesis.openapi.format("queue-name", some.queue_names())
schemathesis.openapi.format("task-id", some.task_ids())
# What a header can carry, and the tool can send.
schemathesis.openapi.format(
    "worker-id",
    st.text(st.characters(min_codepoint=0xA1, max_codepoint=0xFF), min_size=1)
    | st.text(string.ascii_letters, min_size=1),
)
schemathesis.openapi.format(
    "go-duration", some.durations(Duration(0), Duration(2**63 - 1)).map(str)
)

schemathesis.openapi.format("claim-id", st.text("0123456789abcdef", min_size=32, max_size=32))

schemathesis.openapi.format(
    "position",
    st.builds(Position, st.integers(0, 2**47), some.task_ids()).map(position_text),
)


def _field(first: int, last: int) -> st.SearchStrategy[str]:
    number = st.integers(first, last).map(str)
    stepped = st.builds("{}/{}".format, st.just("*") | number, st.integers(1, 99))
    return st.lists(st.just("*") | number | stepped, min_size=1, max_size=3).map(",".join)


_CALENDAR = st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 6))
_EVERY = some.durations(Duration(0), Duration(2**63 - 1)).map("@every {}".format)
schemathesis.openapi.format(
    "schedule-expression",
    st.builds(
        "{}{}".format,
        st.sampled_from(["", "TZ=Asia/Tokyo ", "CRON_TZ=UTC "]),
        _CALENDAR.map(" ".join) | _EVERY | st.sampled_from(["@yearly", "@daily", "@hourly"]),
    ),
)

AnyCase: TypeAlias = Case[Any]

_EXAMPLE_IDS = [
    about_of(attrs.fields_dict(model)["id"]).example
    for model in (NewTaskBody, NewRecurringTaskBody)
]

#: Faults that a schema cannot tell: of two fields together, or of a form that only servers make.
BEYOND_SCHEMAS = {
    ("id", "exclusive"),
    ("min_amount", "maximum"),
    ("run_in", "exclusive"),
    ("run_at", "required"),
    ("after", "position"),
}


#: Where each item of a body is refused by itself.
OF_MANY = ("/tasques/create-many", "/tasques/finish-many")


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: AnyCase, response: Response
) -> bool:
    """
    Accept a refusal of described input where it is for what no schema can tell, and a success with
    input that is not described where what is wrong with it is said at its place.
    """
    if isinstance(failure, AcceptedNegativeData) and case.path in OF_MANY:
        return all(item["status"] != 400 for item in json.loads(response.content)["items"])
    if isinstance(failure, AcceptedNegativeData) and _only_seems_wrong(case):
        return False
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    faults = json.loads(response.content).get("faults", ())
    return any((fault["path"], fault["rule"]) not in BEYOND_SCHEMAS for fault in faults)


def _only_seems_wrong(case: AnyCase) -> bool:
    """
    Whether all that should be wrong is the form of names that are right.

    Schemathesis knows how to make names of our formats, and not how to tell others from them.
    """
    meta = case.meta
    places = (ParameterLocation.BODY, ParameterLocation.QUERY)
    if meta is None or any(meta.is_negative_at(place) for place in places):
        return False
    # By now they are as in an address.
    names = {name: unquote(str(value)) for name, value in case.path_parameters.items()}
    try:
        queues.queue_name(names.get("queue", "q"))
        queues.task_id(names.get("id", "t"))
    except InvalidInput:
        return False
    return meta.is_negative_at(ParameterLocation.PATH)


_turns = count()


@schemathesis.hook
def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
    """
    Have requests come to what they are about, rather than end at a name.

    Sequences are left alone: they hold what they claim.
    """
    if case.meta is None or case.meta.phase.name == TestPhase.STATEFUL:
        return
    if case.path in ("/tasques", "/recurring_tasques"):
        _create_anew(case)
    elif "id" in case.path_parameters and not case.meta.is_negative_at(ParameterLocation.PATH):
        if case.path.startswith("/recurring_tasques"):
            _ask_about_recurring(case)
        elif case.path.startswith("/queues"):
            _ask_about_waiting(case)
        else:
            _ask_about_held(case)


def _create_anew(case: AnyCase) -> None:
    """What was used before is 409, whatever else there is to say; and no key goes with an id."""
    body = case.body if isinstance(case.body, dict) else {}
    if body.get("id") in _EXAMPLE_IDS:
        case.body = {**body, "id": uuid4().hex}
    key = case.headers.get(IDEMPOTENCY_KEY_HEADER)
    if not key or case.meta is None or case.meta.is_negative_at(ParameterLocation.HEADER):
        return
    if body.get("id"):
        case.headers.pop(IDEMPOTENCY_KEY_HEADER)
    else:
        # As long as it was, unless that is too short to be new.
        fresh = uuid4().hex * 8
        case.headers[IDEMPOTENCY_KEY_HEADER] = fresh[: max(len(key), 16)]


def _ask_about_held(case: AnyCase) -> None:
    """Every second time; names drawn at random are those of no task."""
    worker = case.headers.get(WORKER_ID_HEADER)
    if isinstance(worker, str) and next(_turns) % 2:
        held = _held_by(worker)
        if held is None:
            return
        case.path_parameters = {name: held[name] for name in ("queue", "id")}
        if isinstance(case.headers.get(CLAIM_ID_HEADER), str) and next(_turns) % 4:
            case.headers[CLAIM_ID_HEADER] = held["claim_id"]


def _ask_about_recurring(case: AnyCase) -> None:
    """Every second time, as of tasks."""
    if next(_turns) % 2:
        id = uuid4().hex
        definition = {"queue": "recurring", "kind": "made"}
        body: dict[str, Any] = {
            "id": id,
            "schedule_expression": "@daily",
            "task_definition": definition,
        }
        server = os.environ["TASQUES_TEST_SERVER"]
        made = requests.post(f"{server}/recurring_tasques", json=body, timeout=30)
        made.raise_for_status()
        case.path_parameters = {"id": id}


def _ask_about_waiting(case: AnyCase) -> None:
    """Every second time, as of held tasks; those that are to be retried wait no more."""
    if next(_turns) % 2:
        server = os.environ["TASQUES_TEST_SERVER"]
        id = uuid4().hex
        task = {"queue": "waiting", "kind": "waiting", "id": id}
        requests.post(f"{server}/tasques", json=task, timeout=30).raise_for_status()
        if case.path.endswith("/retry"):
            ended = requests.post(f"{server}/queues/waiting/tasks/{id}/expire", timeout=30)
            ended.raise_for_status()
        case.path_parameters = {"queue": "waiting", "id": id}


def _held_by(worker: str) -> dict[str, Any] | None:
    """A task that *worker* holds; None if nobody can be called that."""
    server = os.environ["TASQUES_TEST_SERVER"]
    task = {"queue": "held", "kind": "held"}
    requests.post(f"{server}/tasques", json=task, timeout=30).raise_for_status()
    headers = {WORKER_ID_HEADER: worker.encode("latin-1", "replace")}
    claim: dict[str, Any] = {"queues": ["held"], "amount": 1}
    # A claim that may wait for a moment only comes back with nothing where the machine is busy.
    for _ in range(20):
        answer = requests.post(f"{server}/tasques/claims", json=claim, headers=headers, timeout=30)
        if answer.status_code != 200:
            return None
        for held in answer.json():
            return dict(held)
    raise AssertionError("a task that was just created cannot be claimed")


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """
    Have created tasks claimed, so that what follows a claim has a task to be about.

    The link is not in the description itself, since an expression within a body is understood by
    schemathesis only.
    """
    created = raw_schema["paths"]["/tasques"]["post"]["responses"]["201"]
    created["links"]["claim-tasks"] = {
        "operationId": "claim-tasks",
        "requestBody": {"queues": ["$response.body#/queue"], "amount": 1},
    }
