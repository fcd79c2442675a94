"""
Reading an answer of HTTP/1.1 off a socket.

As much of RFC 9112 as servers of Elasticsearch, and proxies before them, make use of: a length, chunks,
or a body up to the end of the connection. The standard library's reader parses the headers as those
of an e-mail, one call for each line, which takes longer than Elasticsearch needs for a small write
(explanation/hot-path.md). What is not understood is an error, never a guess: the request may have
been carried out, and is for its author to find out about.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import attrs

#: Longer heads are none that Elasticsearch sends.
_MAX_HEAD: Final = 64 * 1024
_READ_SIZE: Final = 64 * 1024

_STATUS_LINE: Final = re.compile(r"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?", re.ASCII)
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class UnreadableAnswer(Exception):
    """What came is no answer, or only a part of one."""


@attrs.frozen(kw_only=True)
class HttpAnswer:
    """
    What came back.

    Attributes:
        headers: By their names in lower case; of one that comes several times, all values.
        is_last: Whether the connection is of no use afterwards.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_last: bool


def read_answer(connection: socket.socket, *, has_body: bool = True) -> HttpAnswer:
    """
    The answer to a request that was sent over *connection*, which blocks.

    Args:
        has_body: False after a ``HEAD``.

    Raises:
        UnreadableAnswer: If there is none, or not all of one.
        OSError: As the socket says; a ``TimeoutError`` among them.
    """
    stream = _Stream(connection)
    version, status, headers = _head(stream)
    while status < 200:
        if status == 101:
            raise UnreadableAnswer("a change of protocol that nobody asked for")
        version, status, headers = _head(stream)
    connection_options = headers.get("connection", "").lower()
    is_last = "close" in connection_options or (
        version == 0 and "keep-alive" not in connection_options
    )
    coding = headers.get("transfer-encoding")
    if not has_body or status in (204, 304):
        body = b""
    elif coding is not None:
        if coding.lower() != "chunked":
            raise UnreadableAnswer(f"a transfer coding [{coding[:40]}]")
        body = _chunks(stream)
    elif "content-length" in headers:
        body = stream.exactly(_length(headers["content-length"]))
    else:
        body, is_last = stream.all(), True
    # Whatever follows belongs to no request.
    return HttpAnswer(
        status=status, headers=headers, body=body, is_last=is_last or not stream.is_empty
    )


def _head(stream: _Stream) -> tuple[int, int, Mapping[str, str]]:
    """The minor version, the status and the headers."""
    return _parsed(stream.until(b"\r\n\r\n", _MAX_HEAD))


# Answers to requests of one kind begin alike, to the byte.
@lru_cache(maxsize=256)
def _parsed(head: bytes) -> tuple[int, int, Mapping[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    found = _STATUS_LINE.fullmatch(first)
    if found is None:
        raise UnreadableAnswer(f"[{first[:60]}] is no line of status")
    headers: dict[str, str] = {}
    for line in lines:
        name, separator, value = line.partition(":")
        if not separator or _NAME.fullmatch(name) is None:
            raise UnreadableAnswer(f"[{line[:60]}] is no header")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(found[1]), int(found[2]), MappingProxyType(headers)


def _length(text: str) -> int:
    # Several that agree are one (RFC 9112, section 6.3).
    lengths = set(re.split(r"[ \t]*,[ \t]*", text))
    (length,) = lengths if len(lengths) == 1 else ("?",)
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise UnreadableAnswer(f"a content length of [{text[:40]}]")
    return int(length)


def _chunks(stream: _Stream) -> bytes:
    chunks: list[bytes] = []
    while True:
        line = stream.until(b"\r\n", _MAX_HEAD)
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise UnreadableAnswer("no chunk where one should begin")
        length = int(size[1], 16)
        if not length:
            break
        chunks.append(stream.exactly(length))
        if stream.exactly(2) != b"\r\n":
            raise UnreadableAnswer("a chunk that does not end where it should")
    while stream.until(b"\r\n", _MAX_HEAD):
        """Fields after the last chunk say nothing that is wanted."""
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Stream:
    """What comes over a connection, by parts; most answers are there with the first of them."""

    __slots__ = ("_connection", "_got", "_position")

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._got = b""
        self._position = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of what has come so far."""
        return self._position == len(self._got)

    def until(self, end: bytes, most: int) -> bytes:
        """What comes before *end*, which is taken too."""
        searched = self._position
        while (found := self._got.find(end, searched)) < 0:
            if len(self._got) - self._position > most:
                raise UnreadableAnswer(f"more than {most} bytes without an end")
            searched = 0  # what is past is let go of
            self._more()
        part = self._got[self._position : found]
        self._position = found + len(end)
        return part

    def exactly(self, length: int) -> bytes:
        """The next bytes, so many."""
        end = self._position + length
        if end <= len(self._got):
            part = self._got[self._position : end]
            self._position = end
            return part
        parts = [self._got[self._position :]]
        missing = length - len(parts[0])
        self._got, self._position = b"", 0
        while missing:
            # Never beyond the end: what follows belongs to somebody else.
            parts.append(self._some(min(missing, _READ_SIZE)))
            missing -= len(parts[-1])
        return b"".join(parts)

    def all(self) -> bytes:
        """Everything up to the end of the connection."""
        parts = [self._got[self._position :]]
        self._got, self._position = b"", 0
        while part := self._connection.recv(_READ_SIZE):
            parts.append(part)
        return b"".join(parts)

    def _more(self) -> None:
        self._got = self._got[self._position :] + self._some(_READ_SIZE)
        self._position = 0

    def _some(self, most: int) -> bytes:
        part = self._connection.recv(most)
        if not part:
            raise UnreadableAnswer("the connection was closed before the answer was complete")
        return part
