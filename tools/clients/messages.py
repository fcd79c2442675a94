"""
HTTP/1.1 messages on a stream: each whole, and kept as it was sent.

Only as much is understood as it takes to find where a message ends, and to read it afterwards
(RFC 9112, sections 6 and 7). What is passed on is the bytes that came.
"""

import asyncio
import gzip
import json
from dataclasses import dataclass
from typing import Any

#: No head of a request or answer is longer; the stream's limit.
LONGEST_HEAD = 256 * 1024

_WITHOUT_BODY = frozenset({"204", "304"})


class Malformed(Exception):
    """What came is no HTTP/1.1 message; or it ended in the middle of one."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """
    A request or an answer.

    Attributes:
        raw: All of it, as it came.
        start: The three words of its first line.
        headers: By name in lower case; of equal names the last.
        body: Without chunks; perhaps compressed.
    """

    raw: bytes
    start: tuple[str, str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.start[1])

    @property
    def json(self) -> Any:
        """
        The body as JSON; None where there is none.

        Raises:
            ValueError: If it is something else.
        """
        body = self.body
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return json.loads(body) if body else None


async def read_message(stream: asyncio.StreamReader) -> Message | None:
    """
    The next message; None where the stream ends, or breaks, before one begins.

    Raises:
        Malformed: If it ends or breaks later, or is no message.
    """
    try:
        head = await stream.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError) as error:
        if isinstance(error, asyncio.IncompleteReadError) and error.partial:
            raise Malformed("ended in its head") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise Malformed("has no end of its head") from error
    start, headers = _parsed(head)
    try:
        raw, body = await _body(stream, start, headers)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise Malformed("ended in its body") from error
    return Message(raw=head + raw, start=start, headers=headers, body=body)


def _parsed(head: bytes) -> tuple[tuple[str, str, str], dict[str, str]]:
    first, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2:
        raise Malformed(f"begins with {first!r}")
    headers = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers[name.strip().lower()] = value.strip()
    return (words[0], words[1], words[2] if len(words) > 2 else ""), headers


async def _body(
    stream: asyncio.StreamReader, start: tuple[str, str, str], headers: dict[str, str]
) -> tuple[bytes, bytes]:
    """The body as it came, and without its chunks."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(stream)
    if "content-length" in headers:
        body = await stream.readexactly(int(headers["content-length"]))
        return body, body
    is_answer = start[0].startswith("HTTP/")
    if is_answer and start[1] not in _WITHOUT_BODY:
        body = await stream.read()
        return body, body
    return b"", b""


async def _chunks(stream: asyncio.StreamReader) -> tuple[bytes, bytes]:
    raw, body = b"", b""
    while True:
        line = await stream.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        chunk = await stream.readexactly(size + 2) if size else b""
        raw += line + chunk
        body += chunk[:-2]
        if not size:
            break
    while True:  # trailers, and the empty line
        line = await stream.readuntil(b"\r\n")
        raw += line
        if line == b"\r\n":
            return raw, body
