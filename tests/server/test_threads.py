"""Which thread is woken for a request, and when the I/O thread is, beside what waitress does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]

from tasques.server import front as fronts
from tasques.server.channel import Channel, served_here
from tasques.server.front import Front, Listener
from tasques.server.options import ServerOptions
from tasques.server.parking import PARKING
from tasques.server.threads import Threads
from tests.server.conftest import LOOPBACK

PATIENCE = 60.0


def until(holds: Callable[[], object]) -> None:
    """Wait for something that happens on another thread."""
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline
        threading.Event().wait(0.001)


REQUEST = b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"


class Work:
    """Says on which thread it was done."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.thread = ""

    def service(self) -> None:
        self.thread = threading.current_thread().name
        self.done.set()


def test_the_thread_that_became_idle_last_serves_next() -> None:
    """One request after another, however many threads there are: the same thread serves them."""
    threads = Threads()
    threads.set_thread_count(8)
    try:
        served = []
        for _ in range(20):
            # All are idle; the one that has just worked has lain down last.
            while threads.active_count:
                threading.Event().wait(0.001)
            work = Work()
            threads.add_task(work)
            assert work.done.wait(PATIENCE)
            served.append(work.thread)
        assert len(set(served)) == 1
    finally:
        threads.shutdown()


def test_all_threads_end_when_they_are_to() -> None:
    """Those that lie idle too."""
    threads = Threads()
    threads.set_thread_count(8)
    threads.shutdown(timeout=PATIENCE)
    assert not threads.threads


class Meeting:
    """Work that goes on only when all of it is under way at once."""

    def __init__(self, parties: int) -> None:
        self.barrier = threading.Barrier(parties + 1, timeout=PATIENCE)

    def service(self) -> None:
        self.barrier.wait()

    def cancel(self) -> None:
        raise AssertionError


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads()
    made.set_thread_count(8)
    yield made
    made.shutdown(timeout=PATIENCE)


def until_idle(threads: Threads) -> None:
    until(lambda: not threads.active_count)


def test_nobody_lies_idle_beside_work(threads: Threads) -> None:
    """One is woken at a time, and wakes the next: those who come together are all worked on."""
    for _ in range(20):
        until_idle(threads)
        meeting = Meeting(8)
        for _ in range(8):
            threads.add_task(meeting)
        meeting.barrier.wait()


class Server:
    """As much of a listener as a channel needs; counts how often its I/O thread is woken."""

    is_draining = False
    parks = False
    server_name, effective_port = "test", 0

    def __init__(self) -> None:
        self.active_channels: dict[int, Channel] = {}
        self.adj = Adjustments(channel_request_lookahead=1, ident=None)
        self.tasks: list[Channel] = []
        self.woken = 0

    def add_task(self, channel: Channel) -> None:
        self.tasks.append(channel)

    def pull_trigger(self) -> None:
        channel = served_here()
        self.woken += channel is None or not channel.is_content

    def application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"x" * 100]


@pytest.fixture
def connected() -> Iterator[tuple[Channel, Server, socket.socket]]:
    ours, theirs = socket.socketpair()
    server: Any = Server()
    channel = Channel(server, ours, ("test", 0), server.adj, map={})
    yield channel, server, theirs
    channel.handle_close()
    theirs.close()


def test_nobody_is_woken_for_an_answer_that_has_left(
    connected: tuple[Channel, Server, socket.socket],
) -> None:
    """It is on its way, in one piece, and the next request is being watched for."""
    channel, server, client = connected
    channel.received(REQUEST)
    assert channel.readable()
    channel.service()
    assert server.woken == 0
    assert client.recv(4096).endswith(b"\r\n\r\n" + b"x" * 100)


def test_the_io_thread_is_woken_where_it_had_stopped_to_watch(
    connected: tuple[Channel, Server, socket.socket],
) -> None:
    """Behind two requests no third is read; once the first is answered, it is."""
    channel, server, _ = connected
    channel.received(REQUEST + REQUEST)
    assert not channel.readable()
    channel.service()
    assert server.woken == 1
    assert channel.readable()


def test_the_io_thread_is_woken_for_what_could_not_be_sent(
    connected: tuple[Channel, Server, socket.socket],
) -> None:
    """A client that does not read leaves bytes behind, and the I/O thread has to send them."""
    channel, server, _ = connected
    channel.received(REQUEST)
    assert channel.readable()
    with channel.outbuf_lock:
        channel.outbufs[-1].append(b"y" * 2**22)
        channel.total_outbufs_len += 2**22
    channel.service()
    assert server.woken > 0


def test_the_io_thread_is_woken_to_close(
    connected: tuple[Channel, Server, socket.socket],
) -> None:
    """A client that wants its connection closed gets that at once."""
    channel, server, _ = connected
    channel.received(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert channel.readable()
    channel.service()
    assert server.woken == 1


# --------------------------------------------------------------------- what the I/O thread does


class BusyListener(Server):
    """Serves at once what it can; its I/O thread is the test's own."""

    parks = True

    def __init__(self) -> None:
        super().__init__()
        self.io_thread = threading.get_ident()
        self.answers: list[Channel] = []

    def serves_at_once(self, request: object) -> bool:
        return True

    def add_task(self, channel: Channel) -> None:
        if channel.begins_at_once():
            self.add_answer(channel)
        else:
            self.tasks.append(channel)

    def add_answer(self, channel: Channel) -> None:
        self.answers.append(channel)


@pytest.fixture
def at_once() -> Iterator[tuple[Channel, BusyListener, socket.socket]]:
    ours, theirs = socket.socketpair()
    server: Any = BusyListener()
    channel = Channel(server, ours, ("test", 0), server.adj, map={})
    yield channel, server, theirs
    channel.handle_close()
    theirs.close()


def test_what_comes_is_begun_by_the_thread_that_takes_it(
    at_once: tuple[Channel, BusyListener, socket.socket],
) -> None:
    """The first of several; the one behind it when it is its turn among all others."""
    channel, server, client = at_once
    channel.received(REQUEST + REQUEST)
    server.answers.pop().service()
    assert client.recv(4096).endswith(b"x" * 100)
    assert (server.tasks, server.answers) == ([], [channel])
    assert channel.requests[0].is_at_once


def test_what_came_while_another_thread_answered_is_begun_by_the_io_thread(
    at_once: tuple[Channel, BusyListener, socket.socket],
) -> None:
    """As it would be a moment later; not what was begun, and may have to wait."""
    channel, server, _ = at_once
    channel.received(REQUEST * 3)
    server.answers.pop().service()
    server.answers.clear()
    answering = threading.Thread(target=channel.service)
    answering.start()
    answering.join(PATIENCE)
    assert (server.tasks, server.answers) == ([], [channel])
    channel.requests[0].environment = {}
    server.add_task(channel)
    assert server.tasks == [channel]


def test_what_another_thread_asks_for_is_never_the_io_threads(
    at_once: tuple[Channel, BusyListener, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have to wait, as for a lost race; also if bytes of the same connection come just then."""
    channel, server, _ = at_once
    taken = HTTPChannel.received

    def received(self: Any, data: bytes) -> Any:
        committer = threading.Thread(target=server.add_task, args=(channel,))
        committer.start()
        committer.join(PATIENCE)
        return taken(self, data)

    monkeypatch.setattr(HTTPChannel, "received", received)
    channel.received(b"GET /half")
    assert server.tasks == [channel]


def test_the_io_thread_waits_for_no_client(
    at_once: tuple[Channel, BusyListener, socket.socket],
) -> None:
    """However much is to be sent first: nobody else would send it. Others wait until it is."""
    channel, server, _ = at_once
    server.adj.outbuf_high_watermark = 1000
    with channel.outbuf_lock:
        channel.outbufs[-1].append(b"y" * 2**22)
        channel.total_outbufs_len += 2**22
    ended = threading.Event()

    def write(on_io_thread: bool) -> None:
        if on_io_thread:
            server.io_thread = threading.get_ident()
        channel.write_soon(b"more")
        ended.set()

    threading.Thread(target=write, args=(True,), daemon=True).start()
    assert ended.wait(PATIENCE)
    assert channel.total_outbufs_len > server.adj.outbuf_high_watermark


def test_a_client_that_goes_before_its_thread_came(
    at_once: tuple[Channel, BusyListener, socket.socket],
) -> None:
    """The application is told of its end, and cannot park it once more."""
    channel, server, _ = at_once
    asked: list[bool] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        asked.append(PARKING in environ)
        if PARKING in environ:
            environ[PARKING]().move_to_thread()
        start_response("200 OK", [])
        return [b"too late"]

    server.application = application  # type: ignore[method-assign]
    channel.received(REQUEST)
    server.answers.pop().service()
    assert server.tasks == [channel]
    channel.connected = False
    channel.service()
    assert asked == [True, False]
    assert channel.requests == []


class Answers:
    """A connection whose answer is due; says when it was made, and takes a second over it."""

    requests = (object(),)

    def __init__(
        self, clock: list[float], made: list[Answers], fault: type[Exception] | None = None
    ):
        self._clock, self._made, self._fault = clock, made, fault

    def service(self) -> None:
        self._clock[0] += 1.0
        self._made.append(self)
        if self._fault is not None:
            raise self._fault


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """One that nobody connects to, with a trigger that counts."""
    made = Front(lambda environ, start_response: (), ServerOptions(address=LOOPBACK, at_once=True))
    yield made._listeners[0]
    made.close()


def test_new_requests_come_between_many_answers(
    listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are made for a while, then the I/O thread looks who else wants something."""
    clock, made = [0.0], []  # type: ignore[var-annotated]
    monkeypatch.setattr(fronts, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(fronts, "_ANSWERING_SECONDS", 2.5)
    due = [Answers(clock, made) for _ in range(7)]
    for each in due:
        listener.add_answer(each)
    assert [listener.answer() for _ in range(3)] == [True, True, False]
    assert made == due


def test_one_call_for_all_answers_until_it_looks(
    listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one more for what comes after that, also if not all were made."""
    calls: list[int] = []
    monkeypatch.setattr(listener, "_wake", lambda: calls.append(1))
    clock, made = [0.0], []  # type: ignore[var-annotated]
    for _ in range(3):
        listener.add_answer(Answers(clock, made))
    assert (len(calls), len(made)) == (1, 0)
    listener.answer()
    assert len(made) == 3
    listener.add_answer(Answers(clock, made))
    assert len(calls) == 2


def test_an_answer_that_fails_is_noted(listener: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The I/O thread goes on, and those behind it are answered."""
    clock, made = [0.0], []  # type: ignore[var-annotated]
    due = [Answers(clock, made, KeyError), Answers(clock, made)]
    for each in due:
        listener.add_answer(each)
    assert listener.answer() is False
    assert made == due
    assert "KeyError" in caplog.text


def test_no_answer_is_left_lying(listener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands, from several threads, while the I/O thread looks only when it is called."""
    called = threading.Semaphore(0)
    monkeypatch.setattr(listener, "_wake", called.release)
    clock, made = [0.0], []  # type: ignore[var-annotated]

    def add_many() -> None:
        for _ in range(500):
            listener.add_answer(Answers(clock, made))

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(made) < 2000:
        assert called.acquire(timeout=PATIENCE), "nobody was called"
        while listener.answer():
            pass
    for thread in threads:
        thread.join(PATIENCE)
    assert len(made) == 2000
