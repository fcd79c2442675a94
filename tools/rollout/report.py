"""The judgement for people."""

from collections.abc import Iterator, Sequence

from tools.accounting.ledger import Verb
from tools.rollout.audit import Fault, passed
from tools.rollout.ledger import Kind
from tools.rollout.plan import PHASES
from tools.rollout.run import Result
from tools.rollout.slots import Tally

#: What each server did in a phase: the heading, and the name of the count.
_COLUMNS = (
    ("requests", "requests"),
    ("created", "create"),
    ("claims", "claim"),
    ("reports", "report"),
    ("done", "done"),
    ("failed", "failed"),
    ("unclaimed", "unclaim"),
    ("too late", "late"),
    ("refused", "refused"),
    ("errors", "errors"),
)
#: What happened, in the order of a task's life; what did not happen is shown as 0.
_ROWS = (
    "created",
    "ended done",
    "ended dead",
    "ended queued",
    "ended claimed",
    "tasks of recurring tasks",
    "written by both kinds",
    "held across a change of phase",
    "done too late, refused as planned",
    "writes that took ext and rank away",
    "handed out by ours without ext and rank",
    "left in their queues",
    "archived",
    "copies in the archive: by Go",
    "copies in the archive: by ours",
    "archived twice, by Go",
)
_SHOWN_IF_ANY = (
    "in queue and archive, by Go",
    "claims that reached nobody",
    "refused after a lost answer, or too late",
)
_ALWAYS = (Fault.LOST, Fault.HELD_TWICE, Fault.WRONG_END, Fault.ARCHIVED_TWICE, Fault.UNREADABLE)
_SHOWN = 20


def table(result: Result) -> str:
    """The judgement as tables, and what is wrong below them."""
    lines = [*_aligned(list(_by_phase(result))), ""]
    lines += [*_aligned(list(_passed(result))), ""]
    lines += [*_aligned(list(_documents(result))), ""]
    rows = list(_totals(result))
    width = max(len(name) for name, _ in rows)
    lines += [f"{name:<{width}}  {value:>7}" for name, value in rows]
    lines += ["", *_aligned(list(_slots(result))), *_errors(result), ""]
    if not result.finished:
        lines.append(f"NOT FINISHED within {result.options.limit_seconds:g} s")
    if result.discrepancies:
        lines.append(f"{len(result.discrepancies)} DISCREPANCIES, the first of them:")
        lines += [f"- {discrepancy}" for discrepancy in result.discrepancies[:_SHOWN]]
    if not result.ok:
        options = f"--seed {result.seed} --tasks {result.options.tasks}"
        lines.append(f"The same plans again: {options}")
    else:
        lines.append("Every task is accounted for.")
    return "\n".join(lines)


def _by_phase(result: Result) -> Iterator[Sequence[str]]:
    yield ("phase", "server", *(heading for heading, _ in _COLUMNS), "timed out", "seconds")
    for number, (phase, seen) in enumerate(zip(PHASES, result.phases, strict=False)):
        name = f"{number + 1} {phase.name}"
        once = (f"{result.tasks.timed_out.get(number, 0):,}", f"{seen.seconds:.1f}")
        for kind in Kind:
            if kind is Kind.ORIGINAL and not phase.has_original:
                continue
            if kind is Kind.OURS and not phase.has_ours:
                continue
            counts = (result.counts.get((number, kind, it), 0) for _, it in _COLUMNS)
            yield (name, kind.value, *(f"{count:,}" for count in counts), *once)
            name, once = "", ("", "")
    totals = (
        sum(n for (_, _, name), n in result.counts.items() if name == it) for _, it in _COLUMNS
    )
    timed_out = sum(result.tasks.timed_out.values())
    yield ("all", "", *(f"{n:,}" for n in totals), f"{timed_out:,}", f"{result.seconds:.1f}")


def _passed(result: Result) -> Iterator[Sequence[str]]:
    """How often each kind went on with what either had written."""
    pairs = [(before, after) for before in Kind for after in Kind]
    yield ("written by, then by", *(f"{one.value}, {other.value}" for one, other in pairs))
    for verb in (Verb.CLAIM, Verb.REPORT, Verb.DONE, Verb.FAILED, Verb.UNCLAIM):
        counts = (result.tasks.counts.get(passed(*pair, verb), 0) for pair in pairs)
        yield (verb.value, *(f"{count:,}" for count in counts))


def _documents(result: Result) -> Iterator[Sequence[str]]:
    yield (
        *("at the end of phase", "queues", "that map rank and ext"),
        *("tasks in them", "with ext", "without", "copies in the archive"),
    )
    for number, (phase, seen) in enumerate(zip(PHASES, result.phases, strict=False)):
        yield (
            f"{number + 1} {phase.name}",
            f"{seen.indices:,}",
            f"{seen.adopted:,}",
            f"{seen.queued:,}",
            f"{seen.with_ext:,}",
            f"{seen.queued - seen.with_ext:,}",
            f"{seen.archived:,}",
        )


def _totals(result: Result) -> Iterator[tuple[str, str]]:
    counts = result.tasks.counts
    for name in _ROWS:
        yield name, f"{counts.get(name, 0):,}"
    for name in _SHOWN_IF_ANY:
        if counts.get(name):
            yield name, f"{counts[name]:,}"
    yield "tasks left, asked for on both kinds", f"{result.readable.asked:,}"
    yield "  readable and the same", f"{result.readable.equal:,}"
    yield "queues made by Go, taken over while it served", f"{result.taken_over:,}"
    yield "changes of recurring tasks", f"{result.recurring_changes:,}"
    yield "  looks that found both kinds agree", f"{result.recurring_looks:,}"
    yield "tracebacks in logs of ours", f"{result.tracebacks:,}"
    for fault in Fault:
        number = sum(it.fault is fault for it in result.discrepancies)
        if number or fault in _ALWAYS:
            yield fault.value, f"{number:,}"


def _slots(result: Result) -> Iterator[Sequence[str]]:
    yield (
        *("slots of recurring tasks", "seconds", "due", "made", "not yet taken up"),
        *("passed over", "doubled", "lost"),
    )
    for name, is_original, tally in (
        ("while Go led", True, result.slots.originals),
        ("while ours led", False, result.slots.ours),
    ):
        yield (name, f"{result.led.get(is_original, 0.0):.1f}", *_tally(tally))
    if result.slots.intruded:
        yield ("made by Go while ours led", "", "", f"{result.slots.intruded:,}", *[""] * 4)


def _tally(tally: Tally) -> Iterator[str]:
    yield from (f"{tally.due:,}", f"{tally.made:,}", f"{tally.not_yet:,}")
    yield from (f"{tally.passed_over:,}", f"{tally.doubled:,}", f"{tally.lost:,}")


def _errors(result: Result) -> Iterator[str]:
    if result.errors:
        yield ""
    for (phase, kind, text), number in sorted(
        result.errors.items(), key=lambda it: (it[0][0], it[0][1].value, it[0][2])
    ):
        yield f"phase {phase + 1}, {kind.value}, {number} times: {text}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as they have to be: the texts of the first one to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([f"{first:<{widths[0]}}", *cells]).rstrip()
