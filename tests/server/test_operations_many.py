"""What operators do to many tasks at once: ``/queues/{queue}/tasks/…``."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tasques.core.errors import StoreUnavailable
from tasques.core.values import Duration
from tests.server.conftest import START, Api, HandClock, World

VERBS = ["cancel", "retry", "expire", "delay", "reprioritise"]

#: What each operation needs beside a filter.
NEEDS: dict[str, dict[str, object]] = {"delay": {"run_in": "1h"}, "reprioritise": {"priority": 3}}


def sweep(api: Api, verb: str, *, queue: str = "mail", **body: Any) -> Any:
    answer = api.call("POST", f"/queues/{queue}/tasks/{verb}", {**NEEDS.get(verb, {}), **body})
    assert answer.status_code == 200, answer.text
    assert set(answer.json) <= {"outcomes", "next"}
    return answer.json


def outcomes(api: Api, verb: str, **body: Any) -> dict[str, str]:
    swept = sweep(api, verb, **body)
    assert "next" not in swept
    return {each["id"]: each["outcome"] for each in swept["outcomes"]}


def state(api: Api, id: str) -> str:
    found: str = api.call("GET", f"/tasques/mail/{id}").json["state"]
    return found


def faults(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 400, answer.text
    return [(fault["path"], fault["rule"]) for fault in answer.json["faults"]]


def one_of_each(api: Api) -> None:
    """A task in each state, called like it; the oldest first."""
    for id in ("dead", "done", "failed", "claimed"):
        api.create_and_claim(id=id, retry_times=1)
        if id == "done":
            api.call("PUT", "/tasques/done/mail/done", {}, worker="w1")
        elif id != "claimed":
            body = {"give_up": id == "dead"}
            api.call("PUT", f"/tasques/failed/mail/{id}", body, worker="w1")
    api.create(id="queued")


POSSIBLE = {
    "cancel": {"queued", "failed", "claimed"},
    "retry": {"dead"},
    "expire": {"queued", "failed"},
    "delay": {"queued", "failed"},
    "reprioritise": {"queued", "failed"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_is_told_what_became_of_it(api: Api, verb: str) -> None:
    """What its state allows was done, the rest is as it was; no fault of one stops the others."""
    one_of_each(api)
    before = {id: state(api, id) for id in ("queued", "claimed", "failed", "done", "dead")}
    foretold = sweep(api, verb, dry_run=True)
    assert {id: state(api, id) for id in before} == before
    swept = sweep(api, verb)
    assert swept == foretold
    found = {each["id"]: each["outcome"] for each in swept["outcomes"]}
    assert found == {id: "changed" if id in POSSIBLE[verb] else "not_possible" for id in before}
    for each in swept["outcomes"]:
        assert ("reason" in each) == (each["outcome"] != "changed")
        if "reason" in each:
            assert each["reason"].endswith(f"cannot {verb}: [{each['id']}]") or (
                "not currently Claimed" in each["reason"]
            )


def test_what_they_do(api: Api) -> None:
    """As to one task, with what was given."""
    api.create(id="x")
    assert outcomes(api, "delay", run_in="90s") == {"x": "changed"}
    assert outcomes(api, "reprioritise", priority=-5) == {"x": "changed"}
    task = api.call("GET", "/tasques/mail/x").json
    assert (task["run_at"], task["priority"]) == (str(START.plus(Duration.parse("90s"))), -5)
    outcomes(api, "expire")
    assert api.call("GET", "/tasques/mail/x").json["ended"]["reason"] == "expired"
    outcomes(api, "retry")
    outcomes(api, "cancel")
    assert api.call("GET", "/tasques/mail/x").json["ended"]["reason"] == "cancelled"


def test_a_filter_means_what_it_says(api: Api, clock: HandClock) -> None:
    """Several states, a kind, a worker, times of creation; only of that queue."""
    api.create(id="old", kind="print")
    api.create(id="old", queue="other")
    clock.forward("1h")
    since = str(clock.now)
    api.create(id="young")
    api.create_and_claim("ann", id="held", priority=5)

    def met(**filter: Any) -> set[str]:
        return set(outcomes(api, "cancel", dry_run=True, **filter))

    everything = {"old", "young", "held"}
    assert met() == met(states=[]) == met(states=None, kind=None, after=None) == everything
    assert met(states=["claimed"]) == met(worker="ann") == {"held"}
    assert met(states=["claimed", "queued", "queued"]) == everything
    assert met(kind="print") == met(created_before=since) == {"old"}
    assert met(created_from=since, states=["queued"]) == {"young"}
    # Clients in Go cannot leave a time out.
    zero = "0001-01-01T00:00:00Z"
    assert met(created_from=zero, created_before=zero) == everything
    assert outcomes(api, "cancel", kind="print") == {"old": "changed"}
    assert api.call("GET", "/tasques/other/old").json["state"] == "queued"


def test_page_by_page_to_the_end(api: Api, clock: HandClock) -> None:
    """The oldest first, each once, while workers and producers go on."""
    for number in range(7):
        api.create(id=f"t{number}")
        clock.forward("1s")
    met: Counter[str] = Counter()
    body: dict[str, Any] = {"states": ["queued", "claimed"], "limit": 2}
    swept = sweep(api, "cancel", **body)
    assert [each["id"] for each in swept["outcomes"]] == ["t0", "t1"]
    api.create(id="late")
    api.claim()
    while True:
        met.update(each["id"] for each in swept["outcomes"])
        if "next" not in swept:
            break
        swept = sweep(api, "cancel", **body, after=swept["next"])
    assert met == Counter([*(f"t{number}" for number in range(7)), "late"])
    states = Counter(state(api, id) for id in met)
    assert states == {"dead": 7, "claimed": 1}


def test_going_on_where_a_listing_ended(api: Api, clock: HandClock) -> None:
    """A place is one for both."""
    for number in range(4):
        api.create(id=f"t{number}")
        clock.forward("1s")
    page = api.call("GET", "/queues/mail/tasks?order=oldest&limit=2").json
    assert set(outcomes(api, "cancel", after=page["next"])) == {"t2", "t3"}


def test_a_thousand_are_looked_at_if_nobody_says_how_many(api: Api) -> None:
    """No more can be."""
    for number in range(1001):
        api.create(id=f"t{number}")
    swept = sweep(api, "expire")
    assert (len(swept["outcomes"]), "next" in swept) == (1000, True)
    assert len(sweep(api, "expire", after=swept["next"])["outcomes"]) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_queue_that_there_is_not_has_none(api: Api, verb: str) -> None:
    """It is no fault."""
    assert sweep(api, verb, queue="never") == {"outcomes": []}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"state": ["dead"]}, [("state", "unknown")]),
        ({"": 1, "limits": 5, "limit": "5"}, [("", "unknown"), ("limits", "unknown")]),
        ({"states": "dead"}, [("states", "array")]),
        ({"states": ["dead", "gone", 5]}, [("states[1]", "enum"), ("states[2]", "string")]),
        ({"kind": ""}, [("kind", "required")]),
        ({"worker": ""}, [("worker", "required")]),
        ({"worker": 5}, [("worker", "string")]),
        ({"created_from": 5}, [("created_from", "time")]),
        ({"dry_run": "true"}, [("dry_run", "boolean")]),
        ({"limit": 0}, [("limit", "minimum")]),
        ({"limit": 1001}, [("limit", "maximum")]),
        ({"limit": 2**70}, [("limit", "maximum")]),
        ({"limit": 1.0}, [("limit", "integer")]),
        ({"after": ""}, [("after", "position")]),
        ({"after": 5}, [("after", "string")]),
    ],
    ids=str,
)
def test_a_body_is_read_strictly(
    api: Api, verb: str, body: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    """What is misspelt or meaningless is refused, and nothing is done."""
    api.create(id="x")
    answer = api.call("POST", f"/queues/mail/tasks/{verb}", {**NEEDS.get(verb, {}), **body})
    assert faults(answer)[: len(expected)] == expected
    assert state(api, "x") == "queued"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{"])
def test_a_body_is_needed(api: Api, verb: str, raw: bytes) -> None:
    """``{}`` at least: nobody cancels everything by leaving something out."""
    api.create(id="x")
    assert faults(api.call("POST", f"/queues/mail/tasks/{verb}", raw=raw))[0][0] == ""
    assert state(api, "x") == "queued"


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("delay", {}, ("run_at", "required")),
        ("delay", {"run_at": str(START), "run_in": "1s"}, ("run_in", "exclusive")),
        ("delay", {"run_in": "-1s"}, ("run_in", "minimum")),
        ("reprioritise", {}, ("priority", "required")),
        ("reprioritise", {"priority": 2**63}, ("priority", "maximum")),
        ("cancel", {"priority": 5}, ("priority", "unknown")),
    ],
)
def test_what_is_to_be_done_is_read_like_that_of_one(
    api: Api, verb: str, body: object, expected: tuple[str, str]
) -> None:
    """With the same names and bounds."""
    assert faults(api.call("POST", f"/queues/mail/tasks/{verb}", body)) == [expected]


def test_millions_of_unknown_fields_are_not_all_listed(api: Api) -> None:
    """A thousand are enough to see what is wrong."""
    answer = api.call("POST", "/queues/mail/tasks/cancel", {f"f{n}": n for n in range(5000)})
    assert len(faults(answer)) == 1000


def test_trouble_with_the_search_is_no_answer(api: Api, world: World) -> None:
    """Nothing was done; the same may work later."""
    api.create(id="x")

    def troubled(query: object) -> Any:
        raise StoreUnavailable("it does not answer")

    world.backend.tasks.find_tasks = troubled  # type: ignore[method-assign]
    for method, path in (("POST", "/queues/mail/tasks/cancel"), ("GET", "/queues/mail/tasks")):
        answer = api.call(method, path, {})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
    assert state(api, "x") == "queued"
