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
from uuid import uuid4

import attrs
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

from tasques.core.values import Duration
from tasques.schemas.fields import about_of
from tasques.schemas.requests import NewTaskBody
from tasques.server.routes import IDEMPOTENCY_KEY_HEADER, WORKER_ID_HEADER
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

AnyCase: TypeAlias = Case[Any]

_EXAMPLE_ID = about_of(attrs.fields_dict(NewTaskBody)["id"]).example

#: Faults that a schema cannot tell: of the two fields together, not of one.
BETWEEN_FIELDS = {("id", "exclusive"), ("min_amount", "maximum")}


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: AnyCase, response: Response
) -> bool:
    """Accept a refusal of described input where it is for the state of the task, or between fields."""
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    faults = json.loads(response.content).get("faults", ())
    return any((fault["path"], fault["rule"]) not in BETWEEN_FIELDS for fault in faults)


_turns = count()


@schemathesis.hook
def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
    """
    Have requests come to what they are about, rather than end at a name.

    Sequences are left alone: they hold what they claim.
    """
    if case.meta is None or case.meta.phase.name == TestPhase.STATEFUL:
        return
    if case.path == "/tasques":
        _create_anew(case)
    elif "id" in case.path_parameters and not case.meta.is_negative_at(ParameterLocation.PATH):
        _ask_about_held(case)


def _create_anew(case: AnyCase) -> None:
    """What was used before is 409, whatever else there is to say; and no key goes with an id."""
    body = case.body if isinstance(case.body, dict) else {}
    if body.get("id") == _EXAMPLE_ID:
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
        case.path_parameters = _held_by(worker) or case.path_parameters


def _held_by(worker: str) -> dict[str, Any] | None:
    """A task that *worker* holds, as path parameters; None if nobody can be called that."""
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
            return {name: held[name] for name in ("queue", "id")}
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
