"""
Planted errors: each must be found, or the simulation is blind to what it breaks.

A *mutant* replaces a function or an attribute of the services by one that is wrong in a few lines.
It names the property that it breaks; the first violation of a history may be of another one, where
an error shows in several ways, but the one that is named must turn up among the seeds tried.

To plant one, write a function in the module of its part that calls what it is given; register it with
the property::

    @mutant("P10", "claims are ended a margin too early")
    def reaps_without_margin(swap: Swap) -> None:
        swap(ReaperOptions, "margin", ...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import attrs

#: Replaces an attribute of a class or module until the history is over.
Swap: TypeAlias = Callable[[Any, str, Any], None]
Plant: TypeAlias = Callable[[Swap], None]


@attrs.frozen
class Mutant:
    """
    A planted error, and the property that must notice.

    Attributes:
        begin: The first of the 200 seeds that are tried. One that takes a rare meeting of faults is
            found in one history of several hundred; all of them would take minutes each time.
    """

    name: str
    breaks: str
    what: str
    plant: Plant
    begin: int = 1


MUTANTS: Final[dict[str, Mutant]] = {}


def mutant(breaks: str, what: str, *, begin: int = 1) -> Callable[[Plant], Plant]:
    """Register an error that breaks the property *breaks*; *what* says what is wrong."""

    def register(plant: Plant) -> Plant:
        MUTANTS[plant.__name__] = Mutant(plant.__name__, breaks, what, plant, begin)
        return plant

    return register


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """With the mutant of that *name*; with none, nothing is changed."""
    swapped: list[tuple[Any, str, Any]] = []

    def swap(owner: Any, attribute: str, value: Any) -> None:
        swapped.append((owner, attribute, owner.__dict__[attribute]))
        setattr(owner, attribute, value)

    try:
        if name is not None:
            MUTANTS[name].plant(swap)
        yield
    finally:
        for owner, attribute, value in reversed(swapped):
            setattr(owner, attribute, value)
