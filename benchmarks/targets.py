"""What was aimed at, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from benchmarks.figures import Spread, number, ratio
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS

_FIGURES: Final = {
    (scenario.name, figure.label): figure for scenario in SCENARIOS for figure in scenario.figures
}


@attrs.frozen(kw_only=True)
class Target:
    """
    A bound on one number.

    Attributes:
        scenario: Where it is measured.
        what: The number, in words.
        bound: It is to be at least this, or at most.
        at_least: Which of both.
        of: Reads it off a session; None if it was not measured.
        unit: Behind the numbers.
    """

    scenario: str
    what: str
    bound: float
    of: Callable[[Results], float | None]
    at_least: bool = False
    unit: str = ""

    def is_met(self, results: Results) -> bool | None:
        """Whether the median keeps the bound; None if there is none."""
        value = self.of(results)
        if value is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound

    def shown_bound(self) -> str:
        """The bound with its sign."""
        return f"{'≥' if self.at_least else '≤'} {number(self.bound)}{self.unit}"

    def shown(self, results: Results) -> str:
        """What was measured."""
        value = self.of(results)
        return "not measured" if value is None else f"{number(value)}{self.unit}"


def _spread(results: Results, scenario: str, label: str, subject: str) -> Spread | None:
    return results.figures(scenario, subject, _FIGURES[scenario, label])


def _times(
    scenario: str, label: str, bound: float, *, to: str = "original", at_least: bool = True
) -> Target:
    """A figure of ours as so many times another's."""
    return Target(
        scenario=scenario,
        what=f"{label}, times {to}'s",
        bound=bound,
        at_least=at_least,
        unit="×",
        of=lambda results: ratio(
            _spread(results, scenario, label, "ours"), _spread(results, scenario, label, to)
        ),
    )


def _plain(scenario: str, label: str, bound: float, subject: str = "ours") -> Target:
    """A figure that is to be no more than that."""

    def of(results: Results) -> float | None:
        found = _spread(results, scenario, label, subject)
        return None if found is None else found.median

    return Target(scenario=scenario, what=f"{label}, {subject}", bound=bound, of=of)


def _at_least(scenario: str, label: str, bound: float) -> Target:
    """A figure of ours that is to be no less than that."""
    return attrs.evolve(_plain(scenario, label, bound), at_least=True)


def _of_ceiling(scenario: str, label: str, bound: float, subject: str = "ours") -> Target:
    """A rate as a share of whole lives in bulks of 100, with no server."""

    def of(results: Results) -> float | None:
        found = ratio(
            _spread(results, scenario, label, subject),
            _spread(results, "batch-life", "lives/s", "raw"),
        )
        return None if found is None else 100 * found

    return Target(
        scenario=scenario,
        what=f"{label}, {subject}, share of Elasticsearch's own lives",
        bound=bound,
        at_least=True,
        unit=" %",
        of=of,
    )


def _within(scenario: str, label: str, to: str, bound: float) -> Target:
    """Two figures of one run against each other."""
    return Target(
        scenario=scenario,
        what=f"{label}, times that with {to}",
        bound=bound,
        unit="×",
        of=lambda results: ratio(
            _spread(results, scenario, f"claim p50 ms, {label}", "ours"),
            _spread(results, scenario, f"claim p50 ms, {to}", "ours"),
        ),
    )


def _together(scenario: str, label: str, bound: float, subject: str) -> Target:
    """Several servers against one."""
    return Target(
        scenario=scenario,
        what=f"{label}, {subject}, times one server's",
        bound=bound,
        at_least=True,
        unit="×",
        of=lambda results: ratio(
            _spread(results, scenario, label, subject), _spread(results, scenario, label, "ours")
        ),
    )


TARGETS: Final = (
    _times("enqueue-32", "created/s", 1.3),
    _times("enqueue-32", "Elasticsearch µs/task", 0.4, at_least=False),
    _times("enqueue-1", "created/s", 0.95),
    _times("drain-a1", "tasks/s", 200),
    _times("drain-a10", "tasks/s", 30),
    _times("drain-a1", "tasks/s", 10, to="original-tuned"),
    _times("drain-a10", "tasks/s", 4, to="original-tuned"),
    _of_ceiling("drain-w64", "tasks/s", 25),
    _of_ceiling("drain-w64", "tasks/s", 40, subject="ours-p2"),
    _of_ceiling("batch-life", "lives/s", 50),
    _times("mix", "lives/s", 40),
    _plain("hand-off", "create to claim p95 ms", 5),
    _plain("hand-off-elsewhere", "create to claim p95 ms", 50, subject="two-servers"),
    _plain("hand-off-elsewhere", "create to claim p95 ms", 50, subject="ours-p2"),
    # Without a word between them it takes a refresh and the search after it.
    _plain("hand-off-elsewhere", "create to claim p95 ms", 1100, subject="silent-p2"),
    _plain("idle-1000", "idle: server, cores", 0.08),
    _plain("idle-1000", "idle: Elasticsearch, cores", 0.03),
    _plain("idle-1000", "create p99 ms, another queue", 20),
    _plain("idle-1000", "server MB at most", 120),
    _within("deep", "1,000,000 ready", "1,000 ready", 2),
    _within("deep", "and 1,000,000 later, 1,000,000 done", "1,000 ready", 2),
    _plain("drain-w64", "lost compare-and-sets per task", 0.05, subject="two-servers"),
    _together("drain-w64", "tasks/s", 1.5, subject="two-servers"),
    _at_least("batch-create", "created/s", 10_000),
    _at_least("library-worker", "lives/s", 1900),
    _plain("library-worker", "worker µs/task", 300),
    _plain("library-worker", "all together µs/task", 1000),
    _plain("embedded", "create + claim + done µs", 100, subject="embedded"),
    _plain("embedded", "ready p50 ms", 5, subject="embedded"),
    _plain("embedded", "threads when ready", 0, subject="embedded"),
    _plain("embedded", "1,000 tests with the fixture s", 5, subject="embedded"),
    _plain("soak", "claim p99, last ten minutes to first", 1.5),
)
