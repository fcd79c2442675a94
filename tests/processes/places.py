"""A server, an application in a folder, and workers on it, each in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tasques.app import Tasques
from tasques.core.tasks import State
from tools.tasques_server import TasquesServer

PATIENCE = 120.0

MODULE = """
import asyncio, os, pathlib, time
from tasques.app import Tasques

app = Tasques("{url}", queue="mail", patience=60)
here = pathlib.Path(__file__).parent

@app.task()
def quick(number: int) -> int:
    return number

@app.task(timeout="10m")
def slow(name: str) -> str:
    (here / (name + ".begun")).write_text(str(os.getpid()))
    while not (here / (name + ".release")).exists():
        time.sleep(0.01)
    return name
"""


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether *condition* comes to hold."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


class Place:
    """A server, an application in a folder, and workers on it."""

    def __init__(self, folder: Path, server: TasquesServer, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.server = server
        self._stack = stack
        (folder / "shop.py").write_text(MODULE.replace("{url}", server.url))
        self.app = stack.enter_context(Tasques(server.url, queue="mail", patience=60))

    def worker(
        self, *arguments: str, own_group: bool = False, log: IO[str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A worker that has been started; killed when its test ends."""
        command = [sys.executable, "-m", "tasques", "worker", "shop:app", "-q", "mail"]
        worker = subprocess.Popen(
            [*command, *arguments], cwd=self.folder, start_new_session=own_group, stderr=log
        )
        self._stack.callback(worker.wait)
        self._stack.callback(worker.kill)
        return worker

    def slow(self, name: str) -> object:
        """Enqueue a task that runs until it is released."""
        return self.app.enqueue("slow", args={"name": name}, id=name, timeout="10m", retries=3)

    def has_begun(self, name: str) -> bool:
        return (self.folder / f"{name}.begun").exists()

    def process_of(self, name: str) -> int:
        """The process that began the task last; 0 for none yet."""
        path = self.folder / f"{name}.begun"
        return int((path.read_text() if path.exists() else "") or 0)

    def release(self, name: str) -> None:
        (self.folder / f"{name}.release").touch()

    def is_done(self, name: str) -> bool:
        return self.app.get("mail", name).state is State.DONE
