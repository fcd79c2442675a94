"""How fast a store is asked: quickly while it takes it, and seldom what is dear."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasques.core.service.pace import FreshBudget, Pace
from tests.service.conftest import QuickRuntime


class Still(QuickRuntime):
    """The monotonic clock moves only by sleeping."""

    def monotonic(self) -> float:
        return self._slept

    def random(self) -> float:
        return 0.5


def test_trouble_doubles_the_pause_and_each_success_takes_a_little_back() -> None:
    """So that a store that refuses finds the load that it can bear."""
    pace = Pace(Still())
    assert pace.interval(0.25) == 0.25
    pauses = []
    for _ in range(8):
        pace.back_off()
        pauses.append(round(pace.interval(0.25) - 0.25, 3))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0, 3.0]
    for _ in range(10):
        pace.recover(0.001)
    assert round(pace.interval(0.25), 3) == 2.25
    for _ in range(20):
        pace.recover(0.001)
    assert pace.interval(0.25) == 0.25


def test_after_trouble_nothing_is_asked_for_a_random_while() -> None:
    """Servers that were refused together do not come back together."""
    runtime = Still()
    pace = Pace(runtime)
    for _ in range(3):
        pace.back_off()
    assert pace.quiet_until == runtime.monotonic() + 0.2


def test_a_store_that_answers_slowly_is_asked_less_often() -> None:
    """A fifth of the time is spent searching, at most; but a search every few seconds there is."""
    pace = Pace(Still())
    pace.recover(0.4)
    assert pace.interval(0.25) == 2.0
    pace.recover(60.0)
    assert pace.interval(0.25) == 3.0


@given(
    st.lists(
        st.tuples(st.floats(0.0, 2.0), st.integers(1, 16), st.booleans()), min_size=1, max_size=30
    )
)
def test_what_is_dear_takes_a_twentieth_of_the_time(
    spent: list[tuple[float, int, bool]],
) -> None:
    """However long it takes each time, and among however many servers it is split."""
    budget = FreshBudget()
    at = spent_so_far = 0.0
    for seconds, servers, was_worth_it in spent:
        at = max(at, budget.next_at) + seconds
        budget.spend(seconds, at=at, servers=servers, was_worth_it=was_worth_it)
        spent_so_far += seconds
        assert spent_so_far <= 0.05 * budget.next_at + 1e-9
        assert budget.next_at - at >= max(0.1, 19 * seconds * servers) - 1e-9


def test_what_brought_nothing_is_repeated_less_and_less() -> None:
    """Until it brings something again."""
    budget = FreshBudget()
    waits = []
    for worth in (False, False, False, False, False, False, True, True):
        budget.spend(0.02, at=0.0, servers=1, was_worth_it=worth)
        waits.append(round(budget.next_at, 2))
    assert waits == [0.76, 1.52, 3.04, 6.08, 6.08, 6.08, 0.38, 0.38]
