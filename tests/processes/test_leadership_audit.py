"""
The judge of leadership convicts: each kind of wrong that a leader could do is found.

What happens to one recurring task is made up here, without a fault; then one thing is changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from tools.accounting.ledger import NANOSECONDS
from tools.leadership.audit import PASSED_OVER, Fault, Found, Judgement, Observed, judge, leaders
from tools.leadership.schedule import Plan, Slots, plans
from tools.leadership.watch import LockSeen, Record, RecurringSeen, Version

START = 1_795_000_020
UNTIL = START + 10
LAST = Plan(id="r", every_seconds=1, catch_up="last")
ALL = dataclasses.replace(LAST, catch_up="all")
ONE = dataclasses.replace(LAST, wants_one=True)
TERM, LATER_TERM = (1, 5), (1, 90)


@dataclasses.dataclass
class Tale:
    """What a leader without fault would have shown of one recurring task, told slot by slot."""

    plan: Plan = LAST
    seen: list[RecurringSeen] = dataclasses.field(default_factory=list)
    found: list[Found] = dataclasses.field(default_factory=list)
    writes: int = 1
    decided: int = START
    last: Record | None = None
    has_original: bool = False

    def write(self, *, pending: Record | None = None, term: Version = TERM, seen: int = 1) -> None:
        """A version of the document, which is met by the watcher unless *seen* is 0."""
        self.writes += 1
        if seen:
            records = [record for record in (self.last, pending) if record is not None]
            self.seen.append(
                RecurringSeen(
                    seen_at=max(record.slot for record in records) + 0.2 if records else 0.0,
                    version=(1, self.writes),
                    writes=self.writes,
                    decided_until=self.decided * NANOSECONDS,
                    records=tuple(records),
                    term=term,
                )
            )

    def original_writes(self) -> None:
        """An original leader takes it up, and drops what it does not know."""
        self.writes += 1
        self.seen.append(
            RecurringSeen(
                seen_at=0.0, version=(1, self.writes), writes=self.writes, decided_until=None
            )
        )

    def fire(self, slot: int, *, left_out: int = 0, term: Version = TERM) -> None:
        """The three writes of a slot."""
        self.write(pending=Record(slot=slot, outcome="pending", left_out=left_out), term=term)
        self.make(slot)
        self.decide(slot, "fired", left_out=left_out, term=term)

    def decide(self, slot: int, outcome: str, **more: int | Version) -> None:
        left_out, term = more.get("left_out", 0), more.get("term", TERM)
        assert isinstance(left_out, int)
        assert isinstance(term, tuple)
        self.last, self.decided = Record(slot=slot, outcome=outcome, left_out=left_out), slot
        self.write(term=term)

    def make(self, slot: int, id: str | None = None, *, after: float = 0.1) -> None:
        """A task of ours, or with an *id* one of an original's."""
        made_at = round((slot + after) * NANOSECONDS)
        self.found.append(
            Found(
                id=id or f"rec-x-{slot}",
                slot=slot if id is None else None,
                created_at=made_at,
                finished_at=made_at + NANOSECONDS // 2,
            )
        )

    def live(self) -> Tale:
        """Every slot is fired, but for three of which the second and the third come late."""
        self.write()
        for slot in range(START + 1, UNTIL + 1):
            if slot not in {START + 4, START + 5}:
                self.fire(slot, left_out=2 if slot == START + 6 else 0)
        return self

    def observed(self) -> Observed:
        return Observed(
            plan=self.plan,
            created_at=START * NANOSECONDS + 5,
            until=UNTIL,
            found_at=UNTIL + 5.0,
            seen=self.seen,
            found=self.found,
            has_original=self.has_original,
        )


def judged(tale: Tale) -> Judgement:
    return judge([tale.observed()], [])


def faults(judgement: Judgement) -> set[Fault]:
    return {found.fault for found in judgement.discrepancies}


@pytest.fixture
def tale() -> Tale:
    return Tale().live()


def lock(leader: str, term: Version | None, second: int) -> LockSeen:
    return LockSeen(seen_at=second, version=(1, second), leader_id=leader, term=term)


def test_what_went_well_is_acquitted(tale: Tale) -> None:
    """Slots that a recurring task says it left out are neither lost nor anything else."""
    judgement = judged(tale)
    assert judgement.discrepancies == []
    assert (judgement.ours.due, judgement.ours.created) == (10, 8)
    assert judgement.ours.left_out == {PASSED_OVER: 2}
    assert judgement.ours.not_seen == judgement.ours.lost == 0
    assert min(judgement.delays) > 0


# -------------------------------------------------------------------- what is convicted


def doubled(tale: Tale) -> None:
    tale.found.append(dataclasses.replace(tale.found[2], id="rec-y-again"))


def lost_after_it_was_published(tale: Tale) -> None:
    del tale.found[2]


def lost_without_a_word(tale: Tale) -> None:
    """Decided between two looks, though nothing was written that was not seen."""
    tale.seen[:] = [
        dataclasses.replace(
            seen, records=tuple(dataclasses.replace(r, left_out=0) for r in seen.records)
        )
        for seen in tale.seen
    ]


def made_for_a_slot_of_hours_to_come(tale: Tale) -> None:
    tale.make(UNTIL + 6 * 3600, after=-6 * 3600.0)


def decided_too_early(tale: Tale) -> None:
    tale.seen[-1] = dataclasses.replace(tale.seen[-1], seen_at=UNTIL - 0.1)


def dated_by_a_wrong_clock(tale: Tale) -> None:
    for number, hours in ((2, -6), (3, 6)):
        wrong = tale.found[number].created_at + hours * 3600 * NANOSECONDS
        tale.found[number] = dataclasses.replace(tale.found[number], created_at=wrong)


def made_off_the_schedule(tale: Tale) -> None:
    tale.make(START)


def made_though_left_out(tale: Tale) -> None:
    tale.make(START + 5)


def written_by_a_former_leader(tale: Tale) -> None:
    tale.decide(UNTIL, "fired", term=LATER_TERM)
    tale.decide(UNTIL, "fired", term=TERM)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (doubled, Fault.DOUBLED),
        (lost_after_it_was_published, Fault.LOST),
        (lost_without_a_word, Fault.LOST),
        (made_for_a_slot_of_hours_to_come, Fault.NOT_DUE),
        (dated_by_a_wrong_clock, Fault.MISDATED),
        (made_off_the_schedule, Fault.NOT_DUE),
        (decided_too_early, Fault.NOT_DUE),
        (made_though_left_out, Fault.CONTRADICTED),
        (written_by_a_former_leader, Fault.STALE_WRITE),
    ],
)
def test_each_wrong_is_found(tale: Tale, wrong: Callable[[Tale], None], fault: Fault) -> None:
    """And nothing else is."""
    wrong(tale)
    assert faults(judged(tale)) == {fault}


def test_who_makes_up_for_everything_may_leave_nothing_out_unseen() -> None:
    """However seldom it was looked at."""
    tale = Tale(plan=ALL)
    tale.write()
    for slot in range(START + 1, UNTIL + 1):
        tale.fire(slot)
    assert judged(tale).discrepancies == []
    del tale.found[3]
    tale.seen[1:-1] = []
    assert faults(judged(tale)) == {Fault.LOST}


def test_what_nobody_saw_is_not_said_to_be_lost(tale: Tale) -> None:
    """The reason may have come and gone between two looks; it is counted, and nothing claimed."""
    tale.seen[1:-1] = []
    judgement = judged(tale)
    assert judgement.discrepancies == []
    assert (judgement.ours.not_seen, judgement.ours.left_out) == (2, {})


def test_a_task_beside_an_unfinished_one_is_found() -> None:
    """Where the recurring task wants no second."""
    tale = Tale(plan=ONE).live()
    assert judged(tale).discrepancies == []
    tale.found[2] = dataclasses.replace(tale.found[2], finished_at=None)
    assert faults(judged(tale)) == {Fault.BESIDE_ANOTHER}


def test_slots_that_were_left_out_have_their_reason() -> None:
    """In the words of the recurring task; those before it were passed over."""
    tale = Tale(plan=ONE)
    tale.write()
    tale.fire(START + 1)
    tale.decide(START + 4, "outstanding", left_out=2)
    tale.decide(UNTIL, "missed", left_out=5)
    judgement = judged(tale)
    assert judgement.discrepancies == []
    assert judgement.ours.left_out == {"outstanding": 1, PASSED_OVER: 2, "missed": 6}


def test_a_slot_that_the_next_leader_finishes_is_counted() -> None:
    """That there are such says that leaders were killed in the middle of their writes."""
    tale = Tale(plan=ALL)
    tale.write()
    for slot in range(START + 1, START + 5):
        tale.fire(slot)
    tale.write(pending=Record(slot=START + 5, outcome="pending"))
    for slot in range(START + 5, UNTIL + 1):
        tale.fire(slot, term=LATER_TERM)
    judgement = judged(tale)
    assert (judgement.gone_on_with, judgement.discrepancies) == (1, [])


# ------------------------------------------------------------------- beside an original


def test_what_an_original_does_is_its_own() -> None:
    """
    It keeps no record, so slots are counted apart from when it leads until one of ours has taken up
    the recurring task. A slot that it fires when it no longer leads is its own, too.
    """
    tale = Tale(has_original=True)
    tale.write()
    tale.fire(START + 1)
    tale.fire(START + 2)
    tale.original_writes()
    tale.make(START + 4, "go-1")
    tale.make(START + 4, "go-2")
    tale.last, tale.decided = None, START + 6
    tale.write(term=LATER_TERM)
    for slot in range(START + 7, UNTIL + 1):
        tale.fire(slot, term=LATER_TERM)
    tale.make(START + 8, "go-3")
    judgement = judged(tale)
    assert judgement.discrepancies == []
    assert (judgement.ours.due, judgement.ours.created, judgement.doubled_by_original) == (6, 6, 1)
    theirs = judgement.originals
    assert (theirs.due, theirs.created, theirs.doubled, theirs.lost) == (4, 1, 1, 3)
    del tale.found[-2]
    assert faults(judged(tale)) == {Fault.LOST}


def test_two_leaders_in_one_term_are_found() -> None:
    """A term is of one server alone; originals have none."""
    locks = [lock("a", TERM, 1), lock("b", LATER_TERM, 2), lock("go", None, 3), lock("g2", None, 4)]
    assert judge([], locks).discrepancies == []
    assert leaders(locks) == {TERM: ["a"], LATER_TERM: ["b"], None: ["go", "g2"]}
    assert faults(judge([], [*locks, lock("c", TERM, 5)])) == {Fault.TWO_LEADERS}


# -------------------------------------------------------------------------------- slots


def test_slots_are_multiples_after_the_second_of_creation() -> None:
    """The fraction of that second is cut off."""
    slots = Slots(
        plan=Plan(id="r", every_seconds=2, catch_up="all"), created_at=7_900_000_000, until=12
    )
    assert list(slots.all) == [9, 11]
    assert [slots.latest(second) for second in (8, 9, 10, 11)] == [None, 9, 9, 11]


def test_slots_of_minutes_are_full_minutes() -> None:
    """After the creation."""
    plan = next(plan for plan in plans("x") if plan.every_seconds is None)
    assert list(Slots(plan=plan, created_at=60 * NANOSECONDS, until=240).all) == [120, 180, 240]
    assert list(Slots(plan=plan, created_at=59 * NANOSECONDS, until=59).all) == []
