"""Planted errors that must be found, in a module for each part of what they break."""

from __future__ import annotations

# Each registers its own.
from tests.simulation.mutants import background, claims, committing, writes
from tests.simulation.mutants.planting import MUTANTS, Mutant, planted

__all__ = ["MUTANTS", "Mutant", "background", "claims", "committing", "planted", "writes"]
