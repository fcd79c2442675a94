"""The judge of slots sees what was lost or doubled, and whose fault it is."""

from __future__ import annotations

from collections.abc import Sequence

from tools.accounting.ledger import NANOSECONDS
from tools.rollout.audit import Fault
from tools.rollout.slots import Definition, Fired, Lead, Tally, judge, slot_of
from tools.rollout.watch import passed_over

CREATED = 1_000
EVERY_3_S = Definition(
    id="r",
    created_at=CREATED * NANOSECONDS + 700_000_000,
    every_seconds=3,
    began=CREATED * NANOSECONDS + 800_000_000,
    ended=1_300 * NANOSECONDS,
)


def lead(began: int, ended: int, *, is_original: bool = False) -> Lead:
    return Lead(is_original=is_original, began=began * NANOSECONDS, ended=ended * NANOSECONDS)


def by_ours(*slots: int) -> list[Fired]:
    return [
        Fired(recurring_task_id="r", slot=slot, created_at=slot * NANOSECONDS + 5_000_000)
        for slot in slots
    ]


def by_go(*seconds: float) -> list[Fired]:
    return [
        Fired(recurring_task_id="r", slot=None, created_at=int(second * NANOSECONDS))
        for second in seconds
    ]


#: Ours leads from 1010 to 1040; what is due from 1016 to 1038 is judged.
OURS = [lead(1010, 1040)]
DUE = range(1018, 1038, 3)


def test_each_slot_of_ours_has_its_task() -> None:
    """Counted from the second in which the recurring task was created."""
    judgement = judge([EVERY_3_S], OURS, by_ours(*DUE))

    assert judgement.ours == Tally(due=len(DUE), made=len(DUE))
    assert list(judgement.discrepancies) == []


def test_a_lost_slot_of_ours_is_wrong() -> None:
    """It is named."""
    judgement = judge([EVERY_3_S], OURS, by_ours(*(s for s in DUE if s != 1024)))

    assert [it.fault for it in judgement.discrepancies] == [Fault.SLOT]
    assert "1024" in str(judgement.discrepancies[0])
    assert judgement.ours.lost == 1


def test_a_doubled_slot_of_ours_is_wrong() -> None:
    """Even if the second task is somewhere else."""
    judgement = judge([EVERY_3_S], OURS, by_ours(*DUE, 1021))

    assert [it.fault for it in judgement.discrepancies] == [Fault.SLOT]
    assert judgement.ours.doubled == 1


def test_what_comes_right_after_a_change_of_leaders_is_not_judged() -> None:
    """Nor right before it, nor after the recurring task was changed."""
    changed = Definition(
        id="r",
        created_at=EVERY_3_S.created_at,
        every_seconds=3,
        began=1_020 * NANOSECONDS,
        ended=1_035 * NANOSECONDS,
    )

    assert judge([changed], OURS, []).ours.due == len([s for s in DUE if 1026 <= s < 1033])


def test_what_comes_before_the_first_one_made_is_not_lost() -> None:
    """After a change by an original, ours begins with what comes after it has taken that up."""
    judgement = judge([EVERY_3_S], OURS, by_ours(*DUE[1:]))
    none = judge([EVERY_3_S], OURS, [])

    assert (judgement.ours.not_yet, judgement.ours.lost) == (1, 0)
    assert none.ours.lost == len(none.discrepancies) == len(DUE)


def test_slots_that_a_late_leader_passed_over_are_not_lost() -> None:
    """If the recurring task was seen to say so; one more is."""
    record = {
        "ext": {"last_slot": {"at": "1970-01-01T00:17:13Z", "outcome": "fired", "left_out": 2}}
    }
    (said,) = passed_over({"r": record, "of-an-original": {}})
    made = by_ours(*(s for s in DUE if s not in {1024, 1027, 1030}))
    (wrong,) = judge([EVERY_3_S], OURS, made, [said]).discrepancies

    assert (said.recurring_task_id, said.slot, said.left_out) == ("r", 1033, 2)
    assert "1024" in str(wrong)
    assert judge([EVERY_3_S], OURS, made, [said]).ours.passed_over == 2


def test_an_original_is_not_at_fault() -> None:
    """What it doubles or loses is counted: tasks that are too near to each other, or too far."""
    times: Sequence[float] = (1016.5, 1019.5, 1019.6, 1022.5, 1031.5, 1034.5)
    judgement = judge([EVERY_3_S], [lead(1010, 1040, is_original=True)], by_go(*times))

    assert judgement.originals == Tally(due=7, made=6, doubled=1, lost=2)
    assert list(judgement.discrepancies) == []


def test_an_original_that_fires_while_ours_leads_is_counted() -> None:
    """It has lost the lock and not noticed."""
    assert judge([EVERY_3_S], OURS, by_ours(*DUE) + by_go(1020.2)).intruded == 1


def test_the_id_of_a_task_of_ours_names_its_slot() -> None:
    """An original makes ids at random."""
    assert slot_of("rec-7d2e0c-1795320188") == 1795320188
    assert slot_of("d32d4534deac4ea2b6c67150f2dbf834") is None
