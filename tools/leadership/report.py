"""The judgement for people and for programs."""

import statistics
from collections.abc import Iterator

from tools.leadership.audit import Fault, Tally
from tools.leadership.fates import Fate, HandOver
from tools.leadership.run import Result

_SHOWN = 20
#: A server that takes a released lock looks for it once in an interval.
_RELEASED_SECONDS = 1.0
_KILLED_SLACK_SECONDS = 2.0

_WAITS = {
    Fate.KILL: "killed",
    Fate.STOP: "stopped for ten leases",
    Fate.RELEASE: "asked to stop, after it released the lock",
    Fate.CLOCK: "its clock set hours off",
    Fate.CANDIDATE_CLOCK: "killed, another's clock hours off",
    Fate.PAUSE_ELASTICSEARCH: "Elasticsearch paused, after it went on",
}


def table(result: Result) -> str:
    """The judgement as lines of a table, and what is wrong below it."""
    rows = [*_slots(result), *_more(result)]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value:>9}" for name, value in rows]
    lines += ["", *_handovers(result), ""]
    if not result.decided:
        lines.append("NOT DECIDED in time: slots that were due")
    if result.discrepancies:
        lines.append(f"{len(result.discrepancies)} DISCREPANCIES, the first of them:")
        lines += [f"- {discrepancy}" for discrepancy in result.discrepancies[:_SHOWN]]
        lines.append(f"The same fates again: --seed {result.seed}")
    elif result.ok:
        lines.append("Every slot is accounted for.")
    return "\n".join(lines)


def _slots(result: Result) -> Iterator[tuple[str, str]]:
    judgement = result.judgement
    yield from _tally("slots", judgement.ours)
    if result.options.original is not None:
        yield "slots of ours doubled by an original", f"{judgement.doubled_by_original:,}"
        yield from _tally("slots while an original led", judgement.originals)
        beside = judgement.beside_another_by_original
        yield "tasks an original made beside another", f"{beside:,}"


def _tally(name: str, tally: Tally) -> Iterator[tuple[str, str]]:
    yield f"{name}: due", f"{tally.due:,}"
    yield "  created", f"{tally.created:,}"
    yield "  left out", f"{sum(tally.left_out.values()):,}"
    for reason, count in tally.left_out.most_common():
        yield f"    {reason}", f"{count:,}"
    yield "  doubled", f"{tally.doubled:,}"
    yield "  lost", f"{tally.lost:,}"
    if tally.not_seen:
        yield "  not seen: looked at too seldom", f"{tally.not_seen:,}"


def _more(result: Result) -> Iterator[tuple[str, str]]:
    judgement = result.judgement
    for fault in Fault:
        if fault not in {Fault.DOUBLED, Fault.LOST}:
            yield fault.value, f"{judgement.faults(fault):,}"
    yield "begun by one leader, finished by the next", f"{judgement.gone_on_with:,}"
    if judgement.delays:
        yield "seconds after its slot: median", f"{statistics.median(judgement.delays):.2f}"
        yield "seconds after its slot: most", f"{max(judgement.delays):.2f}"
    yield "terms", f"{result.terms:,}"
    yield "leaders in one term, at most", f"{result.leaders_of_a_term:,}"
    if result.options.original is not None:
        yield "times an original took over", f"{result.originals_led:,}"
    yield "tracebacks in logs", f"{result.tracebacks:,}"
    yield "seconds", f"{result.seconds:.1f}"


def _handovers(result: Result) -> Iterator[str]:
    lease = result.options.lease_seconds
    width = max(map(len, _WAITS.values())) + len(" (to or from an original)")
    yield f"{'seconds until another led':<{width}}  times    min  median    max  target   over"
    for fate, name in _WAITS.items():
        for mixed in (False, True):
            some = [
                handover
                for handover in result.handovers
                if handover.fate is fate
                and (handover.from_original or handover.to_original) is mixed
            ]
            if some:
                shown = f"{name} (to or from an original)" if mixed else name
                yield f"{shown:<{width}}  {_times(some, None if mixed else target(fate, lease))}"
    wrong = [handover.said_so for handover in result.handovers if handover.said_so is not None]
    if wrong:
        yield f"of {len(wrong)} servers with a wrong clock {sum(wrong)} said they were not ready"


def target(fate: Fate, lease_seconds: float) -> float | None:
    """How many seconds it may take; None where nothing is promised."""
    if fate is Fate.RELEASE:
        return _RELEASED_SECONDS
    if fate is Fate.PAUSE_ELASTICSEARCH:
        return None
    return lease_seconds + _KILLED_SLACK_SECONDS


def _times(handovers: list[HandOver], at_most: float | None) -> str:
    seconds = [handover.seconds for handover in handovers if handover.seconds is not None]
    text = f"{len(handovers):>5}"
    if seconds:
        middle = statistics.median(seconds)
        text += f"  {min(seconds):>5.2f}   {middle:>5.2f}  {max(seconds):>5.2f}"
    else:
        text += "      -       -      -"
    if at_most is not None:
        text += f"  {at_most:>6.2f}  {sum(one > at_most for one in seconds):>5}"
    if never := len(handovers) - len(seconds):
        text += f"   nobody else led: {never}"
    return text


def as_json(result: Result) -> dict[str, object]:
    """The judgement as a JSON object."""
    judgement = result.judgement
    return {
        "ok": result.ok,
        "decided": result.decided,
        "seed": result.seed,
        "servers": result.options.servers,
        "lease_seconds": result.options.lease_seconds,
        "seconds": round(result.seconds, 3),
        "ours": _as_json(judgement.ours),
        "originals": _as_json(judgement.originals),
        "doubled_by_original": judgement.doubled_by_original,
        "faults": {fault.name.lower(): judgement.faults(fault) for fault in Fault},
        "terms": result.terms,
        "leaders_of_a_term": result.leaders_of_a_term,
        "handovers": [
            {
                "fate": handover.fate.name.lower(),
                "seconds": handover.seconds,
                "from_original": handover.from_original,
                "to_original": handover.to_original,
            }
            for handover in result.handovers
        ],
        "discrepancies": [str(discrepancy) for discrepancy in result.discrepancies],
    }


def _as_json(tally: Tally) -> dict[str, object]:
    return {**vars(tally), "left_out": dict(tally.left_out)}
