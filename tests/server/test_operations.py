"""What operators do to one task: ``/queues/{queue}/tasks/{id}/…``; and tasks that expire."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core.service.reaper import Reaper
from tasques.core.values import Duration
from tests.server.conftest import START, Api, HandClock, World

TASK = "/queues/mail/tasks/x"


def operate(api: Api, verb: str, body: object = None, *, id: str = "x") -> dict[str, Any]:
    """The task as it is then."""
    answer = api.call("POST", f"/queues/mail/tasks/{id}/{verb}", body)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json
    assert changed == api.call("GET", f"/tasques/mail/{id}").json
    return changed


def faults(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 400, answer.text
    return [(fault["path"], fault["rule"]) for fault in answer.json["faults"]]


def dead(api: Api) -> None:
    api.create_and_claim(id="x")
    api.call("PUT", "/tasques/failed/mail/x", {"give_up": True}, worker="w1")


def test_cancel_ends_a_task_that_waits(api: Api, clock: HandClock) -> None:
    """It is dead, and says why and since when."""
    before = api.create(id="x")
    clock.forward("1s")
    cancelled = operate(api, "cancel")
    assert cancelled["state"] == "dead"
    assert cancelled["ended"] == {"reason": "cancelled", "at": str(clock.now)}
    assert {**before, "state": 0, "metadata": 0} == {
        **{name: value for name, value in cancelled.items() if name != "ended"},
        "state": 0,
        "metadata": 0,
    }
    assert api.claim() == []


def test_cancel_asks_the_worker_of_a_claimed_task(api: Api) -> None:
    """It learns of it by its report; when it fails, the task is over."""
    api.create_and_claim(id="x")
    asked = operate(api, "cancel")
    assert (asked["state"], asked["cancel_requested"]) == ("claimed", True)
    report = api.call("PUT", "/tasques/reports/mail/x", {}, worker="w1").json
    assert report["cancel_requested"] is True
    failed = api.call("PUT", "/tasques/failed/mail/x", {}, worker="w1").json
    assert (failed["state"], failed["ended"]["reason"]) == ("dead", "cancelled")
    assert "cancel_requested" not in failed


def test_a_success_counts_though_somebody_cancelled(api: Api) -> None:
    """What is done is done."""
    api.create_and_claim(id="x")
    operate(api, "cancel")
    assert api.call("PUT", "/tasques/done/mail/x", {}, worker="w1").json["state"] == "done"


def test_retry_queues_a_dead_task_with_all_its_attempts(api: Api, clock: HandClock) -> None:
    """Due at once, as if it had never been tried; its history stays."""
    dead(api)
    clock.forward("1s")
    again = operate(api, "retry")
    assert (again["state"], again["attempted"], again["run_at"]) == ("queued", 0, str(clock.now))
    assert "ended" not in again
    assert [task["id"] for task in api.claim()] == ["x"]


def test_expire_ends_a_task_that_waits(api: Api) -> None:
    """For the reason that it is not worth starting."""
    api.create(id="x")
    assert operate(api, "expire")["ended"] == {"reason": "expired", "at": str(START)}


@pytest.mark.parametrize(
    ("body", "run_at"),
    [
        ({"run_at": "2026-11-22T05:00:00.5+01:00"}, "2026-11-22T04:00:00.5Z"),
        ({"run_at": "2020-01-01T00:00:00Z"}, "2020-01-01T00:00:00Z"),
        ({"run_in": "90s"}, str(START.plus(Duration.parse("90s")))),
        ({"run_in": 0}, str(START)),
        ({"run_in": "1h", "run_at": None}, str(START.plus(Duration.parse("1h")))),
        # Clients in Go cannot leave a time out.
        ({"run_in": 0, "run_at": "0001-01-01T00:00:00.000Z"}, str(START)),
    ],
)
def test_delay_moves_the_time(api: Api, body: dict[str, object], run_at: str) -> None:
    """To a time, or by so long from now on; later or earlier."""
    api.create(id="x", run_at="2026-12-24T00:00:00Z")
    assert operate(api, "delay", body)["run_at"] == run_at


def test_a_delayed_task_is_not_claimed_before_its_time(api: Api, clock: HandClock) -> None:
    """And then it is."""
    api.create(id="x")
    operate(api, "delay", {"run_in": "1m"})
    assert api.claim() == []
    clock.forward("1m")
    assert [task["id"] for task in api.claim()] == ["x"]


def test_reprioritise_moves_a_task_in_the_order(api: Api) -> None:
    """The next claim goes by the new one."""
    for id in ("w", "x"):
        api.create(id=id)
    assert operate(api, "reprioritise", {"priority": 1})["priority"] == 1
    assert [task["id"] for task in api.claim(amount=2)] == ["x", "w"]
    api.create(id="y")
    assert operate(api, "reprioritise", {"priority": -(2**63)}, id="y")["priority"] == -(2**63)


@pytest.mark.parametrize("verb", ["cancel", "retry", "expire"])
@pytest.mark.parametrize("raw", [b"", b"{}", b"nonsense"])
def test_no_body_is_read(api: Api, verb: str, raw: bytes) -> None:
    """None is needed, and none is looked at."""
    dead(api) if verb == "retry" else api.create(id="x")
    assert api.call("POST", f"{TASK}/{verb}", raw=raw).status_code == 200


@pytest.mark.parametrize(
    ("verb", "body", "message"),
    [
        ("cancel", None, "A task that is done cannot cancel: [x]"),
        ("retry", None, "A task that is done cannot retry: [x]"),
        ("expire", None, "A task that is done cannot expire: [x]"),
        ("delay", {"run_in": "1s"}, "A task that is done cannot delay: [x]"),
        ("reprioritise", {"priority": 1}, "A task that is done cannot reprioritise: [x]"),
    ],
)
def test_what_a_state_does_not_allow(api: Api, verb: str, body: object, message: str) -> None:
    """Is 400 without faults, and changes nothing; of what is not there, 404."""
    answer = api.call("POST", f"{TASK}/{verb}", body)
    assert (answer.status_code, answer.json) == (
        404,
        {"message": "Could not find [x] in queue [mail]"},
    )
    api.create_and_claim(id="x")
    done = api.call("PUT", "/tasques/done/mail/x", {}, worker="w1").json
    answer = api.call("POST", f"{TASK}/{verb}", body)
    assert (answer.status_code, answer.json) == (400, {"message": message})
    assert api.call("GET", "/tasques/mail/x").json == done


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("delay", {}, [("run_at", "required")]),
        ("delay", {"run_at": None, "run_in": None}, [("run_at", "required")]),
        ("delay", {"run_at": "0001-01-01T00:00:00Z"}, [("run_at", "required")]),
        ("delay", {"run_at": str(START), "run_in": 1}, [("run_in", "exclusive")]),
        ("delay", {"run_in": "-1s"}, [("run_in", "minimum")]),
        ("delay", {"run_at": 5, "run_in": "soon"}, [("run_at", "time"), ("run_in", "duration")]),
        ("delay", {"run_inn": "1s"}, [("run_inn", "unknown")]),
        ("delay", None, [("", "required")]),
        ("reprioritise", {}, [("priority", "required")]),
        ("reprioritise", {"priority": "5"}, [("priority", "integer")]),
        ("reprioritise", {"priority": 2**63}, [("priority", "maximum")]),
        ("reprioritise", {"priority": -(2**63) - 1}, [("priority", "minimum")]),
    ],
)
def test_bodies_are_read_strictly(
    api: Api, verb: str, body: object, expected: list[tuple[str, str]]
) -> None:
    """Before the task is looked for."""
    assert faults(api.call("POST", f"{TASK}/{verb}", body)) == expected


def test_the_order_of_checks(api: Api) -> None:
    """The queue's name, the body, the id, the task."""
    path = f"/queues/MAIL/tasks/{'i' * 513}/delay"
    assert faults(api.call("POST", path, raw=b"{"))[0] == ("queue", "queueName")
    path = f"/queues/mail/tasks/{'i' * 513}/delay"
    assert faults(api.call("POST", path, raw=b"{")) == [("", "json")]
    assert faults(api.call("POST", path, {"run_in": 1})) == [("id", "taskId")]


@pytest.mark.parametrize("id", ["cancel", "retry", "pause", "a b?", "日本"])
def test_a_task_may_be_called_like_an_operation(api: Api, id: str) -> None:
    """Whatever it is called, it is found."""
    api.create(id=id)
    assert operate(api, "cancel", id=id.replace("?", "%3F"))["id"] == id


# -------------------------------------------------------------------------------- expires_at


def test_a_task_that_is_worth_starting_until_then(api: Api) -> None:
    """It shows until when, in whatever state."""
    created = api.create(id="x", expires_at="2026-11-22T06:00:00+01:00")
    assert created["expires_at"] == "2026-11-22T05:00:00Z"
    assert api.call("GET", "/tasques/mail/x").json == created
    (claimed,) = api.claim()
    assert claimed["expires_at"] == created["expires_at"]
    assert api.call("PUT", "/tasques/done/mail/x", {}, worker="w1").json["state"] == "done"


def test_an_expired_task_ends_dead_when_somebody_would_claim_it(api: Api, clock: HandClock) -> None:
    """Nobody gets it, the others are handed out."""
    api.create(id="x", expires_at=str(START.plus(Duration.parse("1s"))), priority=1)
    api.create(id="y")
    clock.forward("1s")
    assert [task["id"] for task in api.claim(amount=2)] == ["y"]
    ended = api.call("GET", "/tasques/mail/x").json
    assert (ended["state"], ended["attempted"]) == ("dead", 0)
    assert ended["ended"] == {"reason": "expired", "at": str(clock.now)}


def test_an_expired_task_ends_dead_by_a_sweep(api: Api, world: World, clock: HandClock) -> None:
    """Though nobody claims; one that is past already when it is created does too."""
    created = api.create(id="x", expires_at="2020-01-01T00:00:00Z")
    assert (created["state"], created["expires_at"]) == ("queued", "2020-01-01T00:00:00Z")
    Reaper(world.backend.tasks, clock).step()
    ended = api.call("GET", "/tasques/mail/x").json
    assert (ended["state"], ended["ended"]["reason"]) == ("dead", "expired")


def test_a_retry_has_all_the_time_it_needs(api: Api, world: World, clock: HandClock) -> None:
    """Who revives a task wants it done, however late it is."""
    api.create(id="x", expires_at="2020-01-01T00:00:00Z")
    assert api.claim() == []
    assert "expires_at" not in operate(api, "retry")
    Reaper(world.backend.tasks, clock).step()
    assert [task["id"] for task in api.claim()] == ["x"]


@pytest.mark.parametrize("given", [None, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"])
def test_a_time_that_nobody_gave(api: Api, given: object) -> None:
    """Clients in Go cannot leave a time out; their tasks do not expire."""
    assert "expires_at" not in api.create(id="x", expires_at=given)
    assert [task["id"] for task in api.claim()] == ["x"]


def test_a_repeated_creation_says_the_same_about_its_end(api: Api) -> None:
    """With an Idempotency-Key another ``expires_at`` is another content."""
    headers = {"Idempotency-Key": "k"}
    new = {"queue": "mail", "kind": "send", "expires_at": "2030-01-01T00:00:00Z"}
    first, second = (api.call("POST", "/tasques", new, headers=headers).json for _ in range(2))
    assert {**first, "metadata": 0} == {**second, "metadata": 0}
    other = {**new, "expires_at": "2031-01-01T00:00:00Z"}
    assert api.call("POST", "/tasques", other, headers=headers).status_code == 409
    assert faults(api.call("POST", "/tasques", {**new, "expires_at": 5})) == [
        ("expires_at", "time")
    ]
