"""The election in doubt, and its end: lost answers, blocked stores, resigning."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core import errors
from tasques.core.documents import Version
from tasques.core.ports import Malformed
from tasques.core.service.election import NOBODY, Election
from tasques.testing.faulty import WriteFault
from tests.service.recurring_world import (
    LEASE,
    World,
    once,
    seconds,
)
from tests.service.test_election import RELIED_ON, election, lock, run


@pytest.fixture
def world() -> World:
    return World()


# -------------------------------------------------------------------------------- in doubt


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "fault",
    [
        WriteFault.LOST_REPLY,
        WriteFault.LOST_REQUEST,
        WriteFault.APPLIED_CONFLICT,
        WriteFault.CONFLICT,
        WriteFault.REJECTED,
    ],
)
def test_one_fault_costs_no_leadership(world: World, fault: WriteFault, number: int) -> None:
    """What was done is recognised and confirmed by one more write; what was not is repeated."""
    world.locks.script = once(fault, number)
    leader = election(world)
    for _ in range(4):
        leader.step()
        assert leader.term() is not None
        world.runtime.sleep(1)
    assert len(world.locks.sent) == 5
    assert len(world.changes) == 1


def test_a_renewal_that_is_confirmed_counts_from_its_first_try(world: World) -> None:
    """Not from that of the confirmation."""
    leader = election(world)
    leader.step()
    world.runtime.sleep(1)

    def slow(write: Any, number: int) -> WriteFault | None:
        world.runtime.sleep(1.0)
        return WriteFault.LOST_REPLY if number == 2 else None

    world.locks.script = slow
    leader.step()
    assert leader.term() is not None
    assert leader.ensure_leading(leader.term() or Version(0, 0)) == 1 + RELIED_ON


def test_without_answers_it_steps_down_before_anybody_may_take_the_lock(world: World) -> None:
    """And says that the store is in trouble."""
    leader, other = election(world), election(world)
    leader.step()
    other.step()
    world.runtime.sleep(1)
    world.locks.script = lambda write, number: WriteFault.LOST_REQUEST
    world.locks.is_down = lambda method: True
    with pytest.raises(errors.Unavailable):
        leader.step()
    assert leader.term() is None
    assert world.runtime.monotonic() <= RELIED_ON + 0.001
    assert world.changes[-1] == NOBODY


def test_a_store_that_is_blocked_is_waited_for_as_long_as_the_lock_is_held(world: World) -> None:
    """A disk that is full for a second costs no leadership."""
    leader = election(world)
    leader.step()
    world.runtime.sleep(1)
    world.locks.script = lambda write, number: (
        WriteFault.BLOCKED if world.runtime.monotonic() < 2.5 else None
    )
    leader.step()
    assert leader.term() is not None


def test_a_lock_that_is_not_readable_is_trouble_and_not_ours(world: World) -> None:
    """Somebody has to look; nothing is written over it."""

    class Unreadable:
        def get(self, keys: Any) -> Any:
            return [Malformed("no lease")]

    world.locks.store = Unreadable()
    with pytest.raises(errors.StoreUnavailable, match="delete it: no lease"):
        election(world).step()


# ------------------------------------------------------------------------------- resigning


def test_who_resigns_lets_others_take_the_lock_at_once(world: World) -> None:
    """And stands for election no more."""
    leader, other = election(world), election(world)
    leader.step()
    other.step()
    world.runtime.sleep(0.5)
    leader.resign()
    assert leader.term() is None
    assert lock(world).document.released
    other.step()
    assert other.term() is not None
    assert not lock(world).document.released
    leader.step()
    assert leader.term() is None


def test_who_does_not_lead_resigns_without_a_word(world: World) -> None:
    """There is nothing to let go of."""
    candidate = election(world)
    candidate.resign()
    candidate.step()
    assert world.locks.batches == []


def test_resigning_in_vain_is_no_fault(world: World) -> None:
    """The lease ends it."""
    leader = election(world)
    leader.step()
    world.locks.script = lambda write, number: WriteFault.REJECTED
    leader.resign()
    assert leader.term() is None


def test_resigning_while_a_renewal_is_under_way_lets_go_all_the_same(world: World) -> None:
    """Whichever of the two writes is the first; it never leads again."""
    for moment in ("before", "after"):
        world = World()
        leader = election(world)
        leader.step()
        world.runtime.sleep(1)

        def resign(writes: Any, world: World = world, leader: Election = leader) -> None:
            world.locks.before = world.locks.after = lambda writes: None
            leader.resign()

        setattr(world.locks, moment, resign)
        leader.step()
        assert leader.term() is None
        assert lock(world).document.released, moment


# ------------------------------------------------------------------------- being unable to lead


def test_who_cannot_do_a_leaders_work_leaves_it_to_others(world: World) -> None:
    """
    A server whose clock is wrong fires nothing; if it kept the lock, nobody would. It takes part
    again when its clock is right.
    """
    wrong: list[str] = []

    def gate() -> None:
        if wrong:
            raise errors.ClockUntrusted(wrong[0])

    leader, other = election(world, gate=gate), election(world)
    leader.step()
    other.step()
    wrong.append("six hours ahead")
    assert leader.step().nanoseconds > 0
    assert leader.term() is None
    assert lock(world).document.released
    # Free to take, and not taken; asked again in its usual time.
    assert leader.step() == seconds(1)
    assert lock(world).document.released
    other.step()
    assert other.term() is not None
    world.runtime.sleep(2 * LEASE.seconds)
    leader.step()
    assert leader.leadership.leader_id == other.leader_id
    wrong.clear()
    world.runtime.sleep(2 * LEASE.seconds)
    leader.step()
    assert leader.term() is not None


def test_who_could_never_do_it_never_takes_a_missing_lock(world: World) -> None:
    """From its first step on."""

    def gate() -> None:
        raise errors.ClockUntrusted("six hours behind")

    candidate = election(world, gate=gate)
    assert run(world, candidate, until=world.runtime.monotonic() + 60) is None
    assert world.locks.batches == []
