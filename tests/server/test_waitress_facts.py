"""
What we rely on of waitress that its documentation does not promise.

If a test here fails after an upgrade, look at :mod:`tasques.server.channel`,
:mod:`tasques.server.front` and :mod:`tasques.server.io_loop` before anything else.
"""

from __future__ import annotations

import inspect
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]
from waitress.server import BaseWSGIServer  # type: ignore[import-untyped]
from waitress.task import ErrorTask, Task, ThreadedTaskDispatcher  # type: ignore[import-untyped]
from waitress.trigger import trigger  # type: ignore[import-untyped]

from tasques.server.front import Front
from tests.server.wire import PATIENCE_SECONDS, Wire


def test_a_server_makes_its_channels_of_a_class_attribute() -> None:
    """So that a subclass has channels of ours."""
    assert BaseWSGIServer.channel_class is HTTPChannel
    assert HTTPChannel.error_task_class is ErrorTask
    assert HTTPChannel.task_class.__mro__[1] is Task


def test_the_names_that_a_listener_is_made_with() -> None:
    """The constructor's parameters, those called shims included."""
    names = set(inspect.signature(BaseWSGIServer.__init__).parameters)
    assert {"map", "_sock", "dispatcher", "adj", "sockinfo", "bind_socket"} <= names


def test_what_is_asked_of_a_dispatcher() -> None:
    """Threads, and an end."""
    assert "timeout" in inspect.signature(ThreadedTaskDispatcher.shutdown).parameters
    assert callable(ThreadedTaskDispatcher.set_thread_count)
    # What waits for a thread is in one queue from beginning to end; one that wakes looks into it.
    assert inspect.getsource(ThreadedTaskDispatcher).count("self.queue = ") == 1


@pytest.mark.parametrize(
    "name",
    ["requests", "request", "total_outbufs_len", "close_when_flushed", "will_close", "connected"],
)
def test_what_a_channel_knows_of_itself(name: str) -> None:
    """Attributes that we read or set."""
    source = inspect.getsource(HTTPChannel)
    assert f"self.{name} " in source
    assert hasattr(HTTPChannel, "_flush_exception")
    assert hasattr(HTTPChannel, "_flush_some")


def test_what_a_request_counts() -> None:
    """The bytes of head and body so far, and that it is whole."""
    parser: Any = HTTPRequestParser(Adjustments())
    parser.received(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
    parser.received(b"ab")
    assert parser.header_bytes_received == 38
    assert parser.body_bytes_received == 2
    assert not parser.completed


def test_limits_refuse_from_their_value_on() -> None:
    """So ours are one more than what we say."""
    parser: Any = HTTPRequestParser(Adjustments(max_request_body_size=5))
    parser.received(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
    assert parser.error.code == 413


def test_a_loop_hands_over_what_the_kernel_said() -> None:
    """In the flags of ``poll``, which are those of ``epoll``."""
    assert list(inspect.signature(wasyncore.readwrite).parameters) == ["obj", "flags"]
    for name in ("IN", "OUT", "ERR", "HUP"):
        assert getattr(select, f"EPOLL{name}") == getattr(select, f"POLL{name}")


def test_whoever_takes_part_enters_the_map_and_leaves_it() -> None:
    """Item by item, sockets and the trigger alike: so a map of ours hears of it."""
    said: list[str] = []

    class Map(dict[int, Any]):
        def __setitem__(self, number: int, one: Any) -> None:
            said.append("come")
            super().__setitem__(number, one)

        def __delitem__(self, number: int) -> None:
            said.append("gone")
            super().__delitem__(number)

    ours, theirs = socket.socketpair()
    both = Map()
    for one in (wasyncore.dispatcher(ours, map=both), trigger(both)):
        assert both[one._fileno] is one
        assert not one.accepting
        one.close()
        assert one._fileno is None
    assert said == ["come", "come", "gone", "gone"]
    theirs.close()


class Watched:
    """As much of a server as a channel needs; notes how the channel is when the trigger is pulled."""

    server_name, effective_port, parks, is_draining = "test", 0, False, False

    def __init__(self) -> None:
        self.adj = Adjustments(channel_request_lookahead=1, ident=None)
        self.active_channels: dict[int, Any] = {}
        self.seen: list[tuple[int, bool]] = []
        self.channel: Any = None

    def add_task(self, channel: Any) -> None:
        """The test serves it."""

    def pull_trigger(self) -> None:
        self.seen.append((len(self.channel.requests), bool(self.channel.close_when_flushed)))

    def application(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "0")])
        return []


@pytest.mark.parametrize("last", [False, True])
def test_the_trigger_is_pulled_after_the_change(last: bool) -> None:
    """At the end of each request: what the I/O thread then asks has its new answer."""
    ours, theirs = socket.socketpair()
    server = Watched()
    channel = server.channel = HTTPChannel(server, ours, ("test", 0), server.adj, map={})
    connection = b"Connection: close\r\n" if last else b""
    channel.received(b"GET / HTTP/1.1\r\n%s\r\n" % connection)
    channel.service()
    assert server.seen == [(0, last)]
    channel.handle_close()
    theirs.close()


def test_the_environment_tells_whether_the_client_is_gone(serve: Callable[..., Front]) -> None:
    """With a lookahead: while the application works, the socket is still read."""
    entered = threading.Event()
    seen: list[bool] = []
    finished = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        gone = environ["waitress.client_disconnected"]
        seen.append(gone())
        entered.set()
        while not gone():
            pass
        seen.append(gone())
        finished.set()
        start_response("200 OK", [])
        return []

    wire = Wire(serve(app))
    wire.request("GET", "/")
    assert entered.wait(PATIENCE_SECONDS)
    wire.close()
    assert finished.wait(PATIENCE_SECONDS)
    assert seen == [False, True]


def test_a_body_is_closed_whether_or_not_it_was_taken(serve: Callable[..., Front]) -> None:
    """And asked for more only after it was taken: what delivery rests on."""
    said: list[str] = []
    entered, closed = threading.Event(), threading.Event()

    class Body:
        def __iter__(self) -> Any:
            yield b"body"
            said.append("asked for more")

        def close(self) -> None:
            said.append("closed")
            closed.set()

    def app(environ: dict[str, Any], start_response: Any) -> Body:
        start_response("200 OK", [("Content-Length", "4")])
        entered.set()
        if environ["PATH_INFO"] == "/gone":
            while not environ["waitress.client_disconnected"]():
                pass
        return Body()

    front = serve(app)
    with Wire(front) as wire:
        assert wire.call("GET", "/").content == b"body"
    assert closed.wait(PATIENCE_SECONDS)
    assert said == ["asked for more", "closed"]
    said.clear()
    entered.clear()
    closed.clear()
    gone = Wire(front)
    gone.request("GET", "/gone")
    assert entered.wait(PATIENCE_SECONDS)
    gone.close()
    assert closed.wait(PATIENCE_SECONDS)
    assert said == ["closed"]
