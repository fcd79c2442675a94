"""The examples in the docstrings of the core."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import tasques.core


def modules() -> list[ModuleType]:
    """Every module of the core."""
    found = pkgutil.walk_packages(tasques.core.__path__, prefix="tasques.core.")
    return [importlib.import_module(module.name) for module in found]


WITH_EXAMPLES = [m for m in modules() if any(t.examples for t in doctest.DocTestFinder().find(m))]


@pytest.mark.parametrize("module", WITH_EXAMPLES, ids=lambda module: module.__name__)
def test_examples_give_what_they_show(module: ModuleType) -> None:
    """What a docstring shows is what happens."""
    failed, attempted = doctest.testmod(module)
    assert attempted > 0
    assert failed == 0


def test_there_are_examples() -> None:
    """The search above finds the modules that are known to have some."""
    assert {"tasques.core.values", "tasques.core.retry"} <= {m.__name__ for m in WITH_EXAMPLES}
