"""``POST /tasques`` and ``GET /tasques/{queue}/{id}``: wire contract, section 3."""

from __future__ import annotations

import pytest

from tests.server.conftest import START, Api, HandClock

NEW = {"queue": "run-later", "kind": "sayHello"}


def test_a_task_as_it_is_created(api: Api) -> None:
    """The example of the contract, with every field in the order in which it is sent."""
    answer = api.call(
        "POST",
        "/tasques",
        {**NEW, "args": {"name": "Ann"}, "processing_timeout": "1h", "id": "t1"},
    )
    assert answer.status_code == 201
    now = str(START)
    assert list(answer.json.items()) == [
        ("id", "t1"),
        ("queue", "run-later"),
        ("retry_times", 25),
        ("attempted", 0),
        ("kind", "sayHello"),
        ("state", "queued"),
        ("priority", 0),
        ("processing_timeout", "1h0m0s"),
        ("run_at", now),
        ("args", {"name": "Ann"}),
        ("last_enqueued_at", now),
        (
            "metadata",
            {
                "created_at": now,
                "modified_at": now,
                "version": answer.json["metadata"]["version"],
            },
        ),
    ]


def test_what_is_given_is_taken(api: Api) -> None:
    """Every field of a creation."""
    given = {
        "id": "x",
        "retry_times": 0,
        "priority": -7,
        "processing_timeout": "1m30s",
        "run_at": "2030-01-01T00:00:00.000000001Z",
        "args": {"a": [1, 2.5, None, "ü"]},
        "context": {},
    }
    created = api.create(**given)
    assert {name: created[name] for name in given} == given


def test_ids_are_unique_within_their_queue(api: Api) -> None:
    """The second creation is 409; another queue has ids of its own."""
    api.create(queue="a", id="x")
    api.create(queue="b", id="x")
    answer = api.call("POST", "/tasques", {**NEW, "queue": "a", "id": "x"})
    assert answer.status_code == 409
    assert answer.json == {"message": "Task with Id [x] already exists "}


def test_an_id_stays_taken_in_any_state(api: Api) -> None:
    """As long as the task is in its queue."""
    api.create_and_claim(id="x")
    again = {**NEW, "queue": "mail", "id": "x"}
    assert api.call("POST", "/tasques", again).status_code == 409
    api.call("PUT", "/tasques/done/mail/x", {}, worker="w1")
    assert api.call("POST", "/tasques", again).status_code == 409


def test_a_repeated_creation_with_a_key_creates_once(api: Api, clock: HandClock) -> None:
    """It answers 201 with the task as it is now; other keys and queues make other tasks."""
    key = {"Idempotency-Key": "order-4711"}
    first = api.call("POST", "/tasques", NEW, headers=key)
    clock.forward("1m")
    api.claim(queues=["run-later"])
    again = api.call("POST", "/tasques", NEW, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json["id"] == first.json["id"]
    assert again.json["state"] == "claimed"
    for changed in ({"Idempotency-Key": "order-4712"}, {}):
        other = api.call("POST", "/tasques", NEW, headers=changed)
        assert other.json["id"] != first.json["id"]


def test_a_key_is_not_used_for_two_contents(api: Api) -> None:
    """409 rather than silence about what the second request wanted."""
    key = {"Idempotency-Key": "order-4711"}
    api.call("POST", "/tasques", NEW, headers=key)
    answer = api.call("POST", "/tasques", {**NEW, "priority": 1}, headers=key)
    assert answer.status_code == 409


def test_a_key_beside_an_id_is_refused(api: Api) -> None:
    """Both would name the task."""
    answer = api.call("POST", "/tasques", {**NEW, "id": "x"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 400


@pytest.mark.parametrize(("length", "status"), [(0, 400), (1, 201), (255, 201), (256, 400)])
def test_the_length_of_a_key(api: Api, length: int, status: int) -> None:
    """1 to 255 characters."""
    answer = api.call("POST", "/tasques", NEW, headers={"Idempotency-Key": "k" * length})
    assert answer.status_code == status


def test_get_sees_the_last_write(api: Api) -> None:
    """At once, and in the same form."""
    created = api.create(id="x")
    assert api.call("GET", "/tasques/mail/x").json == created
    (claimed,) = api.claim()
    assert api.call("GET", "/tasques/mail/x").json == claimed


def test_what_is_not_there_is_404(api: Api) -> None:
    """Also where the queue was never used."""
    api.create(id="x")
    for queue in ("mail", "never-used"):
        answer = api.call("GET", f"/tasques/{queue}/abc")
        assert answer.status_code == 404
        assert answer.json == {"message": f"Could not find [abc] in queue [{queue}]"}
