"""Tables and pictures say what was measured, and nothing that was not."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import attrs
import pytest

from benchmarks import page, pictures, tables, targets
from benchmarks.__main__ import main
from benchmarks.pictures import Bar, chart
from benchmarks.results import read
from benchmarks.scenarios import SCENARIOS, named
from benchmarks.targets import TARGETS
from tests.benchmarks.sessions import SESSION, run, session

DOCS = Path(__file__).parents[2] / "docs"


def row(text: str, *beginning: str) -> str:
    start = "| " + " | ".join(beginning)
    return next(line for line in text.splitlines() if line.startswith(start))


def test_ratios_come_first() -> None:
    """Ours divided by each other's; what was not measured is a dash."""
    table = tables.against(SESSION)

    assert table.splitlines()[0] == "| scenario | figure | ours | × original | share of raw |"
    assert row(table, "`drain-a10`", "tasks/s ↑") == (
        "| `drain-a10` | tasks/s ↑ | 1,450 | 29.6 | 0.161 |"
    )
    assert "naive" not in table


def test_ratios_that_may_be_chance_are_marked() -> None:
    """Where the runs of both lie among each other's."""
    table = tables.against(session(run("ours", 10), run("ours", 30), run("original", 20)))
    assert row(table, "`drain-a10`", "tasks/s ↑").endswith("| 20 | 1 ~ |")


def test_all_runs_stand_beside_their_median() -> None:
    """In the order of the rounds."""
    table = tables.details(SESSION, named(["drain-a10"])[0])
    assert "| **1,450** (1,500, 1,400) | **49** (50, 48) | 9,000 |" in table


def test_what_is_wrong_with_a_run_is_in_the_report() -> None:
    """And the run counts as not clean."""
    wrong = attrs.evolve(run("ours", 3, round_=2), faults=("2 claimed more than once",))
    report = tables.tables(session(run("ours", 3), wrong))

    assert "| `ours` | 2 | 2,000 | 1 |" in report
    assert "- `ours`, `drain-a10`, round 2: 2 claimed more than once" in report


@pytest.mark.parametrize("target", TARGETS, ids=lambda each: f"{each.scenario} {each.what}")
def test_a_target_that_was_not_measured_is_not_met(target: targets.Target) -> None:
    """Nor missed."""
    assert target.is_met(session()) is None
    assert target.shown(session()) == "not measured"


def test_targets_are_judged_by_their_bounds() -> None:
    """At least so many times the original's, and a share of the ceiling."""
    table = tables.targets(SESSION)

    assert row(table, "`drain-a10`", "tasks/s, times original's") == (
        "| `drain-a10` | tasks/s, times original's | ≥ 30× | 29.6× | **not met** |"
    )
    assert row(table, "`batch-life`").endswith("| ≥ 50 % | 62.5 % | met |")


def test_pictures_are_well_formed() -> None:
    """And longer bars are longer."""
    drawn = pictures.pictures(SESSION)

    assert set(drawn) == {"performance-ratios.svg", "performance-cpu.svg"}
    for picture in drawn.values():
        ET.fromstring(picture)
    bars = chart(
        "a < b",
        [Bar(label=name, parts=(value,), text="") for name, value in (("x", 1.0), ("y", 10.0))],
        legend=(),
        is_logarithmic=True,
    )
    short, long = (float(each) for each in re.findall(r'width="([\d.]+)" height="15"', bars))
    assert 0 < short < long
    assert "a &lt; b" in bars
    assert not chart("nothing", [], legend=())


def test_the_parts_of_a_soak_are_shown() -> None:
    """In a table and in a picture, in their order."""
    windows = [
        {"throughput_per_s": 300, "latency_ms": {"create_to_claim": {"p99": p99}}}
        for p99 in (9.5, 10.5)
    ]
    soaked = session(run("ours", 300, scenario="soak", windows=windows))

    assert "| 2 | 300 | – | 10.5 |" in tables.soak(soaked)
    picture = pictures.pictures(soaked)["performance-soak.svg"]
    assert re.findall(r">([\d.]+ ms)<", picture) == ["9.5 ms", "10.5 ms"]


def test_a_bar_beyond_the_limit_is_cut() -> None:
    """It ends where the scale does, with its parts in proportion, and its text tells."""
    drawn = chart("t", [Bar(label="x", parts=(100.0, 300.0), text="400")], legend=(), limit=10)
    widths = [float(each) for each in re.findall(r'width="([\d.]+)" height="15"', drawn)]
    assert widths[1] == pytest.approx(3 * widths[0], abs=0.5)
    assert ">» 400<" in drawn
    whole = chart("t", [Bar(label="x", parts=(4.0,), text="4")], legend=(), limit=10, mark=1)
    assert ">4<" in whole
    assert whole.count("<path") == 1


def test_only_what_lies_between_markers_changes() -> None:
    """Once more changes nothing."""
    text = "before\n<!-- from the results: tables -->\nold\n<!-- end -->\nafter\n"
    made = page.with_results(text, SESSION)

    assert made.startswith("before\n<!-- from the results: tables -->\n\n### The run")
    assert made.endswith("<!-- end -->\nafter\n")
    assert "old" not in made
    assert page.with_results(made, SESSION) == made


def test_the_page_shows_the_stored_session() -> None:
    """Tables are never typed: what stands there is what the file gives, the pictures too."""
    if not page.RESULTS.exists():
        # Then it shows none, and nobody has typed any.
        assert re.search(r"^\| *\d", page.PAGE.read_text(), re.MULTILINE) is None
        assert not list(page.IMAGES.glob("performance-*.svg"))
        return
    results = read(page.RESULTS)
    assert page.PAGE.read_text() == page.with_results(page.PAGE.read_text(), results)
    for name, picture in pictures.pictures(results).items():
        assert (page.IMAGES / name).read_text() == picture


def test_the_how_to_knows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, and no others; and every scenario has a line in the listing."""
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    text = (DOCS / "how-to" / "benchmark.md").read_text()
    rows = re.findall(r"^\| (`--.*?) \|", text, re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", "".join(rows))) == known

    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(re.search(f"^{each.name} ", listed, re.MULTILINE) for each in SCENARIOS)
