"""Leadership: the rules by example, then every history of two candidates."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import attrs
import pytest

from tasques.core import leadership
from tasques.core.documents import Operation, Stored, Version
from tasques.core.leadership import Held, LeaderLock, Memory, Move, Observed, next_move, observe
from tasques.core.values import Duration
from tasques.testing.examples import NOW
from tests.core.lock_world import FAST, LEASE, SLOW, Document, Rules, State, Violation, World

ANN, BOB = "recurring-tasks-leader-ann", "recurring-tasks-leader-bob"


def lock(leader_id: str = BOB, lease: float = 5.0, *, released: bool = False) -> LeaderLock:
    return LeaderLock(
        leader_id=leader_id, at=NOW, lease=Duration.of_seconds(lease), released=released
    )


def stored(document: LeaderLock, seq_no: int = 1) -> Stored[LeaderLock]:
    return Stored(document=document, version=Version(1, seq_no))


def move(memory: Memory, now: float) -> Move:
    return next_move(memory, leader_id=ANN, now=now)


# -------------------------------------------------------------------------------- examples


def test_a_lock_that_is_not_there_is_created() -> None:
    """At once; of two that try, the store lets one."""
    assert move(None, 0.0) is Move.CREATE


def test_a_lock_is_taken_when_it_has_not_moved_for_its_holders_lease() -> None:
    """Not a moment earlier, as the candidate's clock counts."""
    memory = observe(None, stored(lock(lease=7.0)), now=100.0)
    assert move(memory, 106.999) is Move.WAIT
    assert move(memory, 107.0) is Move.TAKE


def test_a_renewal_begins_the_wait_anew() -> None:
    """However the version has moved: a stale read costs time, no more."""
    memory = observe(None, stored(lock(), 5), now=100.0)
    assert observe(memory, stored(lock(), 5), now=104.0) == memory
    for moved in (4, 6):
        again = observe(memory, stored(lock(), moved), now=104.9)
        assert again.since == 104.9
        assert move(again, 109.8) is Move.WAIT
        assert move(again, 110.0) is Move.TAKE


def test_a_version_of_another_term_of_the_shard_is_another_version() -> None:
    """The count of writes alone does not name one."""
    memory = observe(None, stored(lock(), 5), now=100.0)
    other = Stored(document=lock(), version=Version(2, 5))
    assert observe(memory, other, now=104.0).since == 104.0


def test_nobody_need_wait_for_a_lock_that_was_released_or_is_our_own() -> None:
    """The one says so, and of the other nobody but ourselves could be the holder."""
    assert move(observe(None, stored(lock(released=True)), now=9.0), 9.0) is Move.TAKE
    assert move(observe(None, stored(lock(ANN)), now=9.0), 9.0) is Move.TAKE


@pytest.mark.parametrize("lease", [0.0, -5.0])
def test_a_lease_of_nothing_is_over_at_once(lease: float) -> None:
    """Whatever the holder was told to write."""
    memory = observe(None, stored(lock(lease=lease)), now=9.0)
    assert memory.may_be_taken_at == 9.0


def test_what_is_held_is_relied_on_for_less_than_the_lease() -> None:
    """Three fifths of it, from before the write was sent; the term is the first write's version."""
    taken = Held.since(stored(lock(ANN, 10.0), 7), sent_at=100.0)
    assert (taken.valid_until, taken.term, taken.version) == (106.0, Version(1, 7), Version(1, 7))
    renewed = Held.since(stored(lock(ANN, 10.0), 9), sent_at=103.0, term=taken.term)
    assert (renewed.valid_until, renewed.term) == (109.0, Version(1, 7))
    assert renewed.version == Version(1, 9)


def test_a_lock_is_a_document() -> None:
    """It has the name by which it is kept, and takes the mark of a write."""
    operation = Operation(token="t", verb="take")
    stamped = lock().stamped(operation)
    assert (stamped.key, stamped.operation) == (leadership.LOCK_NAME, operation)
    assert attrs.evolve(stamped, operation=None) == lock()


# ---------------------------------------------------------------------------- every history


@cache
def all_states() -> frozenset[State]:
    return frozenset(World().explore())


def test_in_no_history_do_two_lead() -> None:
    """
    Whatever is lost, late, paused or let go, with clocks as different as they may be.

    Some thousand states: enough that both have led, held on, waited and been overtaken.
    """
    states = all_states()
    assert len(states) > 10_000
    for me in (0, 1):
        assert any(state.candidates[me].held is not None for state in states)
        assert any(state.candidates[me].late is not None for state in states)
        assert any(state.document == Document(2, me, released=True) for state in states)


def test_from_every_state_a_leader_emerges_when_all_goes_well_again() -> None:
    """No history leads into a corner."""
    assert World().never_led(set(all_states())) == []


def test_equal_clocks_are_no_worse() -> None:
    """The ratio is what may be, not what has to be."""
    assert World(rates=(FAST, FAST), with_release=False).explore()


# ------------------------------------------------------------------------- planted mistakes


def _keep_the_first_time(memory: Memory, seen: Stored[LeaderLock], *, now: float) -> Observed:
    since = now if memory is None else memory.since
    return Observed(lock=seen.document, version=seen.version, since=since)


def _never_wait(memory: Memory, *, leader_id: str, now: float) -> Move:
    return Move.CREATE if memory is None else Move.TAKE


def _rely_on(part: float) -> Callable[[Stored[LeaderLock], float, float], Held]:
    # Held counts three fifths of the lease; what is more begins later.
    later = (part - leadership.RELIED_ON) * LEASE
    return lambda stored, sent_at, answered_at: Held.since(stored, sent_at=sent_at + later)


MISTAKES = {
    "the whole lease is relied on": Rules(hold=_rely_on(1.0)),
    "a little too much of the lease is relied on": Rules(hold=_rely_on(0.7)),
    "the lease is counted from the answer": Rules(
        hold=lambda stored, sent_at, answered_at: Held.since(stored, sent_at=answered_at)
    ),
    "a lock is held for having read one's own name": Rules(
        is_taken_by=lambda me, seen: seen.holder == me
    ),
    "a version that moves does not begin the wait anew": Rules(observe=_keep_the_first_time),
    "the wait counts from the question": Rules(watch_from=lambda asked_at, answered_at: asked_at),
    "a candidate does not wait": Rules(next_move=_never_wait),
    "the store looks at no version": Rules(conditional=False),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: str) -> None:
    """Each lets two lead at once in some history."""
    with pytest.raises(Violation, match="both lead"):
        World(MISTAKES[mistake]).explore()


def test_clocks_that_differ_by_more_are_not_covered() -> None:
    """The ratio that the notes state is the one that holds."""
    with pytest.raises(Violation):
        World(rates=(FAST, SLOW - 0.5)).explore()


def _never_take(memory: Memory, *, leader_id: str, now: float) -> Move:
    return Move.CREATE if memory is None else Move.WAIT


def test_a_corner_is_found() -> None:
    """Who never takes what was left behind waits for ever."""
    world = World(Rules(next_move=_never_take), with_late=False, with_release=False)
    assert world.never_led(world.explore())
