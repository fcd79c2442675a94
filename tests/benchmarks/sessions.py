"""A made-up session for tests."""

from __future__ import annotations

from typing import Any

from benchmarks.results import Results, Run


def run(
    subject: str, rate: float, *, scenario: str = "drain-a10", round_: int = 1, **result: Any
) -> Run:
    """A run of some rate, clean unless it says otherwise."""
    faults = result.pop("faults", ())
    return Run(
        scenario=scenario,
        subject=subject,
        round=round_,
        result={
            "throughput_per_s": rate,
            "cpu": {"per_task": {"server_us": 300.0, "es_us": 200.0}},
            "account": {"created": 1000, "exactly_once": True},
            **result,
        },
        faults=faults,
        seconds=6.0,
        load_average=0.4,
    )


def session(*runs: Run) -> Results:
    """A session with these runs."""
    return Results(
        machine={"cores": 2, "packages": {"falcon": "4.4.0"}},
        date="2026-11-22 13:00 UTC",
        subjects={name: f"it is {name}" for name in dict.fromkeys(run.subject for run in runs)},
        runs=runs,
        seconds=600,
    )


SESSION = session(
    run("ours", 1500),
    run("original", 50),
    run("original", 48, round_=2),
    run("ours", 1400, round_=2),
    run("raw", 9000),
    run("ours", 5000, scenario="batch-life"),
    run("raw", 8000, scenario="batch-life"),
)
