"""
Many histories, in several processes, and what came of them together.

Each process is the command ``python -m tests.simulation`` itself, over a part of the seeds: so what
one seed gives is the same wherever it is run.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import attrs

from tests.simulation.faults import Fault
from tests.simulation.history import Verdict, run
from tests.simulation.mutants import planted

ROOT: Final = Path(__file__).parents[2]
#: Seeds that one process takes at a time, at most; to begin costs a process as much as three.
PART: Final = 100


@attrs.define
class Totals:
    """
    What came of some histories.

    Attributes:
        violations: Seed, property and message of each history that violated one.
        longest: The longest that a request of each kind took, in seconds.
        trace: Two runs share it only if all their histories took the same steps.
    """

    histories: int = 0
    writes: int = 0
    steps: int = 0
    seconds: float = 0.0
    trace: int = 0
    faults: Counter[str] = attrs.Factory(Counter)
    answers: Counter[str] = attrs.Factory(Counter)
    kinds: Counter[str] = attrs.Factory(Counter)
    longest: dict[str, float] = attrs.Factory(dict)
    violations: list[tuple[int, str, str]] = attrs.Factory(list)

    def add(self, verdict: Verdict) -> None:
        """Take one history in."""
        self.histories += 1
        self.writes += verdict.writes
        self.steps += verdict.steps
        self.seconds += verdict.seconds
        self.trace = (self.trace * 31 + verdict.trace) % 2**61
        self.faults.update({fault.value: n for fault, n in verdict.faults.items()})
        self.answers.update(verdict.answers)
        self.kinds.update(verdict.kinds)
        self._lengthen(verdict.longest)
        if verdict.violation is not None:
            text = str(verdict.violation)
            self.violations.append((verdict.seed, verdict.violation.name, text))

    def join(self, other: Totals) -> None:
        """Take the histories of another process in; the traces go together in no order."""
        self.histories += other.histories
        self.writes += other.writes
        self.steps += other.steps
        self.seconds += other.seconds
        self.trace ^= other.trace
        self.faults.update(other.faults)
        self.answers.update(other.answers)
        self.kinds.update(other.kinds)
        self._lengthen(other.longest)
        self.violations += other.violations

    def _lengthen(self, longest: dict[str, float]) -> None:
        for verb, seconds in longest.items():
            self.longest[verb] = max(self.longest.get(verb, 0.0), seconds)

    def lines(self) -> Iterator[str]:
        """What to print."""
        each = max(self.histories, 1)
        yield (
            f"{self.histories:,} histories of {self.seconds / each:.0f} virtual seconds:"
            f" {self.writes:,} audited writes, {self.steps:,} steps,"
            f" {len(self.violations)} violations"
        )
        yield "writes: " + _listed(self.kinds)
        yield "faults: " + _listed(self.faults)
        yield "answers: " + _listed(self.answers)
        longest = ", ".join(f"{verb} {s:.1f} s" for verb, s in sorted(self.longest.items()))
        yield f"longest requests: {longest}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def run_here(
    seeds: Iterable[int], mutant: str | None = None, *, until: Callable[[str], bool] | None = None
) -> Totals:
    """
    Play the histories of *seeds* in this process.

    Args:
        until: Ends it after a history that violated a property of which this holds.
    """
    totals = Totals()
    with planted(mutant):
        for number, seed in enumerate(seeds):
            verdict = run(seed)
            totals.add(verdict)
            if (
                verdict.violation is not None
                and until is not None
                and until(verdict.violation.name)
            ):
                break
            if number % 25 == 24:
                gc.collect()
    return totals


def run_apart(
    first: int,
    histories: int,
    *,
    processes: int,
    mutant: str | None = None,
    progress: Callable[[Totals], None] = lambda totals: None,
    environ: dict[str, str] | None = None,
) -> Totals:
    """Play the histories of *histories* seeds from *first* on, in several processes."""
    totals = Totals()
    size = min(PART, -(-histories // processes))
    starts = range(first, first + histories, size)

    def part(start: int) -> Totals:
        count = min(size, first + histories - start)
        return _in_child(start, count, mutant, environ or {})

    with ThreadPoolExecutor(processes) as pool:
        for done in pool.map(part, starts):
            totals.join(done)
            progress(totals)
    return totals


def _in_child(start: int, count: int, mutant: str | None, environ: dict[str, str]) -> Totals:
    command = [sys.executable, "-m", "tests.simulation", "--json"]
    command += ["--seed", str(start), "--histories", str(count), "--processes", "1"]
    if mutant is not None:
        command += ["--mutant", mutant]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr}")
    return read(ended.stdout)


def write(totals: Totals) -> str:
    """*totals* as a line of JSON."""
    return json.dumps(attrs.asdict(totals))


def read(line: str) -> Totals:
    """What :func:`write` wrote."""
    found: dict[str, Any] = json.loads(line)
    for name in ("faults", "answers", "kinds"):
        found[name] = Counter(found[name])
    found["violations"] = [tuple(violation) for violation in found["violations"]]
    return Totals(**found)


__all__ = ["Fault", "Totals", "read", "run_apart", "run_here", "write"]
