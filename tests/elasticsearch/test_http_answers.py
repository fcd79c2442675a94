"""Answers read off a socket: what is one, what is none, however it is cut into packets."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.adapters.elasticsearch.http_answers import HttpAnswer, UnreadableAnswer, read_answer

PATIENCE = 30.0


def read(*packets: bytes, has_body: bool = True) -> HttpAnswer:
    """What is read where *packets* arrive, and then the connection is closed."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE)
        sending = threading.Thread(target=_send, args=(theirs, packets))
        sending.start()
        try:
            return read_answer(ours, has_body=has_body)
        finally:
            ours.close()
            sending.join()


def _send(to: socket.socket, packets: Sequence[bytes]) -> None:
    try:
        for packet in packets:
            to.sendall(packet)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the reader has seen enough


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = b"4\r\nabcd\r\n2;x=y\r\nef\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "body", "is_last"),
    [
        (OK + b"Content-Length: 2\r\n\r\n{}", 200, b"{}", False),
        (OK + b"content-length: 2, 2\r\n\r\n{}", 200, b"{}", False),
        (OK + b"Content-Length: 0\r\n\r\n", 200, b"", False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS, 200, b"abcdef", False),
        (
            OK + b"transfer-encoding: Chunked\r\ncontent-length: 9\r\n\r\n" + CHUNKS,
            200,
            b"abcdef",
            0,
        ),
        (OK + b"transfer-encoding: chunked\r\n\r\n0\r\na: b\r\nc: d\r\n\r\n", 200, b"", False),
        (OK + b"\r\nuntil the end", 200, b"until the end", True),
        (OK + b"connection: close\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}", True),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}", True),
        (
            b"HTTP/1.0 200\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\n{}",
            200,
            b"{}",
            False,
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 2\r\n\r\n{}", 200, b"{}", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", False),
        (b"HTTP/1.1 304 \r\ncontent-length: 7\r\n\r\n", 304, b"", False),
        (b"HTTP/1.1 503 \r\ncontent-length: 1\r\n\r\n!", 503, b"!", False),
        # More than was asked for: nobody may go on with that connection.
        (OK + b"content-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n", 200, b"{}", True),
    ],
)
def test_answers(sent: bytes, status: int, body: bytes, is_last: bool) -> None:
    """In one packet, and byte by byte."""
    for packets in ([sent], [bytes([byte]) for byte in sent]):
        answer = read(*packets)
        assert (answer.status, answer.body) == (status, body)
    assert read(sent).is_last == is_last


def test_headers() -> None:
    """By names in lower case; several of one name are a list; Elasticsearch warns so."""
    head = OK + b'Warning: 299 E "a"\r\nwarning: 299 E "b"\r\nX-Elastic-Product:  E \t\r\n'
    answer = read(head + b"content-length: 0\r\n\r\n")
    assert answer.headers["warning"] == '299 E "a", 299 E "b"'
    assert answer.headers["x-elastic-product"] == "E"


def test_an_answer_to_a_head_has_no_body() -> None:
    """Whatever length it names."""
    answer = read(OK + b"content-length: 5\r\n\r\n", has_body=False)
    assert (answer.body, answer.is_last) == (b"", False)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"what?",
        b"what?\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        OK,
        OK + b"content-length: 3\r\n\r\n{}",
        OK + b"content-length: 3, 2\r\n\r\n{} ",
        OK + b"content-length: -1\r\n\r\n",
        OK + b"content-length: +2\r\n\r\n{}",
        OK + b"content-length: 2\r\n folded: x\r\n\r\n{}",
        OK + b"content-length : 2\r\n\r\n{}",
        OK + b"no header\r\n\r\n",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n" + CHUNKS,
        OK + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS[:-1],
        OK + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS[:-7],
        OK + b"transfer-encoding: chunked\r\n\r\n4\r\nabcdX\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n",
        OK + b"a: " + b"x" * 2**20,
    ],
)
def test_what_is_no_answer(sent: bytes) -> None:
    """Nothing is made of half of one, or of what has two meanings."""
    with pytest.raises(UnreadableAnswer):
        read(sent)


def test_silence_is_a_timeout() -> None:
    """Not an answer that cannot be read: its author says so."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.01)
        theirs.sendall(OK)
        with pytest.raises(TimeoutError):
            read_answer(ours)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=5),
    is_chunked=st.booleans(),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_bodies_are_the_same_however_they_are_cut(
    chunks: Sequence[bytes], is_chunked: bool, cuts: Sequence[int]
) -> None:
    """Into chunks by the server, and into packets by the network."""
    body = b"".join(chunks)
    if is_chunked:
        framed = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        sent = OK + b"transfer-encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"
    else:
        sent = OK + b"content-length: %d\r\n\r\n" % len(body) + body
    places = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    packets = [sent[a:b] for a, b in itertools.pairwise(places)]
    answer = read(*packets)
    assert (answer.body, answer.is_last) == (body, False)
