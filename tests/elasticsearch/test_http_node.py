"""Connections to one node, against sockets on loopback: what was sent, and what may have been."""

import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest
from elastic_transport import ConnectionTimeout

from tasques.adapters.elasticsearch import client
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.errors import NoAnswer, NotSent
from tasques.adapters.elasticsearch.http_node import MAX_IDLE
from tasques.adapters.elasticsearch.settings import ElasticsearchSettings
from tasques.core.errors import InvalidInput
from tasques.core.values import Duration
from tasques.runtime import ThreadRuntime

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Server:
    """Accepts connections and lets a function talk on each."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._talk = talk
        self.accepted = 0
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._talk(connection)
            except OSError:
                pass

    def close(self) -> None:
        # A thread that accepts is not woken by closing.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], Server]]:
    """Starts servers."""
    started: list[Server] = []

    def start(talk: Callable[[socket.socket], None]) -> Server:
        started.append(Server(talk))
        return started[-1]

    yield start
    for server in started:
        server.close()


def connect(*ports: int, timeout: str = "60s", scheme: str = "http", **settings: str) -> Client:
    """A client for nodes on loopback."""
    addresses = tuple(f"{scheme}://127.0.0.1:{port}" for port in ports)
    return client.connect(
        ElasticsearchSettings(
            addresses=addresses,
            request_timeout=Duration.parse(timeout),
            ca_file=settings.get("ca_file"),
        ),
        ThreadRuntime(),
    )


def answer_all(connection: socket.socket) -> None:
    """Answer every request that comes."""
    while connection.recv(65536):
        connection.sendall(OK)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_connection_is_kept_for_the_next_request(serve) -> None:
    """One round trip for each request, no more."""
    server = serve(answer_all)
    with closing(connect(server.port)) as connected:
        for _ in range(3):
            assert connected.request("GET", "/").body == b"{}"
    assert server.accepted == 1


def test_many_threads_have_a_connection_each(serve) -> None:
    """None waits for another's answer, and not all are kept afterwards."""
    everybody_is_here = threading.Barrier(MAX_IDLE + 8)

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        everybody_is_here.wait(60)
        connection.sendall(OK)
        connection.recv(65536)

    server = serve(talk)
    with closing(connect(server.port)) as connected:
        threads = [
            threading.Thread(target=connected.request, args=("GET", "/"))
            for _ in range(MAX_IDLE + 8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (node,) = connected._pool.all()
        assert len(node._idle) == MAX_IDLE  # type: ignore[attr-defined]


def test_nobody_listening_is_not_sent() -> None:
    """A definite no, whose message names the node."""
    port = free_port()
    with closing(connect(port)) as connected, pytest.raises(NotSent, match=str(port)):
        connected.request("POST", "/_bulk", b"{}")


def test_a_node_that_is_gone_is_passed_by(serve) -> None:
    """Every request succeeds while one of the nodes is there."""
    server = serve(answer_all)
    with closing(connect(free_port(), server.port, free_port())) as connected:
        for _ in range(6):
            assert connected.request("POST", "/_bulk", b"{}").is_ok


def test_a_request_leaves_in_one_piece(serve) -> None:
    """With all that it needs; nobody compresses the answer."""
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(OK)

    server = serve(talk)
    with closing(connect(server.port)) as connected:
        connected.request("POST", "/_bulk?a=b", b"{}\n")
    head, _, body = heard[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().lower().split("\r\n")
    assert (first, body) == ("post /_bulk?a=b http/1.1", b"{}\n")
    assert f"host: 127.0.0.1:{server.port}" in headers
    assert "accept-encoding: identity" in headers
    assert "content-length: 3" in headers


@pytest.mark.parametrize("path", ["/a b", "/a\r\nx: y", "/\u00e9"])
def test_what_would_end_a_line_is_not_sent(serve, path: str) -> None:
    """Names in paths are escaped; one that was forgotten makes no second request."""
    server = serve(answer_all)
    with closing(connect(server.port)) as connected, pytest.raises(ValueError, match="asked for"):
        connected.request("GET", path)
    assert server.accepted == 0


def test_silence_is_no_answer(serve) -> None:
    """It was sent: it may have been carried out."""
    server = serve(lambda connection: threading.Event().wait(5))
    with closing(connect(server.port, timeout="100ms")) as connected:
        with pytest.raises(NoAnswer) as caught:
            connected.request("POST", "/_bulk", b"{}")
        assert isinstance(caught.value.__cause__, ConnectionTimeout)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", b"what?"])
def test_half_an_answer_is_no_answer(serve, said: bytes) -> None:
    """Cut off before, within, or never meant to be one."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said)

    server = serve(talk)
    with closing(connect(server.port)) as connected, pytest.raises(NoAnswer):
        connected.request("POST", "/_bulk", b"{}")


def test_a_connection_that_the_server_closed_is_not_used_again(serve) -> None:
    """After a restart of the node the first write is no unknown."""
    closed = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(OK)
        connection.close()
        closed.set()

    server = serve(talk)
    with closing(connect(server.port)) as connected:
        for _ in range(3):
            assert connected.request("POST", "/_bulk", b"{}").is_ok
            assert closed.wait(60)
            closed.clear()
    assert server.accepted == 3


def test_the_only_node_is_never_left_out(serve) -> None:
    """As soon as it is back, it is used."""
    server = serve(lambda connection: None)
    with closing(connect(server.port)) as connected:
        for _ in range(5):
            with pytest.raises(NoAnswer):
                connected.request("POST", "/_bulk", b"{}")
        server._talk = answer_all
        assert connected.request("POST", "/_bulk", b"{}").is_ok


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for loopback that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "ca.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_https_trusts_the_file_it_was_given_and_nobody_else(
    serve, certificate: tuple[Path, Path]
) -> None:
    """With it the answer comes; without it nothing is sent, credentials least of all."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            heard.append(secured.recv(65536))
            secured.sendall(OK)

    server = serve(talk)
    trusting = connect(server.port, scheme="https", ca_file=str(certificate[0]))
    with closing(trusting):
        assert trusting.request("GET", "/").is_ok
    doubting = connect(server.port, scheme="https")
    with closing(doubting), pytest.raises(NotSent, match="certificate"):
        doubting.request("GET", "/")
    assert len(heard) == 1


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_invalid(tmp_path: Path, content: str | None) -> None:
    """Said at once, by the name of the setting."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidInput) as caught:
        connect(9200, scheme="https", ca_file=str(file))
    assert caught.value.faults[0].path == "elasticsearch.ca_file"


def test_a_client_library_that_elasticsearch_8_refuses_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is sent, with what to install."""
    monkeypatch.setattr(metadata, "version", lambda name: "9.5.1")
    with pytest.raises(InvalidInput, match=re.escape("elasticsearch>=8.19,<9")):
        connect(9200)
