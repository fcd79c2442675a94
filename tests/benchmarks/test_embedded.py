"""The library without a server is measured by the same rules."""

from __future__ import annotations

import pytest

from benchmarks import embedded
from benchmarks.accounting import faults
from benchmarks.scenarios import named
from tasques.app import Tasques


def test_every_life_is_accounted_for() -> None:
    """Each task claimed once and done once, and a price for it."""
    result = embedded.lives(10)
    assert not faults(result)
    assert result["account"] == {
        "created": 10,
        "claimed_once": 10,
        "done": 10,
        "exactly_once": True,
    }
    assert result["cpu"]["us_per_life"] > 0


def test_a_task_that_is_not_done_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account is read back, not supposed."""
    monkeypatch.setattr(Tasques, "done", lambda *_: None)
    assert any("not exactly once" in fault for fault in faults(embedded.lives(10)))


def test_what_the_tables_show_is_measured() -> None:
    """Each figure of the scenario is in what the module prints."""
    (scenario,) = named(["embedded"])
    result = {
        **embedded.lives(10),
        "ready": embedded.readiness(),
        "fixtures": embedded.fixtures(3),
    }
    assert all(figure.of(result) is not None for figure in scenario.figures)
    assert result["ready"]["threads"] == 0
