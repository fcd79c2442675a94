"""The map of the tests leads everywhere."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
MAP = (TESTS / "README.md").read_text(encoding="utf-8")


def test_every_directory_is_on_the_map() -> None:
    """Whoever looks for the place of a test finds all there are."""
    directories = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("*/test_*.py")}
    assert directories
    assert {name for name in directories if f"`{name}/" not in MAP} == set()


def test_what_the_map_names_exists() -> None:
    """A file that has moved takes its place on the map with it."""
    named = re.findall(r"`([a-z_]+/(?:test_)?[a-z_*/]*(?:\.py)?)`", MAP)
    assert len(named) > 10
    roots = (TESTS, TESTS.parent)
    missing = [
        name for name in named if not any(list(root.glob(name.rstrip("/"))) for root in roots)
    ]
    assert missing == []
