"""Of the slots that have come: which are fired, which are left out, and how many."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given

from tasques.core import cron
from tasques.core.documents import Version
from tasques.core.recurring import (
    MAX_CATCH_UP,
    MAX_COUNTED,
    CatchUp,
    Decision,
    RecurringTask,
    SlotOutcome,
    next_slot,
)
from tasques.core.values import Duration, Instant
from tasques.testing.examples import NOW, at
from tests.core.test_recurring import ON_TIME, decision, noting, recurring

TERM = Version(1, 5)

LAST, SKIP, ALL = CatchUp.LAST, CatchUp.SKIP, CatchUp.ALL


@pytest.mark.parametrize(
    ("catch_up", "now", "expected"),
    [
        (LAST, 9, None),
        (LAST, 10, (10, "fired", 0)),
        (LAST, 55, (50, "fired", 4)),
        (ALL, 55, (10, "fired", 0)),
        (SKIP, 10 + 9, (10, "fired", 0)),
        (SKIP, 55, (50, "fired", 4)),
    ],
)
def test_slots_every_ten_seconds(
    catch_up: CatchUp, now: float, expected: tuple[float, str, int] | None
) -> None:
    """The latest alone, or the oldest first; what is left out is counted."""
    decided = decision(recurring(catch_up=catch_up), at(now))
    if expected is None:
        assert decided is None
    else:
        slot, outcome, left_out = expected
        assert decided == Decision(slot=at(slot), outcome=SlotOutcome(outcome), left_out=left_out)


def test_a_slot_that_is_met_too_late_is_missed_where_slots_are_skipped() -> None:
    """Up to *on_time* it is not late."""
    task = recurring("@every 1h", catch_up=CatchUp.SKIP)
    on_time, late = decision(task, at(3615)), decision(task, at(3615.001))
    assert on_time == Decision(slot=at(3600), outcome=SlotOutcome.FIRED)
    assert late == Decision(slot=at(3600), outcome=SlotOutcome.MISSED)
    assert late is not None
    assert not late.fires


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_paused_one_decides_its_slots_to_nothing(catch_up: CatchUp) -> None:
    """Whatever its policy."""
    task = recurring(catch_up=catch_up).paused(now=at(1))
    assert decision(task, at(35)) == Decision(slot=at(30), outcome=SlotOutcome.PAUSED, left_out=2)


def test_no_more_than_a_hundred_slots_are_made_up_for() -> None:
    """The latest; so many before them are left out, and counted up to a thousand."""
    task = recurring("@every 1s", catch_up=CatchUp.ALL)
    for missed, left_out in ((99, 0), (100, 0), (101, 1), (1100, 1000), (5000, MAX_COUNTED)):
        decided = decision(task, at(missed))
        assert decided is not None
        assert decided.left_out == left_out
        assert decided.slot == at(max(1, missed - MAX_CATCH_UP + 1))


@pytest.mark.parametrize("missed", [1000, 1001, 1002, 5000])
def test_what_is_left_out_is_counted_up_to_a_thousand(missed: int) -> None:
    """As many, or more."""
    decided = decision(recurring("@every 1s"), at(missed))
    assert decided is not None
    assert decided.left_out == min(missed - 1, MAX_COUNTED)


def test_an_age_without_slots_is_no_fault() -> None:
    """A slot may lie further off than a duration can say."""
    task = recurring("0 0 30 2 *", catch_up=CatchUp.SKIP)
    assert decision(task, Instant.parse("9999-12-31T23:59:59Z")) is None
    ancient = noting(
        recurring("@every 2562047h", catch_up=CatchUp.SKIP),
        decided_until=Instant.parse("0001-01-01T00:00:00Z"),
    )
    ancient = attrs.evolve(ancient, created_at=Instant.parse("0001-01-01T00:00:00Z"))
    late = decision(ancient, NOW)
    assert late is not None
    assert late.outcome is SlotOutcome.MISSED


# ------------------------------------------------------------------------- against a model

EXPRESSIONS = (
    "@every 1s", "@every 7s", "@every 61s", "* * * * *", "*/3 * * * *", "0 * * * *",
    "TZ=Europe/Berlin 30 2 * * *", "0 0 30 2 *",
)  # fmt: skip


def model(task: RecurringTask, now: Instant) -> Decision | None:
    """What is to be decided, counted forwards, slot by slot."""
    schedule = cron.parse(task.schedule_expression)

    def forwards() -> Iterator[Instant]:
        assert task.recurrence.decided_until is not None
        slot = schedule.next_after(task.recurrence.decided_until, anchor=task.created_at)
        while slot is not None and slot <= now:
            yield slot
            slot = schedule.next_after(slot, anchor=task.created_at)

    slots = list(islice(forwards(), 20_000))
    if not slots:
        return None
    outcome, chosen = SlotOutcome.FIRED, slots[-1]
    if task.is_paused:
        outcome = SlotOutcome.PAUSED
    elif task.recurrence.catch_up is CatchUp.ALL:
        chosen = slots[-100:][0]
    elif task.recurrence.catch_up is CatchUp.SKIP and now.since(chosen) > ON_TIME:
        outcome = SlotOutcome.MISSED
    before = slots.index(chosen)
    return Decision(slot=chosen, outcome=outcome, left_out=min(before, 1000))


@st.composite
def situations(draw: st.DrawFn) -> tuple[RecurringTask, Instant]:
    """A recurring task some time after its last decided slot."""
    task = recurring(
        draw(st.sampled_from(EXPRESSIONS)),
        catch_up=draw(st.sampled_from(CatchUp)),
        now=at(draw(st.integers(-5000, 5000)) / 7),
    )
    since = draw(st.integers(0, 1500))
    task = noting(task, decided_until=task.created_at.plus(Duration.of_seconds(since / 3)))
    if draw(st.integers(0, 3)) == 0:
        task = task.paused(now=task.created_at)
    assert task.recurrence.decided_until is not None
    elapsed = draw(st.integers(0, 4000) | st.integers(0, 90_000).map(lambda n: n // 20))
    return task, task.recurrence.decided_until.plus(Duration.of_seconds(elapsed / 2))


@given(situations())
def test_decisions_agree_with_counting_forwards(situation: tuple[RecurringTask, Instant]) -> None:
    """And there is one exactly when the next slot has come."""
    task, now = situation
    decided = decision(task, now)
    assert decided == model(task, now)
    upcoming = next_slot(task, cron.parse(task.schedule_expression))
    assert (decided is not None) == (upcoming is not None and upcoming <= now)


@given(situations())
def test_every_slot_is_decided_once_and_in_order(situation: tuple[RecurringTask, Instant]) -> None:
    """Carried out until nothing is left, the decisions and what they leave out are all slots."""
    task, now = situation
    before = task
    schedule = cron.parse(task.schedule_expression)
    decided = []
    while (current := decision(task, now)) is not None:
        decided.append(current)
        if current.fires:
            task = task.publishing(current, term=TERM)
            assert task.recurrence.pending is not None
            task = task.fired(task.recurrence.pending, term=TERM)
        else:
            task = task.leaving_out(current, term=TERM)
        assert task.recurrence.decided_until == current.slot
    assert [d.slot for d in decided] == sorted({d.slot for d in decided})
    assert before.recurrence.decided_until is not None
    slots, slot = 0, schedule.next_after(before.recurrence.decided_until, anchor=before.created_at)
    while slot is not None and slot <= now:
        slots, slot = slots + 1, schedule.next_after(slot, anchor=before.created_at)
    counted = len(decided) + sum(d.left_out for d in decided)
    assert counted == slots or any(d.left_out == MAX_COUNTED for d in decided)
