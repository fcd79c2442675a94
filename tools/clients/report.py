"""The results of all makes side by side."""

from collections.abc import Iterator, Sequence

from tools.accounting.audit import Fault
from tools.clients.judging import statuses
from tools.clients.run import Result

#: Of the audit's counts.
_ROWS = ("created", "claims", "reports", "done", "failed", "unclaimed", "timed out", "ended done")
_SHOWN = 20


def table(results: Sequence[Result]) -> str:
    """A column for each make, and what is wrong below."""
    columns = [dict(_rows(result)) for result in results]
    names = list(columns[0]) if columns else []
    first = max(map(len, names), default=0)
    lines = []
    for name in names:
        values = "".join(f"  {column[name]:>14}" for column in columns)
        lines.append(f"{name:<{first}}{values}")
    for result in results:
        lines += _wrong(result)
    if results and all(result.ok for result in results):
        lines.append("Every task is accounted for, and no client ended by itself.")
    return "\n".join(lines)


def _rows(result: Result) -> Iterator[tuple[str, str]]:
    counts, traffic, judgement = result.judgement.counts, result.traffic, result.judgement
    answers = statuses(traffic.exchanges)
    yield "", result.clients.name
    yield "workers", f"{result.clients.workers}"
    for name in _ROWS:
        yield name, f"{counts.get(name, 0):,}"
    yield "results written once", "-" if result.writes is None else f"{result.writes.once:,}"
    for fault in (Fault.LOST, Fault.HELD_TWICE, Fault.NOT_CREATED):
        yield fault.value, f"{judgement.faults(fault):,}"
    yield "claims that reached nobody", f"{counts.get('claims that reached nobody', 0):,}"
    yield "other discrepancies", f"{_others(result):,}"
    yield "complaints", f"{len(result.complaints):,}"
    yield "connections", f"{traffic.connections:,}"
    yield "requests", f"{len(traffic.exchanges):,}"
    yield "answered 4xx, 5xx", f"{answers['4xx'] + answers['5xx']:,}"
    yield "unanswered", f"{answers['none']:,}"
    yield "held for the server", f"{traffic.held:,}"
    yield "held longest, s", f"{traffic.longest_hold:.1f}"
    yield "sent again", f"{sum(each.unanswered for each in traffic.exchanges):,}"
    yield "restarted by", result.options.restart.value
    yield "away for, s", f"{result.down_seconds:.1f}"
    yield "seconds", f"{result.seconds:.1f}"


def _others(result: Result) -> int:
    shown = {Fault.LOST, Fault.HELD_TWICE, Fault.NOT_CREATED}
    return sum(found.fault not in shown for found in result.discrepancies)


def _wrong(result: Result) -> Iterator[str]:
    found = [*result.complaints, *map(str, result.discrepancies)]
    for text in found[:_SHOWN]:
        yield f"{result.clients.name}: {text}"
    if len(found) > _SHOWN:
        yield f"{result.clients.name}: {len(found) - _SHOWN} more"
