"""The proxy of tools.clients: a server that is away is waited for, and what passes is noted."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tools.clients.messages import Message
from tools.clients.proxy import HTTP, REPEATING, TCP, Proxy
from tools.ports import reserved_port

PATIENCE_SECONDS = 60.0
REQUEST = b"PUT /tasques/done/q/1 HTTP/1.1\r\nX-TASQUES-WORKER-ID: w\r\nContent-Length: 2\r\n\r\n{}"
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a": 1}\n'

#: What a server does with a connection; it is closed afterwards.
Script = Callable[[socket.socket], None]


def received(connection: socket.socket, content: bytes) -> None:
    """Wait until exactly this has come."""
    came = b""
    while len(came) < len(content):
        more = connection.recv(len(content) - len(came))
        assert more, f"ended after {came!r}"
        came += more
    assert came == content


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, without another byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def answers(connection: socket.socket, answer: bytes = ANSWER) -> None:
    """Answer one request."""
    received(connection, REQUEST)
    connection.sendall(answer)


class Server:
    """Takes one connection after another, as scripts say, at a port that is its own meanwhile."""

    def __init__(self) -> None:
        self._reserved = reserved_port()
        self.port: int = self._reserved.getsockname()[1]
        self._listening: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.failures: list[BaseException] = []

    def start(self, *scripts: Script) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen()
        listening.settimeout(PATIENCE_SECONDS)
        self._listening = listening
        self._thread = threading.Thread(target=self._run, args=(listening, scripts))
        self._thread.start()

    def _run(self, listening: socket.socket, scripts: tuple[Script, ...]) -> None:
        try:
            for script in scripts:
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(PATIENCE_SECONDS)
                    script(connection)
        except (AssertionError, OSError) as error:
            self.failures.append(error)

    def close(self) -> None:
        """See that every script came to its end."""
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)
        if self._listening is not None:
            self._listening.close()
        self._reserved.close()
        assert not self.failures


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(params=[TCP, HTTP, REPEATING], ids=["TCP", "HTTP", "repeating"])
def any_proxy(server: Server, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    with Proxy(server.port, request.param) as proxy:
        yield proxy


@pytest.fixture
def tcp(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port, TCP) as proxy:
        yield proxy


@pytest.fixture
def repeating(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port, REPEATING) as proxy:
        yield proxy


def client(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_SECONDS)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_requests_and_answers_pass_as_they_are(server: Server, any_proxy: Proxy) -> None:
    """Byte for byte, one after another on one connection of the client's; and are noted."""

    def serve(connection: socket.socket, requests: int) -> None:
        for _ in range(requests):
            answers(connection)
        assert is_closed(connection)

    if any_proxy.manner.is_shared:
        server.start(lambda connection: serve(connection, 2))
    else:
        server.start(*[lambda connection: serve(connection, 1)] * 2)
    with client(any_proxy) as connection:
        for _ in range(2):
            connection.sendall(REQUEST)
            received(connection, ANSWER)
    (exchange, _) = any_proxy.traffic.exchanges
    assert exchange.request.raw == REQUEST
    assert exchange.request.start[:2] == ("PUT", "/tasques/done/q/1")
    assert exchange.request.headers["x-tasques-worker-id"] == "w"
    assert exchange.answer is not None
    assert (exchange.answer.status, exchange.answer.json) == (200, {"a": 1})
    assert exchange.sent <= exchange.received
    assert (any_proxy.traffic.connections, any_proxy.traffic.held) == (1, 0)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n3;x\r\n 2]\r\n0\r\nA: b\r\n\r\n"
PACKED = gzip.compress(b"[1, 2]")


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        pytest.param(CHUNKED, [1, 2], id="chunks"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
            % (len(PACKED), PACKED),
            [1, 2],
            id="compressed",
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n[1, 2]", [1, 2], id="until it is closed"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\n\r\n", None, id="without a body"),
        pytest.param(b"HTTP/1.1 204\r\n\r\n", None, id="without words"),
    ],
)
def test_all_forms_of_bodies_are_understood(
    server: Server, any_proxy: Proxy, answer: bytes, meaning: object
) -> None:
    """The end of an answer is found, and it passes as it is."""
    server.start(lambda connection: answers(connection, answer))
    with client(any_proxy) as connection:
        connection.sendall(REQUEST)
        received(connection, answer)
    until(lambda: any_proxy.traffic.exchanges)
    seen: Message | None = any_proxy.traffic.exchanges[0].answer
    assert seen is not None
    assert seen.json == meaning


def test_a_server_that_is_away_is_waited_for(
    server: Server, any_proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused connection is no error of the client's: its request waits until somebody listens."""
    refused: list[float] = []
    connect = asyncio.open_connection

    async def knock(*where: Any, **more: Any) -> Any:
        try:
            return await connect(*where, **more)
        except OSError:
            refused.append(time.monotonic())
            raise

    monkeypatch.setattr(asyncio, "open_connection", knock)
    with client(any_proxy) as connection:
        connection.sendall(REQUEST)
        until(lambda: len(refused) >= 3)
        server.start(answers)
        received(connection, ANSWER)
    assert any_proxy.traffic.held == 1
    assert any_proxy.traffic.longest_hold >= refused[-1] - refused[0]
    assert any_proxy.traffic.exchanges[0].unanswered == 0


def test_it_does_not_wait_for_ever(server: Server) -> None:
    """Then the client's connection is closed, without an answer."""
    with (
        Proxy(server.port, dataclasses.replace(TCP, hold_seconds=0.1)) as proxy,
        client(proxy) as connection,
    ):
        connection.sendall(REQUEST)
        assert is_closed(connection)
        (exchange,) = proxy.traffic.exchanges
        assert exchange.answer is None
        assert (exchange.unanswered, exchange.is_abandoned) == (0, False)


def test_a_proxy_for_tcp_sends_once_what_was_sent(server: Server, tcp: Proxy) -> None:
    """The client learns that its request got no answer."""
    server.start(lambda connection: received(connection, REQUEST))
    with client(tcp) as connection:
        connection.sendall(REQUEST)
        assert is_closed(connection)
    (exchange,) = tcp.traffic.exchanges
    assert (exchange.answer, exchange.unanswered) == (None, 1)
    assert not exchange.is_abandoned


@pytest.mark.parametrize("begun", [b"", ANSWER[:20], ANSWER[:-1]])
def test_a_request_without_a_whole_answer_is_repeated(
    server: Server, repeating: Proxy, begun: bytes
) -> None:
    """On another connection, as it was; the client sees the second answer only."""
    server.start(lambda connection: answers(connection, begun), answers)
    with client(repeating) as connection:
        connection.sendall(REQUEST)
        received(connection, ANSWER)
    (exchange,) = repeating.traffic.exchanges
    assert exchange.answer is not None
    assert exchange.unanswered == 1


def test_an_idle_connection_ends_with_the_server_s_side(server: Server, tcp: Proxy) -> None:
    """In a proxy for TCP: what the client sent into it would be lost."""
    server.start(answers)
    with client(tcp) as connection:
        connection.sendall(REQUEST)
        received(connection, ANSWER)
        assert is_closed(connection)


def test_an_idle_connection_outlives_the_server_s_side(server: Server, repeating: Proxy) -> None:
    """In a proxy for HTTP: the next request goes to another one."""
    server.start(answers, answers)
    with client(repeating) as connection:
        for _ in range(2):
            connection.sendall(REQUEST)
            received(connection, ANSWER)
    assert [each.answer is None for each in repeating.traffic.exchanges] == [False, False]


def test_a_client_that_goes_away_is_seen_by_the_server(server: Server, any_proxy: Proxy) -> None:
    """Its request is not repeated, and nothing is answered for it."""
    has_come = threading.Event()

    def wait(connection: socket.socket) -> None:
        received(connection, REQUEST)
        has_come.set()
        assert is_closed(connection)

    server.start(wait)
    with client(any_proxy) as connection:
        connection.sendall(REQUEST)
        assert has_come.wait(PATIENCE_SECONDS)
    until(lambda: any_proxy.traffic.exchanges)
    (exchange,) = any_proxy.traffic.exchanges
    assert exchange.is_abandoned
    assert exchange.answer is None


def test_what_is_no_message_is_noted(server: Server, any_proxy: Proxy) -> None:
    """And its connection is closed."""
    with client(any_proxy) as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert is_closed(connection)
    assert any_proxy.traffic.broken == ["begins with 'hello'"]


def test_connections_end_with_the_proxy(server: Server) -> None:
    """Those that wait for a server, too."""
    with Proxy(server.port) as proxy:
        idle, waiting = client(proxy), client(proxy)
        waiting.sendall(REQUEST)
        until(lambda: proxy.traffic.connections == 2)
    with idle, waiting:
        assert is_closed(idle)
        assert is_closed(waiting)
