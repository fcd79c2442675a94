"""Servers that know of each other keep every property, whatever becomes of what they say."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core.service.nudges import Nudges
from tests.simulation import sweep
from tests.simulation.neighbours import TALKING_FROM

HISTORIES = 60


def test_no_history_of_talking_servers_violates_a_property(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words are lost, repeated, late and untrue; and many of them have a task handed out."""
    talking: list[Nudges] = []
    begin = Nudges.__init__

    def noted(nudges: Nudges, *given: Any) -> None:
        begin(nudges, *given)
        talking.append(nudges)

    monkeypatch.setattr(Nudges, "__init__", noted)
    totals = sweep.run_here(range(TALKING_FROM, TALKING_FROM + HISTORIES))
    assert totals.violations == []
    assert sum(nudges._received["offered"].value for nudges in talking) > HISTORIES
