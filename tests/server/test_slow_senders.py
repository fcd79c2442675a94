"""A request has to arrive in time, counted from its first byte, however it drips."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic, perf_counter
from typing import Any

import pytest
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]

from tasques.core.values import Duration
from tasques.server.app import create_app
from tasques.server.channel import STEADY_RATE, Channel
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tests.server.conftest import World
from tests.server.wire import Wire

#: Longer than a busy machine takes from a connection to its first bytes.
SOON = Duration.of_seconds(3)


@pytest.fixture
def front(world: World, serve: Callable[..., Front]) -> Front:
    return serve(create_app(world.services, ServerOptions()), request_timeout=SOON)


BEGINNINGS = [
    b"G",
    b"POST /tasques HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{",
    b"POST /tasques HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_request_that_never_ends_is_408(front: Front, beginning: bytes) -> None:
    """In its head, in its body, in a chunk; in JSON; and the connection is closed."""
    with Wire(front) as wire:
        wire.send(beginning)
        answer = wire.answer()
        assert answer.status == 408
        assert answer.json["message"]
        assert answer.headers["connection"] == "close"
        assert wire.is_closed


def test_an_idle_connection_is_closed(front: Front) -> None:
    """After the same time, without a word: nothing was asked."""
    with Wire(front) as fresh, Wire(front) as used:
        assert used.call("GET", "/health/live").status == 200
        assert fresh.is_closed
        assert used.is_closed


def test_a_crowd_of_dripping_senders_holds_up_nobody(front: Front) -> None:
    """Each byte counts as activity to waitress, which by itself would keep all of them for ever."""
    with ExitStack() as stack:
        drippers = [stack.enter_context(Wire(front)) for _ in range(300)]
        took = []
        open_ones = list(drippers)
        while open_ones:
            for dripper in tuple(open_ones):
                try:
                    dripper.socket.send(b"x", socket.MSG_DONTWAIT)
                except OSError:
                    open_ones.remove(dripper)
            began = perf_counter()
            with Wire(front) as honest:
                assert honest.call("GET", "/health/live").status == 200
            took.append(perf_counter() - began)
    assert sorted(took)[len(took) * 99 // 100] < 10


class Server:
    """As much of a listener as a channel needs."""

    is_draining = False

    def __init__(self) -> None:
        self.active_channels: dict[int, Channel] = {}
        self.tasks: list[Channel] = []

    def add_task(self, channel: Channel) -> None:
        self.tasks.append(channel)

    def pull_trigger(self) -> None:
        """Nothing to wake."""


@pytest.fixture
def connected() -> Iterator[tuple[Channel, Server]]:
    ours, theirs = socket.socketpair()
    server: Any = Server()
    channel = Channel(server, ours, ("test", 0), Adjustments(), map={})
    yield channel, server
    channel.handle_close()
    theirs.close()


HEAD = b"POST /tasques HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n"


def test_the_time_counts_from_the_first_byte(connected: tuple[Channel, Server]) -> None:
    """What follows does not start it anew; the next request does."""
    channel, _ = connected
    channel.received(b"GET /a")
    first = channel.receiving_since
    assert first is not None
    channel.received(b"b HTTP/1.1\r\n")
    assert channel.receiving_since == first
    channel.received(b"\r\nGET /next")
    assert channel.receiving_since is not None
    assert channel.receiving_since >= first
    channel.received(b" HTTP/1.1\r\n\r\n")
    assert channel.receiving_since is None


def test_a_body_that_comes_steadily_gets_more_time(connected: tuple[Channel, Server]) -> None:
    """As much as its bytes take at the steady rate; then it is late all the same."""
    channel, server = connected
    channel.received(HEAD)
    channel.received(b"x" * (10 * STEADY_RATE))
    since = channel.receiving_since
    assert since is not None
    channel.check_deadline(since + 1 + 9.9, 1)
    assert server.tasks == []
    channel.check_deadline(since + 1 + 11, 1)
    assert server.tasks == [channel]
    assert channel.requests[0].error.code == 408


def test_whoever_we_keep_waiting_is_not_late(connected: tuple[Channel, Server]) -> None:
    """While an earlier request is worked on, the clock of the next one stands still."""
    channel, _ = connected
    channel.received(b"GET /first HTTP/1.1\r\n\r\n")
    channel.received(HEAD)
    now = monotonic() + 1000
    channel.check_deadline(now, 1)
    assert len(channel.requests) == 1
    channel.requests.clear()  # answered
    channel.check_deadline(now + 0.9, 1)
    assert channel.requests == []
    channel.check_deadline(now + 2, 1)
    assert channel.requests[0].error.code == 408


def test_a_client_that_does_not_read_is_left(connected: tuple[Channel, Server]) -> None:
    """Its answer is kept as long as the connection may be silent, and then let go."""
    channel, _ = connected
    channel.received(b"GET /large HTTP/1.1\r\n\r\n")
    channel.write_soon(b"x" * 10_000_000)
    assert channel.total_outbufs_len
    channel.check_deadline(monotonic(), 1)
    assert not channel.will_close
    channel.last_activity -= 2
    channel.check_deadline(monotonic(), 1)
    assert channel.will_close


def test_a_request_that_is_worked_on_is_left_alone(connected: tuple[Channel, Server]) -> None:
    """However long it takes: a claim waits as long as it was asked to."""
    channel, _ = connected
    channel.received(b"GET /long HTTP/1.1\r\n\r\n")
    channel.last_activity -= 1000
    channel.check_deadline(monotonic() + 1000, 1)
    assert not channel.will_close
