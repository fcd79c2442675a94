"""
Free-form JSON objects (``args``, ``context``, ``data``) and the one strict way to read JSON.

A free-form object is kept as its compact text. Nothing in Tasques looks inside, so a text is what
serves best: it cannot be changed behind our back, two are equal only if they say the same, integers
of a thousand digits pass untouched, and writing it out again costs nothing.

The rules are those of the wire contract, section 1: standard JSON in UTF-8, the last of two equal
keys wins. The limits (depth, digits) are those that Elasticsearch refuses beyond; refusing them here
keeps every backend alike.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NoReturn, TypeAlias

import attrs

JsonValue: TypeAlias = "None | bool | int | float | str | list[JsonValue] | dict[str, JsonValue]"

#: Elasticsearch refuses beyond 1000, and CPython's parser recurses: half of it is safe on any stack.
MAX_DEPTH: Final = 500
#: Elasticsearch refuses longer numbers, inside unmapped objects too.
MAX_DIGITS: Final = 1000

_DIGITS: Final = "0123456789"
# Possessive, and content with a string that never ends: a scan that went back over such a string
# for each quote in it would take hours for a megabyte.
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
#: What needs no second look in a Python value, and up to where.
_PLAIN_TYPES: Final = frozenset({str, bool, type(None)})
_PLAIN_INTEGER: Final = 2**64
_PLAIN_DEPTH: Final = 20
_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"


class NotJson(ValueError):
    """The text is not JSON as the contract wants it; the message says what is wrong, and where."""


def parse_json(data: bytes) -> JsonValue:
    """
    Read one JSON value, strictly.

    Raises:
        NotJson: If *data* is not UTF-8 or not standard JSON (``NaN``, comments, a byte order mark,
            a number beyond a double's range), or exceeds :data:`MAX_DEPTH` or :data:`MAX_DIGITS`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"not valid UTF-8 at byte {error.start}") from error
    _check_depth(text)
    decoder = _DECODER if _has_long_run_of_digits(text) else _QUICK_DECODER
    try:
        value: JsonValue = decoder.decode(text)
    except RecursionError as error:
        raise NotJson(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno} column {error.colno}") from error
    if _SURROGATE_ESCAPE.search(text):
        _check_surrogates(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotJson(f"the number {digits[:40]} is out of range")
    if len(digits) > MAX_DIGITS:
        raise NotJson(f"a number has more than {MAX_DIGITS} digits")
    return number


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS + digits.startswith("-"):
        raise NotJson(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


_DECODER: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer
)
# Without a call for each integer: 4 µs in place of 11 for a text with twenty.
_QUICK_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
# ``json.dumps`` makes an encoder for each call that has options.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _has_long_run_of_digits(text: str) -> bool:
    """Whether an integer may have too many digits; if so, there is a digit at one of a few places."""
    for place in range(MAX_DIGITS, len(text), MAX_DIGITS):
        if text[place] in _DIGITS:
            before, after = text[place - MAX_DIGITS : place], text[place : place + MAX_DIGITS]
            left = len(before) - len(before.rstrip(_DIGITS))
            right = len(after) - len(after.lstrip(_DIGITS))
            if left + right > MAX_DIGITS:
                return True
    return False


def _check_depth(text: str) -> None:
    # Counting brackets is enough for almost every text; only a suspicious one is walked.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token.group() in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise NotJson(_TOO_DEEP)
        elif token.group() in "]}":
            depth -= 1


def _check_surrogates(value: JsonValue) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NotJson("a \\u escape is half of a surrogate pair") from error


def _compactly() -> Callable[[object], str]:
    """
    What writes a value as compact text.

    ``JSONEncoder.encode`` makes the part that does the work anew for each value, which takes as long as
    a small one takes to write, so it is made once where it is one in C: 2.3 µs become 0.9 for the
    arguments of a task. It does not look for an object within itself; what is written here has none.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _ENCODER.encode
    quoted = json.encoder.encode_basestring
    write = make(None, _ENCODER.default, quoted, None, ":", ",", False, False, False)
    return lambda value: "".join(write(value, 0))


_compact: Final = _compactly()


@attrs.frozen
class JsonObject:
    """
    A JSON object, held as compact text.

    Build one with :meth:`of` or :meth:`from_parsed`; the constructor trusts its text.

    Attributes:
        text: Standard JSON for an object, without white space between its parts.
    """

    text: str

    @classmethod
    def of(cls, value: Mapping[str, object]) -> JsonObject:
        """
        The object that a Python mapping describes.

        Raises:
            ValueError: If a key is not a string, or a value is not one that JSON has.
        """
        try:
            text = _compact_if_plain(value)
            return cls.from_parsed(_jsonable(value, "$", 0)) if text is None else cls(text)
        except RecursionError as error:
            raise ValueError(_TOO_DEEP) from error

    @classmethod
    def from_parsed(cls, value: JsonValue) -> JsonObject:
        """
        The object from what :func:`parse_json` gave.

        Raises:
            ValueError: If *value* is not an object.
        """
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        return cls(_compact(value))

    def value(self) -> dict[str, JsonValue]:
        """A fresh Python dict of the content, the caller's to change."""
        content = _DECODER.decode(self.text)
        assert isinstance(content, dict)
        return content

    def __len__(self) -> int:
        """The length of the text in characters."""
        return len(self.text)


def _compact_if_plain(value: Mapping[str, object]) -> str | None:
    """
    The text of *value*, if a look at its types is enough to know that nothing is wrong with it.

    Nearly all are like that, and then no place in it has to be named: a fifth of the cost for an object
    with a list of twenty numbers.
    """
    if type(value) is not dict or not _is_plain(value, _PLAIN_DEPTH):
        return None
    text = _compact(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text


def _is_plain(value: object, depth: int) -> bool:
    """Whether *value* is made of what JSON has, and nothing of it comes near a limit."""
    if type(value) is int:
        return abs(value) < _PLAIN_INTEGER
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is dict:
        if not all(type(key) is str for key in value):
            return False
        items: Iterable[object] = value.values()
    elif type(value) is list:
        items = value
    else:
        return type(value) in _PLAIN_TYPES
    if depth == 0:
        return False
    # A generator for each list costs half as much again, and a call for each number twice as much.
    for item in items:
        if type(item) is int:
            if abs(item) >= _PLAIN_INTEGER:
                return False
        elif type(item) not in _PLAIN_TYPES and not _is_plain(item, depth - 1):
            return False
    return True


def _jsonable(value: object, path: str, depth: int) -> JsonValue:
    """*value* as plain JSON, or a ValueError that names the place."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        _encodable(value, path)
        return value
    if isinstance(value, int):
        if abs(value) >= 10**MAX_DIGITS:
            raise ValueError(f"{path}: more than {MAX_DIGITS} digits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{path}: {value} is not a JSON number")
        return value
    if depth == MAX_DEPTH and isinstance(value, list | tuple | Mapping):
        raise ValueError(_TOO_DEEP)
    # Loops: up to Python 3.11 a comprehension is a frame of its own, and two frames for each of 500
    # levels are more than the interpreter allows.
    if isinstance(value, list | tuple):
        items: list[JsonValue] = []
        for i, item in enumerate(value):
            items.append(_jsonable(item, f"{path}[{i}]", depth + 1))
        return items
    if isinstance(value, Mapping):
        members: dict[str, JsonValue] = {}
        for key, item in value.items():
            members[_key(key, path)] = _jsonable(item, f"{path}.{key}", depth + 1)
        return members
    raise ValueError(f"{path}: a {type(value).__name__} is not a JSON value")


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{path}: the key {key!r} is not a string")
    _encodable(key, path)
    return key


def _encodable(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{path}: half of a surrogate pair") from error
