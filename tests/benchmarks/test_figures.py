"""Figures are found where they are, and summed up without flattering anybody."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, Spread, number, ratio, spread


def test_a_figure_is_found_by_its_path() -> None:
    """Also if it is a whole number; nothing else is taken for one."""
    figure = Figure(label="p50", path="latency_ms.create.p50")

    assert figure.of({"latency_ms": {"create": {"p50": 3}}}) == 3.0
    assert figure.of({"latency_ms": {"create": None}}) is None
    assert figure.of({"latency_ms": {"create": {"p50": "3"}}}) is None
    assert figure.of({}) is None


def test_runs_without_a_figure_are_left_out() -> None:
    """And if none has it, there is no spread."""
    assert spread([None, 2.0, None, 1.0]) == Spread(values=(2.0, 1.0))
    assert spread([None]) is None


def test_a_ratio_is_of_medians() -> None:
    """One run that went astray does not move it."""
    assert ratio(Spread(values=(10, 900, 12)), Spread(values=(3, 4, 5))) == 3.0
    assert ratio(Spread(values=(1,)), None) is None
    assert ratio(Spread(values=(1,)), Spread(values=(0,))) is None


def test_spreads_that_meet_prove_nothing() -> None:
    """Apart means that the worst of one is better than the best of the other."""
    assert Spread(values=(1, 3)).overlaps(Spread(values=(3, 4)))
    assert Spread(values=(1, 9)).overlaps(Spread(values=(3, 4)))
    assert not Spread(values=(1, 2)).overlaps(Spread(values=(3, 4)))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (1234.5, "1,234"), (56.71, "56.7"), (0.008213, "0.00821"), (0, "0")],
)
def test_numbers_have_three_digits(value: float | None, shown: str) -> None:
    """Or all before the point."""
    assert number(value) == shown
