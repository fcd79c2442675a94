"""Time that moves by hand, and locks that say what is wrong."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from tasques.core.ports import Runtime
from tasques.core.values import Duration
from tasques.runtime import ThreadRuntime
from tasques.testing.fake_runtime import START, FakeRuntime, WouldWaitForEver

SECOND = Duration.of_seconds(1)
MILLISECOND = Duration.of_seconds(0.001)


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


def test_it_is_a_runtime(runtime: FakeRuntime) -> None:
    """Whatever takes the one of threads takes this one."""
    runtimes: list[Runtime] = [runtime, ThreadRuntime()]
    for one in runtimes:
        assert len(one.new_id()) == 32
        assert 0 <= one.random() < 1
        with one.condition(one.condition()):
            pass


def test_both_clocks_stand_still_until_moved(runtime: FakeRuntime) -> None:
    """Looking takes no time; advancing moves both alike."""
    assert (runtime.wall(), runtime.monotonic()) == (START, 0.0)
    runtime.advance(Duration.of_seconds(1.5))
    assert (runtime.wall(), runtime.monotonic()) == (START.plus(Duration.of_seconds(1.5)), 1.5)


def test_the_wall_clock_alone_can_jump(runtime: FakeRuntime) -> None:
    """An operator may set it back; the monotonic one does not notice."""
    runtime.jump(Duration.of_seconds(-3600))
    assert (runtime.wall(), runtime.monotonic()) == (START.plus(Duration.of_seconds(-3600)), 0.0)
    runtime.advance(SECOND)
    assert runtime.wall() == START.plus(Duration.of_seconds(-3599))


@pytest.mark.parametrize("duration", [Duration(1), Duration(-1_000_000), Duration(1_500_000)])
def test_time_moves_in_whole_milliseconds(runtime: FakeRuntime, duration: Duration) -> None:
    """Forward, and in steps that every store can tell apart."""
    with pytest.raises(ValueError, match="whole milliseconds"):
        runtime.advance(duration)
    assert runtime.monotonic() == 0.0


def test_sleeping_takes_no_real_time(runtime: FakeRuntime) -> None:
    """A century passes at once; a part of a millisecond is a whole one."""
    runtime.sleep(100 * 365 * 86400)
    before = runtime.monotonic()
    runtime.sleep(0.0001)
    assert runtime.monotonic() == pytest.approx(before + 0.001)
    runtime.sleep(0)
    assert runtime.monotonic() == pytest.approx(before + 0.001)


def test_the_seed_decides_ids_and_chance() -> None:
    """The same seed, the same run; another seed, another run."""
    one, same, other = FakeRuntime(seed=1), FakeRuntime(seed=1), FakeRuntime(seed=2)
    drawn = [[r.new_id(), r.random(), r.new_id()] for r in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_is_planned_happens_in_its_time(runtime: FakeRuntime) -> None:
    """In the order of their times, each seeing its own; equal times in the order of planning."""
    seen: list[tuple[str, float]] = []

    def note(name: str) -> None:
        seen.append((name, runtime.monotonic()))

    for name, seconds in (("c", 2.0), ("a", 1.0), ("b", 1.0), ("late", 9.0)):
        runtime.after(Duration.of_seconds(seconds), partial(note, name))
    runtime.sleep(2)
    assert seen == [("a", 1.0), ("b", 1.0), ("c", 2.0)]


def test_a_plan_may_take_time_itself(runtime: FakeRuntime) -> None:
    """Time never goes back, whoever moves it."""
    runtime.after(SECOND, lambda: runtime.sleep(5))
    runtime.sleep(2)
    assert runtime.monotonic() == 6.0


def test_a_wait_ends_with_its_time(runtime: FakeRuntime) -> None:
    """Nobody notifies: the time-out is over at once, and has passed."""
    condition = runtime.condition()
    with condition:
        assert condition.wait(1.5) is False
    assert runtime.monotonic() == 1.5


def test_a_wait_ends_with_a_notification(runtime: FakeRuntime) -> None:
    """What was planned may notify; then no more time passes than until then."""
    condition = runtime.condition()

    def notify() -> None:
        with condition:
            condition.notify()

    runtime.after(SECOND, notify)
    with condition:
        assert condition.wait(5) is True
    assert runtime.monotonic() == 1.0
    runtime.after(SECOND, notify)
    with condition:
        assert condition.wait() is True


def test_a_wait_that_nothing_can_end_is_an_error(runtime: FakeRuntime) -> None:
    """A test never hangs."""
    condition = runtime.condition()
    with condition, pytest.raises(WouldWaitForEver):
        condition.wait()


def test_a_notification_reaches_those_who_wait_already(runtime: FakeRuntime) -> None:
    """One at a time, the longest waiting first; none is kept for later."""
    condition = runtime.condition()
    with condition:
        condition.notify()
        assert condition.wait(1) is False
    woken: list[str] = []

    def wait_too() -> None:
        with condition:
            if condition.wait(3):
                woken.append("second")

    def notify() -> None:
        with condition:
            condition.notify()

    runtime.after(SECOND, wait_too)
    runtime.after(Duration.of_seconds(2), notify)
    with condition:
        woken += ["first"] if condition.wait(9) else []
    assert woken == ["first"]


def test_a_lock_is_not_taken_twice(runtime: FakeRuntime) -> None:
    """A plain lock would hang; here the test fails instead. Shared locks count as one."""
    condition = runtime.condition()
    again = runtime.condition(condition)
    with condition, pytest.raises(RuntimeError, match="has the lock already"), again:
        pass
    with condition:
        assert runtime.holds_a_lock
    assert not runtime.holds_a_lock


def test_waiting_and_notifying_want_the_lock(runtime: FakeRuntime) -> None:
    """As with threads."""
    condition = runtime.condition()
    for call in (condition.notify, condition.notify_all, lambda: condition.wait(1)):
        with pytest.raises(RuntimeError, match="has not taken"):
            call()


def test_threads_exclude_each_other(runtime: FakeRuntime) -> None:
    """The lock is a real one: no increment is lost."""
    condition = runtime.condition()
    counted = 0

    def count() -> None:
        nonlocal counted
        for _ in range(5000):
            with condition:
                seen = counted
                assert runtime.holds_a_lock
                counted = seen + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted == 20_000


def test_what_is_spawned_is_the_tests_to_run(runtime: FakeRuntime) -> None:
    """Nothing runs beside a test that it does not know of."""
    ran: list[int] = []
    runtime.spawn("reaper", lambda: ran.append(1))
    [(name, target)] = runtime.spawned
    assert (name, ran) == ("reaper", [])
    target()
    assert ran == [1]


def test_conditions_of_other_runtimes_are_refused(runtime: FakeRuntime) -> None:
    """Locks of two worlds do not mix."""
    with pytest.raises(TypeError, match="same runtime"):
        runtime.condition(ThreadRuntime().condition())
