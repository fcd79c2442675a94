"""Free-form JSON: read strictly, kept unchanged."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from enum import IntEnum

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasques.core import json_object
from tasques.core.json_object import (
    MAX_DEPTH,
    MAX_DIGITS,
    JsonObject,
    JsonValue,
    NotJson,
    parse_json,
)
from tasques.testing import strategies


def nested(levels: int, innermost: str = "") -> bytes:
    """*levels* arrays, one in the other."""
    return ("[" * levels + innermost + "]" * levels).encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"null", None),
        (b" {\t} \r\n", {}),
        (b'{"a": 1, "b": [true, null, 1.5, "x"]}', {"a": 1, "b": [True, None, 1.5, "x"]}),
        (b'{"a": 1, "a": {"b": 2, "b": 3}}', {"a": {"b": 3}}),
        (b"1e308", 1e308),
        (b"1e-400", 0.0),
        (b"1.0", 1.0),
        (b"9007199254740993", 9007199254740993),
        (b"18446744073709551616", 18446744073709551616),
        (b'"\\u0000\\ud83d\\ude00\\n"', "\x00😀\n"),
        ('"\u2028é😀\x7f"'.encode(), "\u2028é😀\x7f"),
        (rb'"\\ud800"', r"\ud800"),
        (b'{"": {"a..b": 1}}', {"": {"a..b": 1}}),
        (("9" * 1000).encode(), 10**1000 - 1),
        (("-" + "9" * 1000).encode(), -(10**1000) + 1),
    ],
)  # fmt: skip
def test_json_that_is_accepted(text: bytes, value: JsonValue) -> None:
    """Standard JSON is read as it stands; of two equal keys the last one wins."""
    parsed = parse_json(text)
    assert value == parsed
    assert type(value) is type(parsed)


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"NaN", b'{"a": NaN}', b"Infinity", b"-Infinity", b"// a\n1", b"/* a */ 1",
        b"[1,]", b'{"a": 1,}', b"01", b"-01", b"+1", b".5", b"1.", b"1e", b"0x1", b"1_000", b"'a'", b"nul",
        b"True", b"{a: 1}", b"{1: 2}", b'{"a" 1}', b'{"a":}', b"[1 2]", b"[", b"]",
        b"{}}", b"{} {}", b'"a', b'"\\x"', b'"\\u12"', b'"\\u12g4"', b'"\x00"', b'"\n"', b'"\t"', b'"\x1f"',
        b"\xc2\xa01", "\u0661".encode(), b"-", b"--1",
        b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"), '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-16-be"), '{"a": 1}'.encode("utf-32"), b'"\xff"', b'"\xc3"',
        b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', '"é"'.encode("latin-1"),
        b'"\\ud800"', b'"\\udc00"', b'"\\ude00\\ud83d"', b'"\\uD83Dx"', b'{"\\udfff": 1}',
        b'[["\\ud800"]]', b"1e400", b"-1e400", b'{"a": 1e999}', ("9" * 1001).encode(),
        ("-" + "9" * 1001).encode(),
        ("0." + "1" * 1001).encode(), ("9" * 5000).encode(), ("9" * 100_000).encode(),
    ],
)  # fmt: skip
def test_json_that_is_refused(text: bytes) -> None:
    """What is not standard JSON in UTF-8, or what Elasticsearch would refuse, is refused here."""
    with pytest.raises(NotJson):
        parse_json(text)


def test_a_refusal_says_where() -> None:
    """The message leads to the place that is wrong."""
    with pytest.raises(NotJson, match="line 2 column 7"):
        parse_json(b'{\n "a": nul}')
    with pytest.raises(NotJson, match="byte 1"):
        parse_json(b'"\xff"')


def test_the_depth_has_a_limit() -> None:
    """As deep as the limit is read, one level more is refused, at any depth with the same error."""
    parsed = parse_json(nested(MAX_DEPTH))
    for _ in range(MAX_DEPTH - 1):
        assert isinstance(parsed, list)
        (parsed,) = parsed
    assert parsed == []
    # With more brackets than levels, so that they have to be told apart.
    assert parse_json(b"[" + b"[]," * 9 + nested(MAX_DEPTH - 1) + b"]")
    with pytest.raises(NotJson, match="500 levels"):
        parse_json(b"[" + b"[]," * 9 + nested(MAX_DEPTH) + b"]")
    for levels in (MAX_DEPTH + 1, 5_000, 1_000_000):
        with pytest.raises(NotJson, match="500 levels"):
            parse_json(nested(levels))
    with pytest.raises(NotJson, match="500 levels"):
        parse_json(b'{"a":' * 1_000_000)


def test_brackets_side_by_side_or_in_strings_are_not_depth() -> None:
    """Only nesting counts, not how many brackets there are."""
    assert parse_json(b"[" + b"[]," * 999 + b"[]]") == [[]] * 1000
    assert parse_json(b'"' + b"[{" * 1000 + b'"') == "[{" * 1000
    assert parse_json(b'"' + b'\\"[' * 1000 + b'"') == '"[' * 1000


def test_no_text_takes_long_to_refuse() -> None:
    """A string that never ends, full of escaped quotes, is refused in linear time."""
    hostile = b"[" + b"[]," * MAX_DEPTH + b'"' + b'\\"' * 500_000
    begin = time.process_time()
    with pytest.raises(NotJson):
        parse_json(hostile)
    # In quadratic time this takes an hour; the bound leaves room for a slow machine.
    assert time.process_time() - begin < 5


@given(strategies.json_values())
def test_what_python_writes_as_json_is_read_back(value: JsonValue) -> None:
    """Every value within the limits survives, in plain and in escaped form."""
    assert value == parse_json(json.dumps(value).encode())
    assert value == parse_json(json.dumps(value, ensure_ascii=False, indent=1).encode())


@given(
    st.binary(max_size=60)
    | st.text('{}[]",:\\u0123456789eE+-.dD truefalsn', max_size=30).map(str.encode)
)
def test_bytes_are_json_or_not_and_nothing_else(data: bytes) -> None:
    """Whatever comes in, there is a value that can be written in UTF-8, or one kind of error."""
    try:
        value = parse_json(data)
    except NotJson:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


# ----------------------------------------------------------------------------- JsonObject


def test_an_object_is_its_compact_text() -> None:
    """Order stays, white space goes, and what is not ASCII stays readable."""
    made = JsonObject.of({"b": [1, 2.5, None], "a": {"é": True}})
    assert JsonObject('{"b":[1,2.5,null],"a":{"é":true}}') == made
    assert made.value() == {"b": [1, 2.5, None], "a": {"é": True}}
    assert len('{"b":[1,2.5,null],"a":{"é":true}}') == len(made)


@given(strategies.json_objects())
def test_an_object_survives_being_read_and_written(made: JsonObject) -> None:
    """Its text is JSON as the contract wants it, and reading and writing changes nothing."""
    parsed = parse_json(made.text.encode())
    assert made == JsonObject.from_parsed(parsed)
    assert made.value() == parsed
    assert made == JsonObject.of(made.value())


@given(st.integers(-(10**1000) + 1, 10**1000 - 1))
@example(9007199254740993)
@example(2**64)
@example(10**1000 - 1)
def test_integers_survive(number: int) -> None:
    """No integer up to a thousand digits passes through a double, where the original rounded it."""
    made = JsonObject.from_parsed(parse_json(b'{"n":%d}' % number))
    assert f'{{"n":{number}}}' == made.text
    assert number == made.value()["n"]


@given(st.integers(0, 3100), st.integers(990, 2010), st.integers(0, 3000))
@example(1000, 1001, 0)
@example(999, 1001, 1)
def test_too_many_digits_are_found_wherever_they_are(before: int, digits: int, after: int) -> None:
    """Long numbers are refused from 1001 digits on, anywhere in a long text; in strings they are none."""
    number, around = "9" * digits, ('["' + "5" * before + '",', ',"' + "5" * after + '"]')
    assert parse_json(number.join(('["', '"]')).encode()) == [number]
    if digits <= MAX_DIGITS:
        assert parse_json(number.join(around).encode()) == ["5" * before, int(number), "5" * after]
    else:
        with pytest.raises(NotJson, match="more than 1000 digits"):
            parse_json(number.join(around).encode())


def test_the_value_is_the_callers_to_change() -> None:
    """Changing what was handed out does not reach the object."""
    made = JsonObject.of({"a": [1]})
    made.value()["a"] = 2
    assert made.value() == {"a": [1]}


class Colour(IntEnum):
    """An integer with a name, which JSON has not."""

    RED = 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}"),
        ({"a": (1, 2)}, '{"a":[1,2]}'),
        ({"a": True, "b": 1}, '{"a":true,"b":1}'),
        ({"a": Colour.RED}, '{"a":1}'),
        ({"a": -0.0, "b": 1e22}, '{"a":-0.0,"b":1e+22}'),
    ],
)
def test_python_values_that_json_has(value: Mapping[str, object], text: str) -> None:
    """Tuples are arrays, booleans stay booleans, numbers with names are numbers."""
    assert text == JsonObject.of(value).text


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**63 - 2, 2**64 + 2)
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=5)
    | st.sampled_from([Colour.RED, (1, "é"), {}, [], b"x", 10**1000])
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=2), _VALUES, max_size=3), st.integers(0, 22))
@example({"a": float("nan")}, 0)
@example({"a": [float("-inf")]}, 1)
@example({"a": "\ud800"}, 0)
@example({"\ud800": "a"}, 0)
@example({"a": {1: 2}}, 0)
@example({"a": b"x"}, 0)
@example({"a": 10**1000}, 0)
@example({"a": 1}, 249)
@example({"a": 1}, 250)
def test_what_is_plain_is_said_as_anything_else(value: dict[str, object], depth: int) -> None:
    """The short way for plain values gives the same text, and takes nothing that is to be refused."""
    for _ in range(depth):
        value = {"in": [value]}  # two levels
    try:
        thorough = JsonObject.from_parsed(json_object._jsonable(value, "$", 0))
    except ValueError as refusal:
        with pytest.raises(ValueError, match=re.escape(str(refusal))):
            JsonObject.of(value)
    else:
        assert JsonObject.of(value) == thorough


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {"b": object()}}, r"\$\.a\.b: a object is not a JSON value"),
        ({"a": [0, {1, 2}]}, r"\$\.a\[1\]: a set"),
        ({"a": b"x"}, "bytes"),
        ({1: 2}, r"\$: the key 1 is not a string"),
        ({"a": {None: 1}}, r"\$\.a: the key None"),
        ({"a": float("nan")}, "nan is not a JSON number"),
        ({"a": float("inf")}, "inf is not a JSON number"),
        ({"a": 10**1000}, r"\$\.a: more than 1000 digits"),
        ({"a": -(10**1000)}, "more than 1000 digits"),
        ({"a": "\ud800"}, r"\$\.a: half of a surrogate pair"),
        ({"\udfff": 1}, r"\$: half of a surrogate pair"),
    ],
)  # fmt: skip
def test_python_values_that_json_has_not(value: Mapping[str, object], message: str) -> None:
    """Nothing is coerced: what JSON cannot say is an error that names the place."""
    with pytest.raises(ValueError, match=message):
        JsonObject.of(value)


@pytest.mark.parametrize("value", [None, True, 1, "a", [], [{}]])
def test_only_an_object_is_an_object(value: JsonValue) -> None:
    """``args``, ``context`` and ``data`` are objects, as in the contract."""
    with pytest.raises(ValueError, match="not a JSON object"):
        JsonObject.from_parsed(value)


def test_python_objects_have_the_same_limit_of_depth() -> None:
    """What a mapping may hold, its text may hold: the two ways to make an object agree."""

    def of_depth(levels: int) -> dict[str, object]:
        value: dict[str, object] = {}
        for _ in range(levels - 1):
            value = {"a": value}
        return value

    deepest = JsonObject.of(of_depth(MAX_DEPTH))
    assert deepest == JsonObject.from_parsed(parse_json(deepest.text.encode()))
    for levels in (MAX_DEPTH + 1, 5_000):
        with pytest.raises(ValueError, match="500 levels"):
            JsonObject.of(of_depth(levels))


def test_a_mapping_that_holds_itself_is_refused() -> None:
    """A loop is not JSON, and ends as an ordinary error."""
    loop: dict[str, object] = {}
    loop["loop"] = loop
    with pytest.raises(ValueError, match="500 levels"):
        JsonObject.of(loop)
