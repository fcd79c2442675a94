"""The page about the roll-out says what the tool does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.original_server import HOW_TO_BUILD
from tools.rollout.__main__ import main

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "roll-out-beside-go.md").read_text("utf-8")


def test_it_builds_the_original_as_the_tool_says() -> None:
    """Line by line."""
    assert f"```sh\n{HOW_TO_BUILD}\n```" in PAGE


def test_its_options_are_those_of_the_tool(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, and no others."""
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}
    shown = set(re.findall(r"^\| `(--[a-z]+)`", PAGE, re.MULTILINE))

    assert shown | {"--go"} == known
    assert "python -m tools.rollout --go " in PAGE


def test_its_output_is_that_of_a_run_that_went_well() -> None:
    """Nothing lost, nothing held twice, everything readable."""
    assert "Every task is accounted for." in PAGE
    for what in ("lost", "held by two workers at once", "archived twice by ours"):
        assert re.search(rf"^{what} +0$", PAGE, re.MULTILINE)
