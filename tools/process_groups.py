"""Signals to all processes of a group."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

#: Processes on a busy machine take their time, but not this long.
_STOPS_WITHIN_SECONDS = 10.0


def send(group: int, number: signal.Signals) -> None:
    """Send a signal to every process of *group*; none may be left."""
    try:
        os.kill(-group, number)
    except ProcessLookupError:
        pass


def freeze(group: int) -> None:
    """
    Stop every process of *group*, and wait until none of them runs any more.

    On a busy machine a process that was sent the signal may go on for a moment.
    """
    send(group, signal.SIGSTOP)
    deadline = time.monotonic() + _STOPS_WITHIN_SECONDS
    while not all(state in "TtZX" for state in _states(group)) and time.monotonic() < deadline:
        time.sleep(0.01)


def _states(group: int) -> Iterator[str]:
    """The states of all threads of all processes of *group*, where the system tells (Linux)."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if _fields(process / "stat")[2] != str(group):
                continue
            yield from (_fields(thread / "stat")[0] for thread in (process / "task").iterdir())
        except OSError:
            continue  # It has just ended.


def _fields(stat: Path) -> list[str]:
    # After the name, which may hold anything: state, parent, group …
    return stat.read_text().rpartition(")")[2].split()
