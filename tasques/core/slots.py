"""
The instants at which a recurring task is due: its slots.

A slot of a calendar is every instant whose local time is a whole minute that matches the fields.
Put that way, a change of the clocks needs no rule of its own: a local time that does not exist
belongs to no instant, and one that exists twice belongs to two. So the search walks through
instants, never through local times: it takes the days of UTC that touch a date of the calendar,
cuts them into spans in which the clocks do not change, and only within a span does it count in
local minutes. (To walk through local times and convert each is the other way; it has to repair
midnights that are missing, dates that overlap and dates that happen twice.)

Throughout this module a *day* is a proleptic Gregorian ordinal, as in ``datetime.date``, and a
*second* is counted from the start of day 0, so that ``second // 86400`` is the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import attrs

from tasques.core.values import NANOSECONDS_PER_SECOND, Duration, Instant

#: The year of a slot differs by at most so many from the year in which the search starts.
#: Source: robfig/cron v3, ``spec.go``, ``SpecSchedule.Next``.
YEARS_SEARCHED: Final = 5

_DAY: Final = 86400
_EPOCH_SECOND: Final = date(1970, 1, 1).toordinal() * _DAY
_FIRST_DAY: Final = date.min.toordinal()
_LAST_DAY: Final = date.max.toordinal()
_START_OF_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)


def _whole_seconds(given: Duration) -> Duration:
    return Duration(max(_cut(given), NANOSECONDS_PER_SECOND))


def _cut(value: Instant | Duration) -> int:
    """Its nanoseconds without the fraction of a second."""
    return value.nanoseconds // NANOSECONDS_PER_SECOND * NANOSECONDS_PER_SECOND


@attrs.frozen
class Every:
    """
    A slot at every multiple of *period* after the anchor, which is cut to the whole second.

    It counts elapsed time: neither the clocks of a zone nor the limit of five years concern it.

    Args:
        period: Whole seconds, at least one; less is taken as one, a fraction is cut off.
    """

    period: Duration = attrs.field(converter=_whole_seconds)

    def next_after(self, instant: Instant, *, anchor: Instant) -> Instant | None:
        passed = (instant.nanoseconds - _cut(anchor)) // self.period.nanoseconds
        return self._slot(max(passed + 1, 1), anchor)

    def last_until(self, instant: Instant, *, anchor: Instant) -> Instant | None:
        passed = (instant.nanoseconds - _cut(anchor)) // self.period.nanoseconds
        return self._slot(passed, anchor) if passed >= 1 else None

    def _slot(self, number: int, anchor: Instant) -> Instant | None:
        second = (_cut(anchor) + number * self.period.nanoseconds) // NANOSECONDS_PER_SECOND
        return _instant(second + _EPOCH_SECOND)


@attrs.frozen(kw_only=True)
class Calendar:
    """
    A slot at every whole minute whose local time in *zone* matches the five fields.

    Args:
        minutes: Ascending, 0 to 59.
        hours: Ascending, 0 to 23.
        days: Of the month, 1 to 31.
        months: 1 to 12.
        weekdays: 0 to 6, Sunday being 0.
        either_day: Whether one of the two day fields is enough; else a date has to match both.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    zone: tzinfo

    def next_after(self, instant: Instant, *, anchor: Instant) -> Instant | None:
        del anchor  # a calendar counts from nothing
        start = instant.nanoseconds // NANOSECONDS_PER_SECOND + _EPOCH_SECOND + 1
        today = (start + self._offset(start)) // _DAY
        end = date(min(_year(today) + YEARS_SEARCHED, 9999), 12, 31).toordinal()
        # A day early: before clocks go back across midnight, some of yesterday is still to come.
        dates = range(max(today - 1, _FIRST_DAY), end + 1)
        return self._first(range(start, (_LAST_DAY + 1) * _DAY), dates, step=1)

    def last_until(self, instant: Instant, *, anchor: Instant) -> Instant | None:
        del anchor
        start = instant.nanoseconds // NANOSECONDS_PER_SECOND + _EPOCH_SECOND
        today = (start + self._offset(start)) // _DAY
        end = date(max(_year(today) - YEARS_SEARCHED, 1), 1, 1).toordinal()
        dates = range(end, min(today + 1, _LAST_DAY) + 1)
        return self._first(range(_FIRST_DAY * _DAY, start + 1), dates, step=-1)

    def _first(self, seconds: range, dates: range, step: int) -> Instant | None:
        """The first slot within *seconds* and *dates*; with a *step* of -1, the last."""
        if not (self.minutes and self.hours):
            return None  # else it would look at every day in vain
        for day in _days_around(filter(self._has, dates[::step]), step):
            begin, end = max(day * _DAY, seconds.start), min((day + 1) * _DAY, seconds.stop)
            for span in list(self._spans(begin, end))[::step]:
                # Every second of the span has the same offset.
                offset = self._offset(span.start)
                first, last = -(-(span.start + offset) // 60), (span.stop - 1 + offset) // 60
                for minute in self._minutes(range(first, last + 1), dates, step):
                    return _instant(minute * 60 - offset)
        return None

    def _minutes(self, within: range, dates: range, step: int) -> Iterator[int]:
        """The local minutes within a range that match all fields, counted from day 0."""
        for day in range(within.start // 1440, (within.stop - 1) // 1440 + 1)[::step]:
            if day not in dates or not self._has(day):
                continue
            for hour in self.hours[::step]:
                start = day * 1440 + hour * 60
                if within.start - 60 < start < within.stop:
                    for minute in self.minutes[::step]:
                        if start + minute in within:
                            yield start + minute

    def _has(self, day: int) -> bool:
        """Whether a local date matches the fields of the month and of the two days."""
        on = date.fromordinal(day)
        if on.month not in self.months:
            return False
        by_day, by_weekday = on.day in self.days, day % 7 in self.weekdays
        return (by_day or by_weekday) if self.either_day else (by_day and by_weekday)

    def _spans(self, begin: int, end: int) -> Iterator[range]:
        """
        The seconds from *begin* to before *end*, ascending, cut where the clocks change.

        At most a day is asked for, and no zone changes its clocks and takes that back within a
        day: where the first and the last second agree, so do all between. The tests look whether
        this stays true of every zone.
        """
        if begin >= end:
            return
        if self._offset(begin) == self._offset(end - 1):
            yield range(begin, end)
            return
        middle = (begin + end) // 2
        yield from self._spans(begin, middle)
        yield from self._spans(middle, end)

    def _offset(self, second: int) -> int:
        """
        How many seconds the local time is ahead of UTC.

        The outermost two days of the calendar have no local time in some zones; they are given
        the offset of the days next to them.
        """
        inner = min(max(second, (_FIRST_DAY + 1) * _DAY), _LAST_DAY * _DAY - 1)
        moment = _START_OF_TIME + timedelta(seconds=inner - _FIRST_DAY * _DAY)
        local = moment.astimezone(self.zone).replace(tzinfo=UTC)
        return (local - moment) // timedelta(seconds=1)


def _days_around(dates: Iterable[int], step: int) -> Iterator[int]:
    """
    The days of UTC that may share an instant with one of the local *dates*.

    Offsets stay below a day, so these are the day before, the same and the day after. Each is
    given once, in the order of the dates.
    """
    done: int | None = None
    for local in dates:
        for day in (local - step, local, local + step):
            if done is None or (day - done) * step > 0:
                yield day
                done = day


def _year(day: int) -> int:
    return date.fromordinal(min(max(day, _FIRST_DAY), _LAST_DAY)).year


def _instant(second: int) -> Instant | None:
    """None where the calendar has ended."""
    if second >= (_LAST_DAY + 1) * _DAY:
        return None
    return Instant((second - _EPOCH_SECOND) * NANOSECONDS_PER_SECOND)
