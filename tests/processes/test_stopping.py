"""
How a server stops: SIGTERM drains it, and nothing that was promised is lost.

Connections are opened, and requests sent whole or in part, before the signal, so that what is under
way is known exactly; that new connections are refused says that the drain has begun.
"""

from __future__ import annotations

import contextlib
import signal
import time

from tests.processes.conftest import Start
from tests.processes.wire import Connection, ask, eventually, fill_waiting_places, is_refused
from tools.elasticsearch_node import ElasticsearchNode

TASK = {"queue": "mail", "kind": "send"}
A_LONG_CLAIM = {"queues": ["nobody-writes-here"], "block_for": "1h"}
HALF_A_REQUEST = b"GET /health/ready HTTP/1.1\r\nHost: test\r\n"


def test_waiting_claims_are_answered_with_nothing(start: Start) -> None:
    """
    A worker that waits when the server is told to stop gets 200 and an empty array, as it would at
    the end of its wait; the server ends with status 0, long before the claims would have.
    """
    server = start({"http.waiting_claims": "20", "shutdown_timeout": "10m"})
    with contextlib.ExitStack() as stack:
        claims = fill_waiting_places(stack, server.url, A_LONG_CLAIM, 20)
        status, _ = server.terminate()  # within a minute
        answers = [claim.answer() for claim in claims]
    assert {(answer.status, answer.content.strip()) for answer in answers} == {(200, b"[]")}
    assert status == 0


def test_a_stopping_server_is_not_ready(start: Start) -> None:
    """While it finishes what is under way, readiness is red and says why."""
    server = start({"shutdown_timeout": "20s"})
    with Connection(server.url) as asking:
        asking.send(HALF_A_REQUEST)
        server.ask_to_stop()
        assert eventually(lambda: is_refused(server.url))
        asking.send(b"\r\n")
        answer = asking.answer()
    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert [problem["code"] for problem in answer.json["problems"]] == ["draining"]
    assert server.wait() == 0


def test_nothing_is_claimed_any_more(start: Start) -> None:
    """A claim that comes in while the server stops takes no task, though there is one."""
    server = start({"shutdown_timeout": "20s"})
    assert ask(server.url, "POST", "/tasques", {**TASK, "id": "a"}).status == 201
    with Connection(server.url) as claiming, Connection(server.url) as looking:
        claiming.send(b"POST /tasques/claims HTTP/1.1\r\nX-TASQUES-WORKER-ID: late\r\n")
        looking.send(b"GET /tasques/mail/a HTTP/1.1\r\n")
        server.ask_to_stop()
        assert eventually(lambda: is_refused(server.url))
        body = b'{"queues": ["mail"], "block_for": "1s"}'
        claiming.send(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        claimed = claiming.answer()
        looking.send(b"\r\n")
        found = looking.answer()
    assert (claimed.status, claimed.json) == (200, [])
    assert found.json["state"] == "queued"
    assert server.wait() == 0


def test_idle_connections_hold_up_nobody(start: Start) -> None:
    """Connections that are kept alive, and on which nothing is asked, are closed soon."""
    server = start({"shutdown_timeout": "10m"})
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            idle = stack.enter_context(Connection(server.url))
            assert idle.call("GET", "/health/live").status == 200
        status, _ = server.terminate()  # within a minute
    assert status == 0


def test_who_does_not_finish_is_cut_off(start: Start) -> None:
    """A request that does not end within the shutdown timeout does not keep the server: status 1."""
    server = start({"shutdown_timeout": "1s"})
    with Connection(server.url) as never_ending:
        never_ending.send(HALF_A_REQUEST)
        status, seconds = server.terminate()
    assert status == 1
    assert 0.9 < seconds < 60


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    """Whoever asks twice does not want to wait for the shutdown timeout."""
    server = start({"shutdown_timeout": "10m"})
    with Connection(server.url) as never_ending:
        never_ending.send(HALF_A_REQUEST)
        server.ask_to_stop()
        assert eventually(lambda: is_refused(server.url))
        assert server.is_running
        began = time.monotonic()
        status, _ = server.terminate()
    assert status == 1
    assert time.monotonic() - began < 60


def test_an_interrupt_stops_it_like_sigterm(start: Start) -> None:
    """Ctrl-C in a terminal is a stop in order."""
    server = start()
    server.signal(signal.SIGINT)
    assert server.wait() == 0


def test_writes_under_way_are_settled(
    start: Start, own_node: ElasticsearchNode, on_own_node: dict[str, str]
) -> None:
    """
    Requests that were sent before the signal get a true answer even if Elasticsearch is slow just
    then: each task whose creation was answered 201 is there, and done is done.
    """
    server = start({**on_own_node, "shutdown_timeout": "30s"})
    assert ask(server.url, "POST", "/tasques", {**TASK, "id": "first"}).status == 201
    claim = {"queues": ["mail"], "block_for": "50s"}
    assert len(ask(server.url, "POST", "/tasques/claims", claim).json) == 1
    with contextlib.ExitStack() as stack:
        creating = [stack.enter_context(Connection(server.url)) for _ in range(10)]
        finishing = stack.enter_context(Connection(server.url))
        own_node.pause()
        stack.callback(own_node.resume)
        for number, connection in enumerate(creating):
            connection.request("POST", "/tasques", {**TASK, "id": f"new-{number}"})
        finishing.request("PUT", "/tasques/done/mail/first", {"data": {"ok": True}})
        server.ask_to_stop()
        assert eventually(lambda: is_refused(server.url))
        assert not any(connection.has_answer for connection in (*creating, finishing))
        own_node.resume()
        created = [connection.answer() for connection in creating]
        done = finishing.answer()
        assert server.wait() == 0
    assert {answer.status for answer in created} == {201}
    assert (done.status, done.json["state"]) == (200, "done")
    after = start(on_own_node)
    for number in range(10):
        found = ask(after.url, "GET", f"/tasques/mail/new-{number}")
        assert (found.status, found.json["state"]) == (200, "queued")
    assert ask(after.url, "GET", "/tasques/mail/first").json["state"] == "done"
