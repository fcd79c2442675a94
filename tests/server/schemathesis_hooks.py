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

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

from tasques.core.values import Duration
from tasques.server.routes import WORKER_ID_HEADER
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
    Every second time, ask about a task that the worker really holds.

    Names drawn at random are those of no task. Names that are wrong on purpose stay; so do those of
    sequences, which hold what they claim.
    """
    worker = case.headers.get(WORKER_ID_HEADER)
    if "id" not in case.path_parameters or not isinstance(worker, str) or case.meta is None:
        return
    if case.meta.phase.name == TestPhase.STATEFUL:
        return
    if case.meta.is_negative_at(ParameterLocation.PATH):
        return
    if next(_turns) % 2:
        case.path_parameters = _held_by(worker) or case.path_parameters


def _held_by(worker: str) -> dict[str, Any] | None:
    """A task that *worker* holds, as path parameters; None if nobody can be called that."""
    server = os.environ["TASQUES_TEST_SERVER"]
    task = {"queue": "held", "kind": "held"}
    requests.post(f"{server}/tasques", json=task, timeout=30).raise_for_status()
    headers = {WORKER_ID_HEADER: worker.encode("latin-1", "replace")}
    claim: dict[str, Any] = {"queues": ["held"], "amount": 1}
    claimed = requests.post(f"{server}/tasques/claims", json=claim, headers=headers, timeout=30)
    if claimed.status_code != 200:
        return None
    return {name: claimed.json()[0][name] for name in ("queue", "id")}


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
