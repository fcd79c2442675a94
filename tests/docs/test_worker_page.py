"""The page about workers: its programs run as they stand, against a server and a worker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasques.cli.arguments import parse
from tasques.worker.counters import Counters
from tools.tasques_server import TasquesServer

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "write-a-worker.md").read_text("utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^tasques (worker .+)$", PAGE, re.MULTILINE)


def test_it_runs_as_written(tmp_path: Path) -> None:
    """The application, the worker with its command line, and who enqueues, each in its process."""
    application, enqueues, _ = PROGRAMS
    with TasquesServer({"backend": "memory:"}) as server:
        text = application.replace("http://localhost:8080", server.url)
        (tmp_path / "shop.py").write_text(text)
        (tmp_path / "enqueues.py").write_text(enqueues)
        command = [sys.executable, "-m", "tasques", *COMMANDS[0].split()]
        with subprocess.Popen(command, cwd=tmp_path) as worker:
            try:
                subprocess.run(
                    [sys.executable, "enqueues.py"], cwd=tmp_path, check=True, timeout=120
                )
                worker.terminate()
                assert worker.wait(60) == 0
            finally:
                worker.kill()


def test_the_embedded_one_runs_as_written() -> None:
    """It asserts its own result."""
    exec(compile(PROGRAMS[2], "write-a-worker.md", "exec"), {"__name__": "page"})


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_understood(command: str) -> None:
    """Each is one that there is."""
    assert parse(command.split()).command == "worker"


def test_every_counter_is_explained() -> None:
    """In the table of what can be seen."""
    page = (DOCS / "explanation" / "worker.md").read_text("utf-8")
    for name in Counters.__annotations__:
        assert f"`{name}`" in page, name
