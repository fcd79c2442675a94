"""The page about plugins, followed literally: its files are built, installed and seen at work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import snippets
from tools.elasticsearch_node import call
from tools.tasques_server import TasquesServer

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "write-a-plugin.md").read_text("utf-8")
FILES = re.findall(r"^```(?:toml|python)\n(# (\S+)\n.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^curl .+$", PAGE, re.MULTILINE)
ANSWERS = re.findall(r"^```json\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the files of the page, and nothing else."""
    made = tmp_path_factory.mktemp("tasques-watch")
    for text, name in FILES:
        (made / name).write_text(text)
    return made


@pytest.fixture(scope="module")
def installed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the plugin is there; nothing comes from a network."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    done = subprocess.run(
        [*pip, *offline, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {"PYTHONPATH": str(target)}


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """Where the plugin writes to."""
    return tmp_path / "failures.jsonl"


@pytest.fixture
def server(installed: dict[str, str], noted: Path) -> Iterator[TasquesServer]:
    """One that found the plugin by its entry point."""
    environment = {**installed, "WATCH_FILE": str(noted)}
    with TasquesServer({"backend": "memory:"}, environment=environment) as running:
        yield running


def test_its_tests_pass(folder: Path, installed: dict[str, str]) -> None:
    """Against the plugin as it was installed."""
    test = folder / "test_tasques_watch.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    environment = {**os.environ, **installed}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_its_hooks_fire_as_written(server: TasquesServer, noted: Path) -> None:
    """Each command of the page answers as the page says, and the failure is in the file."""
    assert len(COMMANDS) == 4
    address = server.url.removeprefix("http://")
    answers = [snippets.run(command, address) for command in COMMANDS]
    for answer, documented in zip(answers[:2], ANSWERS[:2], strict=True):
        assert snippets.normalised(answer) == snippets.normalised(documented)
    [line] = _lines(noted, 1)
    assert snippets.normalised(line) == snippets.normalised(ANSWERS[2])


def test_a_veto_is_answered_with_its_status(server: TasquesServer) -> None:
    """403; and what is small enough is created."""
    task = {"queue": "images", "kind": "resize", "args": {"image": 1000 * "x"}}
    assert call(server.url, "POST", "/tasques", task)[0] == 403
    task["args"] = {}
    assert call(server.url, "POST", "/tasques", task)[0] == 201


def _lines(file: Path, count: int) -> list[str]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= count or time.monotonic() > deadline:
            return lines
        time.sleep(0.05)
