"""Several processes serve at one address, as one server that a crash does not end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.conftest import Start
from tests.processes.wire import Connection, ask, eventually, is_refused
from tools.ports import reserved_port
from tools.tasques_server import ServerUnavailable, TasquesServer

TASK = {"queue": "mail", "kind": "send"}
A_LONG_CLAIM = {"queues": ["nobody-writes-here"], "block_for": "60s"}


def children(server: TasquesServer) -> set[int]:
    stats = {int(path.parent.name): _stat(path) for path in Path("/proc").glob("[0-9]*/stat")}
    return {pid for pid, stat in stats.items() if stat[1:2] == [str(server.pid)]}


def _stat(path: Path) -> list[str]:
    """State, parent and so on; empty for a process that is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    return "".join(_stat(Path(f"/proc/{pid}/stat"))[:1])


@pytest.fixture
def two(start: Start, on_elasticsearch: dict[str, str]) -> TasquesServer:
    """A server of two processes, both serving."""
    settings = {**on_elasticsearch, "shutdown_timeout": "20s"}
    server = start(settings, arguments=("--processes", "2"))
    assert eventually(lambda: "Tasques listens on" in server.log)
    return server


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """Whatever is answered meanwhile is answered by another process."""
    os.kill(pid, signal.SIGSTOP)
    assert eventually(lambda: _state(pid) == "T")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_each_of_them_serves(two: TasquesServer) -> None:
    """With all others held up, each by itself takes connections and answers."""
    both = children(two)
    assert len(both) == 2
    for pid in both:
        with paused(pid):
            assert ask(two.url, "GET", "/health/live").status == 200


def test_they_share_tasks(two: TasquesServer) -> None:
    """What is created at one is claimed and finished at another."""
    first, second = children(two)
    with paused(first):
        assert ask(two.url, "POST", "/tasques", {**TASK, "id": "x"}).status == 201
    with paused(second):
        claim = {"queues": ["mail"], "block_for": "50s"}
        (claimed,) = ask(two.url, "POST", "/tasques/claims", claim).json
        assert claimed["id"] == "x"
        assert ask(two.url, "PUT", "/tasques/done/mail/x", {}).status == 200


def test_one_that_is_killed_is_replaced(two: TasquesServer) -> None:
    """The others serve on, and soon there are as many as before."""
    before = children(two)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    assert ask(two.url, "GET", "/health/live").status == 200
    assert eventually(lambda: killed not in children(two) and len(children(two)) == 2)
    (other,) = before & children(two)
    with paused(other):
        assert eventually(lambda: ask(two.url, "GET", "/health/live").status == 200)
    assert f"(pid {killed}) ended with status -9" in two.log
    assert two.terminate()[0] == 0


def test_one_that_is_told_to_stop_drains_and_is_replaced(two: TasquesServer) -> None:
    """So processes can be exchanged one by one."""
    stopped = min(children(two))
    os.kill(stopped, signal.SIGTERM)
    assert eventually(lambda: stopped not in children(two) and len(children(two)) == 2)
    assert eventually(lambda: f"(pid {stopped}) ended; another begins" in two.log)


def test_one_that_is_told_to_stop_over_and_over_stops(two: TasquesServer) -> None:
    """A signal that arrives while another is being dealt with changes nothing."""
    stopped = min(children(two))
    with contextlib.suppress(ProcessLookupError):
        for _ in range(100_000):
            os.kill(stopped, signal.SIGTERM)
    assert eventually(lambda: stopped not in children(two) and len(children(two)) == 2)
    assert eventually(lambda: f"(pid {stopped}) ended; another begins" in two.log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_stop_in_order(two: TasquesServer, number: signal.Signals) -> None:
    """Claims that wait at any of them are answered with nothing; nobody listens; status 0."""
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(Connection(two.url)) for _ in range(20)]
        for connection in waiting:
            assert connection.call("GET", "/health/live").status == 200
            connection.request("POST", "/tasques/claims", A_LONG_CLAIM)
        two.signal(number)
        answers = [connection.answer() for connection in waiting]
    assert {(answer.status, answer.content.strip()) for answer in answers} == {(200, b"[]")}
    assert two.wait() == 0
    assert is_refused(two.url)


def test_a_signal_to_all_of_them_is_one(two: TasquesServer) -> None:
    """A service manager may signal every process; that is no second request to stop."""
    with Connection(two.url) as asking:
        asking.send(b"GET /health/live HTTP/1.1\r\nHost: test\r\n")
        for pid in (two.pid, *children(two)):
            os.kill(pid, signal.SIGTERM)
        assert eventually(lambda: is_refused(two.url))
        asking.send(b"\r\n")
        assert asking.answer().status == 200
    assert two.wait() == 0


def test_a_second_signal_ends_all_at_once(start: Start, on_elasticsearch: dict[str, str]) -> None:
    """Status 1, and no process is left."""
    settings = {**on_elasticsearch, "shutdown_timeout": "10m", "http.processes": "2"}
    server = start(settings)
    assert eventually(lambda: "Tasques listens on" in server.log)
    left = children(server)
    with Connection(server.url) as never_ending:
        never_ending.send(b"GET /health/live HTTP/1.1\r\nHost: test\r\n")
        server.ask_to_stop()
        assert eventually(lambda: is_refused(server.url))
        assert server.is_running
        assert server.terminate()[0] == 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in left)


def test_they_stop_when_their_supervisor_is_gone(two: TasquesServer) -> None:
    """However it went: nobody serves on unseen."""
    left = children(two)
    os.kill(two.pid, signal.SIGKILL)
    assert eventually(lambda: is_refused(two.url))
    assert eventually(lambda: all(_state(pid) in ("", "Z") for pid in left))


def test_each_can_be_asked_by_itself(
    start: Start, on_elasticsearch: dict[str, str], ports: tuple[int, int]
) -> None:
    """At the port of its own, for its own metrics and health."""
    settings = {**on_elasticsearch, "http.processes": "2", "http.process_port": str(ports[0])}
    server = start(settings)
    assert eventually(lambda: "Tasques listens on" in server.log)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    assert all(ask(url, "GET", "/health/live").status == 200 for url in urls)
    with contextlib.ExitStack() as stack:
        stack.enter_context(paused(min(children(server))))
        asking = [stack.enter_context(Connection(url)) for url in urls]
        for connection in asking:
            connection.request("GET", "/health/live")
        assert eventually(lambda: any(connection.has_answer for connection in asking))
        assert ask(server.url, "GET", "/health/live").status == 200
        assert sum(connection.has_answer for connection in asking) == 1


def test_memory_is_refused(start: Start) -> None:
    """Each would have tasks of its own, and a worker would see one process's only."""
    with pytest.raises(ServerUnavailable, match="kept in memory"):
        start({"http.processes": "2"})


def test_a_start_that_fails_says_why_once(start: Start) -> None:
    """And ends, as that of one process does."""
    with reserved_port() as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        settings = {"backend": "elasticsearch:", "elasticsearch.addresses": url}
        with pytest.raises(ServerUnavailable) as caught:
            start({**settings, "http.processes": "2"})
    said = [line for line in str(caught.value).splitlines() if line.startswith("tasques: ")]
    assert len(said) == 1, json.dumps(said)
