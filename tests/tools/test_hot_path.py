"""tools.hot_path measures every kind of request, of one checkout or of two."""

from __future__ import annotations

import pytest

from tools.hot_path import main


def test_every_request_has_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """A short run beside this very checkout: four lines, each with two figures and their ratio."""
    arguments = ["--rounds", "2", "--lives", "3", "--connections", "2", "--before", "."]
    assert main(arguments) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[-2:] == ["before", "now"]
    whats = ["create", "claim", "done", "create, 2 at once"]
    assert [line[:24].strip() for line in lines] == whats
    for line in lines:
        before, now, ratio = line[24:].split()
        assert float(before) > 0
        assert float(now) > 0
        assert ratio.endswith("x")
