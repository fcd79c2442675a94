"""The reference page: made of the table, and complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasques.settings import TABLE, File, load
from tasques.settings.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_page_is_the_one_that_the_table_makes():
    """``python -m tasques.settings.reference > docs/reference/settings.md`` brings it up to date."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("name", list(TABLE))
def test_every_setting_stands_there_once(name: str):
    """With its meaning, and either an effect or the reason why not."""
    (line,) = (line for line in page().splitlines() if line.startswith(f"| `{name}`"))

    assert TABLE[name].meaning in line
    assert TABLE[name].without_effect in line


def test_a_number_has_a_unit_and_bounds():
    """A reader need not guess what 300 counts, nor how far it may go."""
    for row in TABLE.values():
        if row.kind.label == "whole number":
            assert row.unit, row.name
            assert row.minimum is not None, row.name
            assert row.maximum is not None, row.name


def test_the_page_says_what_happens_at_the_ends():
    """A number or duration that does something tells what is seen when it is too small or large."""
    for row in TABLE.values():
        if row.kind.label in ("whole number", "duration") and not row.without_effect:
            assert row.too_small or row.too_large, row.name


def test_the_example_of_the_page_is_a_valid_file():
    """What a reader copies must load without a warning."""
    (example,) = re.findall(r"```yaml\n(.*?)```", page(), re.DOTALL)

    assert load(File("tasques.yaml", example)).warnings == ()
