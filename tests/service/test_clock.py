"""The clock watch: how far off, known at once after a jump, and what follows."""

from __future__ import annotations

import pytest

from tasques.core import errors
from tasques.core.service.clock import ClockWatch
from tasques.core.values import Duration, Instant
from tests.service.conftest import START, QuickRuntime


class StoreClock:
    """A store whose clock is right, by definition."""

    def __init__(self, runtime: QuickRuntime) -> None:
        self._runtime = runtime
        self._began = runtime.monotonic()
        self.asked = 0
        self.down = False

    def __call__(self) -> Instant | None:
        self.asked += 1
        if self.down:
            raise errors.StoreUnavailable("down")
        return START.plus(Duration.of_seconds(self._runtime.monotonic() - self._began))


@pytest.fixture
def store_clock(runtime: QuickRuntime) -> StoreClock:
    return StoreClock(runtime)


@pytest.fixture
def clock(runtime: QuickRuntime, store_clock: StoreClock) -> ClockWatch:
    return ClockWatch(store_clock, runtime)


def seconds(duration: Duration | None) -> int:
    assert duration is not None
    return round(duration.seconds)


def test_a_right_clock_is_trusted(clock: ClockWatch) -> None:
    """Nothing to say of it."""
    clock.step()
    clock.ensure_trusted()
    clock.ensure_steady()
    assert seconds(clock.skew) == 0
    assert clock.problem() is None


@pytest.mark.parametrize(
    ("ahead", "code", "fatal"),
    [
        (4, None, None),
        (6, "clock_skew", False),
        (-6, "clock_skew", False),
        (31, "clock_skew", True),
        (-7200, "clock_skew", True),
    ],
)
def test_the_limits_are_amber_and_red(
    ahead: int, code: str | None, fatal: bool | None, clock: ClockWatch, runtime: QuickRuntime
) -> None:
    """Over five seconds health says so; over thirty the server is not ready."""
    runtime.now = START.plus(Duration.of_seconds(ahead))
    clock.step()
    problem = clock.problem()
    assert (problem and problem.code) == code
    assert (problem.fatal if problem else None) == fatal
    assert seconds(clock.skew) == ahead
    if fatal:
        with pytest.raises(errors.ClockUntrusted, match="ahead of" if ahead > 0 else "behind"):
            clock.ensure_trusted()
    else:
        clock.ensure_trusted()


def test_a_jump_is_known_at_once_without_asking(
    clock: ClockWatch, runtime: QuickRuntime, store_clock: StoreClock
) -> None:
    """Between two comparisons the monotonic clock tells that the wall clock has moved."""
    clock.step()
    runtime.now = START.plus(Duration.of_seconds(3600))
    with pytest.raises(errors.ClockUntrusted):
        clock.ensure_trusted()
    assert store_clock.asked == 1


def test_a_jump_leads_to_a_new_comparison(
    clock: ClockWatch, runtime: QuickRuntime, store_clock: StoreClock
) -> None:
    """A jump of ten seconds keeps claims from being ended until the clocks are compared."""
    clock.step()
    runtime.now = START.plus(Duration.of_seconds(10))
    clock.ensure_trusted()
    with pytest.raises(errors.ClockUntrusted):
        clock.ensure_steady()
    clock.step()
    assert store_clock.asked == 2
    clock.ensure_steady()


def test_clocks_are_compared_once_a_minute(
    clock: ClockWatch, runtime: QuickRuntime, store_clock: StoreClock
) -> None:
    """Not at every glance."""
    for _ in range(61):
        clock.step()
        runtime.sleep(1)
        runtime.now = runtime.now.plus(Duration.of_seconds(1))
    clock.step()
    assert store_clock.asked == 2


def test_a_store_without_a_clock_is_taken_as_right(runtime: QuickRuntime) -> None:
    """Nothing is known, so nothing is refused."""
    clock = ClockWatch(lambda: None, runtime)
    clock.step()
    assert clock.skew is None
    clock.ensure_steady()
    assert clock.problem() is None


def test_while_the_store_is_down_the_last_comparison_stands(
    clock: ClockWatch, runtime: QuickRuntime, store_clock: StoreClock
) -> None:
    """An outage tells nothing about clocks."""
    runtime.now = START.plus(Duration.of_seconds(60))
    clock.step()
    store_clock.down = True
    runtime.sleep(120)
    runtime.now = runtime.now.plus(Duration.of_seconds(120))
    clock.step()
    assert seconds(clock.skew) == 60


def test_a_clock_that_was_never_compared_is_not_trusted(
    clock: ClockWatch, runtime: QuickRuntime, store_clock: StoreClock
) -> None:
    """A server that starts while the store is down may be off by any amount, until it can ask."""
    store_clock.down = True
    clock.step()
    for ensure in (clock.ensure_trusted, clock.ensure_steady):
        with pytest.raises(errors.ClockUntrusted):
            ensure()
    store_clock.down = False
    clock.step()
    clock.ensure_trusted()
    clock.ensure_steady()
