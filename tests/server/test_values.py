"""Values as they go in and come out: wire contract, section 2, through the API."""

from __future__ import annotations

import pytest

from tests.server.conftest import Api

NEW = {"queue": "mail", "kind": "send"}


@pytest.mark.parametrize("name", ["a", "1", "a.b", ".a", "...", "a+b", "a=b", "a@b", "日本", "a%b"])
def test_queue_names_that_are_accepted_work_throughout(api: Api, name: str) -> None:
    """In bodies and in paths."""
    from urllib.parse import quote

    api.create(queue=name, id="x")
    assert api.call("GET", f"/tasques/{quote(name, safe='')}/x").json["queue"] == name
    assert api.claim(queues=[name])[0]["queue"] == name


REFUSED = [*'\\/*?"<>| ,#:', "_a", "-a", "+a", ".", "..", "A", "Ä", "a" * 241, "é" * 121, "a\n", ""]


@pytest.mark.parametrize("name", REFUSED)
def test_queue_names_that_are_refused(api: Api, name: str) -> None:
    """400, which names the field and the rule."""
    answer = api.call("POST", "/tasques", {**NEW, "queue": name})
    assert answer.status_code == 400
    assert {(f["path"], f["rule"]) for f in answer.json["faults"]} <= {
        ("queue", "queueName"),
        ("queue", "required"),
    }


def test_a_bad_queue_name_in_a_path_is_worded_as_by_the_original(api: Api) -> None:
    """``Illegal Queue name: [[not lower case [ABC]]]``."""
    for method, path in (
        ("GET", "/tasques/ABC/x"),
        ("DELETE", "/tasques/claims/ABC/x"),
        ("PUT", "/tasques/done/ABC/x"),
    ):
        answer = api.call(method, path, {}, worker="w1")
        assert answer.status_code == 400
        assert answer.json["message"] == "Illegal Queue name: [[not lower case [ABC]]]"


def test_an_id_is_made_if_not_given_or_empty(api: Api) -> None:
    """32 lower-case hexadecimal digits."""
    for fields in ({}, {"id": None}, {"id": ""}):
        id = api.create(**fields)["id"]
        assert len(id) == 32
        assert set(id) <= set("0123456789abcdef")


def test_ids_have_up_to_512_bytes(api: Api) -> None:
    """Of UTF-8; one more is 400."""
    assert api.create(id="é" * 256)["id"] == "é" * 256
    for id in ("a" * 513, "é" * 257, ".", "..", "a/b"):
        answer = api.call("POST", "/tasques", {**NEW, "id": id})
        assert answer.status_code == 400
        assert answer.json["faults"][0]["path"] == "id"


def test_the_worker_id_is_stripped_and_compared_exactly(api: Api) -> None:
    """Its header goes by any case; its value does not."""
    api.create(id="x")
    claim = api.call(
        "POST",
        "/tasques/claims",
        {"queues": ["mail"], "block_for": "0s"},
        headers={"x-tasques-worker-id": "  Worker 1\t "},
    )
    assert claim.json[0]["last_claimed"]["worker_id"] == "Worker 1"
    assert api.call("PUT", "/tasques/done/mail/x", {}, worker="worker 1").status_code == 403
    assert api.call("PUT", "/tasques/done/mail/x", {}, worker="Worker 1").status_code == 200


@pytest.mark.parametrize("worker", [None, "", "   ", "\t"])
def test_the_worker_id_is_required(api: Api, worker: str | None) -> None:
    """Missing, empty or blank is 400, wherever it is needed."""
    for method, path in (
        ("POST", "/tasques/claims"),
        ("DELETE", "/tasques/claims/mail/x"),
        ("PUT", "/tasques/done/mail/x"),
    ):
        answer = api.call(method, path, {"queues": []}, worker=worker)
        assert answer.status_code == 400
        assert answer.json["message"] == "Worker Id header [X-TASQUES-WORKER-ID] not sent"


DURATIONS = [
    ("30m", "30m0s"),
    ("90s", "1m30s"),
    ("24h", "24h0m0s"),
    ("1.5h", "1h30m0s"),
    ("1500ms", "1.5s"),
    ("1us", "1µs"),
    ("1001ns", "1.001µs"),
    ("0h", "0s"),
    ("0", "0s"),
    ("-0", "0s"),
    ("+5s", "5s"),
    (".5s", "500ms"),
    ("1m1h", "1h1m0s"),
    ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
    (1_500_000_000, "1.5s"),
    (0, "0s"),
]


@pytest.mark.parametrize(("given", "shown"), DURATIONS)
def test_durations_are_shown_in_canonical_form(api: Api, given: object, shown: str) -> None:
    """An integer counts nanoseconds, which the original drops."""
    assert api.create(processing_timeout=given)["processing_timeout"] == shown


def test_an_escaped_duration_is_a_string_like_any_other(api: Api) -> None:
    """The original does not decode escapes there."""
    body = b'{"queue": "mail", "kind": "send", "processing_timeout": "1\\u00b5s"}'
    assert api.call("POST", "/tasques", raw=body).json["processing_timeout"] == "1µs"


@pytest.mark.parametrize(
    "text", ["", "1", "1d", "1w", "1 s", " 1s", "s", ".s", "1h30", "1H", "PT1S"]
)
def test_what_is_no_duration_is_refused(api: Api, text: str) -> None:
    """With the rule's name."""
    answer = api.call("POST", "/tasques", {**NEW, "processing_timeout": text})
    assert answer.status_code == 400
    assert answer.json["faults"][0]["rule"] == "duration"


TIMES = [
    ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
    ("2020-01-01T00:00:00.123456789Z", "2020-01-01T00:00:00.123456789Z"),
    ("2020-01-01T00:00:00.500Z", "2020-01-01T00:00:00.5Z"),
    ("2020-01-01T09:00:00+09:00", "2020-01-01T00:00:00Z"),
]


@pytest.mark.parametrize(("given", "shown"), TIMES)
def test_times_keep_their_instant(api: Api, given: str, shown: str) -> None:
    """To the nanosecond, written in UTC without trailing zeros."""
    assert api.create(run_at=given)["run_at"] == shown


@pytest.mark.parametrize(
    "text",
    [
        "2020-01-01T00:00:00",
        "2020-01-01",
        "2020-01-01 00:00:00Z",
        "2020-01-01t00:00:00z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T00:00:60Z",
        "2020-02-30T00:00:00Z",
        "2020-01-01T00:00:00+0900",
    ],
)
def test_what_is_no_time_is_refused(api: Api, text: str) -> None:
    """No zone, a date alone, what does not exist."""
    answer = api.call("POST", "/tasques", {**NEW, "run_at": text})
    assert answer.status_code == 400
    assert answer.json["faults"][0]["rule"] == "time"


def test_the_zero_time_means_not_given(api: Api) -> None:
    """Go's clients cannot leave a time out."""
    created = api.create(run_at="0001-01-01T00:00:00Z")
    assert created["run_at"] == created["metadata"]["created_at"]


def test_numbers_reach_to_the_ends_of_their_range(api: Api) -> None:
    """64 bits for priorities; one attempt more than retries has to fit too."""
    for priority in (2**63 - 1, -(2**63), 0):
        assert api.create(priority=priority)["priority"] == priority
    assert api.create(retry_times=2**63 - 2)["retry_times"] == 2**63 - 2


def test_integers_in_free_form_objects_survive(api: Api) -> None:
    """9007199254740993 does not come back as …992."""
    created = api.create(args={"n": 9007199254740993}, context={"n": -(10**30)})
    assert created["args"] == {"n": 9007199254740993}
    assert created["context"] == {"n": -(10**30)}
