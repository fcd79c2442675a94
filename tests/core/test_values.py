"""Instants and durations: the forms of the wire, to the nanosecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core import values
from tasques.core.values import ZERO, ZERO_INSTANT, Duration, Instant
from tasques.testing import strategies

LONGEST = Duration(2**63 - 1)
SHORTEST = Duration(-(2**63))


# ------------------------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("30m", 1_800_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("5.s", 5_000_000_000),
        ("+5s", 5_000_000_000),
        ("-1s", -1_000_000_000),
        ("-1h30m", -5_400_000_000_000),
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("1m1h", 3_660_000_000_000),
        ("1s1s", 2_000_000_000),
        ("1h1m1s1ms1us1ns", 3_661_001_001_001),
        ("1us", 1_000),
        ("1\u00b5s", 1_000),  # the micro sign
        ("1\u03bcs", 1_000),  # the Greek letter
        ("1.9ns", 1),
        ("0.9ns", 0),
        ("-1.9ns", -1),
        ("007s", 7_000_000_000),
        ("0.000000001s", 1),
        ("0." + "3" * 5000 + "s", 333_333_333),
        ("2562047h47m16.854775807s", 2**63 - 1),
        ("-2562047h47m16.854775808s", -(2**63)),
        ("-9223372036854775808ns", -(2**63)),
    ],
)
def test_durations_that_are_accepted(text: str, nanoseconds: int) -> None:
    """Go's notation is read: any units, in any order, repeated; the excess over nanoseconds cut."""
    assert nanoseconds == Duration.parse(text).nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "1d", "1w", "1 s", " 1s", "1s ", "s", ".s", "1h30", "1H", "1min", "PT1S", "1e3s",
        "1_000s", "1,5s", "9223372036854775808ns", "-9223372036854775809ns", "2562048h", "-", "+",
        "--1s", "+-1s", "00", "1s-1s", "1.5.5s", "\u0661s", "1s\n", "1S", "NaNs", "infs",
        "9" * 5000 + "h",
    ],
)  # fmt: skip
def test_durations_that_are_rejected(text: str) -> None:
    """What is not Go's notation, or needs more than 64 bits, is refused."""
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("30m", "30m0s"),
        ("90s", "1m30s"),
        ("24h", "24h0m0s"),
        ("1.5h", "1h30m0s"),
        ("1500ms", "1.5s"),
        ("1us", "1µs"),
        ("1001ns", "1.001µs"),
        ("0h", "0s"),
        ("1ns", "1ns"),
        ("999ns", "999ns"),
        ("999999ns", "999.999µs"),
        ("999999999ns", "999.999999ms"),
        ("1.000000001s", "1.000000001s"),
        ("60s", "1m0s"),
        ("1h0.5s", "1h0m0.5s"),
        ("100ms", "100ms"),
        ("-1.5h", "-1h30m0s"),
        ("-1ns", "-1ns"),
        ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
        ("-2562047h47m16.854775808s", "-2562047h47m16.854775808s"),
    ],
)
def test_durations_are_written_in_canonical_form(text: str, canonical: str) -> None:
    """Hours, minutes, seconds; below a second the largest fitting unit; no trailing zeros."""
    assert canonical == str(Duration.parse(text))
    assert f"Duration('{canonical}')" == repr(Duration.parse(text))


@given(strategies.durations())
def test_a_duration_reads_back_as_written(duration: Duration) -> None:
    """Every duration there is survives being written and read."""
    assert duration == Duration.parse(str(duration))


@given(strategies.durations(), strategies.durations())
def test_durations_compare_as_their_nanoseconds(one: Duration, other: Duration) -> None:
    """Longer is greater, and equal durations are one value to sets and dictionaries."""
    assert (one < other) == (one.nanoseconds < other.nanoseconds)
    assert (one >= other) == (one.nanoseconds >= other.nanoseconds)
    assert (one == other) == (one.nanoseconds == other.nanoseconds)
    assert hash(one) == hash(Duration(one.nanoseconds))


@pytest.mark.parametrize("nanoseconds", [2**63, -(2**63) - 1])
def test_a_duration_has_64_bits(nanoseconds: int) -> None:
    """What Go's durations and the documents could not hold is no duration."""
    with pytest.raises(ValueError, match="64 bits"):
        Duration(nanoseconds)


def test_durations_come_from_seconds_and_give_them() -> None:
    """Interfaces that count in seconds are served, rounding to a nanosecond."""
    assert Duration(1_500_000_000) == Duration.of_seconds(1.5)
    assert Duration(1) == Duration.of_seconds(0.000_000_000_6)
    assert Duration(1_500_000_000).seconds == 1.5


# -------------------------------------------------------------------------------- instants


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("2020-01-01T00:00:00.123456789Z", "2020-01-01T00:00:00.123456789Z"),
        ("2020-01-01T00:00:00.1234567899Z", "2020-01-01T00:00:00.123456789Z"),
        ("2020-01-01T00:00:00.500Z", "2020-01-01T00:00:00.5Z"),
        ("2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00Z"),
        ("2020-01-01T00:00:00,5Z", "2020-01-01T00:00:00.5Z"),
        ("2020-01-01T00:00:00+09:00", "2019-12-31T15:00:00Z"),
        ("2020-01-01T00:00:00-09:30", "2020-01-01T09:30:00Z"),
        ("2020-01-01T00:00:00-00:00", "2020-01-01T00:00:00Z"),
        ("2020-01-01T00:00:00+23:59", "2019-12-31T00:01:00Z"),
        ("2020-02-29T23:59:59Z", "2020-02-29T23:59:59Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_times_that_are_accepted(text: str, written: str) -> None:
    """RFC 3339 with any zone is read, and written in UTC with as many decimals as it needs."""
    assert written == str(Instant.parse(text))
    assert f"Instant('{written}')" == repr(Instant.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "", "2020-01-01", "2020-01-01T00:00:00", "2020-01-01 00:00:00Z", "2020-01-01t00:00:00Z",
        "2020-01-01T00:00:00z", "2020-01-01T24:00:00Z", "2020-01-01T23:60:00Z",
        "2020-01-01T23:59:60Z", "2020-02-30T00:00:00Z", "2021-02-29T00:00:00Z",
        "2020-13-01T00:00:00Z", "2020-00-01T00:00:00Z", "2020-01-01T00:00:00+0900",
        "2020-01-01T00:00:00+9:00", "2020-01-01T00:00:00+24:00", "2020-01-01T00:00:00+00:60",
        "2020-01-01T00:00:00.Z", "2020-01-01T00:00Z", "2020-1-1T00:00:00Z", "20200101T000000Z",
        "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01", "1577836800", " 2020-01-01T00:00:00Z",
        "2020-01-01T00:00:00Z\n", "٢٠٢٠-01-01T00:00:00Z", "2020-01-01T00:00:00.٣Z",
    ],
)  # fmt: skip
def test_times_that_are_rejected(text: str) -> None:
    """No zone, no seconds, days and hours that do not exist: refused, not guessed."""
    with pytest.raises(ValueError, match=r"is not a (time|day)|years 1 to 9999"):
        Instant.parse(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2020-01-01T00:00:00.000000001Z", 1_577_836_800_000_000_001),
        ("1969-12-31T23:59:59Z", -1_000_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000_000),
    ],
)
def test_instants_count_from_1970(text: str, nanoseconds: int) -> None:
    """The numbers that other programs have for these moments."""
    assert Instant.parse(text).nanoseconds == nanoseconds
    assert str(Instant(nanoseconds)) == text


@given(strategies.instants())
def test_an_instant_reads_back_as_written(instant: Instant) -> None:
    """Every instant of the calendar survives being written and read, to the nanosecond."""
    assert instant == Instant.parse(str(instant))


@given(
    strategies.instants(),
    st.text("0123456789", max_size=40),
    st.integers(0, 60),
    st.sampled_from([*"0123456789-+:.,TZz \n٣²", "", "00", "+09:00"]),
)
def test_a_time_is_read_alike_the_quick_way_and_the_long_way(
    instant: Instant, decimals: str, place: int, slip: str
) -> None:
    """What is nearly a time in the usual form is not taken for one; what is one keeps its value."""
    right = f"{str(instant)[:19]}.{decimals}Z"
    for text in (right, right[:place] + slip + right[place + 1 :]):
        expected: object
        try:
            expected = Instant(values._any_time(text))
        except ValueError as error:
            expected = str(error)
        for _ in range(2):  # read, and remembered
            try:
                assert Instant.parse(text) == expected
            except ValueError as error:
                assert str(error) == expected  # noqa: PT017 - either may be right


def test_a_bounded_number_of_times_and_lengths_is_remembered() -> None:
    """Whatever passes through a server for years, and however long a text somebody sends."""
    texts = values._known_time, values._known_duration, values._time_text, values._duration_text
    assert all((remembered.cache_info().maxsize or 0) <= 8192 for remembered in texts)
    misses = [remembered.cache_info().misses for remembered in texts]
    assert Instant.parse(f"2020-01-01T00:00:00.{'1' * 100}Z").nanoseconds % 10 == 1
    assert Duration.parse(f"0.{'1' * 100}s").nanoseconds % 10 == 1
    assert [remembered.cache_info().misses for remembered in texts] == misses


def test_other_things_than_texts_are_no_times_or_durations() -> None:
    """Neither bytes nor numbers."""
    for wrong in (b"2020-01-01T00:00:00Z", 5, None):
        with pytest.raises(TypeError):
            Instant.parse(wrong)  # type: ignore[arg-type]


@given(strategies.instants(), strategies.instants())
def test_instants_compare_as_their_nanoseconds(one: Instant, other: Instant) -> None:
    """Later is greater; as written in UTC they sort alike up to the second."""
    assert (one < other) == (one.nanoseconds < other.nanoseconds)
    assert (one == other) == (one.nanoseconds == other.nanoseconds)
    assert hash(one) == hash(Instant(one.nanoseconds))
    if one < other:
        assert str(one)[:19] <= str(other)[:19]


@pytest.mark.parametrize(
    "nanoseconds",
    [ZERO_INSTANT.nanoseconds - 1, strategies.LATEST.nanoseconds + 1],
)
def test_an_instant_lies_in_the_years_1_to_9999(nanoseconds: int) -> None:
    """What four digits of a year cannot say is no instant."""
    with pytest.raises(ValueError, match="years"):
        Instant(nanoseconds)


def test_the_zero_instant_is_gos() -> None:
    """Go writes a time that is not given as the first moment of year 1."""
    assert Instant.parse("0001-01-01T00:00:00Z") == ZERO_INSTANT


@given(strategies.instants(), strategies.durations())
def test_moving_there_and_measuring_gives_the_distance(start: Instant, by: Duration) -> None:
    """``plus`` and ``since`` undo each other, except where the calendar ends."""
    moved = start.plus(by)
    if strategies.EARLIEST < moved < strategies.LATEST and by != SHORTEST:
        assert by == moved.since(start)


def test_the_calendar_ends_without_an_error() -> None:
    """A timeout of three hundred years near the calendar's end never comes, and never fails."""
    assert strategies.LATEST.plus(LONGEST) == strategies.LATEST
    assert strategies.EARLIEST.plus(SHORTEST) == strategies.EARLIEST
    assert strategies.LATEST.since(strategies.EARLIEST) == LONGEST
    assert strategies.EARLIEST.since(strategies.LATEST) < ZERO


@given(strategies.instants(), st.integers(0, 999_999))
def test_milliseconds_are_rounded_down(instant: Instant, within: int) -> None:
    """Elasticsearch orders by whole milliseconds; before 1970 they are rounded down too."""
    milliseconds = instant.milliseconds
    assert milliseconds * 1_000_000 <= instant.nanoseconds < (milliseconds + 1) * 1_000_000
    start = max(milliseconds * 1_000_000, strategies.EARLIEST.nanoseconds)
    assert milliseconds == Instant(start + within).milliseconds
