"""The page about backends says what is in the code: its quotations, the suites, the guarantees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from tasques.core import ports
from tasques.testing import contract

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "write-a-backend.md").read_text("utf-8")
QUOTED = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("file", "text"), QUOTED, ids=[file for file, _ in QUOTED])
def test_it_quotes_what_is_there(file: str, text: str) -> None:
    """Each piece of the worked example stands in its file, letter by letter."""
    assert text in (ROOT / file).read_text("utf-8")


def test_the_pieces_are_recognised() -> None:
    """Were they written in another way, none would be compared."""
    assert len(QUOTED) == PAGE.count("```python") > 0


def test_the_entry_point_is_that_of_the_example() -> None:
    """As its distribution has it."""
    [entry] = re.findall(r"^```ini\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert entry in (ROOT / "plugins" / "tasques-sqlite" / "setup.cfg").read_text("utf-8")


def test_it_names_every_suite() -> None:
    """Nobody is to miss one."""
    assert [name for name in contract.__all__ if f"`{name}`" not in PAGE] == []


def test_it_names_every_guarantee() -> None:
    """And none that there is not; those of the ports have numbers."""
    stated = "".join(
        (ROOT / "tasques" / "core" / "ports" / name).read_text("utf-8")
        for name in ("documents.py", "stores.py")
    )
    promised = set(re.findall(r"^    - (G\d+)\.? ", stated, re.MULTILINE))
    assert set(re.findall(r"^\| (G\d+) \|", PAGE, re.MULTILINE)) == promised


def test_it_names_every_outcome_and_every_port() -> None:
    """All that a write can come to, all that a read can, and what is to be written."""
    outcomes = (*get_args(ports.WriteOutcome), *get_args(ports.ReadOutcome))
    names = {outcome.__name__ for outcome in outcomes if hasattr(outcome, "__name__")}
    names |= {"Written", "Missing", "Malformed", "Unreadable"}
    names |= {name for name in ports.__all__ if name.endswith("Store")} - {"DocumentStore"}
    assert sorted(name for name in names - {"Stored"} if f"`{name}`" not in PAGE) == []
