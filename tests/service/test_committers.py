"""Committers: nothing lies there beside one that sleeps, and none stays without work."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core.service import committers
from tasques.core.service.committers import Committers
from tests.service.actors import Actors
from tests.service.conftest import QuickRuntime

SEEDS = st.integers(0, 2**32)
#: Locks and wake-ups cost virtual time, too.
SLACK = 0.1


class Yard(Actors):
    """Jobs that take a while, and committers that do them."""

    def __init__(self, seed: int, limit: int = 3) -> None:
        super().__init__(seed)
        self.lock = self.runtime.condition()
        self.jobs: list[Callable[[], None]] = []
        self.late: list[float] = []
        self.at_work: list[str] = []
        self.most_at_work = 0
        self.workers: list[str] = []
        self.committers = Committers(
            self.runtime,
            self.lock,
            limit=limit,
            next_job=lambda: self.jobs.pop(0) if self.jobs else None,
        )

    def bring(self, takes: float) -> None:
        """A job, and a call for somebody to do it; where all are at work it has to wait."""
        came = self.now

        def job() -> None:
            me = f"{self.scheduler.current.name} {self.scheduler.current.number}"
            self.workers.append(me)
            self.at_work.append(me)
            self.most_at_work = max(self.most_at_work, len(self.at_work))
            self.late.append(self.now - came)
            self.scheduler.block(takes)
            self.at_work.remove(me)

        with self.lock:
            self.jobs.append(job)
            self.committers.call()


@settings(max_examples=40)
@given(seed=SEEDS, limit=st.integers(1, 4), patience=st.sampled_from([0.001, 0.01, 0.3]))
def test_no_job_is_left_lying(seed: int, limit: int, patience: float) -> None:
    """Whoever comes, and whenever those who have nothing to do lose their patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committers, "_PATIENCE_SECONDS", patience)
        yard = Yard(seed, limit)
        chance = yard.scheduler.chance

        def bring_some() -> None:
            for _ in range(25):
                yard.bring(chance.choice((0.0, 0.001, 0.02)))
                yard.scheduler.block(chance.choice((0.0, patience, chance.random() * 0.1)))

        for _ in range(3):
            yard.start(0.0, bring_some)
        yard.run(until=60.0)
    assert len(yard.late) == 75
    assert yard.jobs == []
    assert yard.most_at_work <= limit
    # All are gone by now; and none is thought to be on its way that is not.
    assert (yard.committers._count, yard.committers._idle) == (0, [])


def test_a_job_does_not_wait_where_one_more_may_work() -> None:
    """A call while others work, or are on their way, is another's."""
    yard = Yard(1, limit=3)
    for number in range(3):
        yard.start(0.1 * number, yard.bring, 5.0)
    yard.run(until=100.0)
    assert max(yard.late) <= SLACK
    assert yard.most_at_work == 3


def test_beyond_the_limit_a_job_waits_for_the_first_who_is_through() -> None:
    """Who finds it without having been called."""
    yard = Yard(1, limit=2)
    for number in range(3):
        yard.start(0.1 * number, yard.bring, 5.0)
    yard.run(until=100.0)
    assert 4.5 < yard.late[2] < 5.0 + SLACK
    assert yard.most_at_work == 2


def test_one_after_the_other_is_done_by_the_same() -> None:
    """Its caches are the warmest; the others end for lack of work."""
    yard = Yard(1, limit=3)
    for number in range(3):
        yard.start(0.1 * number, yard.bring, 1.0)
    for number in range(20):
        yard.start(5.0 + number, yard.bring, 0.1)
    yard.run(until=30.0)
    assert len(set(yard.workers[3:])) == 1


def test_who_has_nothing_to_do_ends_and_another_begins() -> None:
    """An unused store has no thread."""
    yard = Yard(1)
    yard.start(0.0, yard.bring, 0.1)
    yard.run(until=committers._PATIENCE_SECONDS + 1)
    assert yard.committers._count == 0
    yard.start(1.0, yard.bring, 0.1)
    yard.run(until=committers._PATIENCE_SECONDS + 10)
    assert len(set(yard.workers)) == 2
    assert yard.committers._count == 1


def test_a_job_that_fails_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    """And the next one is done, by the same."""
    yard = Yard(1, limit=1)

    def broken() -> None:
        raise ValueError("broken")

    yard.jobs.append(broken)
    yard.start(0.0, yard.bring, 0.1)
    yard.run(until=10.0)
    assert len(yard.late) == 1
    assert "broken" in caplog.text


class Poor(QuickRuntime):
    """Has no thread to give, until it is told otherwise."""

    is_out_of_threads = True

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        if self.is_out_of_threads:
            raise RuntimeError("can't start new thread")
        self.spawned.append(target)

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[Callable[[], None]] = []


def test_where_threads_have_run_out_the_next_call_tries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever called goes on: it may be about something else altogether."""
    runtime = Poor()
    lock = runtime.condition()
    many = Committers(runtime, lock, limit=1, next_job=lambda: None)
    with lock:
        many.call()
    assert "no thread" in caplog.text
    runtime.is_out_of_threads = False
    with lock:
        many.call()
    assert len(runtime.spawned) == 1
