"""
Draws the lifecycle from its table: ``python -m tools.lifecycle_diagram`` rewrites the docs' picture.

The picture and the table of ``docs/explanation/lifecycle.md`` lie between markers; a test fails when
they are not what this prints.
"""

from __future__ import annotations

import re
from pathlib import Path

from tasques.core.lifecycle import TRANSITIONS
from tasques.core.tasks import State

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "lifecycle.md"
_BETWEEN_MARKERS = re.compile(r"(<!-- from the table -->\n).*?(<!-- end -->)", re.DOTALL)


def diagram() -> str:
    """The table as a Mermaid state diagram: one arrow for each pair of states, naming its actions."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (before, action), after in TRANSITIONS.items():
        arrows.setdefault((before, after), []).append(action.value)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> queued: create"]
    lines += [
        f"    {before.value} --> {after.value}: {', '.join(actions)}"
        for (before, after), actions in arrows.items()
    ]
    return "\n".join([*lines, "    done --> [*]", "    dead --> [*]", "```", ""])


def table() -> str:
    """The same as a table of text, for readers without pictures."""
    rows = [
        f"| {before.value} | {action.value} | {after.value} |"
        for (before, action), after in TRANSITIONS.items()
    ]
    return "\n".join(["| from | action | to |", "| --- | --- | --- |", *rows, ""])


def with_pictures(page: str) -> str:
    """*page* with what lies between its markers drawn anew."""
    drawn = f"{diagram()}\n{table()}"
    return _BETWEEN_MARKERS.sub(lambda match: f"{match[1]}\n{drawn}\n{match[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(with_pictures(PAGE.read_text()))
