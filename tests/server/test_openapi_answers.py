"""Real answers, one at least for each route and status, against the OpenAPI description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs
import pytest

from tasques.core import errors
from tasques.core.documents import Version
from tasques.core.ports import Problem, Replace
from tasques.core.recurring import Decision, SlotOutcome
from tasques.core.service.election import Leadership
from tasques.schemas.batch_requests import FinishTasksBody, NewTasksBody
from tasques.schemas.recurring_requests import NewRecurringTaskBody
from tasques.schemas.requests import NewTaskBody
from tasques.server.app import create_app
from tasques.server.openapi.document import body_example
from tasques.server.openapi.pages import PAGES
from tasques.server.routes import ROUTES
from tests.server.conftest import START, Api, World
from tests.server.openapi_answers import OPTIONS, Answer, Bench, check, failing


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world, Api(create_app(world.services, OPTIONS)))


ILLEGAL: Final = {"queue": "MAIL", "id": "i" * 513}

Case: TypeAlias = Callable[[Bench], Answer]


def _full(bench: Bench) -> Answer:
    return bench.send("create-task", {**body_example(NewTaskBody), "id": "invoice-4711"})


def _full_recurring(bench: Bench) -> Answer:
    return bench.send("create-recurring-task", body_example(NewRecurringTaskBody))


def _after(*steps: Callable[[Bench], object], then: Case) -> Case:
    def case(bench: Bench) -> Answer:
        for step in steps:
            step(bench)
        return then(bench)

    return case


def _claim(bench: Bench) -> Answer:
    return bench.claimed()


def _send(operation_id: str, body: object = None, **more: Any) -> Case:
    return lambda bench: bench.send(operation_id, body, **more)


def _dead(bench: Bench) -> Answer:
    bench.claimed()
    return bench.send("mark-claimed-task-failed", {"data": {"e": 1}, "give_up": True})


def _unready(bench: Bench) -> Answer:
    bench.world.backend.problems = (Problem(code="gone", message="It is gone.", fatal=True),)
    bench.world.services.health.step()
    return bench.send("get-readiness")


def _held(operation_id: str, body: object = None, **more: Any) -> dict[str, list[Case]]:
    """The cases that all operations on a claimed task share."""
    send = _send(operation_id, body)
    return {
        f"{operation_id} 200": [
            _after(_claim, then=send),
            _after(_claim, then=_send(operation_id, body and {})),
            _after(lambda b: b.claimed(retry_times=0), then=send),
        ],
        f"{operation_id} 400": [
            _after(Bench.created, then=send),
            _send(operation_id, body, names=ILLEGAL),
            _send(operation_id, body, worker=None),
            _after(_claim, then=_send(operation_id, body, **more)),
        ],
        f"{operation_id} 403": [
            _after(_claim, then=_send(operation_id, body, worker="w2")),
            _after(_claim, then=_send(operation_id, body, headers=_OTHER_CLAIM)),
        ],
        f"{operation_id} 404": [send],
        f"{operation_id} 409": [
            lambda b: failing(b.world, errors.VersionConflict("t1")).send(operation_id, body)
        ],
    }


_OTHER_CLAIM: Final = {"X-TASQUES-CLAIM-ID": "7f"}


def _owned(operation_id: str, status: int = 200, body: object = None) -> dict[str, list[Case]]:
    """The cases that all operations on one recurring task share."""
    send = _send(operation_id, body)
    return {
        f"{operation_id} {status}": [
            _after(Bench.repeated, then=send),
            _after(_all_there_is_to_say, then=send),
        ],
        f"{operation_id} 400": [_send(operation_id, body, names=ILLEGAL)],
        f"{operation_id} 404": [send],
    }


def _policy(operation_id: str) -> dict[str, list[Case]]:
    """The cases that pausing and resuming share."""
    error = errors.VersionConflict("mail")
    return {
        f"{operation_id} 200": [
            _send(operation_id),
            _after(Bench.created, then=_send(operation_id)),
        ],
        f"{operation_id} 400": [_send(operation_id, names=ILLEGAL)],
        f"{operation_id} 409": [lambda b: failing(b.world, error).send(operation_id)],
    }


def _operated(
    verb: str, possible: Case, impossible: Case, body: Mapping[str, object] | None = None
) -> dict[str, list[Case]]:
    """The cases of an operation on one task, and on many."""
    one = _send(f"{verb}-task", body)
    many = _send(f"{verb}-tasks", {**(body or {}), "limit": 1})
    error = errors.VersionConflict("t1")
    return {
        f"{verb}-task 200": [_after(possible, then=one)],
        f"{verb}-task 400": [
            _after(impossible, then=one),
            _send(f"{verb}-task", body, names=ILLEGAL),
        ],
        f"{verb}-task 404": [one],
        f"{verb}-task 409": [lambda b: failing(b.world, error).send(f"{verb}-task", body)],
        f"{verb}-tasks 200": [
            _send(f"{verb}-tasks", {**(body or {})}),
            _after(possible, then=many),
            _after(impossible, then=many),
        ],
        f"{verb}-tasks 400": [
            _send(f"{verb}-tasks", {**(body or {}), "state": ["dead"], "limit": 0, "after": ""}),
            _send(f"{verb}-tasks", body or {}, names=ILLEGAL),
            _send(f"{verb}-tasks", raw=b"null"),
        ],
    }


def _raced(operation_id: str, body: object = None) -> dict[str, list[Case]]:
    error = errors.RecurringTaskConflict("t1")
    return {f"{operation_id} 409": [lambda b: failing(b.world, error).send(operation_id, body)]}


def _all_there_is_to_say(bench: Bench) -> Answer:
    """A recurring task with every field."""
    bench.send("create-recurring-task", {**body_example(NewRecurringTaskBody), "id": "t1"})
    store, term = bench.world.backend.recurring_tasks, Version(1, 1)
    (stored,) = store.find_all()
    task = stored.document.taken_up(now=START, term=term).paused(now=START)
    slot = Decision(slot=START, outcome=SlotOutcome.FIRED, left_out=2)
    published = task.publishing(slot, term=term)
    assert published.recurrence.pending is not None
    fired = published.fired(published.recurrence.pending, term=term)
    store.write([Replace(document=attrs.evolve(fired, loaded_at=START), expected=stored.version)])
    return bench.send("update-existing-recurring-task", {"catch_up": "all"})


def _led(bench: Bench) -> Answer:
    bench.world.leadership[0] = Leadership(
        leader_id="leader-7f", is_here=True, since=START, term=Version(1, 7)
    )
    return bench.send("get-readiness")


def _all_ends(bench: Bench) -> Answer:
    """Every action, a task that somebody wants to end, and everything that can be wrong."""
    held = ("t1", "t2", "t3", "t4")
    for id in held:
        bench.created(id=id)
    bench.send("claim-tasks", {"queues": ["mail"], "amount": 4, "block_for": "0s"})
    bench.send("cancel-task", names={"queue": "mail", "id": "t2"})
    items = [
        {"queue": "mail", "id": id, "action": action, "data": {"n": 1}}
        for id, action in zip(held, ("done", "report", "failed", "unclaim"), strict=True)
    ]
    wrong = [{"queue": "mail", "id": "t9", "action": "done"}, {"id": ""}, 7]
    return bench.send("finish-tasks", {"items": [*items, *wrong]})


_NEW: Final = {"queue": "mail", "kind": "send"}
_VETO: Final = errors.Vetoed("quota", "enough for today")
_KEY: Final = {"Idempotency-Key": "k1"}

#: By operation and status: what makes the server answer so.
CASES: Final[Mapping[str, list[Case]]] = {
    "create-task 201": [Bench.created, _full, _send("create-task", _NEW, headers=_KEY)],
    "create-task 400": [
        _send("create-task", raw=b"{"),
        _send("create-task", {"queue": "A B", "priority": "1", "run_at": 5}),
        _send("create-task", {**_NEW, "id": "t1"}, headers=_KEY),
    ],
    "create-task 403": [lambda b: failing(b.world, _VETO).send("create-task", _NEW)],
    "create-task 409": [
        _after(Bench.created, then=Bench.created),
        _after(
            _send("create-task", _NEW, headers=_KEY),
            then=_send("create-task", {**_NEW, "kind": "other"}, headers=_KEY),
        ),
    ],
    "get-existing-task 200": [
        _after(Bench.created, then=_send("get-existing-task")),
        _after(_claim, then=_send("get-existing-task")),
        _after(_dead, then=_send("get-existing-task")),
    ],
    "get-existing-task 400": [
        _send("get-existing-task", names=ILLEGAL),
        _send("get-existing-task", query="?archived=perhaps"),
    ],
    "get-existing-task 404": [_send("get-existing-task")],
    "claim-tasks 200": [_claim, _send("claim-tasks", {"queues": [], "block_for": "0s"})],
    "claim-tasks 400": [
        _send("claim-tasks", {"queues": ["a"]}, worker=" "),
        _send("claim-tasks", {"queues": ["a", "B"], "amount": -1}),
        _send("claim-tasks", {"queues": ["a"], "amount": 1, "min_amount": 2}),
    ],
    "claim-tasks 403": [
        lambda b: failing(b.world, _VETO).send("claim-tasks", {"queues": [], "block_for": "0s"})
    ],
    **_held("unclaim-existing-task", query="?run_in=soon"),
    **_held("report-on-claimed-task", {"data": {"progress": 0.5}}, raw=b"[]"),
    **_held("mark-claimed-task-done", {"data": {"ok": True}}, raw=b"[]"),
    **_held("mark-claimed-task-failed", {"data": {"why": "?"}, "retry_in": "5m"}, raw=b"[]"),
    "create-tasks 200": [
        _send("create-tasks", body_example(NewTasksBody)),
        _send(
            "create-tasks", {"items": [_NEW, {**_NEW, "id": "t1"}, {**_NEW, "id": "t1"}, {}, None]}
        ),
        _send("create-tasks", {"items": [_NEW, {**_NEW, "id": "t1"}], "minimal": True}),
        _send("create-tasks", {"items": []}, headers=_KEY),
    ],
    "create-tasks 400": [
        _send("create-tasks", {"items": {}}),
        _send("create-tasks", {"items": [_NEW] * 1001}),
        _send("create-tasks", {"items": [_NEW]}, headers={"Idempotency-Key": "k" * 256}),
    ],
    "finish-tasks 200": [
        _send("finish-tasks", body_example(FinishTasksBody)),
        _all_ends,
        _after(
            _claim,
            then=_send(
                "finish-tasks",
                {"minimal": True, "items": [{"queue": "mail", "id": "t1", "action": "done"}]},
            ),
        ),
    ],
    "finish-tasks 400": [
        _send("finish-tasks", {"items": []}, worker=None),
        _send("finish-tasks", raw=b"null"),
    ],
    "create-recurring-task 201": [Bench.repeated, _full_recurring],
    "create-recurring-task 400": [
        _send("create-recurring-task", raw=b"{"),
        lambda b: b.repeated(schedule_expression="TZ=UTC", task_definition={"queue": "A"}),
    ],
    "create-recurring-task 409": [_after(Bench.repeated, then=Bench.repeated)],
    "list-existing-recurring-tasks 200": [
        _send("list-existing-recurring-tasks"),
        _after(_all_there_is_to_say, then=_send("list-existing-recurring-tasks")),
    ],
    **_owned("get-existing-recurring-task"),
    **_owned("update-existing-recurring-task", body={"catch_up": "skip"}),
    **_raced("update-existing-recurring-task", {}),
    **_owned("delete-existing-recurring-task"),
    **_raced("delete-existing-recurring-task"),
    **_owned("pause-recurring-task"),
    **_raced("pause-recurring-task"),
    **_owned("resume-recurring-task"),
    **_raced("resume-recurring-task"),
    **_owned("run-recurring-task", 201),
    **_raced("run-recurring-task"),
    **_owned("preview-recurring-task"),
    "list-queues 200": [
        _send("list-queues"),
        _after(_claim, Bench.created, _send("pause-queue"), then=_send("list-queues")),
        _after(_send("pause-queue", names={"queue": "empty"}), then=_send("list-queues")),
    ],
    "list-tasks 200": [
        _send("list-tasks"),
        _after(_full, _dead, then=_send("list-tasks", query="?limit=1&state=queued&state=dead")),
        _send("list-tasks", query="?archived=true"),
    ],
    "list-tasks 400": [
        _send("list-tasks", names=ILLEGAL),
        _send("list-tasks", query="?state=gone&limit=0&after=x&order=up&kind=&created_from=now"),
    ],
    **_policy("pause-queue"),
    **_policy("resume-queue"),
    **_operated("cancel", Bench.created, _dead),
    **_operated("retry", _dead, Bench.created),
    **_operated("expire", Bench.created, _dead),
    **_operated("delay", Bench.created, _claim, {"run_in": "1h"}),
    **_operated("reprioritise", Bench.created, _claim, {"priority": -3}),
    "get-liveness 200": [_send("get-liveness")],
    "get-readiness 200": [_send("get-readiness"), _led],
    "get-readiness 503": [_unready],
    **{f"{page.operation_id} 200": [_send(page.operation_id)] for page in PAGES},
    **{
        f"{page.operation_id} 304": [_send(page.operation_id, headers={"If-None-Match": "*"})]
        for page in PAGES
    },
}


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{i}")
        for name, cs in CASES.items()
        for i, case in enumerate(cs)
    ],
)
def test_an_answer_is_as_described(name: str, case: Case, bench: Bench) -> None:
    """Each route's own successes and errors validate."""
    operation_id, _, status = name.partition(" ")
    answer = case(bench)
    assert answer.status == int(status), answer.body
    check(operation_id, answer)


def test_every_status_of_its_own_that_a_route_has_was_seen() -> None:
    """The cases above leave out nothing; what any route may meet is for another module."""
    for route in ROUTES:
        for status in (route.status, *route.errors):
            assert f"{route.operation_id} {status}" in CASES
    for page in PAGES:
        for status in (200, 304):
            assert f"{page.operation_id} {status}" in CASES
