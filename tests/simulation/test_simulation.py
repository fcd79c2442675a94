"""The real services keep every property, whatever goes wrong; and the simulation would notice."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.simulation import sweep
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.properties import PROPERTIES

HISTORIES = 3000
WRITES = 300_000
#: Not broken by a mutant here; the documentation says why.
NOT_APPLICABLE = {"P19"}


def test_no_history_violates_a_property(record_property: Callable[[str, object], None]) -> None:
    """T1: so many audited writes over so many histories, with every kind of fault."""
    totals = sweep.run_apart(1, HISTORIES, processes=os.cpu_count() or 1)
    for line in totals.lines():
        record_property("report", line)
    assert totals.violations == []
    assert totals.histories == HISTORIES
    assert totals.writes >= WRITES
    assert set(totals.faults) == {fault.value for fault in sweep.Fault}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=lambda mutant: mutant.name)
def test_a_planted_error_is_found(mutant: Mutant) -> None:
    """T2: within 200 seeds, and as what it is."""
    seeds = range(mutant.begin, mutant.begin + 200)
    totals = sweep.run_here(seeds, mutant.name, until=lambda name: name == mutant.breaks)
    assert mutant.breaks in {name for _, name, _ in totals.violations}


def test_each_property_has_a_planted_error() -> None:
    """T2: a property that nothing breaks may be one that nobody looks at."""
    assert {mutant.breaks for mutant in MUTANTS.values()} == set(PROPERTIES) - NOT_APPLICABLE


def test_a_seed_decides_everything() -> None:
    """T3: the same steps at the same times in two processes with different hash seeds."""
    runs = [
        sweep.run_apart(5000, 100, processes=2, environ={"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert runs[0].trace == runs[1].trace
    assert runs[0] == runs[1]
