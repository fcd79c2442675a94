"""Every console snippet of the docs prints what the page says it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import snippets
from tools.tasques_server import TasquesServer

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_SNIPPETS = [page for page in PAGES if list(snippets.blocks(page.read_text()))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def server() -> Iterator[str]:
    """A fresh server on memory for each page."""
    with TasquesServer({"backend": "memory:"}) as running:
        yield running.url.removeprefix("http://")


@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=name)
def test_snippets_print_what_the_page_says(page: Path, server: str) -> None:
    """Run in order, against one server; only times, made-up ids and versions may differ."""
    ran = 0
    for block in snippets.blocks(page.read_text()):
        for command, printed in snippets.commands(block[1]):
            answer = snippets.run(command, server)
            assert snippets.normalised(answer) == snippets.normalised(printed), command
            ran += 1
    assert ran


def test_the_pages_that_teach_have_snippets() -> None:
    """Were the blocks written in another way, nothing would be run, and nobody would notice."""
    assert {"README.md", "docs/quickstart.md"} <= {name(page) for page in WITH_SNIPPETS}


def test_the_readme_begins_with_its_two_commands() -> None:
    """The first two shell blocks are one command of one line each: start it, pass the tests."""
    shells = re.findall(
        r"^```(?:sh|shell|bash|console)\n(.*?)^```$", PAGES[0].read_text(), re.DOTALL | re.MULTILINE
    )
    first, second = (block.strip() for block in shells[:2])
    assert "\n" not in first
    assert first.endswith(".venv/bin/tasques serve --backend memory:")
    assert second == "sh tools/test.sh"
    ci = (ROOT / ".ci" / "run").read_text()
    assert "sh tools/test.sh" in ci


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the repository."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
