"""
The library with its tasks in memory, as a program that prints what the load would print.

There is no server and no wire. It gives the processor time of a task's life (create, claim, done,
one after another in one thread), how soon an application is ready and what threads it has then, and
the time that pytest takes for a thousand tests, each with an application of its own that the plugin's
fixture makes.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

from benchmarks.figures import Json
from tasques.app import Tasques

_WARM_UP: Final = 500
_LIVES: Final = 5000
#: The best of so many parts is taken: what neighbours on the machine add is never negative.
_PARTS: Final = 5
_APPLICATIONS: Final = 200
_TESTS: Final = 1000
_ARGS: Final = {"to": "somebody@example.org", "subject": "x" * 80, "numbers": list(range(20))}
_EMPTY_TEST: Final = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_empty(number):
    pass
"""
_ISOLATED_TEST: Final = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_isolated(tasques_app, number):
    assert not tasques_app.enqueued()
    tasques_app.app.create("mail", "welcome", {{"number": number}})
"""


def main() -> int:
    """Measure, and print it."""
    found = {**lives(_LIVES), "ready": readiness(), "fixtures": fixtures(_TESTS)}
    sys.stdout.write(json.dumps(found))
    return 0


def lives(number: int) -> Json:
    """Of *number* tasks: the processor time of each, lives per second, and the account."""
    claimed: Counter[str] = Counter()
    with Tasques("memory:") as app:
        for _ in range(_WARM_UP):
            _live(app, claimed)
        claimed.clear()
        parts = [_part(app, claimed, number // _PARTS) for _ in range(_PARTS)]
        done = sum(app.get("bench", task).state == "done" for task in claimed)
    once = sum(count == 1 for count in claimed.values())
    return {
        "cpu": {"us_per_life": round(min(cpu for cpu, _ in parts) * 1e6 / (number // _PARTS), 1)},
        "throughput_per_s": round(number / sum(wall for _, wall in parts), 1),
        "tasks": number,
        "errors": {},
        "account": {
            "created": number,
            "claimed_once": once,
            "done": done,
            "exactly_once": once == done == number,
        },
    }


def _live(app: Tasques, claimed: Counter[str]) -> None:
    app.create("bench", "nothing", _ARGS)
    (task,) = app.claim("worker-1", ["bench"], amount=1, block_for=0)
    claimed[task.id] += 1
    app.done(task, None)


def _part(app: Tasques, claimed: Counter[str], number: int) -> tuple[float, float]:
    """The processor time and the time that *number* lives take, in seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(number):
        _live(app, claimed)
    return time.process_time() - cpu, time.perf_counter() - wall


def readiness() -> Json:
    """How long an application takes to be made, in milliseconds, and the threads that it brings."""
    before, took = threading.active_count(), []
    threads = 0
    for _ in range(_APPLICATIONS):
        began = time.perf_counter()
        app = Tasques("memory:")
        took.append((time.perf_counter() - began) * 1e3)
        threads = max(threads, threading.active_count() - before)
        app.close()
    shares = statistics.quantiles(took, n=100)
    return {"p50_ms": round(shares[49], 3), "p99_ms": round(shares[98], 3), "threads": threads}


def fixtures(tests: int) -> Json:
    """
    What pytest takes for so many tests beyond what it takes for as many empty ones.

    Raises:
        CalledProcessError: If one of the tests fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        empty, isolated = (
            _tested(Path(folder) / f"test_{name}.py", text.format(tests=tests))
            for name, text in (("empty", _EMPTY_TEST), ("isolated", _ISOLATED_TEST))
        )
    return {
        "tests": tests,
        "all_s": round(isolated, 2),
        "each_ms": round((isolated - empty) / tests * 1e3, 2),
    }


def _tested(file: Path, text: str) -> float:
    """The seconds of processor time that pytest takes for a file with this text."""
    file.write_text(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file.name],
        cwd=file.parent,
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
