"""The judgement for people and for programs."""

from collections.abc import Iterator

from tools.accounting.audit import Fault
from tools.accounting.run import Result

#: What happened, in the order of a task's life; what did not happen is shown as 0.
_ROWS = (
    "created",
    "create repeats refused (409)",
    "create repeats answered the same (key)",
    "claims",
    "reports",
    "done",
    "failed",
    "retried",
    "unclaimed",
    "timed out",
    "dead",
    "ended done",
    "ended dead",
    "ended queued",
)
#: What only faults bring about; shown where it happened.
_UNDER_FAULTS = (
    "answers that took a repeat",
    "claims that reached nobody",
    "workers too slow",
)
_SHOWN = 20
_SHOWN_REASONS = 3


def table(result: Result) -> str:
    """The judgement as lines of a table, and what is wrong below it."""
    rows = dict(_rows(result))
    width = max(map(len, rows))
    lines = [f"{name:<{width}}  {value:>9}" for name, value in rows.items()]
    for reason, count in result.trouble.reasons.most_common(_SHOWN_REASONS):
        lines.append(f"503, {count} times: {reason}")
    discrepancies = result.judgement.discrepancies
    if not result.finished:
        lines.append(f"NOT FINISHED within {result.options.limit_seconds:g} s")
    if discrepancies:
        lines.append(f"{len(discrepancies)} DISCREPANCIES, the first of them:")
        lines += [f"- {discrepancy}" for discrepancy in discrepancies[:_SHOWN]]
        lines.append(f"The same plans again: --seed {result.seed} --tasks {result.options.tasks}")
    elif result.finished:
        lines.append("Every task is accounted for.")
    return "\n".join(lines)


def _rows(result: Result) -> Iterator[tuple[str, str]]:
    counts = result.judgement.counts
    for name in _ROWS:
        yield name, f"{counts.get(name, 0):,}"
    for name in _UNDER_FAULTS:
        if counts.get(name):
            yield name, f"{counts[name]:,}"
    trouble = result.trouble
    for name, value in (
        ("without an answer", trouble.lost),
        ("that met no server", trouble.refused),
        ("answered 503", trouble.unavailable),
    ):
        if value:
            yield f"requests {name}", f"{value:,}"
    for fault in Fault:
        always = fault in {Fault.LOST, Fault.HELD_TWICE, Fault.NOT_CREATED}
        if always or result.judgement.faults(fault):
            yield fault.value, f"{result.judgement.faults(fault):,}"
    yield "seconds", f"{result.seconds:.1f}"
    yield "seconds until 95 % had ended", f"{result.most_seconds:.1f}"
    yield "tasks/s until then", f"{0.95 * result.options.tasks / result.most_seconds:.0f}"


def as_json(result: Result) -> dict[str, object]:
    """The judgement as a JSON object."""
    discrepancies = result.judgement.discrepancies
    return {
        "ok": result.ok,
        "finished": result.finished,
        "tasks": result.options.tasks,
        "workers": result.options.workers,
        "producers": result.options.producers,
        "seed": result.seed,
        "seconds": round(result.seconds, 3),
        "seconds_until_95_percent": round(result.most_seconds, 3),
        "counts": dict(result.judgement.counts),
        "trouble": {**vars(result.trouble), "reasons": dict(result.trouble.reasons)},
        "empty_claims": result.empty_claims,
        "faults": {fault.name.lower(): result.judgement.faults(fault) for fault in Fault},
        "discrepancies": [str(discrepancy) for discrepancy in discrepancies],
    }
