"""What requests may look like: wire contract, section 1, "Requests", sentence by sentence."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.conftest import Api

TASK = b'{"queue": "mail", "kind": "send"}'


def test_content_type_and_accept_are_not_looked_at(api: Api) -> None:
    """Any value, or none, works."""
    for kind in ("", "text/plain", "application/xml", "nonsense", "application/json"):
        headers = {"Content-Type": kind, "Accept": kind} if kind else {}
        assert api.call("POST", "/tasques", raw=TASK, headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/tasques"),
        ("POST", "/tasques/claims"),
        ("PUT", "/tasques/reports/mail/x"),
        ("PUT", "/tasques/done/mail/x"),
        ("PUT", "/tasques/failed/mail/x"),
    ],
)
def test_a_body_is_required(api: Api, method: str, path: str) -> None:
    """None, or an empty one, is 400 on every POST and PUT."""
    for body in (None, b""):
        answer = api.call(method, path, raw=body, worker="w1")
        assert answer.status_code == 400
        assert answer.json["faults"][0]["rule"] == "required"


@pytest.mark.parametrize("verb", ["reports", "done", "failed"])
@pytest.mark.parametrize("body", [b"{}", b"null", b' {"data": null} ', b'{"other": 1}'])
def test_the_smallest_body_is_an_empty_object(api: Api, verb: str, body: bytes) -> None:
    """``{}`` is enough for PUT; ``null`` is the same; unknown fields do not matter."""
    api.create_and_claim(id="x")
    assert api.call("PUT", f"/tasques/{verb}/mail/x", raw=body, worker="w1").status_code == 200


def test_a_body_on_delete_is_not_read(api: Api) -> None:
    """Not even a broken one."""
    api.create_and_claim(id="x")
    answer = api.call("DELETE", "/tasques/claims/mail/x", raw=b"{nonsense", worker="w1")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"01",
        b"[1,]",
        b'{"a":1,}',
        b"// no\n1",
        b"/* no */ 1",
        b"'single'",
        b'"a\tb"',
        b'"a\x00b"',
        b'"\\x41"',
        b'"\\ud800"',
        b'"\xff"',
        b"True",
        b"undefined",
        b"1" * 1001,
        b"[" * 501 + b"]" * 501,
    ],
)
def test_json_must_be_standard(api: Api, value: bytes) -> None:
    """Everything else is 400, wherever it stands, inside of free-form objects too."""
    body = b'{"queue": "mail", "kind": "send", "args": {"a": ' + value + b"}}"
    answer = api.call("POST", "/tasques", raw=body)
    assert answer.status_code == 400
    assert answer.json["faults"][0]["rule"] == "json"


@pytest.mark.parametrize(
    "body",
    [b"\xef\xbb\xbf" + TASK, TASK.decode().encode("utf-16"), TASK + b"x", b"{", b'{"queue"'],
)
def test_a_body_is_one_json_value_in_utf_8(api: Api, body: bytes) -> None:
    """A byte order mark, another encoding, half a value and more than a value are 400."""
    answer = api.call("POST", "/tasques", raw=body)
    assert answer.status_code == 400
    assert answer.json["faults"] == [
        {"path": "", "rule": "json", "message": answer.json["faults"][0]["message"]}
    ]


def test_a_hundred_levels_work_and_thousands_are_refused(api: Api) -> None:
    """Depth is bounded without an error of the server's own."""
    for depth, status in ((100, 201), (10_000, 400), (200_000, 400)):
        nested = b"[" * depth + b"]" * depth
        body = b'{"queue": "mail", "kind": "send", "args": {"a": ' + nested + b"}}"
        assert api.call("POST", "/tasques", raw=body).status_code == status


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"true", b"1.5"])
def test_the_top_level_is_an_object(api: Api, body: bytes) -> None:
    """Arrays, strings and numbers there are 400."""
    answer = api.call("POST", "/tasques", raw=body)
    assert answer.status_code == 400
    assert answer.json["faults"] == [{"path": "", "rule": "object", "message": "must be an object"}]


def test_null_at_the_top_is_an_empty_object(api: Api) -> None:
    """So a creation lacks its required fields, and both are named."""
    answer = api.call("POST", "/tasques", raw=b"null")
    assert answer.status_code == 400
    assert [(f["path"], f["rule"]) for f in answer.json["faults"]] == [
        ("queue", "required"),
        ("kind", "required"),
    ]


def test_unknown_fields_are_ignored(api: Api) -> None:
    """At the top; what is inside of free-form objects is kept."""
    created = api.create(colour="red", args={"colour": "red"})
    assert "colour" not in created
    assert created["args"] == {"colour": "red"}


def test_the_last_of_two_equal_keys_wins(api: Api) -> None:
    """At the top and inside of free-form objects, where it is then the only one."""
    body = b'{"queue": "a", "queue": "b", "kind": "send", "args": {"x": 1, "x": 2}}'
    answer = api.call("POST", "/tasques", raw=body)
    assert answer.json["queue"] == "b"
    assert '"args":{"x":2}' in answer.text


OPTIONAL: dict[str, Any] = {
    "id": None,
    "retry_times": None,
    "priority": None,
    "processing_timeout": None,
    "run_at": None,
    "args": None,
    "context": None,
}


def test_null_for_an_optional_field_means_not_given(api: Api) -> None:
    """The task gets its defaults, and no field that says null."""
    created = api.create(**OPTIONAL)
    assert created["retry_times"] == 25
    assert created["priority"] == 0
    assert created["processing_timeout"] == "30m0s"
    assert "args" not in created
    assert "context" not in created


@pytest.mark.parametrize("field", ["queue", "kind"])
def test_null_for_a_required_field_is_refused(api: Api, field: str) -> None:
    """It is as good as missing."""
    body = {"queue": "mail", "kind": "send", field: None}
    answer = api.call("POST", "/tasques", body)
    assert answer.status_code == 400
    assert [(f["path"], f["rule"]) for f in answer.json["faults"]] == [(field, "required")]


def test_a_compressed_request_is_not_understood(api: Api) -> None:
    """It is parsed as it is, and ends as 400."""
    answer = api.call(
        "POST", "/tasques", raw=gzip.compress(TASK), headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 400


WRONG: dict[tuple[str, str], list[Any]] = {
    ("retry_times", "integer"): ["3", True, 1.5, 1.0, [], {}],
    ("retry_times", "minimum"): [-1],
    ("retry_times", "maximum"): [2**63 - 1, 10**400],
    ("priority", "integer"): ["3", False, 0.0],
    ("priority", "minimum"): [-(2**63) - 1],
    ("priority", "maximum"): [2**63],
    ("kind", "string"): [5, True, [], {}],
    ("kind", "required"): [""],
    ("id", "string"): [5, True, []],
    ("queue", "string"): [5, ["mail"]],
    ("queue", "queueName"): ["Mail"],
    ("args", "object"): [[], "x", 5, True],
    ("context", "object"): [[[]], "{}", 0],
    ("processing_timeout", "duration"): [True, 1.5, "1d", [], 2**63],
    ("processing_timeout", "minimum"): ["-1s", -1],
    ("run_at", "time"): [5, True, "tomorrow", []],
}


@pytest.mark.parametrize(
    ("field", "rule", "value"),
    [(field, rule, value) for (field, rule), values in WRONG.items() for value in values],
)
def test_types_are_strict(api: Api, field: str, rule: str, value: object) -> None:
    """A number is no string, true is no number; the answer names the field and the rule."""
    answer = api.call("POST", "/tasques", {"queue": "mail", "kind": "send", field: value})
    assert answer.status_code == 400
    (fault,) = answer.json["faults"]
    assert (fault["path"], fault["rule"]) == (field, rule)
    assert field in answer.json["message"]
    assert rule in answer.json["message"]


@pytest.mark.parametrize("text", [b"1e3", b"1.0", b"1E0", b"-0.0"])
def test_integers_are_written_as_integers(api: Api, text: bytes) -> None:
    """Not as ``1.0`` or ``1e3``."""
    body = b'{"queue": "mail", "kind": "send", "priority": ' + text + b"}"
    assert api.call("POST", "/tasques", raw=body).status_code == 400


def test_all_faults_of_a_body_are_reported_together(api: Api) -> None:
    """Each with its path, into arrays too, and each in the message."""
    answer = api.call(
        "POST",
        "/tasques/claims",
        {"queues": ["ok", "B/", 3, None], "amount": "3", "min_amount": 0, "block_for": "1d"},
        worker="w1",
    )
    assert answer.status_code == 400
    assert [(f["path"], f["rule"]) for f in answer.json["faults"]] == [
        ("queues[1]", "queueName"),
        ("queues[1]", "queueName"),
        ("queues[2]", "string"),
        ("queues[3]", "required"),
        ("amount", "integer"),
        ("min_amount", "minimum"),
        ("block_for", "duration"),
    ]
    for fault in answer.json["faults"]:
        assert f"{fault['path']}: {fault['message']} ({fault['rule']})" in answer.json["message"]


def test_the_number_of_faults_is_bounded(api: Api) -> None:
    """A hostile body does not make an answer larger than itself."""
    answer = api.call("POST", "/tasques/claims", {"queues": ["A"] * 100_000}, worker="w1")
    assert answer.status_code == 400
    assert len(answer.json["faults"]) == 1000
    assert len(answer.json["message"]) < 5000


@pytest.mark.parametrize(
    "id", ["a?b", "a#b", "a%b", "a%20b", "a b", "ü", "日本", "a+b", "a;b=c", "😀"]
)
def test_path_parameters_are_decoded_once(api: Api, id: str) -> None:
    """Every id that can be stored works, and names itself."""
    api.create(id=id)
    answer = api.call("GET", f"/tasques/mail/{quote(id, safe='')}")
    assert answer.status_code == 200
    assert answer.json["id"] == id


def test_an_encoded_slash_splits_the_path(api: Api) -> None:
    """So an id that has one cannot be addressed, and is not accepted in the first place."""
    assert api.call("GET", "/tasques/mail/a%2Fb").status_code == 404
    answer = api.call("POST", "/tasques", {"queue": "mail", "kind": "send", "id": "a/b"})
    assert answer.status_code == 400


def test_a_superfluous_trailing_slash_does_not_matter(api: Api) -> None:
    """The original redirects to the path without it; here it is answered directly."""
    api.create(id="x")
    assert api.call("GET", "/tasques/mail/x/").json["id"] == "x"
    assert api.call("POST", "/tasques/", raw=TASK).status_code == 201
    assert api.call("POST", "/tasques/claims/", {"queues": []}, worker="w1").status_code == 200


def test_large_integers_survive(api: Api) -> None:
    """The original rounds them to doubles."""
    digits = "9" * 1000
    body = json.dumps({"queue": "mail", "kind": "send"})[:-1] + f', "args": {{"n": {digits}}}}}'
    created = api.call("POST", "/tasques", raw=body.encode())
    assert f'"args":{{"n":{digits}}}' in created.text
    assert f'"n":{digits}' in api.call("GET", f"/tasques/mail/{created.json['id']}").text
