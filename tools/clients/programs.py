"""Processes that must not end by themselves, and how tasks get in."""

import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tools.clients.ciphers import Job

_PATIENCE_SECONDS = 30.0
_LAST_LINES = 5


class ProducerFailed(Exception):
    """A task could not be created; the message has what the producer said."""


class Programs:
    """
    Processes with their logs in a folder; a context manager, at whose end they are killed.

    Args:
        folder: Must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        reads: bool = False,
    ) -> subprocess.Popen[str]:
        """Start one; its name is its log's, too."""
        with self._log(name).open("w") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment,
                stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                # An interrupt at the terminal is for whoever started them.
                start_new_session=True,
            )
        return self._processes[name]

    def ended(self) -> list[str]:
        """Those that have ended, each with its status and the end of its log."""
        return [
            f"{name} ended with {process.returncode}: {self.last_lines(name)}"
            for name, process in self._processes.items()
            if process.poll() is not None
        ]

    def stop(self) -> list[str]:
        """Ask all to stop, and wait; those that had ended before, or had to be killed."""
        odd = self.ended()
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self._processes.items():
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                odd.append(f"{name} did not stop: {self.last_lines(name)}")
        self._kill()
        return odd

    def last_lines(self, name: str) -> str:
        """The end of a log."""
        lines = self._log(name).read_text(errors="replace").splitlines()
        return " / ".join(lines[-_LAST_LINES:])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._kill()

    def _kill(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()
        self._processes.clear()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


@dataclass(frozen=True, kw_only=True)
class Place:
    """
    Where clients find everything.

    Attributes:
        server: Host and port of the proxy.
        database: The address of the example's database.
        folder: For configurations and logs.
        timeout_seconds: How long a worker has for a task.
    """

    server: str
    database: str
    folder: Path
    timeout_seconds: int


class Clients(Protocol):
    """
    Workers and a producer of one make.

    Attributes:
        name: Of the make.
        about: What they are, in some words.
        workers: How many there are.
        keeps_messages: Whether messages are in the example's database, and not in the task.
        port: Where they look for the server, if they cannot be told; else 0.
        failure: What their workers say about a failure that is meant.
    """

    name: str
    about: str
    workers: int
    keeps_messages: bool
    port: int
    failure: Mapping[str, str]

    def start(self, programs: Programs, place: Place) -> Callable[[Iterable[Job]], None]:
        """
        Start workers and producer.

        Returns:
            What creates tasks, in order, and raises :class:`ProducerFailed`.
        """

    def success(self, job: Job) -> Mapping[str, str] | None:
        """The result that a worker gives; None if it sends none."""

    def ciphered(self, job: Job) -> str:
        """What a worker makes of a message."""
