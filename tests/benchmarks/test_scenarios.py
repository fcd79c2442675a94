"""The table of scenarios is one that can be run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import benchmarks
from benchmarks.scenarios import SCENARIOS, Scenario, named
from benchmarks.subjects import OURS, originals

LOAD = Path(benchmarks.__file__).parent / "load"
FLAGS = set(re.findall(r'flag\.\w+\("([a-z0-9-]+)"', (LOAD / "main.go").read_text()))
LOADS = set(re.findall(r'"([a-z-]+)":\s+\w+[,}]', (LOAD / "main.go").read_text()))
SUBJECTS = {subject.name for subject in (*OURS, *originals(Path("tasques-go")))}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_its_arguments_are_the_loads(scenario: Scenario) -> None:
    """Every flag is one that the program has, and every load one that it knows."""
    if scenario.module is not None:
        assert importlib.util.find_spec(scenario.module) is not None
        return
    for text in (scenario.load, *scenario.instead.values()):
        words = shlex.split(text)
        assert words[0] == "-scenario"
        assert words[1] in LOADS
        assert {word[1:] for word in words if word.startswith("-")} <= FLAGS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_its_subjects_are_there(scenario: Scenario) -> None:
    """Or are what is named on the command line; Elasticsearch alone has arguments of its own."""
    assert set(scenario.subjects) <= SUBJECTS | {"other"}
    assert set(scenario.instead) <= set(scenario.subjects)
    assert ("raw" in scenario.subjects) == ("raw" in scenario.instead)
    assert scenario.arguments("ours") == shlex.split(scenario.load)


def test_scenarios_are_chosen_by_name() -> None:
    """In the order of the table; a name that is unknown is named."""
    assert [each.name for each in named(["mix", "enqueue-1"])] == ["enqueue-1", "mix"]
    assert {each.name for each in named([])} == {s.name for s in SCENARIOS if s.by_default}
    with pytest.raises(ValueError, match="no such scenario: drian"):
        named(["drian"])
