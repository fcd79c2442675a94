"""Which thread is woken for a request, and when the I/O thread is, beside what waitress does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

import pytest
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]

from tasques.server.channel import Channel, served_here
from tasques.server.threads import Threads

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
