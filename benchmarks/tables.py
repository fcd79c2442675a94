"""Tables of Markdown from a session: ratios first, then medians with all their runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.figures import Figure, Json, Spread, number, ratio
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.targets import TARGETS

#: Whom this server's figures are divided by, and what the column is called.
_AGAINST: Final = (
    ("original", "× original"),
    ("original-tuned", "× tuned"),
    ("naive", "× naive"),
    ("raw", "share of raw"),
)
_MET: Final = {True: "met", False: "**not met**", None: "–"}


def tables(results: Results) -> str:
    """All of them, under headings of the third level."""
    parts = [
        ("The run", machine(results)),
        ("Against others", against(results)),
        ("Targets", targets(results)),
        ("The noise floor", noise(results)),
        *((f"{each.name}: {each.title}", details(results, each)) for each in SCENARIOS),
        ("An hour", soak(results)),
        ("Accounting", accounting(results)),
    ]
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts if text)


def machine(results: Results) -> str:
    """What it was measured on."""
    facts = {**results.machine, "date": results.date, "runs": len(results.runs)}
    packages = facts.pop("packages", {})
    facts["packages"] = ", ".join(f"{name} {version}" for name, version in packages.items())
    facts["minutes"] = number(results.seconds / 60)
    load = sorted(run.load_average for run in results.runs)
    if load:
        facts["load average"] = f"{load[0]:g} to {load[-1]:g}, before each run"
    rows = [(name.replace("_", " "), str(value)) for name, value in facts.items()]
    subjects = [(f"`{name}`", about) for name, about in results.subjects.items()]
    return f"{_table(('what', 'value'), rows)}\n\n{_table(('subject', 'what it is'), subjects)}"


def against(results: Results) -> str:
    """This server's headlines and costs, divided by those of others."""
    there = [(name, title) for name, title in _AGAINST if name in results.subjects]
    head = ("scenario", "figure", "ours", *(title for _, title in there))
    rows = []
    for scenario in SCENARIOS:
        shown = ""
        for figure in scenario.figures:
            ours = results.figures(scenario.name, "ours", figure)
            if ours is None or not figure.sums_up:
                continue
            name, shown = ("" if shown else f"`{scenario.name}`"), scenario.name
            ratios = (_shown_ratio(results, scenario, figure, to) for to, _ in there)
            rows.append((name, _direction(figure), number(ours.median), *ratios))
    return _table(head, rows)


def _shown_ratio(results: Results, scenario: Scenario, figure: Figure, to: str) -> str:
    ours = results.figures(scenario.name, "ours", figure)
    theirs = results.figures(scenario.name, to, figure)
    found = ratio(ours, theirs)
    if found is None or ours is None or theirs is None:
        return "–"
    # Runs that lie among each other's may be in this order by chance.
    return f"{number(found)}{' ~' if ours.overlaps(theirs) else ''}"


def _direction(figure: Figure) -> str:
    return f"{figure.label} {'↑' if figure.more_is_better else '↓'}"


def targets(results: Results) -> str:
    """Each target with what was measured."""
    rows = [
        (
            f"`{each.scenario}`",
            each.what,
            each.shown_bound(),
            each.shown(results),
            _MET[each.is_met(results)],
        )
        for each in TARGETS
    ]
    return _table(("scenario", "figure", "target", "measured", ""), rows)


def noise(results: Results) -> str:
    """The same server twice: what differs here is chance."""
    rows = []
    for scenario in SCENARIOS:
        for figure in scenario.figures:
            found = results.ratio(scenario.name, figure, "again", "ours")
            if found is not None:
                rows.append((f"`{scenario.name}`", figure.label, number(found)))
    return _table(("scenario", "figure", "again, times ours"), rows) if rows else ""


def details(results: Results, scenario: Scenario) -> str:
    """The medians of one scenario, with all runs in brackets where there were several."""
    subjects = results.subjects_of(scenario.name)
    rows = []
    for figure in scenario.figures:
        spreads = [results.figures(scenario.name, subject, figure) for subject in subjects]
        if any(spreads):
            rows.append((_direction(figure), *map(_with_runs, spreads)))
    return _table(("figure", *(f"`{name}`" for name in subjects)), rows) if rows else ""


def _with_runs(found: Spread | None) -> str:
    if found is None or len(found.values) == 1:
        return number(found.median if found else None)
    return f"**{number(found.median)}** ({', '.join(map(number, found.values))})"


def soak(results: Results) -> str:
    """What the parts of a long run were like."""
    rows = [
        (str(place), *_window(window))
        for run in results.runs
        for place, window in enumerate(run.result.get("windows", ()), start=1)
    ]
    head = ["part", "lives/s", "claim p99 ms", "create to claim p99 ms"]
    head += ["server MB", "documents", "deleted", "store MB"]
    return _table(head, rows) if rows else ""


def _window(window: Json) -> Iterator[str]:
    for path in (
        "throughput_per_s",
        "latency_ms.claim.p99",
        "latency_ms.create_to_claim.p99",
        "server_rss_mb",
        "store.documents",
        "store.deleted_ratio",
        "store.mb",
    ):
        yield number(Figure(label=path, path=path).of(window))


def accounting(results: Results) -> str:
    """How many runs were clean, and what was wrong with the others."""
    rows = []
    for subject in results.subjects:
        runs = [run for run in results.runs if run.subject == subject]
        tasks = sum(int(run.result.get("account", {}).get("created", 0)) for run in runs)
        clean = sum(not run.faults for run in runs)
        if runs:
            rows.append((f"`{subject}`", str(len(runs)), f"{tasks:,}", str(clean)))
    text = _table(("subject", "runs", "tasks created", "runs in which all was exact"), rows)
    wrong = [
        f"- `{run.subject}`, `{run.scenario}`, round {run.round}: {fault}"
        for run in results.runs
        for fault in run.faults
    ]
    return "\n".join([text, *(["", *wrong] if wrong else [])])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Of Markdown; numbers to the right."""
    if not rows:
        return ""
    marks = ["---", *("---:" if _are_numbers(rows, n) else "---" for n in range(1, len(head)))]
    lines = [head, marks, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _are_numbers(rows: Sequence[Sequence[str]], column: int) -> bool:
    return all(row[column].lstrip("*–-")[:1].isdigit() or row[column] == "–" for row in rows)
