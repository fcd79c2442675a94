"""Fresh virtual environments, and programs run in them as if nothing else were on the machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from tools.elasticsearch_node import call
from tools.ports import reserved_port

#: Longer than any step takes, on whatever machine.
_PATIENCE_SECONDS = 600.0
#: What would let the checkout, or the user's own settings, in.
_FOREIGN = ("PYTHON", "TASQUES_", "VIRTUAL_ENV")


class StepFailed(Exception):
    """What was to be done did not work; the message has what was run, and its output."""


@attrs.frozen
class Environment:
    """
    A virtual environment.

    Attributes:
        folder: Where it is; nothing of it lies elsewhere.
    """

    folder: Path

    @classmethod
    def fresh(cls, folder: Path, requirements: Sequence[str | Path]) -> Environment:
        """
        Make one with *requirements* in it, and what they need; by the Python that runs this.

        Raises:
            StepFailed: If something cannot be installed.
        """
        # Without a pip of its own, which takes longer than all the rest; ours installs into it.
        run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
        made = cls(folder)
        made.install(requirements)
        return made

    def install(self, requirements: Sequence[str | Path]) -> None:
        """
        Install more.

        Raises:
            StepFailed: If that does not work.
        """
        pip = [sys.executable, "-m", "pip", "--python", str(self.folder), "install", "--quiet"]
        run([*pip, *map(str, requirements)], self.folder)

    def program(self, name: str) -> str:
        """The path of a program in it."""
        return str(self.folder / "bin" / name)

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment variables of whoever works in it, and *more*."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**_own_variables(), "PATH": path, **(more or {})}

    def run(self, command: Sequence[str], folder: Path) -> str:
        """
        What a program of the environment prints, run in *folder*.

        Raises:
            StepFailed: If it does not end with 0.
        """
        name, *arguments = command
        return run([self.program(name), *arguments], folder, self.variables())


def run(command: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """
    What *command* prints.

    Raises:
        StepFailed: If it does not end with 0, or not at all.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(_own_variables() if variables is None else variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"{' '.join(command)}\ndid not end:\n{error.output}") from error
    if done.returncode != 0:
        raise StepFailed(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


@contextlib.contextmanager
def served(
    environment: Environment, folder: Path, more: Mapping[str, str] | None = None
) -> Iterator[str]:
    """
    The address of a server on memory, started in *folder* by the ``tasques`` of *environment*.

    Raises:
        StepFailed: If it does not become ready, or does not end in order when asked to.
    """
    with reserved_port() as reserved, (folder / "server.log").open("w+") as log:
        bind = f"127.0.0.1:{reserved.getsockname()[1]}"
        command = [environment.program("tasques"), "serve", "--backend", "memory:", "--bind", bind]
        with started(command, folder, environment.variables(more), log.fileno()) as server:
            url = f"http://{bind}"
            _await_ready(url, server, folder / "server.log")
            yield url


@contextlib.contextmanager
def started(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], output: int
) -> Iterator[subprocess.Popen[bytes]]:
    """
    *command* beside what is done meanwhile; then it is asked to end, by SIGTERM.

    Raises:
        StepFailed: If it then ends with anything but 0.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
            process.terminate()
            status = process.wait(_PATIENCE_SECONDS)
        finally:
            process.kill()
    if status != 0:
        raise StepFailed(f"{' '.join(command)}\nended with {status} when asked to end")


def _await_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _is_ready(url):
        if server.poll() is not None or time.monotonic() > deadline:
            raise StepFailed(f"the server did not become ready:\n{log.read_text()}")
        time.sleep(0.05)


def _is_ready(url: str) -> bool:
    try:
        return call(url, "GET", "/health/ready", timeout_seconds=5)[0] == 200
    except OSError:
        return False


def _own_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
