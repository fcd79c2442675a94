"""The election: what is sent, what is believed, and what others are told."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tasques.core.documents import Stored, Version
from tasques.core.leadership import LOCK_NAME, LeaderLock
from tasques.core.ports import Create, Replace
from tasques.core.service.election import NOBODY, Election, Leadership, NotLeading
from tests.service.recurring_world import (
    LEASE,
    World,
    at,
    change_document,
    seconds,
)

#: What a leader relies on after a renewal.
RELIED_ON = 3.0


@pytest.fixture
def world() -> World:
    return World()


def election(world: World, **more: Any) -> Election:
    return Election(
        world.locks, world.runtime, **{"lease": LEASE, "on_change": world.changes.append, **more}
    )


def lock(world: World) -> Stored[LeaderLock]:
    [current] = world.locks.store.get([LOCK_NAME])
    assert isinstance(current, Stored)
    return current


def held_by_another(world: World, lease: float = 7.0, **more: Any) -> LeaderLock:
    """Put the lock of another server there: an original's, unless *more* says what ours add."""
    held = LeaderLock(leader_id="other", at=at(0), lease=seconds(lease), **more)
    world.locks.store.write([Create(document=held)])
    return held


def renew(world: World) -> None:
    """As the holder does."""
    now = world.runtime.wall()
    change_document(world.locks.store, LOCK_NAME, lambda held: attrs.evolve(held, at=now))


def run(world: World, candidate: Election, until: float) -> float | None:
    """Step as it asks to, until *until* or it leads; when it began to."""
    while world.runtime.monotonic() < until:
        pause = candidate.step()
        if candidate.term() is not None:
            return world.runtime.monotonic()
        assert pause.nanoseconds > 0
        world.runtime.sleep(pause.seconds)
    return None


# ------------------------------------------------------------------------------- taking


def test_a_missing_lock_is_taken_at_once(world: World) -> None:
    """With the original's fields; the term is the version of that write."""
    candidate = election(world)
    assert candidate.term() is None
    candidate.step()
    held = lock(world)
    assert held.document.leader_id == candidate.leader_id
    assert candidate.leader_id.startswith("recurring-tasks-leader-")
    assert len(candidate.leader_id) == len("recurring-tasks-leader-") + 32
    assert (held.document.at, held.document.taken_at, held.document.lease) == (at(0), at(0), LEASE)
    assert candidate.term() == held.version
    assert candidate.leadership == Leadership(
        leader_id=candidate.leader_id, is_here=True, since=at(0), term=held.version
    )


def test_each_process_has_another_name(world: World) -> None:
    """So that nobody takes a lock for its own that another process holds."""
    assert election(world).leader_id != election(world).leader_id


def test_the_lock_of_an_original_is_respected_for_its_lease(world: World) -> None:
    """Its own lease, not ours; without a renewal it is taken when that is over, by a write."""
    held_by_another(world, lease=7.0)
    candidate = election(world)
    assert run(world, candidate, until=60) == pytest.approx(7.0)
    [taken] = world.locks.sent
    assert isinstance(taken, Replace)
    assert taken.expected == Version(1, 1)
    assert candidate.term() == lock(world).version > Version(1, 1)


def test_any_renewal_begins_the_wait_anew(world: World) -> None:
    """A holder that lives is never overtaken."""
    held_by_another(world, lease=7.0)
    candidate = election(world)
    for _ in range(10):
        assert run(world, candidate, until=world.runtime.monotonic() + 6) is None
        renew(world)
    assert world.locks.sent == []
    begun = world.runtime.monotonic()
    assert run(world, candidate, until=begun + 30) == pytest.approx(begun + 7, abs=1.0)


def test_a_renewal_right_before_the_lock_is_taken_makes_that_fail(world: World) -> None:
    """Then the wait begins anew."""
    held_by_another(world, lease=7.0)
    candidate = election(world)
    run(world, candidate, until=6.5)
    world.locks.before = lambda writes: renew(world)
    world.runtime.sleep(1)
    candidate.step()
    world.locks.before = lambda writes: None
    assert candidate.term() is None
    assert lock(world).document.leader_id == "other"
    begun = world.runtime.monotonic()
    assert run(world, candidate, until=begun + 30) == pytest.approx(begun + 7, abs=0.1)


def test_of_two_candidates_one_takes_it(world: World) -> None:
    """The other waits for it."""
    one, other = election(world), election(world)
    world.locks.before = lambda writes: None if other.term() else _unhooked(world, other.step)
    one.step()
    assert (one.term(), other.term()) == (None, lock(world).version)


def _unhooked(world: World, action: Any) -> None:
    hook, world.locks.before = world.locks.before, lambda writes: None
    action()
    world.locks.before = hook


# ------------------------------------------------------------------------------- renewing


def test_a_leader_renews_and_keeps_its_term(world: World) -> None:
    """Often enough, however long the interval is; from then on the lock says the term."""
    leader = election(world, interval=seconds(60))
    pause = leader.step()
    assert pause == seconds(1)
    term, taken_at = leader.term(), lock(world).document.taken_at
    for _ in range(20):
        world.runtime.sleep(leader.step().seconds)
        assert leader.term() == term
    assert lock(world).document.term == term
    assert lock(world).document.taken_at == taken_at
    assert lock(world).document.at == at(19)


def test_a_renewal_counts_from_before_it_was_sent(world: World) -> None:
    """An answer that takes long leaves less to rely on."""
    leader = election(world)
    world.locks.after = lambda writes: world.runtime.sleep(2.0)
    leader.step()
    assert leader.term() is not None
    world.runtime.sleep(RELIED_ON - 2.0 - 0.001)
    assert leader.term() is not None
    world.runtime.sleep(0.001)
    assert leader.term() is None


def test_a_belief_that_is_over_is_over_without_a_call(world: World) -> None:
    """After a pause nothing has to be asked to know it."""
    leader = election(world)
    leader.step()
    term = leader.term()
    assert term is not None
    assert leader.ensure_leading(term) == RELIED_ON
    sent = len(world.locks.batches)
    world.runtime.sleep(RELIED_ON)
    assert leader.term() is None
    assert leader.leadership == NOBODY
    with pytest.raises(NotLeading):
        leader.ensure_leading(term)
    assert len(world.locks.batches) == sent


def test_who_was_paused_takes_its_own_lock_anew_in_another_term(world: World) -> None:
    """Nobody took it meanwhile; but what it had under way before is a former leader's."""
    leader = election(world)
    leader.step()
    term = leader.term()
    world.runtime.sleep(100)
    leader.step()
    again = leader.term()
    assert term is not None
    assert again is not None
    assert again > term
    with pytest.raises(NotLeading):
        leader.ensure_leading(term)


def test_who_was_overtaken_steps_down_and_knows_the_other(world: World) -> None:
    """And waits like any candidate."""
    leader = election(world)
    leader.step()
    change_document(
        world.locks.store,
        LOCK_NAME,
        lambda held: LeaderLock(leader_id="other", at=at(1), lease=LEASE, taken_at=at(1)),
    )
    world.runtime.sleep(1)
    leader.step()
    assert leader.term() is None
    assert leader.leadership == Leadership(leader_id="other", since=at(1))
    assert run(world, leader, until=5.9) is None
    assert run(world, leader, until=10) == pytest.approx(6.0)


def test_a_lock_that_was_deleted_is_created_again(world: World) -> None:
    """In another term."""
    leader = election(world)
    leader.step()
    term = leader.term()
    world.locks.store._documents.clear()
    world.runtime.sleep(1)
    leader.step()
    assert leader.term() not in (None, term)


# ---------------------------------------------------------------------------------- telling


def test_a_change_of_leaders_is_told_once(world: World) -> None:
    """Not every renewal, nor that a leader's term becomes known."""
    watcher = election(world)
    leader = election(world, on_change=lambda leadership: None)
    leader.step()
    for _ in range(5):
        watcher.step()
        world.runtime.sleep(1)
        leader.step()
    assert [change.leader_id for change in world.changes] == [leader.leader_id]
    assert watcher.leadership.term == leader.term()

    leader.resign()
    watcher.step()
    watcher.step()
    assert [change.is_here for change in world.changes] == [False, True]


def test_it_can_be_asked_whether_the_lock_was_renewed_since(world: World) -> None:
    """By a write that was sent afterwards."""
    leader = election(world)
    assert not leader.is_confirmed_since(-1.0)
    leader.step()
    assert leader.is_confirmed_since(-1.0)
    assert not leader.is_confirmed_since(0.0)
    world.runtime.sleep(1)
    leader.step()
    assert leader.is_confirmed_since(0.5)
    world.runtime.sleep(100)
    assert not leader.is_confirmed_since(0.5)
