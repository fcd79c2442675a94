"""The dashboard for Grafana: what it asks for is there to be asked for."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tasques_prometheus import dashboard

from tasques.worker.counters import Counters
from tasques.worker.snapshot import Snapshot

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text("utf-8")
DASHBOARD = json.loads(dashboard())
PANELS = DASHBOARD["panels"]
TARGETS = [target for panel in PANELS for target in panel.get("targets", [])]
EXPRESSIONS = [target["expr"] for target in TARGETS]

#: What Prometheus itself, and the form of histograms, put beside the labels of a metric.
ADDED = {"instance", "job", "le"}


def served() -> Mapping[str, set[str]]:
    """By the name of each series, its labels: of the page for servers, of a worker as it says."""
    found: dict[str, set[str]] = {}
    row = re.compile(r"^\| `(tasques_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
    for name, kind, labels in row.findall(PAGE):
        endings = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        for ending in endings:
            found[name + ending] = set(re.findall(r"`(\w+)`", labels))
    return found | {name: set() for name in of_a_worker()}


def of_a_worker() -> list[str]:
    """The names of what a worker tells Prometheus."""
    idle = Snapshot(
        worker="w",
        concurrency=1,
        running=(),
        undelivered=0,
        abandoned=0,
        is_stopping=False,
        is_reached=True,
        counters=Counters(),
    )
    return re.findall(r"^(tasques_\w+) ", idle.exposition(), re.MULTILINE)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_it_asks_for_is_documented(expression: str) -> None:
    """Each series, and each label by which it is chosen or summed."""
    names = set(re.findall(r"\btasques_\w+", expression))
    assert names
    assert names <= set(served())
    known = ADDED.union(*(served()[name] for name in names))
    by = itertools.chain(*(each.split(", ") for each in re.findall(r"by \(([^)]*)\)", expression)))
    chosen = re.findall(r"[{,]\s*(\w+)[=!]", expression)
    assert {*by, *chosen} <= known


@pytest.mark.parametrize("target", TARGETS, ids=EXPRESSIONS)
def test_a_legend_says_what_is_left(target: Mapping[str, str]) -> None:
    """What stands in its braces are labels that the sum has kept."""
    kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
    wanted = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    assert wanted <= kept | (ADDED if "by (" not in target["expr"] else set())


def test_counters_are_rates_and_gauges_are_not() -> None:
    """A count since a start says nothing; neither does the rate of what goes up and down."""
    for expression in EXPRESSIONS:
        counts = re.search(r"_(total|bucket|count|sum)\b", expression) is not None
        assert counts == ("rate(" in expression), expression
        assert expression.count("(") == expression.count(")")


def test_what_says_how_servers_fare_is_shown() -> None:
    """The metrics that the page says to watch."""
    watched = PAGE[PAGE.index("What to watch") :]
    for name in set(re.findall(r"`(tasques_[a-z_]+)", watched)):
        assert any(name in expression for expression in EXPRESSIONS), name


def test_nothing_lies_on_something_else() -> None:
    """Each place of the grid is one panel's; ids are unique."""
    places = [
        (x, y)
        for at in (panel["gridPos"] for panel in PANELS)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_whoever_imports_it_chooses_the_prometheus() -> None:
    """Nothing names one of ours."""
    variables: dict[str, Any] = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    sources = {target["datasource"]["uid"] for target in TARGETS}
    assert sources == {"${datasource}"}


def test_it_comes_with_the_package() -> None:
    """The command of the README writes it."""
    command = [sys.executable, "-m", "tasques_prometheus"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == DASHBOARD
