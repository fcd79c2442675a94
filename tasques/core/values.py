"""
Instants and durations, to the nanosecond.

Both are integers of nanoseconds, because ``datetime`` and ``timedelta`` stop at microseconds and
the wire does not. They are read and written in the forms of the wire contract: times as RFC 3339,
durations as Go writes them.

Source of the forms: RFC 3339; Go, ``time.ParseDuration`` and ``Duration.String``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache, total_ordering
from typing import Final

import attrs

NANOSECONDS_PER_SECOND: Final = 1_000_000_000

_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MAX_INT64: Final = 2**63 - 1

_RFC3339: Final = re.compile(
    # Upper-case T and Z only; a comma for the decimal point is an accident of the original's that
    # costs nothing to keep.
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))",
    re.ASCII,
)

#: Of a time in RFC 3339 to the nanosecond, with the distance of its zone. What was read from a longer
#: text is not remembered, since a text can have a million digits.
_USUAL_LENGTH: Final = 35

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, micro sign
    "μs": 1_000,  # U+03BC, Greek mu
    "ms": 1_000_000,
    "s": NANOSECONDS_PER_SECOND,
    "m": 60 * NANOSECONDS_PER_SECOND,
    "h": 3600 * NANOSECONDS_PER_SECOND,
}
_COMPONENT: Final = re.compile(
    r"(?:(\d+)(?:\.(\d*))?|\.(\d+))(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII
)


@total_ordering
@attrs.frozen(order=False)
class Duration:
    """
    A length of time: a signed 64-bit count of nanoseconds, as the wire and the documents have it.

    Raises:
        ValueError: If *nanoseconds* needs more than 64 bits.

    >>> Duration.parse("1h30m")
    Duration('1h30m0s')
    """

    nanoseconds: int

    def __attrs_post_init__(self) -> None:
        if not -_MAX_INT64 - 1 <= self.nanoseconds <= _MAX_INT64:
            raise ValueError("a duration must fit in 64 bits of nanoseconds")

    @classmethod
    def of_seconds(cls, seconds: float) -> Duration:
        """The duration of so many seconds; a fraction is rounded to a nanosecond."""
        return cls(round(seconds * NANOSECONDS_PER_SECOND))

    @staticmethod
    def parse(text: str) -> Duration:
        """
        Read Go's notation: ``1h30m``, ``1.5h``, ``-250ms``, ``0``.

        What is finer than a nanosecond is cut off.

        Raises:
            ValueError: If *text* is not in the notation, or out of range.
        """
        # The same few lengths come with every task.
        if type(text) is str and len(text) <= _USUAL_LENGTH:
            return _known_duration(text)
        return _duration(text)

    @property
    def seconds(self) -> float:
        """The same in seconds, for interfaces that count so."""
        return self.nanoseconds / NANOSECONDS_PER_SECOND

    def __lt__(self, other: Duration) -> bool:
        return self.nanoseconds < other.nanoseconds

    def __le__(self, other: Duration) -> bool:
        return self.nanoseconds <= other.nanoseconds

    def __str__(self) -> str:
        """Go's canonical form: hours, minutes, seconds; below a second the largest fitting unit."""
        return _duration_text(self.nanoseconds)

    def __repr__(self) -> str:
        return f"Duration('{self}')"


def _duration(text: str) -> Duration:
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    total = 0 if unsigned == "0" else sum(_components(unsigned, whole=text))
    if total > _MAX_INT64 + (text[0] == "-"):
        raise ValueError(f"the duration [{text}] is out of range")
    return Duration(-total if text[0] == "-" else total)


_known_duration: Final = lru_cache(maxsize=1024)(_duration)


@lru_cache(maxsize=1024)
def _duration_text(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    rest = abs(nanoseconds)
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if rest < size * 1000:
            return f"{sign}{_decimal(rest, size)}{unit}"
    minutes, rest = divmod(rest, _UNITS["m"])
    seconds = f"{_decimal(rest, NANOSECONDS_PER_SECOND)}s"
    if not minutes:
        return f"{sign}{seconds}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"


def _components(unsigned: str, *, whole: str) -> Iterator[int]:
    """The nanoseconds of each *number unit* pair, which together must make up the whole text."""
    position = 0
    while position < len(unsigned) or position == 0:
        match = _COMPONENT.match(unsigned, position)
        if match is None:
            raise ValueError(f"[{whole}] is not a duration such as 30m, 1h30m or 1.5s")
        integer, fraction, bare_fraction, unit = match.groups()
        size = _UNITS[unit]
        # Beyond twenty digits no value is in range, and none finer than a nanosecond counts;
        # cutting there keeps a hostile text of a million digits cheap.
        if integer and len(integer.lstrip("0")) > 20:
            raise ValueError(f"the duration [{whole[:60]}] is out of range")
        decimals = (fraction or bare_fraction or "")[:20]
        yield int(integer or 0) * size + (
            int(decimals) * size // 10 ** len(decimals) if decimals else 0
        )
        position = match.end()


def _decimal(amount: int, size: int) -> str:
    """*amount* ÷ *size* (a power of ten) without trailing zeros."""
    integer, fraction = divmod(amount, size)
    if not fraction:
        return str(integer)
    return f"{integer}.{str(fraction).rjust(len(str(size)) - 1, '0').rstrip('0')}"


ZERO: Final = Duration(0)


@total_ordering
@attrs.frozen(order=False)
class Instant:
    """
    A point in time: nanoseconds since 1970-01-01T00:00:00Z, in the years 1 to 9999.

    Raises:
        ValueError: If it lies outside those years.

    >>> Instant.parse("2020-01-01T09:00:00.5+09:00")
    Instant('2020-01-01T00:00:00.5Z')
    """

    nanoseconds: int

    def __attrs_post_init__(self) -> None:
        if not _FIRST_NANOSECOND <= self.nanoseconds <= _LAST_NANOSECOND:
            raise ValueError("an instant must lie in the years 1 to 9999")

    @staticmethod
    def parse(text: str) -> Instant:
        """
        Read RFC 3339 with a ``T``, seconds and a zone; decimals beyond the ninth are cut off.

        Raises:
            ValueError: If *text* has another form, or names a day or time that does not exist.
        """
        # The tasks of a batch share most of their times, and a task has up to seven of them.
        if type(text) is str and len(text) <= _USUAL_LENGTH:
            return _known_time(text)
        return _time(text)

    def plus(self, duration: Duration) -> Instant:
        """
        The instant so much later, or earlier for a negative duration.

        At the ends of the calendar it stops there: a task with a timeout of three hundred years
        simply never times out.
        """
        moved = self.nanoseconds + duration.nanoseconds
        return Instant(min(max(moved, _FIRST_NANOSECOND), _LAST_NANOSECOND))

    def since(self, earlier: Instant) -> Duration:
        """
        How long after *earlier* this is; at the ends of what a duration holds it stops there.
        """
        distance = self.nanoseconds - earlier.nanoseconds
        return Duration(min(max(distance, -_MAX_INT64), _MAX_INT64))

    @property
    def milliseconds(self) -> int:
        """Whole milliseconds since 1970, rounded down: what Elasticsearch orders by."""
        return self.nanoseconds // 1_000_000

    def __lt__(self, other: Instant) -> bool:
        return self.nanoseconds < other.nanoseconds

    def __le__(self, other: Instant) -> bool:
        return self.nanoseconds <= other.nanoseconds

    def __str__(self) -> str:
        """RFC 3339 in UTC, with as many decimals as it needs, nine at most."""
        return _time_text(self.nanoseconds)

    def __repr__(self) -> str:
        return f"Instant('{self}')"


# One time is written several times: in a document as that of its creation and of its last change, and
# in the answer. 0.1 µs in place of 0.6.
@lru_cache(maxsize=4096)
def _time_text(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, NANOSECONDS_PER_SECOND)
    text = _second_text(seconds)
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{text}Z"


# The times of a task, and of tasks answered together, mostly lie within a few seconds; an answer has
# four to seven. 0.9 µs in place of 2.6.
@lru_cache(maxsize=1024)
def _second_text(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def _time(text: str) -> Instant:
    decimals = text[20:-1]
    # Nearly all are in UTC, and within seconds of each other: 1.2 µs in place of 3.4.
    if text[19:20] == "." and text[-1:] == "Z" and decimals.isascii() and decimals.isdigit():
        second = _known_second(text[:19])
        if second is not None:
            return Instant(second + _fraction(decimals))
    return Instant(_any_time(text))


@lru_cache(maxsize=1024)
def _known_second(text: str) -> int | None:
    try:
        return _any_time(f"{text}Z")
    except ValueError:
        return None


def _any_time(text: str) -> int:
    """The nanoseconds since 1970."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"[{text[:60]}] is not a time such as 2020-01-31T23:59:59.5Z")
    fields = match.groups()
    year, month, day, hour, minute, second = map(int, fields[:6])
    offset = int(fields[8] or 0) * 3600 + int(fields[9] or 0) * 60
    if hour > 23 or minute > 59 or second > 59 or int(fields[8] or 0) > 23:
        raise ValueError(f"[{text}] is not a time that exists")
    if int(fields[9] or 0) > 59:
        raise ValueError(f"[{text}] is not a time that exists")
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise ValueError(f"[{text}] is not a day that exists") from error
    seconds = days * 86400 + hour * 3600 + minute * 60 + second
    seconds += offset if fields[7] == "-" else -offset
    return seconds * NANOSECONDS_PER_SECOND + _fraction(fields[6] or "")


def _fraction(decimals: str) -> int:
    """The nanoseconds after the second."""
    return int(decimals[:9].ljust(9, "0"))


_known_time: Final = lru_cache(maxsize=8192)(_time)


_FIRST_NANOSECOND: Final = (1 - _EPOCH_DAY) * 86400 * NANOSECONDS_PER_SECOND
_LAST_NANOSECOND: Final = (
    date(9999, 12, 31).toordinal() + 1 - _EPOCH_DAY
) * 86400 * NANOSECONDS_PER_SECOND - 1

#: The wire's way to say "no time given", since Go cannot leave a time out.
ZERO_INSTANT: Final = Instant(_FIRST_NANOSECOND)
