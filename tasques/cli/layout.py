"""
How answers look on a terminal: tables, objects, ages and counts.

Whatever a task contains, a line stays a line, and nothing in it acts on the terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs
import msgspec

from tasques import logs
from tasques.core.values import Duration, Instant

#: Deeper within an object, JSON is printed as it came.
_MAX_DEPTH: Final = 12
#: What somebody else wrote into a task; a text there that looks like a time need not be one.
_FREE: Final = frozenset({"args", "context", "data", "success", "failure"})

_A_SECOND: Final = Duration.of_seconds(1)
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def age(since: Instant, now: Instant) -> str:
    """
    How long ago it was, in the two largest units: ``5m12s``; ``0s`` for what is yet to come.

    >>> age(Instant.parse("2026-11-22T04:00:00Z"), Instant.parse("2026-11-24T09:30:00Z"))
    '2d5h'
    """
    return _words(now.since(since))


def _words(duration: Duration) -> str:
    rest = max(duration.nanoseconds, 0) // 1_000_000_000
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    while len(parts) > 1 and not parts[0][0]:
        del parts[0]
    return "".join(f"{count}{unit}" for count, unit in parts[:2])


def seconds(time: str) -> str:
    """An RFC 3339 time in UTC without its decimals; anything else as it is."""
    return f"{time.partition('.')[0]}Z" if "." in time and time.endswith("Z") else time


def width(text: str) -> int:
    """How many columns of a terminal *text* takes: wide characters two, those on others none."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cut(text: str, columns: int) -> str:
    """*text* in so many columns at most, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for character in text:
        used += _width(character)
        if used > columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


@attrs.frozen
class Column:
    """
    A column of a table.

    Attributes:
        longest: Cut to so many columns of the terminal; None for never.
    """

    title: str
    is_number: bool = False
    longest: int | None = None


class Table:
    """
    Lines of a table, which may come in parts; the first part decides how wide its columns are.

    A later cell that is wider moves what is right of it.
    """

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self._widths: list[int] = []

    def lines(self, rows: Iterable[Sequence[str]]) -> Iterator[str]:
        """The lines of these rows, and before the first ones the titles."""
        cells = [
            [self._cell(*pair) for pair in zip(self._columns, row, strict=True)] for row in rows
        ]
        if not self._widths:
            cells.insert(0, [column.title for column in self._columns])
            self._widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            yield "  ".join(self._padded(row)).rstrip()

    def _cell(self, column: Column, text: str) -> str:
        harmless = logs.escape(text)
        return harmless if column.longest is None else cut(harmless, column.longest)

    def _padded(self, row: Sequence[str]) -> Iterator[str]:
        for column, columns, text in zip(self._columns, self._widths, row, strict=True):
            blanks = " " * (columns - width(text))
            yield f"{blanks}{text}" if column.is_number else f"{text}{blanks}"


def readable(body: bytes, *, now: Instant) -> Iterator[str]:
    """
    The lines of a JSON object for a person: a field a line, objects indented.

    Numbers are as they came, to the last digit; a text of several lines is as many lines, each
    after a bar. Times of the task itself have how long ago, or in how long, that is.
    """
    return _fields(_object(body), "", now)


def _object(raw: bytes | msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    return msgspec.json.decode(bytes(raw), type=dict[str, msgspec.Raw])


def _fields(fields: Mapping[str, msgspec.Raw], indent: str, now: Instant | None) -> Iterator[str]:
    columns = max((width(logs.escape(name)) for name, raw in fields.items()), default=0)
    columns = min(columns, 24)
    for name, raw in fields.items():
        label = logs.escape(name)
        blanks = " " * max(columns - width(label), 0)
        first, *others = _value(raw, f"{indent}  ", None if name in _FREE else now)
        yield f"{indent}{label}:{blanks} {first}".rstrip()
        yield from others


def _value(raw: msgspec.Raw, indent: str, now: Instant | None) -> Iterator[str]:
    """What comes on the line of the name, then further lines."""
    text = bytes(raw)
    is_deep = len(indent) > 2 * _MAX_DEPTH
    match text[:1]:
        case b"{" if not is_deep and (fields := _object(text)):
            yield ""
            yield from _fields(fields, indent, now)
        case b"[" if not is_deep and (items := msgspec.json.decode(text, type=list[msgspec.Raw])):
            yield ""
            yield from _items(items, indent, now)
        case b'"':
            yield from _text(msgspec.json.decode(text, type=str), indent, now)
        case _:
            yield logs.escape(text.decode(errors="replace"))


def _items(items: Sequence[msgspec.Raw], indent: str, now: Instant | None) -> Iterator[str]:
    for item in items:
        first, *others = _value(item, f"{indent}  ", now)
        yield f"{indent}- {first}".rstrip()
        yield from others


def _text(text: str, indent: str, now: Instant | None) -> Iterator[str]:
    lines = text.splitlines()
    if len(lines) < 2:
        yield logs.escape(text) + ("" if now is None else _distance(text, now))
        return
    yield ""
    for line in lines:
        yield f"{indent}| {logs.escape(line)}"


def _distance(text: str, now: Instant) -> str:
    try:
        at = Instant.parse(text)
    except ValueError:
        return ""
    # *now* may have lost its decimals.
    is_to_come = at.since(now) >= _A_SECOND
    return f" (in {age(now, at)})" if is_to_come else f" ({age(at, now)} ago)"
