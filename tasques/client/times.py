"""Durations and times as Python programs have them, turned into those of the wire."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from tasques.core.errors import Fault, InvalidInput
from tasques.core.values import Duration, Instant

#: Seconds, ``"1h30m"``, a :class:`datetime.timedelta`, or a :class:`Duration`.
DurationLike: TypeAlias = Duration | timedelta | float | str
#: A :class:`datetime.datetime` with a zone, RFC 3339 text, or an :class:`Instant`.
InstantLike: TypeAlias = Instant | datetime | str

_NANOSECONDS_PER_MICROSECOND: Final = 1_000


def duration(value: DurationLike, name: str = "") -> Duration:
    """
    *value* as a duration.

    Args:
        name: What it is for, as the path of the fault.

    Raises:
        InvalidInput: If it is none, or needs more than 64 bits of nanoseconds.
    """
    try:
        match value:
            case Duration():
                return value
            case timedelta():
                return Duration(value // timedelta(microseconds=1) * _NANOSECONDS_PER_MICROSECOND)
            case str():
                return Duration.parse(value)
            case _:
                return Duration.of_seconds(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise InvalidInput([Fault(name, "duration", str(error))]) from error


def instant(value: InstantLike, name: str = "") -> Instant:
    """
    *value* as an instant; to the microsecond, where it is a datetime.

    Raises:
        InvalidInput: If it is none, or has no zone.
    """
    try:
        match value:
            case Instant():
                return value
            case datetime():
                if value.tzinfo is None:
                    raise ValueError("a datetime needs a zone, such as datetime.UTC")
                return Instant.parse(value.astimezone(UTC).isoformat())
            case _:
                return Instant.parse(value)
    except (ValueError, TypeError) as error:
        raise InvalidInput([Fault(name, "time", str(error))]) from error


def optional_duration(value: DurationLike | None, name: str = "") -> Duration | None:
    """As :func:`duration`, and None stays None."""
    return None if value is None else duration(value, name)


def optional_instant(value: InstantLike | None, name: str = "") -> Instant | None:
    """As :func:`instant`, and None stays None."""
    return None if value is None else instant(value, name)


def now() -> Instant:
    """What the clock says by which ``run_in`` and ``expires_in`` are turned into times."""
    return Instant(time.time_ns())


def later(run_in: DurationLike, name: str = "") -> Instant:
    """
    The instant so much after :func:`now`.

    Raises:
        InvalidInput: If *run_in* is no duration.
    """
    return now().plus(duration(run_in, name))
