"""The reference page of the command line is complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tasques.cli.arguments import parse
from tasques.cli.vocabulary import COMMANDS, OPTIONS
from tasques.logs import LEVELS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text("utf-8")


def test_every_command_has_its_heading():
    """In the order of the help, and no others."""
    assert re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE) == [it.words for it in COMMANDS]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flags[0])
def test_every_option_has_its_row(option):
    """With its value, and every way to write it."""
    first, *others = option.flags
    usage = f"{first} {option.value}".rstrip()
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{usage}`")]

    assert all(f"`{other}`" in row for other in others)


def test_the_page_names_no_option_that_there_is_not():
    """A reader can write whatever stands there."""
    flags = {flag for option in OPTIONS for flag in option.flags}

    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= flags


def test_its_examples_are_understood():
    """Each line after a prompt is a command line that makes sense."""
    examples = re.findall(r"^\$ tasques(?: ([^|>\n]*))?", PAGE, re.MULTILINE)

    assert len(examples) >= 4
    for example in examples:
        parse(shlex.split(example))


def test_every_level_of_the_log_is_named():
    """``disabled`` writes nothing, so no line has it."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `level`")]

    assert [name for name in LEVELS if f"`{name}`" not in row] == ["disabled"]
