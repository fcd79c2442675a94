"""Report, done, failed and unclaim: wire contract, sections 1 (order of checks), 3 and 6."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core.values import Duration, Instant
from tests.server.conftest import Api, HandClock

HELD = [
    ("PUT", "/tasques/reports/mail/x"),
    ("PUT", "/tasques/done/mail/x"),
    ("PUT", "/tasques/failed/mail/x"),
    ("DELETE", "/tasques/claims/mail/x"),
]


def after(clock: HandClock, text: str) -> str:
    return str(clock.now.plus(Duration.parse(text)))


def test_a_report(api: Api, clock: HandClock) -> None:
    """Replaces the last one and moves the time-out; without data it has none."""
    api.create_and_claim(id="x", processing_timeout="1m")
    clock.forward("10s")
    first = api.call("PUT", "/tasques/reports/mail/x", {"data": {"p": 0.5}}, worker="w1").json
    assert first["last_claimed"]["last_report"] == {"at": str(clock.now), "data": {"p": 0.5}}
    assert first["last_claimed"]["times_out_at"] == after(clock, "1m")
    assert first["metadata"]["modified_at"] == str(clock.now)
    clock.forward("10s")
    second = api.call("PUT", "/tasques/reports/mail/x", {}, worker="w1").json
    assert second["last_claimed"]["last_report"] == {"at": str(clock.now)}
    assert second["state"] == "claimed"


@pytest.mark.parametrize(("back", "status"), [("-30s", 200), ("-2m", 400)])
def test_a_report_from_the_past(api: Api, clock: HandClock, back: str, status: int) -> None:
    """Up to a minute behind it counts as simultaneous, since clocks differ; beyond it is 400."""
    api.create_and_claim(id="x")
    clock.forward("5m")
    last = str(clock.now)
    api.call("PUT", "/tasques/reports/mail/x", {}, worker="w1")
    clock.forward(back)
    answer = api.call("PUT", "/tasques/reports/mail/x", {}, worker="w1")
    assert answer.status_code == status
    if status == 200:
        assert answer.json["last_claimed"]["last_report"]["at"] == last
    else:
        assert answer.json["message"] == (
            f"The Task [x] was already reported on at [{last}],"
            f" which overrides the current one reported at [{clock.now}]"
        )


@pytest.mark.parametrize(
    ("body", "result"), [({}, {}), ({"data": {"ok": True}}, {"success": {"ok": True}})]
)
def test_done(api: Api, clock: HandClock, body: Any, result: dict[str, Any]) -> None:
    """The state, the result with its data if given, and the time; nothing else changes."""
    before = api.create_and_claim(id="x")
    clock.forward("1s")
    done = api.call("PUT", "/tasques/done/mail/x", body, worker="w1").json
    assert done["last_claimed"].pop("result") == {"at": str(clock.now), **result}
    assert done.pop("state") == "done"
    assert done.pop("metadata")["modified_at"] == str(clock.now)
    for gone in ("state", "metadata", "claim_id"):
        before.pop(gone)
    assert done == before


def test_failed_with_attempts_left(api: Api, clock: HandClock) -> None:
    """Failed, to be tried again after 15 to 44 seconds the first time."""
    api.create_and_claim(id="x", retry_times=1)
    failed = api.call("PUT", "/tasques/failed/mail/x", {"data": {"e": 1}}, worker="w1").json
    assert failed["state"] == "failed"
    assert failed["last_claimed"]["result"] == {"at": str(clock.now), "failure": {"e": 1}}
    assert failed["last_enqueued_at"] == str(clock.now)
    wait = Instant.parse(failed["run_at"]).since(clock.now).seconds
    assert 15 <= wait <= 44


def test_failed_without_attempts_left(api: Api, clock: HandClock) -> None:
    """Dead at the first failure with ``retry_times`` 0; the times stay."""
    before = api.create_and_claim(id="x", retry_times=0)
    clock.forward("1s")
    dead = api.call("PUT", "/tasques/failed/mail/x", {}, worker="w1").json
    assert dead["state"] == "dead"
    assert dead["run_at"] == before["run_at"]
    assert dead["last_enqueued_at"] == before["last_enqueued_at"]
    assert dead["last_claimed"]["result"] == {"at": str(clock.now)}
    assert "ended" not in dead


@pytest.mark.parametrize("retry_in", ["90s", 90_000_000_000])
def test_a_worker_may_say_when_to_try_again(api: Api, clock: HandClock, retry_in: object) -> None:
    """``retry_in`` takes the place of the backoff."""
    api.create_and_claim(id="x")
    failed = api.call("PUT", "/tasques/failed/mail/x", {"retry_in": retry_in}, worker="w1").json
    assert failed["run_at"] == after(clock, "90s")


def test_a_worker_may_give_up(api: Api, clock: HandClock) -> None:
    """Dead whatever attempts are left, and the answer says why."""
    api.create_and_claim(id="x", retry_times=9)
    dead = api.call("PUT", "/tasques/failed/mail/x", {"give_up": True}, worker="w1").json
    assert dead["state"] == "dead"
    assert dead["ended"] == {"reason": "gave_up", "at": str(clock.now)}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("retry_in", "1d", "duration"),
        ("retry_in", "-1s", "minimum"),
        ("give_up", "yes", "boolean"),
        ("give_up", 1, "boolean"),
        ("data", [], "object"),
    ],
)
def test_what_a_failure_may_say(api: Api, field: str, value: object, rule: str) -> None:
    """Strict, like all else."""
    answer = api.call("PUT", "/tasques/failed/mail/x", {field: value}, worker="w1")
    assert [(f["path"], f["rule"]) for f in answer.json["faults"]] == [(field, rule)]


def test_unclaim(api: Api, clock: HandClock) -> None:
    """Queued with one attempt less; the claim and ``run_at`` stay until the next one."""
    before = api.create_and_claim(id="x")
    clock.forward("1s")
    given = api.call("DELETE", "/tasques/claims/mail/x", worker="w1").json
    assert given["state"] == "queued"
    assert given["attempted"] == before["attempted"] - 1
    assert given["last_enqueued_at"] == given["metadata"]["modified_at"] == str(clock.now)
    assert given["last_claimed"] == before["last_claimed"]
    assert given["run_at"] == before["run_at"]


def test_an_unclaimed_task_may_rest(api: Api, clock: HandClock) -> None:
    """``?run_in=`` moves ``run_at``."""
    api.create_and_claim(id="x")
    given = api.call("DELETE", "/tasques/claims/mail/x?run_in=1m30s", worker="w1").json
    assert given["run_at"] == after(clock, "90s")


@pytest.mark.parametrize(
    ("text", "rule"), [("", "duration"), ("soon", "duration"), ("-1s", "minimum")]
)
def test_how_long_a_task_may_rest(api: Api, text: str, rule: str) -> None:
    """A duration that is not negative."""
    api.create_and_claim(id="x")
    answer = api.call("DELETE", f"/tasques/claims/mail/x?run_in={text}", worker="w1")
    assert answer.status_code == 400
    assert answer.json["faults"][0]["path"] == "run_in"
    assert answer.json["faults"][0]["rule"] == rule


@pytest.mark.parametrize(("method", "path"), HELD)
def test_a_task_that_is_not_there(api: Api, method: str, path: str) -> None:
    """404, also where the queue was never used."""
    answer = api.call(method, path, {}, worker="w1")
    assert answer.status_code == 404
    assert answer.json == {"message": "Could not find [x] in queue [mail]"}


@pytest.mark.parametrize(("method", "path"), HELD)
def test_a_task_that_is_not_claimed(api: Api, method: str, path: str) -> None:
    """400 for everyone."""
    api.create(id="x")
    answer = api.call(method, path, {}, worker="w1")
    assert answer.status_code == 400
    assert answer.json == {
        "message": "The Task is not currently Claimed so cannot be reported on: [x]"
    }


@pytest.mark.parametrize(("method", "path"), HELD)
def test_a_task_of_another_worker(api: Api, method: str, path: str) -> None:
    """403, which names the worker that asked; and nothing happens."""
    before = api.create_and_claim("w1", id="x")
    answer = api.call(method, path, {}, worker="w2")
    assert answer.status_code == 403
    assert answer.json == {"message": "The Task was not owned by the worker [w2]"}
    assert api.call("GET", "/tasques/mail/x").json == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/tasques/done/mail/x", {"data": {"a": 1}}),
        ("PUT", "/tasques/failed/mail/x", {"data": {"a": 1}}),
        ("PUT", "/tasques/failed/mail/x", {"give_up": True}),
        ("DELETE", "/tasques/claims/mail/x", None),
    ],
)
def test_an_identical_repeat_gets_the_first_answer(
    api: Api, clock: HandClock, method: str, path: str, body: object
) -> None:
    """So a worker whose answer got lost may ask again; another worker, or content, is refused."""
    api.create_and_claim("w1", id="x")
    first = api.call(method, path, body, worker="w1")
    clock.forward("1s")
    again = api.call(method, path, body, worker="w1")
    assert (first.status_code, again.status_code) == (200, 200)
    answers = [first.json, again.json]
    for answer in answers:
        answer["metadata"].pop("version")  # that it is still so may take a write to find out
    assert answers[0] == answers[1]
    assert api.call(method, path, body, worker="w2").status_code == 400
    if method == "PUT":
        assert api.call(method, path, {"data": {"b": 2}}, worker="w1").status_code == 400


@pytest.mark.parametrize("verb", ["reports", "done", "failed"])
def test_the_order_of_checks(api: Api, verb: str) -> None:
    """Queue name, body, worker id, task, its state, its owner: what is mended shows the next."""

    def message(queue: str, body: bytes, worker: str | None) -> tuple[int, str]:
        answer = api.call("PUT", f"/tasques/{verb}/{queue}/x", raw=body, worker=worker)
        return answer.status_code, answer.json["message"]

    assert message("MAIL", b"[", None)[1].startswith("Illegal Queue name")
    assert "JSON" in message("mail", b"[", None)[1]
    assert "Worker Id header" in message("mail", b"{}", None)[1]
    assert message("mail", b"{}", "w2")[0] == 404
    api.create(id="x")
    assert "not currently Claimed" in message("mail", b"{}", "w2")[1]
    api.claim("w1")
    assert message("mail", b"{}", "w2")[0] == 403


def test_the_order_of_checks_of_unclaim(api: Api) -> None:
    """Queue name, worker id, task."""
    path = "/tasques/claims/{}/x"
    assert "Illegal" in api.call("DELETE", path.format("MAIL")).json["message"]
    assert "Worker Id" in api.call("DELETE", path.format("mail")).json["message"]
    assert api.call("DELETE", path.format("mail"), worker="w1").status_code == 404


def test_the_last_attempt_is_the_end(api: Api, clock: HandClock) -> None:
    """``retry_times`` + 1 attempts; one that is given back costs none."""
    api.create(id="x", retry_times=1)
    api.claim()
    api.call("DELETE", "/tasques/claims/mail/x", worker="w1")
    states = []
    for attempt in (1, 2):
        (claimed,) = api.claim()
        assert claimed["attempted"] == attempt
        body = {"retry_in": "0s", "data": {"attempt": attempt}}
        states.append(api.call("PUT", "/tasques/failed/mail/x", body, worker="w1").json["state"])
    assert states == ["failed", "dead"]
    assert api.claim() == []
