"""Tables, objects, ages and counts, as they appear on a terminal."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tasques.cli.layout import Column, Table, age, cut, readable, seconds, width
from tasques.cli.progress import Progress
from tasques.core.values import Duration, Instant

NOW = Instant.parse("2026-11-22T10:00:00Z")


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        ("0s", "0s"),
        ("999ms", "0s"),
        ("59s", "59s"),
        ("5m12.9s", "5m12s"),
        ("60s", "1m0s"),
        ("2h5m59s", "2h5m"),
        ("53h", "2d5h"),
        ("24000h", "1000d0h"),
        ("-5s", "0s"),
    ],
)
def test_ages_are_short(ago: str, words: str):
    """The two largest units, cut off; never negative."""
    past = Instant(NOW.nanoseconds - Duration.parse(ago).nanoseconds)

    assert age(past, NOW) == words


def test_times_in_tables_have_no_decimals():
    """So that they all have the same width."""
    assert seconds("2026-11-22T10:00:00.25Z") == "2026-11-22T10:00:00Z"
    assert seconds("2026-11-22T10:00:00Z") == "2026-11-22T10:00:00Z"
    assert seconds("v1.5") == "v1.5"


@pytest.mark.parametrize(("text", "columns"), [("mail", 4), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_width_is_in_columns_of_the_terminal(text: str, columns: int):
    """Wide characters take two, an accent on another none."""
    assert width(text) == columns


def test_what_is_cut_says_so():
    """And never takes more columns than it may."""
    assert cut("resize", 6) == "resize"
    assert cut("resize", 5) == "resi…"
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 4) == "日…"


def test_columns_are_aligned_whatever_is_in_them():
    """Numbers to the right; controls are escaped, wide characters counted."""
    table = Table(Column("ID"), Column("N", is_number=True), Column("KIND", longest=6))

    assert list(table.lines([("日本", "7", "a"), ("a\x1b[2J\nb", "1,200", "much too long")])) == [
        "ID               N  KIND",
        "日本             7  a",
        "a\\x1b[2J\\nb  1,200  much …",
    ]


def test_a_later_part_of_a_table_keeps_its_columns():
    """Without titles again; what is wider moves the rest."""
    table = Table(Column("ID"), Column("KIND"))

    assert list(table.lines([("abc", "x")])) == ["ID   KIND", "abc  x"]
    assert list(table.lines([("a", "x"), ("abcd", "x")])) == ["a    x", "abcd  x"]
    assert list(Table(Column("ID")).lines([])) == ["ID"]


def test_an_object_is_readable():
    """Names in order, objects indented, texts of several lines as such, ages behind times."""
    body = {
        "id": "mail-7",
        "attempted": 3,
        "run_at": "2026-11-22T10:05:12Z",
        "args": {"to": "ann", "due_at": "2026-11-22T10:05:12Z", "nested": {"list": [1, {"a": 2}]}},
        "last_claimed": {
            "claimed_at": "2026-11-22T09:59:30Z",
            "result": {
                "at": "2026-11-22T10:00:00.5Z",
                "failure": {"error": "Traceback:\n  File \x1b[31m\nOSError\n"},
            },
        },
        "empty": {},
    }

    assert list(readable(json.dumps(body).encode(), now=NOW)) == [
        "id:           mail-7",
        "attempted:    3",
        "run_at:       2026-11-22T10:05:12Z (in 5m12s)",
        "args:",
        "  to:     ann",
        "  due_at: 2026-11-22T10:05:12Z",
        "  nested:",
        "    list:",
        "      - 1",
        "      -",
        "        a: 2",
        "last_claimed:",
        "  claimed_at: 2026-11-22T09:59:30Z (30s ago)",
        "  result:",
        "    at:      2026-11-22T10:00:00.5Z (0s ago)",
        "    failure:",
        "      error:",
        "        | Traceback:",
        "        |   File \\x1b[31m",
        "        | OSError",
        "empty:        {}",
    ]


def test_numbers_are_shown_to_the_last_digit():
    """As they came: not as the nearest one that a machine can hold."""
    body = b'{"a": 1e999, "b": 0.10000000000000000000000001, "c": null, "d": true}'

    lines = list(readable(body, now=NOW))

    assert lines == ["a: 1e999", "b: 0.10000000000000000000000001", "c: null", "d: true"]


def test_depth_has_an_end():
    """Far inside, JSON is printed as it came: nobody reads that, and nothing breaks."""
    body = b'{"a": ' * 60 + b"[1]" + b"}" * 60

    assert len(list(readable(body, now=NOW))) < 20


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch):
    """Written over each time, and gone in the end."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress(is_wanted=True)

    progress.show(1200, 5000)
    progress.show(1700, None)
    progress.clear()
    progress.clear()

    assert terminal.getvalue() == "\r\x1b[K1,200 of 5,000\r\x1b[K1,700\r\x1b[K"


def test_progress_elsewhere_is_lines(capsys: pytest.CaptureFixture[str]):
    """For logs; a total that was outrun is not said, and nothing where nobody wants it."""
    progress = Progress(is_wanted=True)
    progress.show(1200, 5000)
    progress.show(5001, 5000)
    progress.clear()
    Progress(is_wanted=False).show(1, 2)

    assert capsys.readouterr() == ("", "1,200 of 5,000\n5,001\n")
