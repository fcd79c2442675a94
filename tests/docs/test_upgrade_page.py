"""The upgrade guide's commands, variables and names are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

from tasques.adapters.elasticsearch.indices import IndexNames, templates
from tasques.cli.arguments import parse
from tasques.settings import SECTIONS, TABLE
from tasques.settings.table import variable

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "upgrade-from-the-go-server.md").read_text("utf-8")
SHELL = "\n".join(re.findall(r"^ *```sh\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE))


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as Markdown's renderers make them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", it.lower()).replace(" ", "-") for it in headings}


def test_its_commands_are_understood() -> None:
    """Each line that runs ours makes sense to ours."""
    lines = re.findall(r"^ *tasques (.+?)(?: *[|&#].*)?$", SHELL, re.MULTILINE)

    assert len(lines) > 5
    for line in lines:
        parse(line.split())


def test_its_variables_are_settings() -> None:
    """Or sections, which an empty one removes."""
    known = {variable(name) for name in (*TABLE, *SECTIONS)}
    named = re.findall(r"(TASQUES_SERVER_[A-Z_]+)=(\S*?)`", PAGE)

    assert len(named) > 2
    for name, value in named:
        assert name in known
        if value:
            row = next(row for row in TABLE.values() if row.variable == name)
            row.read(value)


def test_the_way_back_removes_every_template_of_ours() -> None:
    """One that stayed would win over the original's."""
    (names,) = re.findall(r"^ *for name in (.+); do$", SHELL, re.MULTILINE)

    assert {f".tasques_{name}_index_template" for name in names.split()} == {
        template.name for template in templates(IndexNames(".tasques_"), policy_name=None)
    }


def test_its_links_lead_to_headings() -> None:
    """Of its own and of other pages."""
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", PAGE):
        page = (DOCS / "how-to" / target).read_text("utf-8") if target else PAGE
        assert anchor in anchors(page), f"{target}#{anchor}"
