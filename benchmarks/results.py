"""The JSON file: everything that was measured, and medians of what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import cattrs

from benchmarks.figures import Figure, Json, Spread, ratio, spread


@attrs.frozen(kw_only=True)
class Run:
    """
    One scenario, once, on one subject.

    Attributes:
        round: From 1.
        result: What the load printed, with what Elasticsearch's indices held at the end as ``store``.
        faults: Why it does not count as clean, in words.
        seconds: It took, with all its preparations.
        load_average: Of the machine, when it began.
    """

    scenario: str
    subject: str
    round: int
    result: Json
    faults: tuple[str, ...]
    seconds: float
    load_average: float


@attrs.frozen(kw_only=True)
class Results:
    """
    A session.

    Attributes:
        machine: See :mod:`benchmarks.machine`.
        date: When it began.
        subjects: What each is, in a line.
        seconds: It has taken so far.
    """

    machine: Json
    date: str
    subjects: Mapping[str, str]
    runs: tuple[Run, ...] = ()
    seconds: float = 0.0

    def figures(self, scenario: str, subject: str, figure: Figure) -> Spread | None:
        """One figure over all rounds, or None if it was never read."""
        return spread([figure.of(run.result) for run in self.of(scenario, subject)])

    def ratio(self, scenario: str, figure: Figure, of: str, to: str) -> float | None:
        """How many times *to*'s the figure of *of* is."""
        return ratio(self.figures(scenario, of, figure), self.figures(scenario, to, figure))

    def of(self, scenario: str, subject: str) -> Sequence[Run]:
        """The runs of a scenario on a subject, in order."""
        return [run for run in self.runs if (run.scenario, run.subject) == (scenario, subject)]

    def subjects_of(self, scenario: str) -> Sequence[str]:
        """Who took part, in the order of :attr:`subjects`."""
        there = {run.subject for run in self.runs if run.scenario == scenario}
        return [name for name in self.subjects if name in there]


def merged(sessions: Sequence[Results]) -> Results:
    """
    Several sessions of one machine as one.

    What a later one measured takes the place of that of earlier ones, a whole scenario at a time, so
    that nobody is compared with a figure of another session.
    """
    runs: tuple[Run, ...] = ()
    subjects: dict[str, str] = {}
    for session in sessions:
        anew = {run.scenario for run in session.runs}
        runs = (*(run for run in runs if run.scenario not in anew), *session.runs)
        subjects |= session.subjects
    return attrs.evolve(
        sessions[0],
        date=", ".join(session.date for session in sessions),
        subjects=subjects,
        runs=runs,
        seconds=sum(session.seconds for session in sessions),
    )


def write(results: Results, path: Path) -> None:
    """Write a session, so that a reader never sees half of it."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(cattrs.unstructure(results), indent=1) + "\n")
    fresh.replace(path)


def read(path: Path) -> Results:
    """
    Read a session.

    Raises:
        ValueError: If the file holds none.
    """
    try:
        return cattrs.structure(json.loads(path.read_text()), Results)
    except cattrs.BaseValidationError as error:
        raise ValueError(
            f"{path} holds no session: {'; '.join(cattrs.transform_error(error))}"
        ) from error
