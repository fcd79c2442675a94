"""
Schedule expressions: the text that says when a recurring task is due.

What is accepted, and what it means, is what the standard parser of the original's library makes of
it, its accidents included: a recurring task that was stored long ago has to stay readable. Where
that parser crashes (a zone with nothing after it), the expression is refused.

Source: robfig/cron v3, ``ParseStandard``; Go, ``time.LoadLocation`` and ``strings.Fields``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from types import MappingProxyType
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from tasques.core.slots import Calendar, Every
from tasques.core.values import Duration, Instant

_MAX_INT64: Final = 2**63 - 1
#: The longest name there is has 32 characters; some systems put ``posix/`` or ``right/`` before it.
_LONGEST_ZONE: Final = 64

#: What Unicode calls white space. ``str.split`` and ``\s`` take U+001C to U+001F as well.
_SPACES: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_FIELD: Final = re.compile(f"[^{_SPACES}]+")
_NUMBER: Final = re.compile(r"\+?0*([0-9]{1,19})", re.ASCII)


class InvalidSchedule(ValueError):
    """
    An expression that is no schedule.

    Attributes:
        expression: The whole of it, as it was given.
        field: The part that is wrong: one of the five fields by its name (``minute``, ``hour``,
            ``day of month``, ``month``, ``day of week``), ``zone``, ``descriptor``, ``duration``,
            or ``expression`` when it is the whole.
        reason: What is wrong with that part.
    """

    def __init__(self, expression: str, field: str, reason: str) -> None:
        super().__init__(expression, field, reason)
        self.expression = expression
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"[{_shown(self.expression)}] is not a schedule; {self.field}: {self.reason}"


class Schedule(Protocol):
    """
    The slots of a recurring task: instants, each a whole second.

    The *anchor* is where ``@every`` counts from, the creation of the recurring task; the other
    schedules do not look at it.
    """

    def next_after(self, instant: Instant, *, anchor: Instant) -> Instant | None:
        """
        The first slot strictly after *instant*.

        None if there is none up to the end of the fifth year after the local year of the next
        whole second. ``@every`` has no such limit; past the year 9999 nothing has a slot.
        """

    def last_until(self, instant: Instant, *, anchor: Instant) -> Instant | None:
        """
        The latest slot at or before *instant*.

        None if there is none since the start of the fifth year before the local year of
        *instant*. ``@every`` has no such limit, and no slot before or at the anchor.
        """


def parse(expression: str, *, local: tzinfo | None = None) -> Schedule:
    """
    Read five fields, or a descriptor, either with a zone before it.

    Args:
        local: What the zone ``Local`` means; None is UTC. An expression without a zone is in UTC
            in any case.

    Raises:
        InvalidSchedule: If *expression* is nothing of that; it says which part is wrong and why.

    >>> noon = Instant.parse("2026-11-20T12:00:00Z")
    >>> parse("30 9 * * MON-FRI").next_after(noon, anchor=noon)
    Instant('2026-11-23T09:30:00Z')
    >>> parse("TZ=Asia/Tokyo @daily").last_until(noon, anchor=noon)
    Instant('2026-11-19T15:00:00Z')
    >>> parse("@every 90s").next_after(noon, anchor=noon)
    Instant('2026-11-20T12:01:30Z')
    >>> parse("0 24 * * *")
    Traceback (most recent call last):
        ...
    tasques.core.cron.InvalidSchedule: [0 24 * * *] is not a schedule; hour: [24] is not within 0-23
    """
    zone: tzinfo = UTC
    rest = expression
    if expression.startswith(("TZ=", "CRON_TZ=")):
        # Only a plain space ends the name.
        name, space, rest = expression.partition("=")[2].partition(" ")
        if not space:
            raise InvalidSchedule(expression, "expression", "there is nothing after the zone")
        zone = _zone(name, local, expression)
        rest = rest.strip(_SPACES)
    if rest.startswith("@"):
        return _descriptor(rest, zone, expression)
    return _calendar(rest, zone, expression)


def _zone(name: str, local: tzinfo | None, expression: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC
    if name == "Local":
        return local or UTC
    if ".." in name or name.startswith(("/", "\\")):
        raise InvalidSchedule(expression, "zone", f"[{_shown(name)}] leads out of the zones")
    # The package that zones may come from imports a module for each part of the name, one within
    # the other: a long name would exhaust the stack.
    if len(name) > _LONGEST_ZONE:
        raise InvalidSchedule(expression, "zone", f"[{_shown(name)}] is not known")
    try:
        return ZoneInfo(name)
    # A file that is no zone, a name that no file can have, a directory: all mean the same here.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(expression, "zone", f"[{_shown(name)}] is not known") from error


_DESCRIPTORS: Final = MappingProxyType(
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }
)
_EVERY: Final = "@every "


def _descriptor(text: str, zone: tzinfo, expression: str) -> Schedule:
    if text.startswith(_EVERY):
        try:
            return Every(Duration.parse(text.removeprefix(_EVERY)))
        except ValueError as error:
            raise InvalidSchedule(expression, "duration", str(error)) from error
    if text not in _DESCRIPTORS:
        known = ", ".join([*_DESCRIPTORS, "@every <duration>"])
        reason = f"[{_shown(text)}] is none of {known}"
        raise InvalidSchedule(expression, "descriptor", reason)
    return _calendar(_DESCRIPTORS[text], zone, expression)


def _calendar(text: str, zone: tzinfo, expression: str) -> Calendar:
    texts = _FIELD.findall(text)
    if len(texts) != len(_FIELDS):
        reason = f"it has {len(texts)} fields, not the five: {', '.join(f.name for f in _FIELDS)}"
        raise InvalidSchedule(expression, "expression", reason)
    read = []
    for field, part in zip(_FIELDS, texts, strict=True):
        try:
            read.append(field.values(part))
        except ValueError as error:
            raise InvalidSchedule(expression, field.name, str(error)) from None
    minutes, hours, days, months, weekdays = read
    return Calendar(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=weekdays,
        either_day=not (_is_unrestricted(texts[2]) or _is_unrestricted(texts[4])),
        zone=zone,
    )


@attrs.frozen
class _Field:
    """One of the five: its name in messages, its range, and the names that its numbers have."""

    name: str
    low: int
    high: int
    names: Mapping[str, int] = attrs.field(factory=dict)

    def values(self, text: str) -> frozenset[int]:
        """The numbers of a comma list; raises ValueError with the reason. Empty items count not."""
        items = filter(None, text.split(","))
        return frozenset(value for item in items for value in self._item(item))

    def _item(self, item: str) -> range:
        """``*``, ``?``, ``a`` or ``a-b``, each with an optional ``/step``."""
        bounds, slash, step_text = item.partition("/")
        start_text, dash, end_text = bounds.partition("-")
        if _is_star(start_text):
            start, end = self.low, self.high  # even in *-5: an accident
        else:
            start = self._number(start_text, item)
            # a/step goes on to the end
            end = self._number(end_text, item) if dash else self.high if slash else start
        step = _number(step_text, item) if slash else 1
        if step == 0:
            raise ValueError(f"the step of [{_shown(item)}] is 0")
        if start < self.low or end > self.high:
            raise ValueError(f"[{_shown(item)}] is not within {self.low}-{self.high}")
        if start > end:
            raise ValueError(f"the range [{_shown(item)}] runs backwards")
        return range(start, end + 1, step)

    def _number(self, text: str, item: str) -> int:
        number = self.names.get(text.lower())
        return _number(text, item) if number is None else number


def _number(text: str, item: str) -> int:
    match = _NUMBER.fullmatch(text)
    if match is None or int(match[1]) > _MAX_INT64:
        raise ValueError(f"[{_shown(item)}] has [{_shown(text)}] where a number belongs")
    return int(match[1])


def _is_star(text: str) -> bool:
    return text in ("*", "?")


def _is_unrestricted(text: str) -> bool:
    """Whether an item of a valid field is a star without a step, or with step 1."""
    items = (item.partition("/") for item in text.split(","))
    return any(
        _is_star(bounds.partition("-")[0]) and (not slash or _number(step, "") == 1)
        for bounds, slash, step in items
    )


def _shown(text: str) -> str:
    """*text* as a message has it: of a very long one, the beginning."""
    return text if len(text) <= 100 else f"{text[:100]}…"


def _numbered(names: str, first: int) -> Mapping[str, int]:
    return MappingProxyType({name: n for n, name in enumerate(names.split(), first)})


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1)),
    _Field("day of week", 0, 6, _numbered("sun mon tue wed thu fri sat", 0)),
)
