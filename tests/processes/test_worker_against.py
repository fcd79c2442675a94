"""The script that runs the worker against any server, here against one of ours."""

from __future__ import annotations

import pytest

from tests.processes.conftest import Start
from tools import worker_against


def test_every_way_to_end_is_as_told(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each, and nothing that is not so."""
    assert worker_against.run(start().url) == 0
    printed = capsys.readouterr().out
    assert "an up-to-date server" in printed
    assert printed.count("  as told") == len(worker_against.EXPECTED)
