"""What a page of the docs tells its reader to write, and to run."""

from __future__ import annotations

import re
from pathlib import Path

_HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"

_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"^```(?:toml|python)\n# (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_JSON = re.compile(r"^```json\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


def how_to(name: str) -> str:
    """The text of that page."""
    return (_HOW_TO / f"{name}.md").read_text("utf-8")


def programs(page: str) -> list[str]:
    """Its Python blocks, in order."""
    return _PYTHON.findall(page)


def files(page: str) -> dict[str, str]:
    """Its named files; blocks of one name follow each other in their file."""
    texts: dict[str, str] = {}
    for name, text in _NAMED.findall(page):
        texts[name] = texts.get(name, "") + text + "\n"
    return texts


def commands(page: str, program: str) -> list[list[str]]:
    """The lines that begin with *program* and need no shell, as words."""
    lines = re.findall(rf"^{re.escape(program)} .+$", page, re.MULTILINE)
    return [line.split() for line in lines]


def lines(page: str, program: str) -> list[str]:
    """The lines that begin with *program*, for a shell."""
    return re.findall(rf"^{re.escape(program)} .+$", page, re.MULTILINE)


def answers(page: str) -> list[str]:
    """Its JSON blocks, in order."""
    return _JSON.findall(page)


def write(folder: Path, texts: dict[str, str]) -> None:
    """Put each text into the file of its name."""
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
