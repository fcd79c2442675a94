"""Requests that are handed in are answered as ever, whichever thread does it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence

import pytest

from tasques.core.ports import Conflict, Rejected, Unknown, WriteOutcome
from tasques.core.tasks import Task
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.handing_in import is_quick
from tasques.server.options import ServerOptions
from tests.server.conftest import HandClock, World, make_world
from tests.server.held_up import AT_ONCE, LARGE, TASK, Serve, Served, claimed
from tests.server.wire import PATIENCE_SECONDS, Answer, Wire


@pytest.fixture
def served(world: World, serve: Serve) -> Iterator[Served]:
    made = Served(world, serve)
    yield made
    made.let_on()
    made.claims.close()


# ---------------------------------------------------------------------------- who serves it


@pytest.mark.parametrize(
    ("method", "path", "size", "expected"),
    [
        ("POST", "/tasques", 100, True),
        ("POST", "/tasques", 16 * 1024, True),
        ("POST", "/tasques", 16 * 1024 + 1, False),
        ("POST", "/tasques/claims", 100, True),
        ("PUT", "/tasques/done/mail/1", 100, True),
        ("PUT", "/tasques/failed/mail/1", 100, True),
        ("PUT", "/tasques/reports/mail/1", 100, True),
        ("DELETE", "/tasques/claims/mail/1", 0, True),
        ("POST", "/tasques/create-many", 100, False),
        ("POST", "/tasques/finish-many", 100, False),
        ("GET", "/tasques/mail/1", 0, False),
        ("PUT", "/tasques", 100, False),
        ("POST", "/tasques/done/mail/1", 100, False),
        ("DELETE", "/tasques/done/mail/1", 0, False),
        ("GET", "/health/live", 0, False),
        ("POST", "/recurring_tasques", 100, False),
    ],
)
def test_what_is_quick(method: str, path: str, size: int, expected: bool) -> None:
    """Whatever goes as far as its write without asking anybody, and is small."""
    assert is_quick(method, path, size) is expected


def test_a_write_holds_no_thread(served: Served) -> None:
    """Begun by the thread that does the I/O, and answered by none of those that may wait."""
    with Wire(served.front) as wire:
        assert served.call_held_up(wire, "POST", "/tasques", {**TASK, "id": "x"}).status == 201
        assert served.store.batches == [["x"]]
        first, second = served.threads("/tasques")
        assert (first, second != "waitress") == ("front", True)
        claimed(wire)
        served.passes.clear()
        for verb in ("reports", "done"):
            path = f"/tasques/{verb}/mail/x"
            assert served.call_held_up(wire, "PUT", path, {"data": {}}).status == 200
        threads = served.threads("/tasques")
        assert (threads[::2], "waitress" in threads) == (["front", "front"], False)


def test_what_has_to_be_read_first_gets_a_thread(served: Served) -> None:
    """A task that was not claimed here; its body is read anew."""
    with Wire(served.front) as wire:
        answer = wire.call("PUT", "/tasques/done/mail/nowhere", {"data": {"a": 1}})
        assert answer.status == 404
        assert served.threads("/tasques/done") == ["front", "waitress"]


def test_a_large_body_gets_a_thread(served: Served) -> None:
    """And its answer is made by one; nobody else's request waits for that."""
    with Wire(served.front) as wire:
        answer = wire.call("POST", "/tasques", {**TASK, "args": LARGE})
        assert (answer.status, answer.json["args"]) == (201, LARGE)
        assert served.threads("/tasques") == ["waitress", "waitress"]


def test_a_claim_waits_for_policies_on_a_thread(served: Served) -> None:
    """With the body that it came with."""
    with Wire(served.front) as wire:
        wire.call("POST", "/tasques", {**TASK, "id": "x"})
        wire.call("POST", "/tasques", {"queue": "other", "kind": "send"})
        served.is_prepared = False
        served.passes.clear()
        assert claimed(wire)["id"] == "x"
        assert served.threads("/tasques")[:2] == ["front", "waitress"]


# ----------------------------------------------------------------------- the same answers


CALLS: Sequence[tuple[str, str, object, str]] = (
    ("POST", "/tasques", {**TASK, "id": "a"}, "w1"),
    ("POST", "/tasques", {**TASK, "id": "a"}, "w1"),
    ("POST", "/tasques", {"queue": "mail"}, "w1"),
    ("POST", "/tasques", {**TASK, "kind": 7, "priority": "high"}, "w1"),
    ("POST", "/tasques", {**TASK, "id": "b", "args": LARGE}, "w1"),
    ("POST", "/tasques", [1, 2], "w1"),
    ("PUT", "/tasques/done/mail/a", {}, "w1"),
    ("PUT", "/tasques/done/mail/none", {}, "w1"),
    (
        "POST",
        "/tasques/claims",
        {**AT_ONCE, "block_for": "60s", "amount": 2, "min_amount": 2},
        "w1",
    ),
    ("POST", "/tasques/claims", {"amount": "many"}, "w1"),
    ("PUT", "/tasques/reports/mail/a", {"data": {"at": 1}}, "w1"),
    ("PUT", "/tasques/reports/mail/a", {"data": 3}, "w1"),
    ("PUT", "/tasques/done/mail/a", {}, "somebody-else"),
    ("PUT", "/tasques/failed/mail/a", {"data": {"why": "so"}}, "w1"),
    ("PUT", "/tasques/failed/mail/a", {"data": {"why": "so"}}, "w1"),
    ("DELETE", "/tasques/claims/mail/b", None, "somebody-else"),
    ("DELETE", "/tasques/claims/mail/b?run_in=bogus", None, "w1"),
    ("DELETE", "/tasques/claims/mail/b", None, "w1"),
    ("PUT", "/tasques/done/mail/b", {"data": LARGE}, "w1"),
    ("PUT", "/tasques/done/mail/b", None, "w1"),
    ("GET", "/tasques/mail/a", None, "w1"),
    ("GET", "/tasques/mail/b", None, "w1"),
)


def said(answer: Answer) -> tuple[int, object]:
    """What does not differ between two servers that are asked the same."""
    return answer.status, without(answer.json, {"claim_id", "run_at", "times_out_at"})


def without(value: object, names: set[str]) -> object:
    if isinstance(value, dict):
        return {name: without(each, names) for name, each in value.items() if name not in names}
    return [without(each, names) for each in value] if isinstance(value, list) else value


def ask_all(front: Front) -> list[tuple[int, object]]:
    with Wire(front) as wire:
        return [
            said(wire.call(method, path, body, worker=worker))
            for method, path, body, worker in CALLS
        ]


def test_every_answer_is_as_without(world: World, serve: Serve) -> None:
    """Whether a request is begun at once, by a thread, or waits for its write: the same is said."""
    expected = ask_all(serve(create_app(world.services, ServerOptions())))
    assert {status for status, _ in expected} >= {200, 201, 400, 403, 404, 409}
    for at_once, parks in ((True, True), (False, True), (True, False)):
        served = Served(make_world(HandClock()), serve, at_once=at_once, parks=parks)
        assert ask_all(served.front) == expected
        served.claims.close()


def test_a_request_keeps_the_id_that_it_brought(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """In the answer and in its one line of the log, however often it was served."""
    caplog.set_level(logging.DEBUG, "tasques.access")
    with Wire(served.front) as wire:
        answer = wire.call("POST", "/tasques", TASK, headers={"X-Request-Id": "mine"})
        assert answer.headers["x-request-id"] == "mine"
    lines = [record for record in caplog.records if getattr(record, "path", "") == "/tasques"]
    assert [line.__dict__["request_id"] for line in lines] == ["mine"]


def test_a_race_that_is_lost_is_decided_anew(served: Served) -> None:
    """By a thread, as it takes a read; and what was to be done is done."""
    with Wire(served.front) as wire:
        wire.call("POST", "/tasques", {**TASK, "id": "x"})
        claimed(wire)
        first = iter([Conflict()])
        served.store.script = lambda write: next(first, None)
        served.passes.clear()
        answer = wire.call("PUT", "/tasques/done/mail/x", {"data": {"n": 1}})
        assert (answer.status, answer.json["state"]) == (200, "done")
        assert served.threads("/tasques/done") == ["front", "waitress"]


@pytest.mark.parametrize("doubt", [Unknown("no answer"), Rejected("too busy")])
def test_a_doubt_is_followed(served: Served, doubt: WriteOutcome[Task]) -> None:
    """A try that nothing is known of, or that was refused for now, is not the last one."""
    first = iter([doubt])
    served.store.script = lambda write: next(first, None)
    with Wire(served.front) as wire:
        answer = wire.call("POST", "/tasques", {**TASK, "id": "x"})
        assert answer.status == 201
        assert served.threads("/tasques") == ["front", "waitress"]
        assert wire.call("GET", "/tasques/mail/x").status == 200


# ------------------------------------------------------------------- several on one connection


def bytes_of(method: str, path: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: t\r\nX-TASQUES-WORKER-ID: w1\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


@pytest.mark.parametrize("is_held_up", [False, True])
def test_several_in_one_go_are_answered_in_their_order(served: Served, is_held_up: bool) -> None:
    """Quick ones, slow ones and wrong ones, whichever thread each of them gets."""
    if is_held_up:
        served.hold_up()
    requests = [
        bytes_of("POST", "/tasques", {**TASK, "id": "a"}),
        bytes_of("GET", "/health/live"),
        bytes_of("POST", "/tasques", {**TASK, "id": "b", "args": LARGE}),
        bytes_of("POST", "/tasques", {**TASK, "id": "a"}),
        bytes_of("POST", "/tasques", {"queue": 1}),
        bytes_of("PUT", "/tasques/done/mail/none", {}),
        bytes_of("POST", "/tasques", {**TASK, "id": "c"}),
        bytes_of("GET", "/tasques/mail/c"),
        bytes_of("POST", "/tasques", {**TASK, "id": "d"}),
    ]
    expected = [201, 200, 201, 409, 400, 404, 201, 200, 201]
    with Wire(served.front) as wire:
        wire.send(b"".join(requests))
        if is_held_up:
            served.until_under_way("a")
            with Wire(served.front) as other:
                assert other.call("GET", "/health/live").status == 200
            served.let_on()
        answers = [wire.answer() for _ in expected]
    assert [answer.status for answer in answers] == expected
    assert [answers[n].json["id"] for n in (0, 2, 6, 7, 8)] == ["a", "b", "c", "c", "d"]


def test_many_connections_each_with_several(served: Served) -> None:
    """Each gets the answers to its own."""

    def produce(number: int) -> None:
        ids = [f"p{number}-{n}" for n in range(20)]
        with Wire(served.front) as wire:
            for begin in range(0, 20, 4):
                some = ids[begin : begin + 4]
                wire.send(b"".join(bytes_of("POST", "/tasques", {**TASK, "id": id}) for id in some))
                told[number] += [wire.answer().json["id"] for _ in some]
        assert told[number] == ids
        done.append(number)

    told: dict[int, list[str]] = {number: [] for number in range(8)}
    done: list[int] = []
    threads = [threading.Thread(target=produce, args=(number,)) for number in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(done) == list(told)


def test_a_body_that_comes_bit_by_bit(served: Served) -> None:
    """It is begun with its last byte; who asks whether to send the body is told so first."""
    request = bytes_of("POST", "/tasques", {**TASK, "id": "x"})
    head, _, body = request.partition(b"\r\n\r\n")
    with Wire(served.front) as wire:
        wire.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert wire.answer().status == 100
        wire.send(body[:5])
        with Wire(served.front) as other:
            assert other.call("GET", "/health/live").status == 200
        assert served.threads("/tasques") == []
        wire.send(body[5:])
        assert (answer := wire.answer()).status == 201
        assert answer.json["id"] == "x"


def test_a_connection_that_is_to_end_ends_with_the_answer(served: Served) -> None:
    """Whatever of it was made by the I/O thread."""
    for version, more in (("1.1", "Connection: close\r\n"), ("1.0", "")):
        request = bytes_of("POST", "/tasques", TASK).replace(
            b"HTTP/1.1", f"HTTP/{version}".encode()
        )
        with Wire(served.front) as wire:
            wire.send(request.replace(b"Host: t\r\n", f"Host: t\r\n{more}".encode()))
            assert wire.answer().status == 201
            assert wire.is_closed
