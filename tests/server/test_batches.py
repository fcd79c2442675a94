"""Many tasks at once, over HTTP: each item is answered as a request of its own would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest

from tasques.core.ports import TaskStore
from tasques.core.service.task_service import TaskService
from tasques.schemas.batch_requests import FinishTasksBody, NewTasksBody
from tasques.schemas.envelope import MAX_ITEMS, Envelope
from tasques.server.app import create_app
from tasques.server.options import ServerOptions
from tasques.testing.faulty import FaultyTaskStore, WriteFault, scripted
from tests.server.conftest import Api, World

NEW = {"queue": "mail", "kind": "send"}

Item = Mapping[str, Any]


def send(api: Api, path: str, items: object, **more: Any) -> list[dict[str, Any]]:
    """Have *items* done, and look at what became of each."""
    headers = more.pop("headers", None)
    answer = api.call("POST", path, {"items": items, **more}, worker="w1", headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def create(api: Api, *items: object, **more: Any) -> list[dict[str, Any]]:
    return send(api, "/tasques/create-many", items, **more)


def finish(api: Api, *items: object, **more: Any) -> list[dict[str, Any]]:
    return send(api, "/tasques/finish-many", items, **more)


def statuses(items: Sequence[Item]) -> list[int]:
    return [item["status"] for item in items]


def held(api: Api, *ids: str, **fields: object) -> None:
    """Have tasks held by ``w1``."""
    for id in ids:
        api.create(id=id, **fields)
    assert len(api.claim(amount=len(ids))) == len(ids)


# ------------------------------------------------------------------------------ create many


def test_many_tasks_are_created(api: Api) -> None:
    """In order, with the same defaults as one; and they are there."""
    answered = create(api, {**NEW, "id": "a"}, {**NEW, "id": "b", "priority": 3}, NEW)
    assert statuses(answered) == [201, 201, 201]
    assert [each["task"]["priority"] for each in answered] == [0, 3, 0]
    one = api.create(id="c")
    for each in answered:
        task = each["task"]
        assert api.call("GET", f"/tasques/mail/{task['id']}").json == task
        assert set(task) == set(one)
        assert task["retry_times"] == one["retry_times"]


def test_a_malformed_item_spoils_no_other(api: Api) -> None:
    """It is refused at its place, with the error of a request of its own."""
    wrong: list[object] = [{"queue": "Mail", "retry_times": "3"}, 5, None, []]
    answered = create(api, NEW, *wrong, NEW)
    assert statuses(answered) == [201, 400, 400, 400, 400, 201]
    alone = api.call("POST", "/tasques", wrong[0])
    assert answered[1]["error"] == alone.json


def test_an_id_is_created_once(api: Api) -> None:
    """Of two items with one id the first is done; the other is 409, like the id of an older task."""
    api.create(id="old")
    answered = create(api, *({**NEW, "id": id} for id in ("old", "new", "new")))
    assert statuses(answered) == [409, 201, 409]
    alone = api.call("POST", "/tasques", {**NEW, "id": "new"})
    assert answered[2]["error"] == alone.json


def test_an_item_may_have_an_idempotency_key(api: Api) -> None:
    """It means the same task as the header of a request of its own."""
    alone = api.call("POST", "/tasques", NEW, headers={"Idempotency-Key": "k"}).json
    same, other, both = create(
        api,
        {**NEW, "idempotency_key": "k"},
        {**NEW, "kind": "other", "idempotency_key": "k"},
        {**NEW, "id": "x", "idempotency_key": "k"},
    )
    assert (same["status"], same["task"]["id"]) == (201, alone["id"])
    assert other["status"] == 409
    assert both["error"]["faults"][0]["rule"] == "exclusive"


def test_a_key_is_the_same_in_a_header_and_in_an_item(api: Api) -> None:
    """In UTF-8, which WSGI hands over as Latin-1."""
    header = "é🜚".encode().decode("latin-1")
    alone = api.call("POST", "/tasques", NEW, headers={"Idempotency-Key": header}).json
    (same,) = create(api, {**NEW, "idempotency_key": "é🜚"})
    assert same["task"]["id"] == alone["id"]


@pytest.mark.parametrize("key", ["", "k" * 256, 5])
def test_a_key_of_an_item_has_a_length(api: Api, key: object) -> None:
    """As the header has."""
    (refused,) = create(api, {**NEW, "idempotency_key": key})
    assert refused["error"]["faults"][0]["path"] == "idempotency_key"


def test_a_request_with_a_key_can_be_repeated(api: Api) -> None:
    """Items without an id or key of their own get one of the header and their place."""
    items = [NEW, {**NEW, "id": "mine"}, NEW, {**NEW, "idempotency_key": "own"}]
    headers = {"Idempotency-Key": "k"}
    first = create(api, *items, headers=headers)
    again = create(api, *items, headers=headers)
    assert statuses(first) == [201] * 4
    assert statuses(again) == [201, 409, 201, 201]
    for place in (0, 2, 3):
        assert again[place]["task"]["id"] == first[place]["task"]["id"]
    assert len({each["task"]["id"] for each in first}) == 4
    # And is no other's key.
    alone = api.call("POST", "/tasques", NEW, headers=headers).json
    assert alone["id"] not in {each["task"]["id"] for each in first}


def test_a_created_task_is_handed_out(api: Api) -> None:
    """With everything that can be said of a new task."""
    (made,) = create(
        api,
        {
            **NEW,
            "run_at": "2020-01-01T00:00:00Z",
            "expires_at": "9999-01-01T00:00:00Z",
            "args": {"n": 2**70},
            "processing_timeout": "1s",
        },
    )
    (claimed,) = api.claim()
    assert claimed["id"] == made["task"]["id"]
    for field in ("run_at", "expires_at", "args", "processing_timeout"):
        assert claimed[field] == made["task"][field]


# ------------------------------------------------------------------------------ finish many


def test_many_tasks_are_finished(api: Api) -> None:
    """Done, failed, reported on and given back, as by requests of their own."""
    held(api, "a", "b", "c", "d", "e")
    answered = finish(
        api,
        {"queue": "mail", "id": "a", "action": "done", "data": {"n": 2**70}},
        {"queue": "mail", "id": "b", "action": "failed", "retry_in": "5m"},
        {"queue": "mail", "id": "c", "action": "failed", "give_up": True},
        {"queue": "mail", "id": "d", "action": "report", "data": {"n": 1}},
        {"queue": "mail", "id": "e", "action": "unclaim", "run_in": "1h"},
    )
    assert statuses(answered) == [200] * 5
    tasks = [each["task"] for each in answered]
    assert [task["state"] for task in tasks] == ["done", "failed", "dead", "claimed", "queued"]
    assert tasks[0]["last_claimed"]["result"]["success"] == {"n": 2**70}
    assert tasks[1]["run_at"] == "2026-11-22T04:05:00.123456789Z"
    assert tasks[2]["ended"]["reason"] == "gave_up"
    assert tasks[3]["last_claimed"]["last_report"]["data"] == {"n": 1}
    assert tasks[4]["run_at"] == "2026-11-22T05:00:00.123456789Z"
    for task in tasks:
        assert api.call("GET", f"/tasques/mail/{task['id']}").json == task


def test_what_is_said_of_one_task_happens_in_order(api: Api) -> None:
    """Reported on, done; done again is a repeat; and then it is finished."""
    held(api, "a")
    about = {"queue": "mail", "id": "a"}
    actions = ["report", "done", "done", "report"]
    answered = finish(api, *({**about, "action": action} for action in actions))
    assert statuses(answered) == [200, 200, 200, 400]
    assert [each["task"]["state"] for each in answered[:3]] == ["claimed", "done", "done"]


def test_each_item_is_refused_like_a_request_of_its_own(api: Api) -> None:
    """Not there, not claimed, another's, another claim, malformed: and the good one is done."""
    api.create(id="waits")
    api.create(id="others", queue="other")
    api.claim("w2", queues=["other"])
    mine = api.create_and_claim(id="mine", priority=9)
    items: list[dict[str, object]] = [
        {"queue": "mail", "id": "gone", "action": "done"},
        {"queue": "mail", "id": "waits", "action": "done"},
        {"queue": "other", "id": "others", "action": "done"},
        {"queue": "mail", "id": "mine", "action": "done", "claim_id": "another"},
        {"queue": "mail", "id": "mine", "action": "done", "data": 5},
        {"queue": "mail", "id": "mine", "action": "done", "claim_id": mine["claim_id"]},
    ]
    answered = finish(api, *items)
    assert statuses(answered) == [404, 400, 403, 403, 400, 200]
    for item, each in zip(items[:3], answered[:3], strict=True):
        path = f"/tasques/done/{item['queue']}/{item['id']}"
        alone = api.call("PUT", path, {}, worker="w1")
        assert (each["status"], each["error"]) == (alone.status_code, alone.json)


@pytest.mark.parametrize(
    ("item", "faults"),
    [
        ({}, [("queue", "required"), ("id", "required"), ("action", "required")]),
        (
            {"queue": "A", "id": "/", "action": "end"},
            [("queue", "queueName"), ("id", "taskId"), ("action", "enum")],
        ),
        ({"queue": "a", "id": "", "action": "done"}, [("id", "required")]),
        ({"queue": "a", "id": "b", "action": "done", "claim_id": ""}, [("claim_id", "required")]),
        ({"queue": "a", "id": "b", "action": "done", "claim_id": " "}, [("claim_id", "required")]),
        ({"queue": "a", "id": "b", "action": "failed", "retry_in": -1}, [("retry_in", "minimum")]),
        ({"queue": "a", "id": "b", "action": "unclaim", "run_in": -1}, [("run_in", "minimum")]),
        ({"queue": "a", "id": "b", "action": "done", "give_up": 1}, [("give_up", "boolean")]),
    ],
)  # fmt: skip
def test_every_fault_of_an_item_is_named(
    api: Api, item: object, faults: list[tuple[str, str]]
) -> None:
    """With its path within the item."""
    (refused,) = finish(api, item)
    assert refused["status"] == 400
    assert [(each["path"], each["rule"]) for each in refused["error"]["faults"]] == faults


def test_a_repeated_request_is_answered_the_same(api: Api) -> None:
    """A client that got no answer sends all of it again."""
    held(api, "a", "b", "c")
    items = [
        {"queue": "mail", "id": "a", "action": "done", "data": {"n": 1}},
        {"queue": "mail", "id": "b", "action": "failed", "retry_in": "1h"},
        {"queue": "mail", "id": "c", "action": "unclaim", "run_in": "1h"},
    ]
    first, again = finish(api, *items), finish(api, *items)
    assert statuses(again) == [200, 200, 200]
    for one, other in zip(first, again, strict=True):
        one["task"]["metadata"].pop("version")
        other["task"]["metadata"].pop("version")
        assert one == other


# ---------------------------------------------------------------------------------- the whole


def test_a_minimal_answer_leaves_the_tasks_out(api: Api) -> None:
    """Not what nobody else would tell: what the server has named, made and wants."""
    made, refused = create(api, NEW, {}, minimal=True)
    assert made == {"status": 201, "id": made["id"], "state": "queued"}
    assert refused["error"]["faults"]
    api.claim()
    api.call("POST", f"/queues/mail/tasks/{made['id']}/cancel")
    item = {"queue": "mail", "id": made["id"], "action": "report"}
    (reported,) = finish(api, item, minimal=True)
    assert reported == {
        "status": 200, "id": made["id"], "state": "claimed", "cancel_requested": True,
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/tasques/create-many", "/tasques/finish-many"])
@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "required"),
        (b"null", "required"),
        (b"{}", "required"),
        (b"[]", "object"),
        (b"[{}]", "object"),
        (b'{"items": {}}', "array"),
        (b'{"items": [], "minimal": 1}', "boolean"),
        (b'{"items": [' + b",".join([b"{}"] * (MAX_ITEMS + 1)) + b"]}", "maxItems"),
        (b'{"items": [{}', "json"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_without_items_is_refused_as_a_whole(
    api: Api, path: str, body: bytes, rule: str
) -> None:
    """There are no places then at which to say what is wrong."""
    answer = api.call("POST", path, raw=body, worker="w1")
    assert answer.status_code == 400
    assert [fault["rule"] for fault in answer.json["faults"]] == [rule]


@pytest.mark.parametrize("path", ["/tasques/create-many", "/tasques/finish-many"])
def test_nothing_may_be_asked_for(api: Api, path: str) -> None:
    """Of no items nothing becomes."""
    assert send(api, path, []) == []


def test_as_many_as_are_allowed_are_done(api: Api) -> None:
    """The bound itself is not beyond it."""
    answered = create(api, *([NEW] * MAX_ITEMS), minimal=True)
    assert statuses(answered) == [201] * MAX_ITEMS


def test_who_finishes_must_say_so(api: Api) -> None:
    """The worker is one for all items."""
    answer = api.call("POST", "/tasques/finish-many", {"items": []})
    assert answer.status_code == 400
    assert answer.json["faults"][0]["path"] == "X-TASQUES-WORKER-ID"


def test_trouble_with_one_item_is_no_other_s(world: World) -> None:
    """It is 503 at its place, and says which and when to ask again; the others are done."""
    faults = scripted([None, WriteFault.BLOCKED])
    api = Api(
        create_app(_on(world, FaultyTaskStore(world.backend.tasks, writes=faults)), ServerOptions())
    )
    first, blocked, last = create(api, *({**NEW, "id": id} for id in "abc"))
    assert (first["status"], blocked["status"], last["status"]) == (201, 503, 201)
    assert blocked["retry_after"] == 30
    assert "task" not in blocked
    assert blocked["error"]["message"]
    assert blocked["error"]["code"] == "StoreBlocked"


def _on(world: World, store: TaskStore) -> Any:
    tasks = TaskService(store, world.clock)
    return attrs.evolve(world.services, tasks=tasks)


def test_the_sizes_of_requests_are_counted(world: World, api: Api) -> None:
    """By operation, whatever became of the items."""
    create(api, NEW, {}, NEW)
    finish(api)
    (family,) = [
        each for each in world.services.meter.collect() if each.name == "tasques_request_items"
    ]
    totals = {dict(sample.labels)["operation"]: sample.value for sample in family.samples}
    assert {
        name: value.total for name, value in totals.items() if not isinstance(value, float)
    } == {
        "create-tasks": 3,
        "finish-tasks": 0,
    }


@pytest.mark.parametrize("body", [NewTasksBody, FinishTasksBody])
def test_a_body_is_described_as_it_is_read(body: type) -> None:
    """The envelope has the fields of each body, and no other."""
    assert set(attrs.fields_dict(body)) == set(attrs.fields_dict(Envelope))
