"""
How strings are written that are more than strings: what a schema can say of them, and the rest.

A pattern cannot say everything: not a length in bytes, not "lower case in every script", not a
range. What it leaves open is part of the *format*, whose meaning :data:`NOTATIONS` states and the
API description repeats. So a pattern is never stricter than the server (save that it lets zero have
no minus sign where none else may), and format and pattern together are never laxer.

The patterns keep to what ECMAScript, Python and Rust read alike: no classes such as "a digit", which
is an ASCII digit to one and any script's to another, and no named groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from tasques.core.listing import Position
from tasques.core.queues import MAX_ID_BYTES, MAX_QUEUE_BYTES, QueueName, TaskId, WorkerId
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import ClaimId
from tasques.core.values import Duration, Instant
from tasques.schemas.positions import MAX_POSITION
from tasques.schemas.recurring_requests import ScheduleExpression


@attrs.frozen(kw_only=True)
class Notation:
    """
    How a type is written as a string.

    Attributes:
        format: The name under which API descriptions announce it.
        pattern: What every such string matches.
        unsigned_pattern: The same without a minus sign, where that makes a difference.
        max_length: The most characters that it may have; None where there is no limit.
        meaning: What it stands for and what the pattern does not say, in Markdown.
    """

    format: str
    pattern: str
    unsigned_pattern: str | None = None
    max_length: int | None = None
    meaning: str


_CONTROL: Final = "\\u0000-\\u001f\\u007f-\\u009f"
_WHITE_SPACE: Final = (
    "\\u0009-\\u000d\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a"
    "\\u2028\\u2029\\u202f\\u205f\\u3000"
)
_AMOUNT: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h)"

_QUEUE: Final = Notation(
    format="queue-name",
    pattern=rf'^(?![-_+]|\.{{1,2}}$)[^\\/*?"<>| ,#:A-Z{_CONTROL}]+$',
    max_length=MAX_QUEUE_BYTES,
    meaning=(
        'the name of a queue: without any of `\\ / * ? " < > | , # :`, space and control characters;'
        " not beginning with `_`, `-` or `+`; neither `.` nor `..`; in lower case, whatever the"
        f" script; at most {MAX_QUEUE_BYTES} bytes in UTF-8"
    ),
)

_ID: Final = Notation(
    format="task-id",
    pattern=r"^(?!\.{1,2}$)[^/]*$",
    max_length=MAX_ID_BYTES,
    meaning=(
        "what names a task within its queue, or a recurring task: without `/`; neither `.` nor `..`;"
        f" at most {MAX_ID_BYTES} bytes in UTF-8"
    ),
)

# Not "duration": under that name JSON Schema knows the ISO 8601 notation, which is another.
_DURATION: Final = Notation(
    format="go-duration",
    pattern=rf"^[+-]?(?:0|(?:{_AMOUNT})+)$",
    unsigned_pattern=rf"^\+?(?:0|(?:{_AMOUNT})+)$",
    meaning=(
        "a length of time as Go writes it, such as `1h30m`, `1.5s` or `250ms`: decimal numbers, each"
        " with one of the units `h`, `m`, `s`, `ms`, `us` (`µs`), `ns`; at most"
        " `2562047h47m16.854775807s`"
    ),
)

_TIME: Final = Notation(
    format="date-time",
    pattern=(
        "^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]"
        r"(?:[.,][0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})$"
    ),
    meaning=(
        "a point in time as RFC 3339 writes it, with an upper-case `T` and `Z`, in the years 1 to"
        " 9999 UTC, without leap seconds; decimals beyond the ninth are cut off"
    ),
)

_WORKER: Final = Notation(
    format="worker-id",
    pattern=f"[^{_WHITE_SPACE}]",
    meaning="what names a worker: something besides white space",
)

_CLAIM: Final = Notation(
    format="claim-id",
    pattern=f"[^{_WHITE_SPACE}]",
    meaning="what names a claim of a task: the `claim_id` in the answer to it",
)

_SCHEDULE: Final = Notation(
    format="schedule-expression",
    pattern=f"[^{_WHITE_SPACE}]",
    meaning=(
        "when a recurring task is due, in UTC: the five fields of cron (minute, hour, day of month,"
        " month, day of week) as in `30 9 * * MON-FRI`; or `@yearly`, `@monthly`, `@weekly`,"
        " `@daily`, `@hourly`, `@every 90s`; with another zone before it as in"
        " `TZ=Asia/Tokyo @daily`"
    ),
)

_POSITION: Final = Notation(
    format="position",
    pattern="^[0-9A-Za-z_-]+$",
    max_length=MAX_POSITION,
    meaning="a place in a listing, as the `next` of an answer says it; of no other meaning",
)

#: How each type of a field or parameter is written, if more is to be said than "a string".
NOTATIONS: Final[Mapping[object, Notation]] = MappingProxyType(
    {
        QueueName: _QUEUE,
        TaskId: _ID,
        RecurringTaskId: _ID,
        WorkerId: _WORKER,
        ClaimId: _CLAIM,
        ScheduleExpression: _SCHEDULE,
        Duration: _DURATION,
        Instant: _TIME,
        Position: _POSITION,
    }
)
