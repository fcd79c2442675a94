"""Requests over a real socket: framing, limits, encodings; wire contract, section 1."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tests.server.conftest import World
from tests.server.wire import Wire

TASK = {"queue": "mail", "kind": "send"}

Serve = Callable[..., Front]


@pytest.fixture
def front(world: World, serve: Serve) -> Front:
    limits = ServerOptions(max_body_size=10_000, max_header_size=2_000)
    return serve(create_app(world.services, limits), max_body_size=10_000, max_header_size=2_000)


def test_the_life_of_a_task_on_one_connection(front: Front) -> None:
    """Keep-alive: create, claim, report, done, get, with a body or without."""
    with Wire(front) as wire:
        assert wire.call("POST", "/tasques", {**TASK, "id": "x"}).status == 201
        claim = {"queues": ["mail"], "block_for": "0s"}
        assert wire.call("POST", "/tasques/claims", claim).json[0]["id"] == "x"
        assert wire.call("PUT", "/tasques/reports/mail/x", {}).status == 200
        assert wire.call("PUT", "/tasques/done/mail/x", {}).status == 200
        assert wire.call("GET", "/tasques/mail/x").json["state"] == "done"


def test_the_server_does_not_say_what_it_is(front: Front) -> None:
    """No name and version for those who collect them, on errors neither."""
    with Wire(front) as wire:
        assert "server" not in wire.call("GET", "/health/live").headers
        wire.send(b"NONSENSE\r\n\r\n")
        refused = wire.answer()
        assert "server" not in refused.headers
        assert b"waitress" not in refused.content


def test_chunked_bodies_work(front: Front) -> None:
    """In however many pieces."""
    body = b'{"queue": "mail", "kind": "send", "id": "chunked"}'
    chunks = [body[i : i + 7] for i in range(0, len(body), 7)]
    with Wire(front) as wire:
        wire.send(b"POST /tasques HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in chunks:
            wire.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        wire.send(b"0\r\n\r\n")
        assert wire.answer().json["id"] == "chunked"


def test_who_expects_to_go_on_is_told(front: Front) -> None:
    """``Expect: 100-continue``, as curl sends it before large bodies."""
    body = b'{"queue": "mail", "kind": "send"}'
    with Wire(front) as wire:
        wire.send(
            b"POST /tasques HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert wire.answer().status == 100
        wire.send(body)
        assert wire.answer().status == 201


def test_pipelined_requests_are_answered_in_order(front: Front) -> None:
    """Sent in one piece, answered one after the other."""
    with Wire(front) as wire:
        for number in range(5):
            wire.request("POST", "/tasques", {**TASK, "id": f"t{number}"})
        assert [wire.answer().json["id"] for _ in range(5)] == [f"t{n}" for n in range(5)]


def test_a_client_may_close_after_each_answer(front: Front) -> None:
    """HTTP/1.0, and ``Connection: close``."""
    with Wire(front) as wire:
        assert wire.call("GET", "/health/live", headers={"Connection": "close"}).status == 200
        assert wire.is_closed
    with Wire(front) as wire:
        wire.send(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert wire.answer().status == 200
        assert wire.is_closed


@pytest.mark.parametrize(
    "id", ["a?b", "a#b", "a%b", "a%20b", "a b", "ü", "日本", "😀", "a+b", "%2F"]
)
def test_ids_are_decoded_once(front: Front, id: str) -> None:
    """What was created is found under its encoded name, and nothing else is."""
    with Wire(front) as wire:
        wire.call("POST", "/tasques", {**TASK, "id": id})
        assert wire.call("GET", f"/tasques/mail/{quote(id, safe='')}").json["id"] == id


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/tasques/mail/%ff", 400),  # not UTF-8
        ("/tasques/mail/%ed%a0%80", 400),  # half of a surrogate pair
        ("/tasques/mail/a%2Fb", 404),  # splits the path
        ("/tasques/mail/%00", 404),  # a NUL is a character like any other
        ("/tasques/%00/a", 400),  # but not in the name of a queue
        ("/tasques/mail/..", 400),
        ("/tasques/mail/%2e%2e", 400),
        ("//tasques/mail/a", 404),
        ("/tasques/mail/a?x=%ff", 404),
        ("http://elsewhere/tasques/mail/a", 404),
        ("*", 404),
    ],
)
def test_odd_targets(front: Front, target: str, status: int) -> None:
    """An answer in JSON, and no way out of the API."""
    with Wire(front) as wire:
        answer = wire.call("GET", target)
        assert answer.status == status
        assert answer.json["message"]


def test_a_worker_id_in_utf_8_comes_back(front: Front) -> None:
    """Headers are bytes, and are read as UTF-8; what is none is taken for Latin-1."""
    with Wire(front) as wire:
        wire.call("POST", "/tasques", TASK)
        sent = "wörker".encode().decode("latin-1")
        (claimed,) = wire.call("POST", "/tasques/claims", {"queues": []}, worker=sent).json
        assert claimed["last_claimed"]["worker_id"] == "wörker"
        path = f"/tasques/done/mail/{claimed['id']}"
        assert wire.call("PUT", path, {}, worker="worker").status == 403
        assert wire.call("PUT", path, {}, worker=sent).status == 200
        assert wire.call("PUT", path, {}, worker="wörker").status == 200


def test_answers_are_compressed(front: Front) -> None:
    """With the length of what is sent."""
    with Wire(front) as wire:
        answer = wire.call("POST", "/tasques", TASK, headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert b'"queue":"mail"' in gzip.decompress(answer.content)
        assert wire.call("GET", "/health/live").status == 200


def padded(size: int) -> bytes:
    """A creation of exactly so many bytes."""
    start, end = b'{"queue": "mail", "kind": "send", "args": {"a": "', b'"}}'
    return start + b"x" * (size - len(start) - len(end)) + end


def test_the_largest_body(front: Front) -> None:
    """The limit itself works, one byte more is 413 before the body is read."""
    for size, status in ((10_000, 201), (10_001, 413)):
        with Wire(front) as wire:
            wire.send(b"POST /tasques HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % size)
            if status == 201:
                wire.send(padded(size))
            answer = wire.answer()
            assert answer.status == status
            if status == 413:
                assert answer.json == {"message": "The body has more than 10000 bytes"}
                assert answer.headers["connection"] == "close"


def test_five_megabytes_of_arguments_work(world: World, serve: Serve) -> None:
    """With the default settings, out and in again."""
    with Wire(serve(create_app(world.services, ServerOptions()))) as wire:
        args = {"text": "x" * 5_000_000}
        assert wire.call("POST", "/tasques", {**TASK, "id": "large", "args": args}).status == 201
        assert wire.call("GET", "/tasques/mail/large").json["args"] == args


def test_a_chunked_body_is_counted_while_it_comes(front: Front) -> None:
    """It does not say how large it will be."""
    with Wire(front) as wire:
        wire.send(b"POST /tasques HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(11):
            wire.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        assert wire.answer().status == 413


def test_a_refusal_reaches_a_sender_that_goes_on_sending(front: Front) -> None:
    """Closing at once would reset the connection, and the answer with it."""
    with Wire(front) as wire:
        wire.send(b"POST /tasques HTTP/1.1\r\nHost: t\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(200):
            wire.send(b"x" * 100_000)
        assert wire.answer().status == 413
        assert wire.is_closed


@pytest.mark.parametrize("lines", [1, 200])
def test_the_largest_head(front: Front, lines: int) -> None:
    """One long header or many: 431."""
    with Wire(front) as wire:
        wire.send(b"GET /health/live HTTP/1.1\r\nHost: t\r\n")
        for number in range(lines):
            wire.send(b"X-%d: %s\r\n" % (number, b"x" * (4000 // lines)))
        wire.send(b"\r\n")
        answer = wire.answer()
        assert answer.status == 431
        assert answer.json == {"message": "The headers have more than 2000 bytes"}


def test_a_head_within_the_limit(front: Front) -> None:
    """Its first line counts too."""
    with Wire(front) as wire:
        assert wire.call("GET", "/health/live", headers={"X": "x" * 1800}).status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nBad header\r\n\r\n", 400),
        (b"GET /\rx HTTP/1.1\r\n\r\n", 400),
        (b"POST /tasques HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /tasques HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /tasques HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /tasques HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"get / HTTP/1.1\r\n\r\n", 400),
        (b"WEBSOCKET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_in_json(
    front: Front, request_bytes: bytes, status: int
) -> None:
    """Errors of waitress's own look like all others; and the next connection is not bothered."""
    with Wire(front) as wire:
        wire.send(request_bytes)
        answer = wire.answer()
        assert answer.status == status
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.json["message"]
    with Wire(front) as wire:
        assert wire.call("GET", "/health/live").status == 200


def test_an_application_that_fails_outright_is_500_in_json(serve: Serve) -> None:
    """Even below Falcon: no traceback, no plain text."""

    def broken(environ: object, start_response: object) -> list[bytes]:
        raise RuntimeError("a secret")

    with Wire(serve(broken)) as wire:
        answer = wire.call("GET", "/")
        assert answer.status == 500
        assert set(answer.json) == {"message"}
        assert b"secret" not in answer.content


def test_bodies_in_flight_are_bounded(world: World, serve: Serve) -> None:
    """A body beyond the budget is 503 for now; a lone one of any size is let through."""
    app = create_app(world.services, ServerOptions(max_bodies_in_flight=100))
    front = serve(app)
    with Wire(front) as waiting, Wire(front) as other:
        waiting.request("POST", "/tasques/claims", {"queues": ["a" * 100], "block_for": "20s"})
        refused = other.call("GET", "/health/live")
        while refused.status == 200:  # until the claim is under way
            refused = other.call("POST", "/tasques", {**TASK, "args": {"a": "x" * 200}})
            if refused.status == 201:
                refused = other.call("GET", "/health/live")
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert other.call("GET", "/tasques/mail/x").status == 404
        world.services.claims.close()
        assert waiting.answer().status in (200, 503)
    with Wire(front) as wire:
        assert wire.call("POST", "/tasques", {**TASK, "args": {"a": "x" * 200}}).status == 201


def test_a_recurring_task_is_steered_without_a_body(front: Front) -> None:
    """Not even an announced one; what is sent all the same is skipped."""
    definition = {"queue": "mail", "kind": "send"}
    new = {"id": "a b%é", "schedule_expression": "@daily"}
    path = f"/recurring_tasques/{quote(new['id'])}"
    with Wire(front) as wire:
        created = wire.call("POST", "/recurring_tasques", {**new, "task_definition": definition})
        assert created.status == 201
        for verb, status in (("pause", 200), ("resume", 200), ("run", 201)):
            wire.send(f"POST {path}/{verb} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            assert wire.answer().status == status
            assert wire.call("POST", f"{path}/{verb}", {"some": "body"}).status == status
        assert wire.call("GET", path).json["id"] == new["id"]
        assert wire.call("DELETE", path, {"some": "body"}).status == 200
        assert wire.call("GET", "/recurring_tasques").json == []
