"""How long a failed task waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core import retry
from tasques.core.tasks import MAX_RETRY_TIMES
from tasques.core.values import Duration
from tasques.testing import strategies

LARGEST_JITTER = 1 - 2**-53


@pytest.mark.parametrize(
    ("retries", "shortest", "longest"),
    [
        (0, 15, 44),
        (1, 16, 74),
        (2, 31, 118),
        (3, 96, 212),
        (4, 271, 416),
        (5, 640, 814),
        (10, 10_015, 10_334),
        (17, 83_536, 84_058),  # about a day
        (24, 331_791, 332_516),
    ],
)
def test_the_waits_that_are_published(retries: int, shortest: int, longest: int) -> None:
    """The contract's numbers, in seconds: a slip of an operator would show here."""
    assert Duration.of_seconds(shortest) == retry.delay(retries, jitter=0.0)
    assert Duration.of_seconds(longest) == retry.delay(retries, jitter=LARGEST_JITTER)


@given(st.integers(0, 10_000), st.integers(0, 29))
def test_the_wait_is_the_published_formula(retries: int, drawn: int) -> None:
    """``15 + k⁴ + U{0…29} · (k + 1)`` seconds, each of the thirty numbers being reachable."""
    seconds = 15 + retries * retries * retries * retries + drawn * (retries + 1)
    expected = min(seconds * 1_000_000_000, 2**63 - 1)
    assert Duration(expected) == retry.delay(retries, jitter=(drawn + 0.5) / 30)


@given(st.integers(0, MAX_RETRY_TIMES), st.integers(0, 1000), strategies.jitters())
def test_waits_never_shrink_as_retries_grow(retries: int, more: int, jitter: float) -> None:
    """With the same luck, a later retry waits at least as long; the longest duration is the cap."""
    assert retry.delay(retries, jitter) <= retry.delay(retries + more, jitter)
    assert retry.delay(retries, jitter) <= Duration(2**63 - 1)


@given(st.integers(0, MAX_RETRY_TIMES), strategies.jitters(), strategies.jitters())
def test_waits_never_shrink_as_jitter_grows(retries: int, one: float, other: float) -> None:
    """The jitter spreads tasks in one direction."""
    assert retry.delay(retries, min(one, other)) <= retry.delay(retries, max(one, other))


@pytest.mark.parametrize(
    ("retries", "jitter"), [(-1, 0.0), (0, -0.1), (0, 1.0), (0, 1.5), (0, float("nan"))]
)
def test_arguments_out_of_range_are_refused(retries: int, jitter: float) -> None:
    """A wait is never computed from nonsense."""
    with pytest.raises(ValueError, match=r"must (not be negative|lie in)"):
        retry.delay(retries, jitter)
