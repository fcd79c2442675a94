"""What answers look like: wire contract, section 1, "Responses"."""

from __future__ import annotations

import gzip
import logging
import re

import pytest

from tasques.server import request_id
from tasques.server.middleware import takes_gzip
from tests.server.conftest import Api


def test_the_content_type_is_json_in_utf_8(api: Api) -> None:
    """For successes and errors alike."""
    api.create(id="x")
    for path in ("/tasques/mail/x", "/tasques/mail/none", "/nowhere", "/health/live"):
        assert api.call("GET", path).headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_newline_follows_the_json(api: Api) -> None:
    """So that answers in a terminal end."""
    api.create(id="x")
    for path in ("/tasques/mail/x", "/tasques/mail/none", "/health/ready"):
        text = api.call("GET", path).text
        assert text.endswith("}\n")
        assert text.count("\n") == 1


def test_empty_objects_stay_and_missing_ones_are_absent(api: Api) -> None:
    """``"args": {}`` is something given."""
    assert api.create(args={})["args"] == {}
    assert "null" not in api.call("POST", "/tasques", {"queue": "a", "kind": "b"}).text


def test_characters_of_html_are_escaped(api: Api) -> None:
    """As the original writes them, in free-form objects too."""
    text = "<a href='x'>&\u2028\u2029"
    answer = api.call("POST", "/tasques", {"queue": "mail", "kind": text, "args": {text: [text]}})
    assert not set("<>&\u2028\u2029") & set(answer.text)
    assert "\\u003ca href='x'\\u003e\\u0026\\u2028\\u2029" in answer.text
    assert answer.json["kind"] == text
    assert answer.json["args"] == {text: [text]}


@pytest.mark.parametrize("path", ["/tasques/mail/x", "/tasques/mail/none", "/health/ready"])
def test_an_answer_is_compressed_for_those_who_take_gzip(api: Api, path: str) -> None:
    """And not for others; caches are told that it depends."""
    api.create(id="x")
    plain = api.call("GET", path)
    packed = api.call("GET", path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.content) == plain.content
    assert int(packed.headers["Content-Length"]) == len(packed.content)


def test_the_answer_to_a_claim_is_compressed_too(api: Api) -> None:
    """Though it is watched on its way."""
    api.create(id="x")
    answer = api.call(
        "POST",
        "/tasques/claims",
        {"queues": ["mail"]},
        worker="w1",
        headers={"Accept-Encoding": "gzip"},
    )
    assert b'"id":"x"' in gzip.decompress(answer.content)
    assert int(answer.headers["Content-Length"]) == len(answer.content)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("", False),
        ("identity", False),
        ("xgzip", False),
    ],
)
def test_who_takes_gzip(header: str, taken: bool) -> None:
    """Who lists it, and not with a weight of zero."""
    assert takes_gzip(header) is taken


def test_every_answer_has_a_request_id(api: Api) -> None:
    """A new one each time, on errors too."""
    ids = [api.call("GET", "/nowhere").headers["X-Request-Id"] for _ in range(3)]
    assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids)
    assert len(set(ids)) == 3


@pytest.mark.parametrize("brought", ["abc-123", "7f.A_b", "x" * 128])
def test_a_sane_request_id_is_kept(api: Api, brought: str) -> None:
    """So that one id runs through the logs of several services."""
    answer = api.call("GET", "/health/live", headers={"X-Request-Id": brought})
    assert answer.headers["X-Request-Id"] == brought


@pytest.mark.parametrize("brought", ["", " ", "a b", "x" * 129, "<script>", "é", "-x"])
def test_any_other_request_id_is_replaced(api: Api, brought: str) -> None:
    """No text of strangers goes into headers and logs."""
    answer = api.call("GET", "/health/live", headers={"X-Request-Id": brought})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_the_access_log_has_a_line_for_each_request(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """With what was asked and answered, and the id."""
    with caplog.at_level(logging.DEBUG, "tasques.access"):
        answer = api.call("GET", "/tasques/mail/none?secret=1")
    (record,) = [r for r in caplog.records if r.name == "tasques.access"]
    fields = vars(record)
    assert fields["method"] == "GET"
    assert fields["path"] == "/tasques/mail/none"
    assert fields["status"] == 404
    assert fields["request_id"] == answer.headers["X-Request-Id"]
    assert fields["bytes"] == len(answer.content)
    assert fields["seconds"] > 0
    assert "GET /tasques/mail/none 404" in record.getMessage()


def test_no_value_of_a_header_is_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Nor the query; whatever goes wrong."""
    secret = "c2VjcmV0OnNlY3JldA"
    headers = {"Authorization": f"Basic {secret}", "Cookie": secret, "X-Other": secret}
    with caplog.at_level(logging.DEBUG):
        for method, path in (
            ("GET", f"/health/live?token={secret}"),
            ("GET", "/nowhere"),
            ("POST", "/tasques"),
            ("PUT", "/tasques/done/mail/x"),
        ):
            api.call(method, path, {}, headers=headers, worker="w1")
    assert caplog.records
    assert not any(secret in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    "text", ["a\r\nInjected: x", "\x1b[31mred", "a\x00b", "a\u2028b", "\x9b1m"]
)
def test_what_strangers_send_stays_within_its_line(
    api: Api, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """Control characters of a path are written visibly."""
    with caplog.at_level(logging.DEBUG, "tasques.access"):
        api.call("GET", f"/tasques/mail/{text}")
    (record,) = [r for r in caplog.records if r.name == "tasques.access"]
    assert record.getMessage().isprintable()


def test_records_carry_the_id_of_their_request(caplog: pytest.LogCaptureFixture) -> None:
    """Where the filter is installed, in every line of the same thread; and none in between."""
    filter = request_id.RequestIdFilter()
    record = logging.makeLogRecord({})
    request_id.begin("abc")
    filter.filter(record)
    assert vars(record)["request_id"] == "abc"
    request_id.end()
    after = logging.makeLogRecord({})
    filter.filter(after)
    assert vars(after)["request_id"] is None
