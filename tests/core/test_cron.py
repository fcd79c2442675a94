"""Which schedule expressions there are, and when they are due."""

from __future__ import annotations

import time
from datetime import timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tasques.core.cron import InvalidSchedule, Schedule, parse
from tasques.core.values import ZERO_INSTANT, Duration, Instant

LAST_INSTANT = Instant.parse("9999-12-31T23:59:59.999999999Z")


def upcoming(schedule: Schedule, start: str, count: int) -> list[str]:
    """The next slots after *start*, which is also the anchor."""
    anchor = instant = Instant.parse(start)
    found = []
    for _ in range(count):
        slot = schedule.next_after(instant, anchor=anchor)
        if slot is None:
            break
        found.append(str(slot))
        instant = slot
    return found


def previous(schedule: Schedule, start: str, count: int) -> list[str]:
    """The slots before *start*, the latest first."""
    instant = Instant.parse(start)
    found = []
    for _ in range(count):
        slot = schedule.last_until(instant, anchor=ZERO_INSTANT)
        if slot is None:
            break
        found.append(str(slot))
        instant = slot.plus(Duration(-1))
    return found


@pytest.mark.parametrize(
    ("expression", "slots"),
    [
        ("* * * * *", ["2026-11-20T12:01:00Z", "2026-11-20T12:02:00Z"]),
        ("*/25 * * * *", ["2026-11-20T12:25:00Z", "2026-11-20T12:50:00Z", "2026-11-20T13:00:00Z"]),
        ("5/25 * * * *", ["2026-11-20T12:05:00Z", "2026-11-20T12:30:00Z", "2026-11-20T12:55:00Z"]),
        ("30 9 * * MON-FRI", ["2026-11-23T09:30:00Z", "2026-11-24T09:30:00Z"]),
        ("0 8-10/2,20 * * *", ["2026-11-20T20:00:00Z", "2026-11-21T08:00:00Z"]),
        ("0 0 1 jan,Jul ?", ["2027-01-01T00:00:00Z", "2027-07-01T00:00:00Z"]),
        ("0 0 31 * *", ["2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z", "2027-03-31T00:00:00Z"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 * * 0", ["2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"]),
        # Both day fields restricted: either is enough.
        ("0 0 22 * MON", ["2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"]),
        ("0 0 */2 * MON", ["2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z"]),
        ("0 0 1-31 * MON", ["2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"]),
        # One of them has a star without a step, or with step 1: both have to match.
        ("0 0 13 * FRI,*", ["2026-12-13T00:00:00Z", "2027-01-13T00:00:00Z"]),
        ("0 0 */1 * MON", ["2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"]),
        ("0 0 1,? * MON", ["2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"]),
        # A step beyond the range is its first value only.
        ("*/1000 * * * *", ["2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"]),
        ("7-9/3 * * * *", ["2026-11-20T12:07:00Z", "2026-11-20T13:07:00Z"]),
        ("@yearly", ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
        ("@annually", ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
        ("@monthly", ["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
        ("@weekly", ["2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"]),
        ("@daily", ["2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"]),
        ("@midnight", ["2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"]),
        ("@hourly", ["2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"]),
        ("@every 1h30m", ["2026-11-20T13:30:00Z", "2026-11-20T15:00:00Z"]),
        ("TZ=Asia/Tokyo 0 9 * * *", ["2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"]),
        ("CRON_TZ=Asia/Kathmandu @hourly", ["2026-11-20T12:15:00Z", "2026-11-20T13:15:00Z"]),
    ],
)
def test_the_slots_of_an_expression(expression: str, slots: list[str]) -> None:
    """What follows noon of Friday, 20 November 2026."""
    assert slots == upcoming(parse(expression), "2026-11-20T12:00:00Z", len(slots))


@pytest.mark.parametrize(
    ("expression", "slots"),
    [
        ("* * * * *", ["2026-11-20T12:00:00Z", "2026-11-20T11:59:00Z"]),
        ("30 9,10 * * MON-FRI", ["2026-11-20T10:30:00Z", "2026-11-20T09:30:00Z"]),
        ("0 0 29 2 *", ["2024-02-29T00:00:00Z", "2020-02-29T00:00:00Z"]),
        ("TZ=Asia/Tokyo @daily", ["2026-11-19T15:00:00Z", "2026-11-18T15:00:00Z"]),
    ],
)
def test_the_slots_that_have_passed(expression: str, slots: list[str]) -> None:
    """A slot of this very moment counts among them."""
    assert slots == previous(parse(expression), "2026-11-20T12:00:00Z", len(slots))


@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        ("? ? ? ? ?", "* * * * *"),
        ("*/1 */1 */1 */1 */1", "* * * * *"),
        ("007 +5 01 1 0", "7 5 1 1 0"),
        ("0-59 * * * *", "* * * * *"),
        ("0 0 1 JAN-dEc sun-SAT", "0 0 1 1-12 0-6"),
        ("0 0 1 jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec *", "0 0 1 1-12 *"),
        ("0 0 ? * sun,mon,tue,wed,thu,fri,sat", "0 0 * * 0-6"),
        ("0 0 * * 1-FRI", "0 0 * * 1-5"),
        ("0 0 * * TUE/2", "0 0 * * 2,4,6"),
        ("0 20/2 * * *", "0 20,22 * * *"),
        ("3,1-2,2 * * * *", "1,2,3 * * * *"),
        ("*/9223372036854775807 * * * *", "0 * * * *"),
        ("0000000000000000000000005 * * * *", "5 * * * *"),
        # Accidents that the original's parser has.
        ("1,,2 * * * *", "1,2 * * * *"),
        ("1,2, * * * *", "1,2 * * * *"),
        (", * * * *", ",, * * * *"),
        ("*-5 ?-x * * *", "* * * * *"),
        ("*-5-6/7 * * * *", "*/7 * * * *"),
        # White space of any kind, between and around.
        (" \t1  2\u00a03\n4\u30005 ", "1 2 3 4 5"),
        ("1\u20282\x853\v4\f5\r", "1 2 3 4 5"),
        # Descriptors and zones.
        ("@midnight", "@daily"),
        ("@annually", "@yearly"),
        ("@weekly", "0 0 * * SUN"),
        ("TZ=UTC @daily", "@daily"),
        ("CRON_TZ=UTC   0  0 * * * ", "@daily"),
        ("TZ= @daily", "@daily"),
        ("TZ=Local @daily", "@daily"),
        ("TZ=UTC \t@daily \n", "@daily"),
        ("TZ=Asia/Tokyo @every 1m ", "@every 1m"),
        ("@every 1m0.999s", "@every 60s"),
        ("@every 999ms", "@every 1s"),
        ("@every 0", "@every 1s"),
        ("@every -1h", "@every 1s"),
    ],
)
def test_expressions_that_mean_the_same(expression: str, plain: str) -> None:
    """What is equal has the same slots."""
    assert parse(expression) == parse(plain)


@pytest.mark.parametrize(
    ("expression", "field", "reason"),
    [
        ("", "expression", "0 fields"),
        (" ", "expression", "0 fields"),
        ("* * * *", "expression", "4 fields"),
        ("0 * * * * *", "expression", "6 fields"),
        ("*\x1c* * * *", "expression", "4 fields"),
        (" @daily", "expression", "1 fields"),
        (" TZ=UTC * * * *", "minute", "where a number belongs"),
        ("60 * * * *", "minute", "[60] is not within 0-59"),
        ("1-60 * * * *", "minute", "[1-60] is not within 0-59"),
        ("-1 * * * *", "minute", "[-1] has [] where a number belongs"),
        ("1- * * * *", "minute", "[1-] has [] where a number belongs"),
        ("1-2-3 * * * *", "minute", "[1-2-3] has [2-3] where"),
        ("5-1 * * * *", "minute", "[5-1] runs backwards"),
        ("*/0 * * * *", "minute", "the step of [*/0] is 0"),
        ("*/ * * * *", "minute", "[*/] has [] where"),
        ("/5 * * * *", "minute", "[/5] has [] where"),
        ("*/-5 * * * *", "minute", "[*/-5] has [-5] where"),
        ("*/2/3 * * * *", "minute", "[*/2/3] has [2/3] where"),
        ("*/9223372036854775808 * * * *", "minute", "has [9223372036854775808] where"),
        ("*/99999999999999999999 * * * *", "minute", "has [99999999999999999999] where"),
        ("1_0 * * * *", "minute", "has [1_0] where"),
        ("\u0663 * * * *", "minute", "has [\u0663] where"),
        ("+ * * * *", "minute", "has [+] where"),
        ("** * * * *", "minute", "has [**] where"),
        ("H * * * *", "minute", "has [H] where"),
        ("1,61,2 * * * *", "minute", "[61] is not within 0-59"),
        ("mon * * * *", "minute", "has [mon] where"),
        ("* 24 * * *", "hour", "[24] is not within 0-23"),
        ("* * 0 * *", "day of month", "[0] is not within 1-31"),
        ("* * 32 * *", "day of month", "[32] is not within 1-31"),
        ("* * L * *", "day of month", "has [L] where"),
        ("* * 1W * *", "day of month", "has [1W] where"),
        ("* * * 0 *", "month", "[0] is not within 1-12"),
        ("* * * 13 *", "month", "[13] is not within 1-12"),
        ("* * * january *", "month", "has [january] where"),
        ("* * * DEC-JAN *", "month", "[DEC-JAN] runs backwards"),
        ("* * * */jan *", "month", "[*/jan] has [jan] where"),
        ("* * * * 7", "day of week", "[7] is not within 0-6"),
        ("* * * * FRI-SUN", "day of week", "[FRI-SUN] runs backwards"),
        ("* * * * MON#2", "day of week", "has [MON#2] where"),
        ("* * * * jan", "day of week", "has [jan] where"),
        ("@Daily", "descriptor", "[@Daily] is none of @yearly"),
        ("@daily ", "descriptor", "[@daily ] is none of"),
        ("@reboot", "descriptor", "@every <duration>"),
        ("@every", "descriptor", "[@every] is none of"),
        ("@", "descriptor", "[@] is none of"),
        ("TZ=UTC @Daily", "descriptor", "[@Daily] is none of"),
        ("@every ", "duration", "is not a duration"),
        ("@every 1d", "duration", "[1d] is not a duration"),
        ("@every  1m", "duration", "[ 1m] is not a duration"),
        ("@every 1m ", "duration", "[1m ] is not a duration"),
        ("@every 9223372036854775808ns", "duration", "out of range"),
        ("TZ=UTC", "expression", "nothing after the zone"),
        ("CRON_TZ=", "expression", "nothing after the zone"),
        ("TZ=UTC ", "expression", "0 fields"),
        ("TZ=UTC\t@daily", "expression", "nothing after the zone"),
        ("TZ=UTC TZ=UTC @daily", "expression", "2 fields"),
        ("tz=UTC * * * * *", "expression", "6 fields"),
        ("TZ=Mars/Olympus @daily", "zone", "[Mars/Olympus] is not known"),
        ("TZ=local @daily", "zone", "[local] is not known"),
        ("TZ=America @daily", "zone", "[America] is not known"),
        ("TZ=America/ @daily", "zone", "[America/] is not known"),
        ("TZ=zone.tab @daily", "zone", "[zone.tab] is not known"),
        ("TZ=\x00 @daily", "zone", "is not known"),
        ("TZ=\ud800 @daily", "zone", "is not known"),
        ("TZ=" + "x" * 5000 + " @daily", "zone", "is not known"),
        ("TZ=../zoneinfo/UTC @daily", "zone", "leads out of the zones"),
        ("TZ=Asia/../UTC @daily", "zone", "leads out of the zones"),
        ("TZ=/usr/share/zoneinfo/UTC @daily", "zone", "leads out of the zones"),
        ("TZ=\\UTC @daily", "zone", "leads out of the zones"),
    ],
)
def test_expressions_that_are_refused(expression: str, field: str, reason: str) -> None:
    """The error names the field and what is wrong with it."""
    with pytest.raises(InvalidSchedule) as caught:
        parse(expression)
    assert (expression, field) == (caught.value.expression, caught.value.field)
    assert reason in caught.value.reason
    assert f"{field}: {caught.value.reason}" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("hostile", "field"),
    [
        ("9" * 300_000 + " * * * *", "minute"),
        ("*/" + "0" * 300_000 + "x * * * *", "minute"),
        ("1" + "," * 300_000 + "x * * * *", "minute"),
        ("TZ=UTC a" + " " * 300_000 + "b", "expression"),
        ("* " * 150_000, "expression"),
        ("TZ=" + "a/" * 150_000 + "a @daily", "zone"),
        ("@every " + "1h" * 150_000 + "x", "duration"),
    ],
)
def test_a_long_text_is_refused_in_proportion(hostile: str, field: str) -> None:
    """Nobody can occupy a server with one expression."""
    began = time.process_time()
    with pytest.raises(InvalidSchedule) as caught:
        parse(hostile)
    assert field == caught.value.field
    assert time.process_time() - began < 2


def test_an_empty_list_never_fires() -> None:
    """An accident that is kept; as a day it leaves the other day field to decide."""
    assert upcoming(parse(", * * * *"), "2026-11-20T12:00:00Z", 1) == []
    assert upcoming(parse("* , * * *"), "2026-11-20T12:00:00Z", 1) == []
    assert upcoming(parse("* * , * *"), "2026-11-20T12:00:00Z", 1) == []
    assert upcoming(parse("0 0 , * MON"), "2026-11-20T12:00:00Z", 1) == ["2026-11-23T00:00:00Z"]


def test_a_slot_is_strictly_later_or_not_later() -> None:
    """One instant belongs to the slots that have passed, and not to those that follow."""
    slot = Instant.parse("2026-11-20T12:00:00Z")
    before, after = slot.plus(Duration(-1)), slot.plus(Duration(1))
    noon = parse("0 12 20 11 *")
    assert slot == noon.next_after(before, anchor=slot)
    assert Instant.parse("2027-11-20T12:00:00Z") == noon.next_after(slot, anchor=slot)
    assert slot == noon.last_until(slot, anchor=slot) == noon.last_until(after, anchor=slot)
    assert Instant.parse("2025-11-20T12:00:00Z") == noon.last_until(before, anchor=slot)


@pytest.mark.parametrize(
    ("expression", "start", "slots"),
    [
        # Spring: 02:00 becomes 03:00, so that day has no 02:30.
        (
            "TZ=America/New_York 30 2 * * *",
            "2026-03-07T00:00:00Z",
            ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"],
        ),
        # Autumn: 02:00 becomes 01:00, so 01:30 comes twice.
        (
            "TZ=America/New_York 30 1 * * *",
            "2026-11-01T00:00:00Z",
            ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"],
        ),
        # No midnight on 4 November.
        (
            "TZ=America/Sao_Paulo @daily",
            "2018-11-03T00:00:00Z",
            ["2018-11-03T03:00:00Z", "2018-11-05T02:00:00Z"],
        ),
        (
            "TZ=America/Sao_Paulo @hourly",
            "2018-11-04T01:30:00Z",
            ["2018-11-04T02:00:00Z", "2018-11-04T03:00:00Z"],
        ),
        # The last hour of 17 February 2018 comes twice.
        (
            "TZ=America/Sao_Paulo 30 23 * * *",
            "2018-02-17T03:00:00Z",
            ["2018-02-18T01:30:00Z", "2018-02-18T02:30:00Z", "2018-02-19T02:30:00Z"],
        ),
        # Half an hour only: 02:00 becomes 01:30.
        (
            "TZ=Australia/Lord_Howe 45 1 * * *",
            "2026-04-04T00:00:00Z",
            ["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-05T15:15:00Z"],
        ),
        # A minute after midnight clocks went back across it: two midnights, the first minute too.
        (
            "TZ=America/St_Johns 0 0,23 * * *",
            "2010-11-06T12:00:00Z",
            [
                "2010-11-07T01:30:00Z",
                "2010-11-07T02:30:00Z",  # midnight, for a minute
                "2010-11-07T03:30:00Z",  # midnight, to stay
                "2010-11-08T02:30:00Z",
            ],
        ),
        (
            "TZ=America/St_Johns 30 23 6 11 *",
            "2010-11-06T12:00:00Z",
            ["2010-11-07T02:00:00Z", "2010-11-07T03:00:00Z", "2011-11-07T03:00:00Z"],
        ),
        # The same from within that first minute of the 7th: half past eleven is still to come.
        (
            "TZ=America/St_Johns 30 23 6 11 *",
            "2010-11-07T02:30:30Z",
            ["2010-11-07T03:00:00Z", "2011-11-07T03:00:00Z"],
        ),
        # Samoa had no 30 December 2011, Kwajalein no 21 August 1993.
        (
            "TZ=Pacific/Apia 0 12 * * *",
            "2011-12-29T00:00:00Z",
            ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"],
        ),
        (
            "TZ=Pacific/Apia 0 12 30 12 *",
            "2011-01-01T00:00:00Z",
            ["2012-12-29T22:00:00Z"],
        ),
        (
            "TZ=Pacific/Kwajalein 0 0 21 8 *",
            "1993-01-01T00:00:00Z",
            ["1994-08-20T12:00:00Z"],
        ),
        # Alaska, when it left Russia in 1867, had a whole day again.
        (
            "TZ=America/Juneau 0 12 19 10 *",
            "1867-10-01T00:00:00Z",
            ["1867-10-18T20:57:41Z", "1867-10-19T20:57:41Z", "1868-10-19T20:57:41Z"],
        ),
        (
            "TZ=America/Juneau 0 20 18 10 *",
            "1867-10-19T00:00:00Z",
            ["1867-10-19T04:57:41Z", "1868-10-19T04:57:41Z"],
        ),
        # Forty-four and a half minutes behind, until 1972.
        (
            "TZ=Africa/Monrovia @daily",
            "1972-01-05T12:00:00Z",
            ["1972-01-06T00:44:30Z", "1972-01-08T00:00:00Z"],
        ),
    ],
)
def test_slots_around_a_change_of_the_clocks(expression: str, start: str, slots: list[str]) -> None:
    """What does not exist on a day is skipped; what exists twice fires twice. Both ways alike."""
    schedule = parse(expression)
    assert slots == upcoming(schedule, start, len(slots))
    assert slots[::-1] == previous(schedule, slots[-1], len(slots))


def test_a_date_ahead_may_lie_behind() -> None:
    """In an evening that comes for the second time, the next day has already begun once."""
    first_minute = parse("TZ=America/St_Johns 0 0 7 11 *")
    assert previous(first_minute, "2010-11-07T02:45:00Z", 2) == [
        "2010-11-07T02:30:00Z",
        "2009-11-07T03:30:00Z",
    ]


def test_elapsed_time_does_not_care_for_clocks() -> None:
    """``@every`` has the same slots in every zone."""
    slots = upcoming(parse("TZ=America/New_York @every 25m"), "2026-11-01T05:10:00Z", 8)
    gaps = {Instant.parse(b).since(Instant.parse(a)) for a, b in pairwise(slots)}
    assert gaps == {Duration.parse("25m")}


def test_the_local_zone_is_given() -> None:
    """``Local`` is the zone of whoever asks; an expression without a zone is in UTC all the same."""
    tokyo = ZoneInfo("Asia/Tokyo")
    assert parse("TZ=Local @daily", local=tokyo) == parse("TZ=Asia/Tokyo @daily")
    assert (
        parse("@daily", local=tokyo) == parse("TZ= @daily", local=tokyo) == parse("TZ=UTC @daily")
    )
    odd = parse("TZ=Local @daily", local=timezone(timedelta(hours=23, minutes=59, seconds=30)))
    assert upcoming(odd, "2026-11-20T12:00:00Z", 1) == ["2026-11-21T00:00:30Z"]


def test_every_counts_from_the_anchor() -> None:
    """The first slot is one period after the anchor, which is cut to the whole second."""
    anchor = Instant.parse("2026-11-20T12:00:00.9Z")
    every = parse("@every 90s")

    def after(text: str) -> str:
        return str(every.next_after(Instant.parse(text), anchor=anchor))

    def until(text: str) -> str:
        return str(every.last_until(Instant.parse(text), anchor=anchor))

    assert after("2026-11-20T12:00:00.9Z") == "2026-11-20T12:01:30Z"
    assert after("2020-01-01T00:00:00Z") == "2026-11-20T12:01:30Z"
    assert after("2026-11-20T12:01:29.999999999Z") == "2026-11-20T12:01:30Z"
    assert after("2026-11-20T12:01:30Z") == "2026-11-20T12:03:00Z"
    assert until("2026-11-20T12:03:00Z") == "2026-11-20T12:03:00Z"
    assert until("2026-11-20T12:02:59.999999999Z") == "2026-11-20T12:01:30Z"
    assert until("2026-11-20T12:01:30Z") == "2026-11-20T12:01:30Z"
    assert until("2026-11-20T12:01:29.999999999Z") == "None"
    assert until("2020-01-01T00:00:00Z") == "None"


def test_every_may_take_longer_than_five_years() -> None:
    """The limit is one of searching; here nothing is searched."""
    assert upcoming(parse("@every 87600h"), "2026-11-20T12:00:00Z", 2) == [
        "2036-11-17T12:00:00Z",
        "2046-11-15T12:00:00Z",
    ]


@pytest.mark.parametrize(
    "expression", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "TZ=Asia/Tokyo * * 30 2 *"]
)
def test_a_date_that_never_comes(expression: str) -> None:
    """Accepted, and never due."""
    assert upcoming(parse(expression), "2026-11-20T12:00:00Z", 1) == []
    assert previous(parse(expression), "2026-11-20T12:00:00Z", 1) == []


@pytest.mark.parametrize(
    ("expression", "start", "slots"),
    [
        # 2100 is no leap year. The search starts with the next whole second.
        ("0 0 29 2 *", "2098-12-31T23:59:58.999999999Z", []),
        ("0 0 29 2 *", "2098-12-31T23:59:59Z", ["2104-02-29T00:00:00Z"]),
        # The year that counts is the local one, here nine hours ahead.
        ("TZ=Asia/Tokyo 0 0 29 2 *", "2098-12-31T14:59:58Z", []),
        ("TZ=Asia/Tokyo 0 0 29 2 *", "2098-12-31T14:59:59Z", ["2104-02-28T15:00:00Z"]),
        # To the last minute of the fifth year.
        ("TZ=America/New_York 59 23 31 12 *", "2026-06-01T00:00:00Z", ["2027-01-01T04:59:00Z"]),
    ],
)
def test_the_search_gives_up_after_five_years(
    expression: str, start: str, slots: list[str]
) -> None:
    """The year of a slot is at most the year of the start and five."""
    assert slots == upcoming(parse(expression), start, 1)


def test_the_search_back_gives_up_after_five_years() -> None:
    """The year of a slot is at least the year of the start less five."""
    leap_day = parse("TZ=Asia/Tokyo 0 0 29 2 *")
    assert previous(leap_day, "2101-12-31T14:59:59.9Z", 1) == ["2096-02-28T15:00:00Z"]
    assert previous(leap_day, "2101-12-31T15:00:00Z", 1) == []


@pytest.mark.parametrize(
    ("expression", "at_end", "at_start"),
    [
        ("* * * * *", "9999-12-31T23:59:00Z", "0001-01-01T00:00:00Z"),
        ("@yearly", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        # Where the last local date of the calendar, or its first, is not whole.
        ("TZ=Etc/GMT-14 0 12 * * *", "9999-12-30T22:00:00Z", "0001-01-01T22:00:00Z"),
        ("TZ=Etc/GMT+12 0 18 * * *", "9999-12-31T06:00:00Z", "0001-01-02T06:00:00Z"),
        ("TZ=America/New_York @yearly", "9999-01-01T05:00:00Z", "0001-01-01T04:56:02Z"),
        ("TZ=Pacific/Auckland @monthly", "9999-11-30T11:00:00Z", "0001-01-31T12:20:56Z"),
    ],
)
def test_the_ends_of_the_calendar(expression: str, at_end: str, at_start: str) -> None:
    """There the slots end; nothing overflows."""
    schedule = parse(expression)
    last = schedule.last_until(LAST_INSTANT, anchor=ZERO_INSTANT)
    assert Instant.parse(at_end) == last
    assert schedule.next_after(LAST_INSTANT, anchor=ZERO_INSTANT) is None
    assert schedule.next_after(last, anchor=ZERO_INSTANT) is None
    first = Instant.parse(at_start)
    if first > ZERO_INSTANT:
        assert first == schedule.next_after(ZERO_INSTANT, anchor=ZERO_INSTANT)
        assert schedule.last_until(first.plus(Duration(-1)), anchor=ZERO_INSTANT) is None
    assert first == schedule.last_until(first, anchor=ZERO_INSTANT)


def test_every_ends_with_the_calendar() -> None:
    """The longest period there is does not overflow either."""
    every = parse("@every 2562047h")
    assert every.next_after(LAST_INSTANT, anchor=LAST_INSTANT) is None
    assert every.next_after(ZERO_INSTANT, anchor=LAST_INSTANT) is None
    assert every.last_until(LAST_INSTANT, anchor=LAST_INSTANT) is None
    assert every.last_until(LAST_INSTANT, anchor=ZERO_INSTANT) is not None
