"""The log: its two forms, its levels, and that no request can forge a line of it."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasques import logs
from tasques.settings import LEVELS

log = logging.getLogger("tasques.test")


@pytest.fixture
def json_lines(tmp_path: Path):
    """Configure JSON into a file; gives a function that reads its lines."""
    path = tmp_path / "log"
    logs.configure(level="debug", file=str(path))
    return lambda: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def as_json(record: logging.LogRecord) -> Any:
    return json.loads(logs.JsonFormatter().format(record))


def record(message: str = "hello", *args: object, **extra: object) -> logging.LogRecord:
    return log.makeRecord("tasques.test", logging.INFO, "f", 1, message, args, None, extra=extra)


def test_a_line_of_json_has_level_time_logger_message_and_fields(json_lines: Any):
    """What is given as ``extra`` stands beside the message, with its type."""
    log.warning("claimed %d tasks", 3, extra={"queue": "日本", "seconds": 0.5, "nothing": None})

    (line,) = json_lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warn",
        "logger": "tasques.test",
        "message": "claimed 3 tasks",
        "queue": "日本",
        "seconds": 0.5,
    }


def test_a_traceback_is_one_field(json_lines: Any):
    """A line is an event, whatever happened."""
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("it failed")

    (line,) = json_lines()
    assert line["level"] == "error"
    assert line["stack"].endswith("ValueError: two\nlines")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()))
def test_no_text_breaks_a_line(message: str, value: str, mapping: dict[str, str]):
    """Neither form has more than one line, and JSON gives the same texts back."""
    one = record("%s", message, value=value, mapping=mapping)

    text = logs.JsonFormatter().format(one)
    assert text.splitlines() == [text]
    text.encode("utf-8")
    line = json.loads(text)
    assert (line["message"], line["value"], line["mapping"]) == (message, value, mapping)

    console = logs.ConsoleFormatter().format(one)
    assert console.splitlines() == [console]
    assert console.isprintable() or not console.isascii()
    console.encode("utf-8")


@pytest.mark.parametrize(
    "evil", ["\n", "\r", "\x1b[2J", "\x9b", "\u2028", "\u202e", "\ud800", "\x00"]
)
def test_what_obeys_or_deceives_a_reader_is_escaped(evil: str):
    """Line ends, terminal commands, and turned directions are seen, not obeyed."""
    for formatter in (logs.JsonFormatter(), logs.ConsoleFormatter()):
        assert evil not in formatter.format(record(evil, **{"field": evil, "f" + evil: 1}))


def test_a_text_in_an_exception_cannot_pass_for_a_line_of_the_console():
    """Each line of a traceback is marked."""
    one = record()
    try:
        raise ValueError("x\n2026-11-22T00:00:00.000Z INFO  all is well")
    except ValueError as error:
        one.exc_info = (ValueError, error, error.__traceback__)

    first, *rest = logs.ConsoleFormatter().format(one).splitlines()
    assert first.endswith("INFO  hello")
    assert rest
    assert all(line.startswith("    | ") for line in rest)


def test_the_console_has_fields_that_the_message_lacks():
    """A message made of a mapping has said them; texts with spaces are quoted."""
    one = log.makeRecord(
        "tasques.access",
        logging.INFO,
        "f",
        1,
        "%(method)s",
        ({"method": "GET", "request_id": "r 1"},),
        None,
        extra={"method": "GET", "request_id": "r 1", "empty": ""},
    )

    assert logs.ConsoleFormatter().format(one).endswith(' INFO  GET request_id="r 1" empty=""')


@pytest.mark.parametrize("name", ["password", "Authorization", "api_key", "headers", "Cookie"])
def test_a_field_named_like_a_secret_has_no_value(name: str):
    """A slip of a programmer must not show a password."""
    for formatter in (logs.JsonFormatter(), logs.ConsoleFormatter()):
        assert "hush" not in formatter.format(record(**{name: "hush"}))


def test_fields_that_are_no_json_are_texts():
    """A number that is none, a circle or any object never loses the line."""
    circle: list[object] = []
    circle.append(circle)
    for odd in (math.nan, circle, object(), {1: {2}}, b"x"):
        line = as_json(record(odd=odd))
        assert line["message"] == "hello"
        assert line["odd"]


def test_a_field_does_not_replace_what_every_line_has():
    """``level`` and ``time`` of the line are those of the event."""
    assert as_json(record(level="x", time="y", logger="z"))["level"] == "info"


@pytest.mark.parametrize(
    ("level", "least"),
    [("trace", 5), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40), ("fatal", 50)],
)
def test_a_level_leaves_out_what_is_below_it(level: str, least: int):
    """The original's names mean what they mean there."""
    logs.configure(level=level)

    assert log.isEnabledFor(least)
    assert not log.isEnabledFor(least - 1)
    assert logs.level_name(least) == level


def test_disabled_leaves_out_everything():
    """Even what is fatal."""
    logs.configure(level="disabled")

    assert not log.isEnabledFor(logging.CRITICAL)


def test_the_levels_are_those_of_the_settings():
    """A level that can be set can be obeyed."""
    assert tuple(logs.LEVELS) == LEVELS


def test_an_unknown_level_is_info():
    """As the settings make of it; here for whoever calls without them."""
    logs.configure(level="chatty")

    assert log.isEnabledFor(logging.INFO)
    assert not log.isEnabledFor(logging.DEBUG)


def test_libraries_are_heard_when_they_warn(json_lines: Any):
    """What waitress and the Elasticsearch client complain about stands in the same log."""
    logging.getLogger("waitress").warning("too many")
    logging.getLogger("elastic_transport.node").info("GET /")

    assert [line["message"] for line in json_lines()] == ["too many"]


def test_configuring_again_replaces_the_handler(tmp_path: Path, json_lines: Any):
    """No line is written twice."""
    other = tmp_path / "other"
    logs.configure(file=str(other), as_json=False)
    log.info("once")

    assert json_lines() == []
    assert other.read_text(encoding="utf-8").count("once") == 1


def test_a_file_is_appended_to_and_made_anew_when_moved(tmp_path: Path):
    """Logs survive a restart, and rotating them needs no signal."""
    path = tmp_path / "log"
    for text in ("first", "second"):
        logs.configure(file=str(path))
        log.info(text)
    assert path.read_text(encoding="utf-8").count("\n") == 2

    path.rename(tmp_path / "log.1")
    log.info("third")
    assert path.read_text(encoding="utf-8").count("\n") == 1


def test_a_file_that_cannot_be_opened_changes_nothing(tmp_path: Path, json_lines: Any):
    """The old log stays, so that the failure can be told."""
    with pytest.raises(OSError, match="none"):
        logs.configure(file=str(tmp_path / "none" / "log"))
    log.info("still here")

    assert len(json_lines()) == 1


def test_the_log_goes_to_the_standard_error(capsys: pytest.CaptureFixture[str]):
    """The standard output is for answers."""
    logs.configure(as_json=False)
    log.info("hello")

    out, err = capsys.readouterr()
    assert (out, err.endswith("Z INFO  hello\n")) == ("", True)


def test_a_filter_adds_fields(tmp_path: Path):
    """So the id of the request comes into every line."""

    class Adds(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.request_id = "r1"
            return True

    path = tmp_path / "log"
    logs.configure(file=str(path), filters=[Adds()])
    log.info("hello")

    assert json.loads(path.read_text(encoding="utf-8"))["request_id"] == "r1"
