"""
Places in a listing as opaque text, to be had from one answer and sent with the next request.

Unpadded base64url (RFC 4648, section 5) of ``<milliseconds>:<id>``. Nobody else is to read it; it is
the same on every server, so that any of them can go on where another ended.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from tasques.core.listing import Position
from tasques.core.queues import MAX_ID_BYTES, TaskId
from tasques.core.values import Instant

_PLAIN: Final = re.compile("(0|-?[1-9][0-9]{0,14}):(.+)", re.DOTALL | re.ASCII)

_FIRST: Final = Instant.parse("0001-01-01T00:00:00Z").milliseconds
_LAST: Final = Instant.parse("9999-12-31T23:59:59.999Z").milliseconds

#: The longest text that a position can have.
MAX_POSITION: Final = -(-(len(f"{_FIRST}:") + MAX_ID_BYTES) * 4 // 3)


def position_text(position: Position) -> str:
    """*position* as it travels."""
    plain = f"{position.milliseconds}:{position.id}".encode()
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def parse_position(text: str) -> Position:
    """
    The position that *text* stands for.

    Raises:
        ValueError: If :func:`position_text` gives that for none.
    """
    position = _decoded(text) if len(text) <= MAX_POSITION else None
    if position is None or position_text(position) != text:
        raise ValueError("is not the `next` of an answer")
    return position


def _decoded(text: str) -> Position | None:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        plain = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error):
        return None
    match = _PLAIN.fullmatch(plain)
    if match is None:
        return None
    milliseconds, id = int(match[1]), match[2]
    if not _FIRST <= milliseconds <= _LAST or len(id.encode()) > MAX_ID_BYTES:
        return None
    return Position(milliseconds, TaskId(id))
