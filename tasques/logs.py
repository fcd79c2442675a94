"""
The server's log: one line for each event, as JSON or as text for a console.

Everything under the logger ``tasques`` goes there, and the warnings of the libraries beneath. What
is given as ``extra`` becomes fields of the line. A line stays a line whatever a request contains:
control characters are escaped, and so are those that turn the direction of text around.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

#: By the original's names. A record between two has the name of the lower.
LEVELS: Final[Mapping[str, int]] = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL + 10,
    "disabled": logging.CRITICAL + 50,
}

#: Libraries whose warnings belong into our log; their own chatter does not.
LIBRARIES: Final = ("elastic_transport", "elasticsearch", "urllib3", "waitress")

_ROOT: Final = "tasques"

# C0 and C1 controls, the separators that some readers take for line ends, what turns the direction
# of text around, and halves of characters, which no stream can write.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# Nobody should log these; where somebody does, the value stays out.
_SECRET: Final = re.compile(
    r"(?i)authorization|cookie|password|secret|secret_token|api_key|headers"
)

_NO_FIELDS: Final = frozenset(
    {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "asctime", "message", "taskName"}
)


def configure(
    *,
    level: str = "info",
    as_json: bool = True,
    file: str | None = None,
    filters: Sequence[logging.Filter] = (),
) -> logging.Handler:
    """
    Send the log where it belongs; a second call replaces what the first one did.

    Args:
        level: One of :data:`LEVELS`; another is ``info``.
        as_json: One JSON object a line, rather than text.
        file: Appended to, and made anew when somebody has moved it away; the standard error if
            None.
        filters: May add attributes to records, such as the id of the request.

    Returns:
        The handler, to be closed at the end.

    Raises:
        OSError: If *file* cannot be opened; then nothing has changed.
    """
    handler = logging.StreamHandler(sys.stderr) if file is None else _to_file(file)
    handler.setFormatter(JsonFormatter() if as_json else ConsoleFormatter())
    for one in filters:
        handler.addFilter(one)
    threshold = LEVELS.get(level, logging.INFO)
    _attach(logging.getLogger(_ROOT), handler, threshold)
    for library in LIBRARIES:
        _attach(logging.getLogger(library), handler, max(threshold, logging.WARNING))
    return handler


def _to_file(file: str) -> logging.Handler:
    # With sockets and queues beside it, which a command that prints its help is not to load.
    from logging.handlers import WatchedFileHandler

    return WatchedFileHandler(file, encoding="utf-8")


def _attach(logger: logging.Logger, handler: logging.Handler, threshold: int) -> None:
    for old in logger.handlers[:]:
        if isinstance(old.formatter, JsonFormatter | ConsoleFormatter):
            logger.removeHandler(old)
            old.close()
    logger.addHandler(handler)
    logger.setLevel(threshold)
    logger.propagate = False


class JsonFormatter(logging.Formatter):
    """One JSON object: level, time, logger, message, the fields, and ``stack`` for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "level": level_name(record.levelno),
            "time": _time(record),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((key, value) for key, value in fields(record).items() if key not in line)
        if stack := _stack(record):
            line["stack"] = stack
        return _UNSAFE.sub(_as_json_escape, _dumps(line))


class ConsoleFormatter(logging.Formatter):
    """Time, level, message and fields on a line; a traceback below, each of its lines marked."""

    def format(self, record: logging.LogRecord) -> str:
        # A message made of a mapping may say some of the fields itself.
        said = str(record.msg) if isinstance(record.args, Mapping) else ""
        pairs = "".join(
            f" {key}={_console_value(value)}"
            for key, value in fields(record).items()
            if f"%({key})" not in said
        )
        level = level_name(record.levelno).upper()
        line = f"{_time(record)} {level:5} {escape(record.getMessage())}{escape(pairs)}"
        # Marked, so that no text inside an exception can pass for a line of the log.
        return "\n".join([line, *(f"    | {escape(one)}" for one in _stack(record).splitlines())])


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What was given to *record* as ``extra``; None is left out, a secret's name has ``***``."""
    return {
        key: "***" if _SECRET.fullmatch(key) else value
        for key, value in vars(record).items()
        if key not in _NO_FIELDS and value is not None
    }


def level_name(number: int) -> str:
    """The original's name of a level: the highest that is not above *number*."""
    names = [name for name, threshold in LEVELS.items() if threshold <= number]
    return names[-1] if names else "trace"


def escape(text: str) -> str:
    r"""*text* on one line and harmless to a terminal: ``\n`` for a line's end, ``\x1b`` and so on."""
    return _UNSAFE.sub(_as_escape, text)


def _as_escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _as_json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _dumps(line: Mapping[str, object]) -> str:
    try:
        return json.dumps(line, ensure_ascii=False, allow_nan=False, default=str)
    except (ValueError, TypeError, RecursionError):  # not a number, a circle, an odd key
        return json.dumps({key: _text(value) for key, value in line.items()}, ensure_ascii=False)


def _console_value(value: object) -> str:
    text = _text(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[\s"=]', text) or not text else text


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _time(record: logging.LogRecord) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    seconds, fraction = divmod(record.created, 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(fraction * 1000):03}Z"


def _stack(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(logging.Formatter().formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)
