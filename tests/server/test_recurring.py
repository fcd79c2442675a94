"""Recurring tasks: wire contract, sections 4 and 5, and 1 for the order of checks."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import attrs
import pytest

from tasques.core.documents import Version
from tasques.core.ports import Replace
from tasques.core.service.defaults import Defaults
from tasques.core.values import Duration
from tasques.server.app import create_app
from tasques.server.options import ServerOptions
from tests.server.conftest import START, Api, HandClock, World, make_world

EVERY_MINUTE = {
    "id": "repeat-every-minute",
    "schedule_expression": "@every 1m",
    "task_definition": {"queue": "run-later", "kind": "sayHello", "args": {"name": "Ann"}},
}
DEFINITION = {"queue": "mail", "kind": "send"}
PATH = "/recurring_tasques/r"


def faults(answer: Any) -> list[tuple[str, str]]:
    """The path and the rule of each fault; the message names them too."""
    assert answer.status_code == 400, answer.text
    found = [(fault["path"], fault["rule"]) for fault in answer.json["faults"]]
    assert all(path in answer.json["message"] for path, _ in found)
    assert all(f"({rule})" in answer.json["message"] for _, rule in found)
    return found


def take_up(world: World) -> None:
    """As the leading server does with every change."""
    store = world.backend.recurring_tasks
    for stored in store.find_changed():
        taken = stored.document.taken_up(now=world.clock.now, term=Version(1, 1))
        store.write([Replace(document=taken, expected=stored.version)])


# ---------------------------------------------------------------------------------- create


def test_the_example_of_the_contract(api: Api) -> None:
    """What is not said gets the defaults of a task; what nobody has yet is absent."""
    answer = api.call("POST", "/recurring_tasques", EVERY_MINUTE)
    assert answer.status_code == 201
    assert answer.json == {
        "id": "repeat-every-minute",
        "schedule_expression": "@every 1m",
        "skip_if_outstanding_tasks_exist": False,
        "task_definition": {
            "queue": "run-later",
            "retry_times": 25,
            "kind": "sayHello",
            "priority": 0,
            "processing_timeout": "30m0s",
            "args": {"name": "Ann"},
        },
        "metadata": {
            "created_at": str(START),
            "modified_at": str(START),
            "version": answer.json["metadata"]["version"],
        },
    }
    assert set(answer.json["metadata"]["version"]) == {"seq_num", "primary_term"}
    assert api.call("GET", "/recurring_tasques/repeat-every-minute").json == answer.json


def test_all_that_can_be_said(api: Api) -> None:
    """Each field comes back; durations in their one form, free-form objects as they are."""
    definition = {
        "queue": "run-later",
        "kind": "sayHello",
        "retry_times": 0,
        "priority": -5,
        "processing_timeout": "90s",
        "args": {"n": 9007199254740993},
        "context": {},
    }
    created = api.repeat(skip_if_outstanding_tasks_exist=True, task_definition=definition)
    assert created["skip_if_outstanding_tasks_exist"] is True
    assert created["task_definition"] == {**definition, "processing_timeout": "1m30s"}


def test_the_defaults_are_those_of_tasks(clock: HandClock) -> None:
    """The server's settings, for an update's definition too."""
    defaults = Defaults(retry_times=3, processing_timeout=Duration.parse("5s"))
    world = make_world(clock, defaults)
    api = Api(create_app(world.services, ServerOptions()))
    made = api.repeat()["task_definition"]
    changed = api.call("PUT", PATH, {"task_definition": DEFINITION}).json["task_definition"]
    assert made == changed
    assert (made["retry_times"], made["processing_timeout"]) == (3, "5s")


def test_an_id_is_in_use_until_it_is_deleted(api: Api, clock: HandClock) -> None:
    """Then it begins anew, with nothing of its former life."""
    first = api.repeat(task_definition={**DEFINITION, "priority": 7})
    again = api.call("POST", "/recurring_tasques", {**EVERY_MINUTE, "id": "r"})
    assert (again.status_code, again.json) == (409, {"message": "Id already exists [r]"})
    api.call("DELETE", PATH)
    clock.forward("1h")
    second = api.repeat()
    assert second["metadata"]["created_at"] == str(clock.now) != first["metadata"]["created_at"]
    assert second["task_definition"]["priority"] == 0


@pytest.mark.parametrize(
    "expression",
    [
        "@every 1m",
        "@every 1h30m",
        "@daily",
        "* * * * *",
        "  */5  0-6,12 * JAN-mar mon ",
        "TZ=Asia/Tokyo 0 9 * * *",
        "CRON_TZ=Europe/Berlin @daily",
        "TZ=Local @hourly",
        "TZ= 0 0 * * *",
        "0 0 30 2 *",
        "? ? ? ? ?",
    ],
)
def test_an_expression_is_kept_as_it_was_given(api: Api, expression: str) -> None:
    """One that is never due is none the less one."""
    assert api.repeat(schedule_expression=expression)["schedule_expression"] == expression
    changed = api.call("PUT", PATH, {"schedule_expression": expression})
    assert (changed.status_code, changed.json["schedule_expression"]) == (200, expression)


@pytest.mark.parametrize(
    "expression",
    [
        " ",
        "TZ=UTC",
        "CRON_TZ=UTC",
        "TZ=Nowhere/Else * * * * *",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* * * * 7",
        "*/0 * * * *",
        "5-1 * * * *",
        "@daily ",
        "@Daily",
        "@every",
        "@every 1d",
        "@reboot",
        "\u0000",
        "x" * 5000,
    ],
)
def test_no_expression_is_400(api: Api, expression: str) -> None:
    """A zone with nothing after it too, with which the original hangs up."""
    new = {**EVERY_MINUTE, "schedule_expression": expression}
    expected = [("schedule_expression", "scheduleExpression")]
    assert faults(api.call("POST", "/recurring_tasques", new)) == expected
    api.repeat()
    assert faults(api.call("PUT", PATH, {"schedule_expression": expression})) == expected


def test_an_empty_expression_is_400(api: Api) -> None:
    """It is not the same as none, which an update may leave out."""
    new = {**EVERY_MINUTE, "schedule_expression": ""}
    expected = [("schedule_expression", "required")]
    assert faults(api.call("POST", "/recurring_tasques", new)) == expected
    api.repeat()
    assert faults(api.call("PUT", PATH, {"schedule_expression": ""})) == expected


AWKWARD_IDS = ["a b", "a%20b", "a?b#c", "a+b", "..a", "-1", "_x", "null", "é", "日本", "i" * 512]


@pytest.mark.parametrize("id", AWKWARD_IDS)
def test_every_id_that_can_be_stored_names_itself(api: Api, id: str) -> None:
    """Percent-encoded once, whatever it holds; and no other."""
    api.repeat(id="other")
    assert api.repeat(id=id)["id"] == id
    path = f"/recurring_tasques/{quote(id, safe='')}"
    assert api.call("GET", path).json["id"] == id
    assert api.call("PUT", path, {}).json["id"] == id
    assert api.call("POST", f"{path}/pause").json["id"] == id
    assert api.call("DELETE", path).json["id"] == id
    assert [each["id"] for each in api.call("GET", "/recurring_tasques").json] == ["other"]


@pytest.mark.parametrize(
    ("id", "rule"),
    [
        (None, "required"),
        ("", "required"),
        (5, "string"),
        ("a/b", "taskId"),
        (".", "taskId"),
        ("..", "taskId"),
        ("i" * 513, "taskId"),
        ("é" * 257, "taskId"),
    ],
)
def test_an_id_is_required_and_can_be_stored_and_addressed(api: Api, id: object, rule: str) -> None:
    """Unlike a task's, it is not made up where it is empty."""
    answer = api.call("POST", "/recurring_tasques", {**EVERY_MINUTE, "id": id})
    assert faults(answer) == [("id", rule)]


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/run"),
        ("GET", "/preview"),
    ],
)
def test_a_path_that_names_none_that_there_could_be(api: Api, method: str, suffix: str) -> None:
    """400 and not 500: the store could not even be asked."""
    answer = api.call(method, f"/recurring_tasques/{'i' * 513}{suffix}", {})
    assert answer.status_code == 400
    assert answer.json["message"] == "Illegal Recurring Task id: is longer than 512 bytes"


def test_all_faults_are_named_at_once(api: Api) -> None:
    """Each with its path, those within the definition too."""
    body = {
        "schedule_expression": "TZ=UTC",
        "task_definition": {"queue": "Mail", "retry_times": -1, "args": []},
        "skip_if_outstanding_tasks_exist": "yes",
        "catch_up": "some",
    }
    assert faults(api.call("POST", "/recurring_tasques", body)) == [
        ("id", "required"),
        ("schedule_expression", "scheduleExpression"),
        ("task_definition.queue", "queueName"),
        ("task_definition.kind", "required"),
        ("task_definition.retry_times", "minimum"),
        ("task_definition.args", "object"),
        ("skip_if_outstanding_tasks_exist", "boolean"),
        ("catch_up", "enum"),
    ]


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("schedule_expression", None, "required"),
        ("schedule_expression", 5, "string"),
        ("task_definition", None, "required"),
        ("task_definition", [], "object"),
        ("task_definition", "x", "object"),
        ("skip_if_outstanding_tasks_exist", 1, "boolean"),
        ("skip_if_outstanding_tasks_exist", "true", "boolean"),
        ("catch_up", "LAST", "enum"),
        ("catch_up", "", "enum"),
        ("catch_up", True, "string"),
    ],
)
def test_types_are_strict(api: Api, field: str, value: object, rule: str) -> None:
    """A string is not a boolean; null is no value for what is required."""
    answer = api.call("POST", "/recurring_tasques", {**EVERY_MINUTE, field: value})
    assert faults(answer) == [(field, rule)]


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("queue", None, "required"),
        ("queue", "A", "queueName"),
        ("kind", "", "required"),
        ("kind", None, "required"),
        ("retry_times", 2**63 - 1, "maximum"),
        ("retry_times", "3", "integer"),
        ("retry_times", 1.0, "integer"),
        ("priority", 2**63, "maximum"),
        ("processing_timeout", "-1s", "minimum"),
        ("processing_timeout", "1d", "duration"),
        ("context", "x", "object"),
    ],
)
def test_so_are_those_of_the_definition(api: Api, field: str, value: object, rule: str) -> None:
    """The rules are those of a task."""
    definition = {**DEFINITION, field: value}
    for method, path, body in (
        ("POST", "/recurring_tasques", {**EVERY_MINUTE, "task_definition": definition}),
        ("PUT", PATH, {"task_definition": definition}),
    ):
        assert faults(api.call(method, path, body)) == [(f"task_definition.{field}", rule)]


def test_null_means_not_given(api: Api) -> None:
    """On create the defaults, on update what there was; unknown fields are ignored."""
    nothing = dict.fromkeys(("skip_if_outstanding_tasks_exist", "catch_up", "unknown"))
    definition = {**DEFINITION, **dict.fromkeys(("retry_times", "priority", "args", "id"))}
    created = api.repeat(**nothing, task_definition=definition)
    assert created == {**api.call("GET", PATH).json}
    assert "args" not in created["task_definition"]
    update = dict.fromkeys(("schedule_expression", "task_definition", *nothing))
    for body in (update, None):
        raw = b"null" if body is None else None
        changed = api.call("PUT", PATH, body, raw=raw).json
        assert {**changed, "metadata": 0} == {**created, "metadata": 0}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'"x"', b'{"id": NaN}'])
def test_a_body_is_a_json_object(api: Api, raw: bytes) -> None:
    """None is none, for an update too."""
    api.repeat()
    for method, path in (("POST", "/recurring_tasques"), ("PUT", PATH)):
        assert api.call(method, path, raw=raw).status_code == 400


# ---------------------------------------------------------------------------------- update


def test_an_update_changes_what_it_names(api: Api, clock: HandClock) -> None:
    """And the answer has the time of the change, which the original's has not."""
    before = api.repeat(task_definition={**DEFINITION, "priority": 7})
    clock.forward("1s")
    changed = api.call("PUT", PATH, {"schedule_expression": "@daily"})
    assert changed.status_code == 200
    assert changed.json["schedule_expression"] == "@daily"
    assert changed.json["task_definition"] == before["task_definition"]
    assert changed.json["metadata"]["created_at"] == str(START)
    assert changed.json["metadata"]["modified_at"] == str(clock.now)
    assert api.call("GET", PATH).json == changed.json


def test_a_definition_is_replaced_whole(api: Api) -> None:
    """What it leaves out gets the defaults, not the former values."""
    api.repeat(task_definition={**DEFINITION, "priority": 7, "args": {"a": 1}, "retry_times": 1})
    changed = api.call("PUT", PATH, {"task_definition": {"queue": "other", "kind": "k"}}).json
    assert changed["task_definition"] == {
        "queue": "other",
        "retry_times": 25,
        "kind": "k",
        "priority": 0,
        "processing_timeout": "30m0s",
    }


def test_an_update_may_switch_off(api: Api) -> None:
    """``false`` is something given."""
    api.repeat(skip_if_outstanding_tasks_exist=True)
    changed = api.call("PUT", PATH, {"skip_if_outstanding_tasks_exist": False}).json
    assert changed["skip_if_outstanding_tasks_exist"] is False


def test_an_empty_update_has_it_taken_up_anew(api: Api, world: World, clock: HandClock) -> None:
    """Nothing but the version, ``modified_at`` and ``loaded_at`` changes."""
    api.repeat()
    clock.forward("1s")
    take_up(world)
    loaded = api.call("GET", PATH).json
    assert loaded["loaded_at"] == loaded["metadata"]["modified_at"] == str(clock.now)
    clock.forward("1s")
    changed = api.call("PUT", PATH, {}).json
    assert changed["metadata"]["version"] != loaded["metadata"]["version"]
    assert changed["metadata"]["modified_at"] == str(clock.now)
    loaded.pop("loaded_at")
    assert {**changed, "metadata": 0} == {**loaded, "metadata": 0}


def test_an_id_in_the_body_of_an_update_is_ignored(api: Api) -> None:
    """Whatever it is."""
    api.repeat()
    for id in ("other", 5, ""):
        assert api.call("PUT", PATH, {"id": id}).json["id"] == "r"


def test_the_order_of_checks_of_an_update(api: Api) -> None:
    """The body, then the id, then whether there is one."""
    assert "JSON" in api.call("PUT", f"/recurring_tasques/{'i' * 513}", raw=b"{").json["message"]
    assert api.call("PUT", PATH, raw=b"{").status_code == 400
    assert api.call("PUT", PATH, {"schedule_expression": "x"}).status_code == 400
    assert api.call("PUT", PATH, {}).status_code == 404


# --------------------------------------------------------------------------- get, list, delete


def test_those_that_there_are_are_listed_by_id(api: Api) -> None:
    """Bytewise in UTF-8; the last write is seen, deleted ones are not."""
    assert api.call("GET", "/recurring_tasques").json == []
    names = ["b", "a", "B", "é", "z", "日本", "\U0001f71a", "\uffee", "a b"]
    made = {id: api.repeat(id=id) for id in names}
    api.call("DELETE", "/recurring_tasques/z")
    names.remove("z")
    answer = api.call("GET", "/recurring_tasques")
    assert answer.status_code == 200
    assert answer.json == [made[id] for id in sorted(names, key=str.encode)]


def test_a_delete_answers_with_what_was_deleted(api: Api, world: World, clock: HandClock) -> None:
    """As it was, save that it is to be taken up, and when it was changed."""
    before = api.repeat()
    take_up(world)
    clock.forward("1s")
    deleted = api.call("DELETE", PATH)
    assert deleted.status_code == 200
    assert deleted.json["metadata"]["modified_at"] == str(clock.now)
    assert {**deleted.json, "metadata": 0} == {**before, "metadata": 0}


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/run"),
        ("GET", "/preview"),
    ],
)
def test_what_is_not_there_is_404(api: Api, method: str, suffix: str, deleted: bool) -> None:
    """Whether it never was or is no more."""
    if deleted:
        api.repeat()
        api.call("DELETE", PATH)
    answer = api.call(method, PATH + suffix, {})
    assert (answer.status_code, answer.json) == (404, {"message": "Could not find [r]"})


def test_a_trailing_slash_does_not_matter(api: Api) -> None:
    """On whichever route."""
    api.repeat()
    for path in ("/recurring_tasques/", f"{PATH}/", f"{PATH}/preview/"):
        assert api.call("GET", path).status_code == 200


def test_a_race_for_the_document_is_run_again(api: Api, world: World) -> None:
    """The leader takes it up between the update's read and its write; both count."""
    api.repeat()
    store = world.backend.recurring_tasks
    write = store.write
    races = iter([True])

    def raced(writes: Any) -> Any:
        if next(races, False):
            take_up(world)
        return write(writes)

    store.write = raced  # type: ignore[method-assign]
    changed = api.call("PUT", PATH, {"schedule_expression": "@daily"})
    assert (changed.status_code, changed.json["schedule_expression"]) == (200, "@daily")
    (stored,) = store.find_all()
    assert stored.document.recurrence.term == Version(1, 1)


def test_a_race_that_is_lost_every_time_is_409(api: Api, world: World) -> None:
    """With the words that a task's has."""
    api.repeat()
    store = world.backend.recurring_tasks
    write = store.write
    turn = 0

    def raced(writes: Any) -> Any:
        nonlocal turn
        turn += 1
        (stored,) = store.find_all()
        moved = attrs.evolve(stored.document, modified_at=START.plus(Duration(turn)))
        write([Replace(document=moved, expected=stored.version)])
        return write(writes)

    store.write = raced  # type: ignore[method-assign]
    answer = api.call("DELETE", PATH)
    assert (answer.status_code, answer.json) == (
        409,
        {"message": "Version provided did not match persisted version for [r]"},
    )
