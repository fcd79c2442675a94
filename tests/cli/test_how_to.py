"""The page that tells how to see and act: what it shows is what is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tasques.cli import main
from tasques.cli.arguments import parse
from tools import snippets
from tools.tasques_server import TasquesServer

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "see-and-act.md"
_BLOCK = re.compile(r"^```shell-session\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def normalised(printed: str) -> str:
    """Without times, and without how long something has waited."""
    return re.sub(r"\b\d+s$", "<age>", snippets.normalised(printed), flags=re.MULTILINE)


def test_what_it_shows_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """All of its commands in order, against one fresh server on memory."""
    shown = [
        pair
        for block in _BLOCK.findall(PAGE.read_text("utf-8"))
        for pair in snippets.commands(block)
    ]
    assert len(shown) > 12
    with TasquesServer({"backend": "memory:"}) as server:
        monkeypatch.setenv("TASQUES_URL", server.url)
        for line, printed in shown:
            program, *words = shlex.split(line)
            assert (program, main(words)) == ("tasques", 0), line
            assert normalised(capsys.readouterr().out) == normalised(printed), line


def test_what_it_names_is_understood():
    """The commands of its other blocks, and those within its text, make sense."""
    text = _BLOCK.sub("", PAGE.read_text("utf-8"))
    named = re.findall(r"^(?:\$ )?tasques ([^|\n]*)", text, re.MULTILINE)
    named += re.findall(r"`tasques ([^`]*\s[^`]*)`", text)

    assert len(named) >= 4
    for line in named:
        parse(shlex.split(line))
