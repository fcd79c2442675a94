"""Schedules against oracles that know nothing of them."""

from __future__ import annotations

import importlib.resources
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import attrs
from croniter import croniter  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tasques.core.cron import Schedule, parse
from tasques.core.values import NANOSECONDS_PER_SECOND, ZERO_INSTANT, Duration, Instant

ZONE_FILES = importlib.resources.files("tzdata")
#: Those of the package, so that every machine looks at the same.
ZONES = ZONE_FILES.joinpath("zones").read_text().split()

RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
MONTHS = ["", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
NAMES: dict[int, list[str]] = {3: MONTHS, 4: WEEKDAYS}

HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY


# ----------------------------------------------------------------- expressions by construction


@attrs.frozen
class Item:
    """``first-last/step`` of a field; without *first* a star, without *last* one number."""

    field: int
    first: int | None = None
    last: int | None = None
    step: int | None = None
    named: bool = False

    def __str__(self) -> str:
        bounds = "*" if self.first is None else self._number(self.first)
        if self.last is not None:
            bounds += f"-{self._number(self.last)}"
        return bounds if self.step is None else f"{bounds}/{self.step}"

    def _number(self, number: int) -> str:
        return NAMES[self.field][number] if self.named and self.field in NAMES else str(number)

    def holds(self, number: int) -> bool:
        low, high = RANGES[self.field]
        begin = low if self.first is None else self.first
        if self.last is not None:
            end = self.last
        else:
            end = begin if self.first is not None and self.step is None else high
        return begin <= number <= end and (number - begin) % (self.step or 1) == 0

    @property
    def is_star(self) -> bool:
        return self.first is None and self.step in (None, 1)


@attrs.frozen(slots=False)
class Expression:
    """Five lists of items, and what they mean, in the most direct words."""

    fields: tuple[list[Item], ...]

    def __str__(self) -> str:
        return " ".join(",".join(map(str, items)) for items in self.fields)

    @cached_property
    def numbers(self) -> list[set[int]]:
        """What each field admits."""
        return [
            {n for n in range(low, high + 1) if any(item.holds(n) for item in items)}
            for items, (low, high) in zip(self.fields, RANGES, strict=True)
        ]

    @cached_property
    def has_star(self) -> bool:
        """Whether one of the two day fields has one."""
        return any(item.is_star for item in (*self.fields[2], *self.fields[4]))

    def matches(self, local: datetime) -> bool:
        minutes, hours, days, months, weekdays = self.numbers
        if local.minute not in minutes or local.hour not in hours or local.month not in months:
            return False
        day, weekday = local.day in days, local.isoweekday() % 7 in weekdays
        return (day and weekday) if self.has_star else (day or weekday)


@cache
def items(field: int) -> SearchStrategy[Item]:
    numbers = st.integers(*RANGES[field])
    steps = st.none() | st.sampled_from([1, 2, 3, 5, 7, 13, 30, 100])
    stars = st.builds(Item, st.just(field), step=steps)
    ones = st.builds(Item, st.just(field), numbers, st.none(), steps, st.booleans())
    ranges = st.builds(
        lambda a, b, step, named: Item(field, min(a, b), max(a, b), step, named),
        numbers,
        numbers,
        steps,
        st.booleans(),
    )
    return stars | ones | ranges


@cache
def expressions() -> SearchStrategy[Expression]:
    """Any; with a star in every second field, so that not all of them are due once a year."""
    fields = [
        st.just([Item(n)]) | st.lists(items(n), min_size=1, max_size=3) for n in range(len(RANGES))
    ]
    return st.tuples(*fields).map(Expression)


# ------------------------------------------------------------------------- zones and their changes


def at(second: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(second, zone)


@cache
def changes(zone: ZoneInfo) -> list[tuple[int, int]]:
    """Spans of twenty days, from 1850 to 2045, at whose ends the clocks differ."""
    seconds = range(-120 * YEAR, 75 * YEAR, 20 * DAY)
    offsets = ((second, at(second, zone).utcoffset()) for second in seconds)
    return [(a, b) for (a, before), (b, after) in pairwise(offsets) if before != after]


def change(zone: ZoneInfo, before: int, after: int) -> int:
    """The first second with other clocks."""
    offset = at(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if at(middle, zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


@st.composite
def zones_and_changes(draw: DrawFn) -> tuple[ZoneInfo, int]:
    """A zone, and a second at which its clocks change, if they ever do."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    if changes(zone):
        return zone, change(zone, *draw(st.sampled_from(changes(zone))))
    return zone, draw(st.integers(-120 * YEAR, 120 * YEAR))


def local_minutes(zone: ZoneInfo, first: int, last: int) -> Iterator[tuple[int, datetime]]:
    """Every second from *first* to before *last* at which a minute begins, and its local time."""
    here = at(first, zone)
    for second in range(first, last, 60):
        there = at(second + 60, zone)
        if here.utcoffset() == there.utcoffset():
            rest = -here.second % 60
            yield second + rest, here + timedelta(seconds=rest)
        else:
            for each in range(second, second + 60):
                local = at(each, zone)
                if local.second == 0:
                    yield each, local
        here = there


# ------------------------------------------------------------------------------------ the oracles


def instant(second: int) -> Instant:
    return Instant(second * NANOSECONDS_PER_SECOND)


def after(schedule: Schedule, second: int) -> int | None:
    return _second(schedule.next_after(instant(second), anchor=ZERO_INSTANT))


def until(schedule: Schedule, second: int) -> int | None:
    return _second(schedule.last_until(instant(second), anchor=ZERO_INSTANT))


def _second(slot: Instant | None) -> int | None:
    if slot is None:
        return None
    seconds, rest = divmod(slot.nanoseconds, NANOSECONDS_PER_SECOND)
    assert rest == 0
    return seconds


@settings(max_examples=250)
@given(zones_and_changes(), st.lists(expressions(), min_size=7, max_size=7))
def test_slots_are_the_minutes_that_match(
    zone_and_change: tuple[ZoneInfo, int], several: list[Expression]
) -> None:
    """
    In every zone, around its changes of the clocks, in both directions.

    The oracle looks at each minute of the window. Of its slots, those next to the change are
    compared, and some others; and that there is none before the first and after the last.
    """
    zone, changed = zone_and_change
    first, last = changed - 13 * HOUR, changed + 14 * HOUR
    window = [(s, local) for s, local in local_minutes(zone, first, last) if first <= s < last]
    for expression in several:
        schedule = parse(f"TZ={zone.key} {expression}")
        slots = [second for second, local in window if expression.matches(local)]
        upcoming, passed = after(schedule, first - 1), until(schedule, last - 1)
        if not slots:
            assert upcoming is None or upcoming >= last
            assert passed is None or passed < first
            continue
        assert (upcoming, passed) == (slots[0], slots[-1])
        pairs = list(pairwise(slots))
        middle = sum(second < changed for second in slots)
        for one, other in pairs[max(middle - 3, 0) : middle + 1] + pairs[:: len(pairs) // 3 + 1]:
            assert after(schedule, one) == after(schedule, other - 1) == other
            assert until(schedule, other - 1) == until(schedule, one) == one


@settings(max_examples=300)
@given(zones_and_changes(), expressions(), st.integers(-400 * DAY, 400 * DAY))
def test_each_search_undoes_the_other(
    zone_and_change: tuple[ZoneInfo, int], expression: Expression, distance: int
) -> None:
    """Nothing lies between a slot and the next, seen from either of them."""
    zone, changed = zone_and_change
    start = changed + distance
    schedule = parse(f"TZ={zone.key} {expression}")
    upcoming, passed = after(schedule, start), until(schedule, start)
    if upcoming is not None:
        assert upcoming > start
        assert until(schedule, upcoming) == upcoming
        assert until(schedule, upcoming - 1) == passed or _is_far(passed, upcoming)
        assert expression.matches(at(upcoming, zone))
    if passed is not None:
        assert passed <= start
        assert after(schedule, passed - 1) == passed
        assert after(schedule, passed) == upcoming or _is_far(passed, upcoming)
        assert expression.matches(at(passed, zone))


def _is_far(passed: int | None, upcoming: int | None) -> bool:
    """Whether one of two neighbours may be out of sight of the other, five years being the limit."""
    return passed is None or upcoming is None or upcoming - passed > 5 * YEAR - 2 * DAY


@given(
    st.integers(1, 10**9),
    st.integers(0, 4 * 10**18).map(Instant),
    st.integers(0, 4 * 10**18).map(Instant),
)
def test_every_is_a_ladder(seconds: int, anchor: Instant, start: Instant) -> None:
    """The slots on both sides of an instant are one period apart, and whole periods off the anchor."""
    every = parse(f"@every {seconds}s")
    period = Duration.of_seconds(seconds)
    upcoming, passed = (
        every.next_after(start, anchor=anchor),
        every.last_until(start, anchor=anchor),
    )
    assert upcoming is not None
    assert upcoming > start
    steps, rest = divmod(_whole(upcoming) - _whole(anchor), seconds)
    assert rest == 0
    assert steps >= 1
    assert passed == (None if steps == 1 else upcoming.plus(Duration(-period.nanoseconds)))
    assert upcoming == every.last_until(upcoming, anchor=anchor)
    assert upcoming == every.next_after(upcoming.plus(Duration(-1)), anchor=anchor)


def _whole(moment: Instant) -> int:
    return moment.nanoseconds // NANOSECONDS_PER_SECOND


EXTREMES = [
    ZERO_INSTANT,
    ZERO_INSTANT.plus(Duration.parse("49h")),
    Instant.parse("9999-12-30T00:00:00Z"),
    Instant.parse("9999-12-31T23:59:59.999999999Z"),
]


@settings(max_examples=60)
@given(expressions(), st.sampled_from(ZONES), st.integers(0, 10**14), st.sampled_from(EXTREMES))
def test_nothing_overflows_at_the_ends(
    expression: Expression, zone: str, nanoseconds: int, end: Instant
) -> None:
    """Whatever the zone, a search that leaves the calendar finds nothing, or what is in it."""
    schedule = parse(f"TZ={zone} {expression}")
    for start in (end, end.plus(Duration(nanoseconds)), end.plus(Duration(-nanoseconds))):
        upcoming = schedule.next_after(start, anchor=ZERO_INSTANT)
        passed = schedule.last_until(start, anchor=ZERO_INSTANT)
        assert upcoming is None or upcoming > start
        assert passed is None or passed <= start


# Where croniter means something else, it is not asked: steps in the day fields (there ``*/2``
# counts as unrestricted), a day field that a list or a range fills (so does ``1-31``), a range of
# one number (``5-5`` goes all around), 7 and ``?``, changes of the clocks, and what is further than
# five years.


def _is_plain(expression: Expression) -> bool:
    if any(i.first == i.last is not None for items in expression.fields for i in items):
        return False
    for field in (2, 4):
        low, high = RANGES[field]
        items = expression.fields[field]
        if items == [Item(field)]:
            continue
        if len(expression.numbers[field]) == high - low + 1:
            return False
        if any(i.first is None or i.step for i in items):
            return False
    return True


@settings(max_examples=150)
@given(expressions().filter(_is_plain), st.integers(0, 100 * YEAR))
def test_croniter_agrees(expression: Expression, start: int) -> None:
    """In UTC, on what both understand alike: four slots on each side of an instant."""
    schedule = parse(str(expression))
    for search, step in ((after, "get_next"), (until, "get_prev")):
        other = croniter(str(expression), datetime.fromtimestamp(start, UTC))
        here = start
        for _ in range(4):
            slot = search(schedule, here if search is after else here - 1)
            if slot is None:
                break
            assert slot == getattr(other, step)(float)
            here = slot


# ---------------------------------------------------------------------- what the search relies on


def test_no_zone_takes_a_change_back_within_a_day() -> None:
    """
    Two changes of the clocks are days apart, everywhere and always (a file lists them up to some
    year, and ends in a rule with two changes a year at most).

    The search takes a day of UTC for free of changes when its ends agree. Read from the files of
    the zones, since no scan could prove it. Source of the form: RFC 8536, section 3.
    """
    for zone in ZONES:
        moments = list(_changes_on_file(zone))
        assert all(b - a > 2 * DAY for a, b in pairwise(moments)), zone


def _changes_on_file(zone: str) -> Iterator[int]:
    """When the offset changes, by the second block (64 bits) of the file."""
    content = ZONE_FILES.joinpath("zoneinfo", zone).read_bytes()

    def counts(start: int) -> tuple[int, ...]:
        return struct.unpack(">6l", content[start + 20 : start + 44])

    utc, std, leap, times, types, chars = counts(0)
    second = 44 + times * 5 + types * 6 + chars + leap * 8 + std + utc
    *_, times, types, chars = counts(second)
    widths = list(accumulate([times * 8, times, types * 6], initial=second + 44))
    moments = struct.unpack(f">{times}q", content[widths[0] : widths[1]])
    kinds = content[widths[1] : widths[2]]
    offsets = [kind[0] for kind in struct.iter_unpack(">lBB", content[widths[2] : widths[3]])]
    before = offsets[0]
    for moment, kind in zip(moments, kinds, strict=True):
        if offsets[kind] != before:
            yield moment
        before = offsets[kind]


def test_the_files_are_read_rightly() -> None:
    """The reader above finds what the library finds."""
    zone = ZoneInfo("Europe/London")
    on_file = set(_changes_on_file(zone.key))
    found = {change(zone, a, b) for a, b in changes(zone) if b < 20 * YEAR}
    assert len(found) > 100
    assert found <= on_file


def test_the_text_of_an_expression() -> None:
    """The construction above writes the forms that the contract names."""
    mixed = Expression(
        (
            [Item(0, step=2), Item(0)],
            [Item(1, 5, step=3)],
            [Item(2, 1, 9, 4)],
            [Item(3, 1, named=True)],
            [Item(4, 0, 2, 2, named=True)],
        )
    )
    assert str(mixed) == "*/2,* 5/3 1-9/4 JAN sun-tue/2"
    assert mixed.numbers[1:] == [{5, 8, 11, 14, 17, 20, 23}, {1, 5, 9}, {1}, {0, 2}]
