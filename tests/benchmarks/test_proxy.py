"""The proxy takes its servers in turn, and passes on every byte."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator

import pytest

from benchmarks import generator
from benchmarks.proxy import Proxy

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="the load is built by Go")


def answering(name: bytes) -> Iterator[str]:
    """A server that sends back its name and what it got, when the other side has said all."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    got = b""
                    while piece := connection.recv(65536):
                        got += piece
                    connection.sendall(name + got)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def first() -> Iterator[str]:
    yield from answering(b"1")


@pytest.fixture
def second() -> Iterator[str]:
    yield from answering(b"2")


def said(url: str, data: bytes) -> bytes:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while piece := connection.recv(65536):
            got += piece
    return got


def test_connections_go_to_the_servers_in_turn(first: str, second: str) -> None:
    """What either side sends arrives whole, also if it takes many packets."""
    data = bytes(range(256)) * 4096
    with Proxy([first, second]) as proxy:
        answers = [said(proxy.url, data) for _ in range(4)]
    assert [answer[:1] for answer in answers] == [b"1", b"2", b"1", b"2"]
    assert all(answer[1:] == data for answer in answers)


def test_the_load_is_built_once() -> None:
    """And again only when its sources have changed."""
    built = generator.program()
    stamp = built.stat().st_mtime_ns
    assert generator.program() == built
    assert built.stat().st_mtime_ns == stamp


def test_the_load_says_why_it_fails() -> None:
    """A scenario that it does not know."""
    with pytest.raises(generator.LoadFailed, match="no such scenario: nothing"):
        generator.run(["-scenario", "nothing"], limit_seconds=60)
