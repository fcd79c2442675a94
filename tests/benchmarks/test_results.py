"""A session survives its file, and gives medians per scenario and subject."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import Figure, Spread
from benchmarks.results import merged, read, write
from tests.benchmarks.sessions import SESSION, run, session

RATE = Figure(label="tasks/s", path="throughput_per_s", more_is_better=True)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Everything, and nothing else is left behind."""
    write(SESSION, tmp_path / "file.json")

    assert read(tmp_path / "file.json") == SESSION
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_another_file_is_refused(tmp_path: Path) -> None:
    """With its name."""
    (tmp_path / "file.json").write_text('{"runs": 3}')
    with pytest.raises(ValueError, match=r"file\.json holds no session"):
        read(tmp_path / "file.json")


def test_runs_of_all_rounds_are_summed_up() -> None:
    """In their order; a scenario's runs do not mix with another's."""
    assert SESSION.figures("drain-a10", "ours", RATE) == Spread(values=(1500, 1400))
    assert SESSION.figures("mix", "ours", RATE) is None
    assert SESSION.ratio("drain-a10", RATE, "ours", "original") == pytest.approx(1450 / 49)
    assert SESSION.subjects_of("batch-life") == ["ours", "raw"]


def test_a_later_session_replaces_whole_scenarios() -> None:
    """So that a figure is only compared with those of its own session."""
    later = session(run("ours", 1, scenario="batch-life"), run("naive", 2, scenario="soak"))
    both = merged([SESSION, later])

    assert both.figures("batch-life", "ours", RATE) == Spread(values=(1,))
    assert both.figures("batch-life", "raw", RATE) is None
    assert both.figures("drain-a10", "raw", RATE) == Spread(values=(9000,))
    assert list(both.subjects) == ["ours", "original", "raw", "naive"]
    assert both.seconds == 1200
