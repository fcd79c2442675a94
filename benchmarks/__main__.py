"""The command line; see the package's text."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from benchmarks import page
from benchmarks import results as files
from benchmarks.cluster import ClusterFailed
from benchmarks.generator import LoadFailed
from benchmarks.processes import ServerFailed
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS, Scenario, named
from benchmarks.session import Plan, measure
from benchmarks.subjects import OURS, chosen
from tools.elasticsearch_node import NodeUnavailable
from tools.tasques_server import ServerUnavailable

_FAILURES = (ClusterFailed, LoadFailed, NodeUnavailable, ServerFailed, ServerUnavailable)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status is 1 if anything went wrong, or a task was not accounted for."""
    arguments = _parser().parse_args(argv)
    # So that whatever was started is stopped, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(arguments.command(arguments))
    except (*_FAILURES, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures servers side by side."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="measure, and write a JSON file"))
    report = commands.add_parser("report", help="show a session in the docs")
    report.set_defaults(command=_report)
    report.add_argument(
        "files",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="written by run; of several, later ones replace whole scenarios of earlier ones;"
        " without any, what the docs show is drawn anew",
    )
    listing = commands.add_parser("list", help="the scenarios and the subjects")
    listing.set_defaults(command=_list)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.set_defaults(command=_run)
    run.add_argument("--json", type=Path, metavar="FILE", default=Path("benchmark.json"))
    run.add_argument("--scenarios", type=_names, default=(), metavar="NAME,…", help="default: all")
    run.add_argument("--subjects", type=_names, default=(), metavar="NAME,…", help="default: all")
    run.add_argument("--rounds", type=_positive, default=3, help="default: %(default)s")
    run.add_argument(
        "--limit",
        type=float,
        default=7200.0,
        metavar="SECONDS",
        help="begin nothing that would likely end later; default: %(default)g",
    )
    run.add_argument(
        "--warm-up",
        type=float,
        default=16.0,
        metavar="SECONDS",
        help="processor time that Elasticsearch spends on load that is not recorded;"
        " default: %(default)g",
    )
    run.add_argument(
        "--original",
        type=Path,
        metavar="BINARY",
        help="the Go server, compared as shipped and tuned",
    )
    run.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="NAME=COMMAND|URL",
        help="another server with the same API: a command that listens on $PORT of the loopback"
        " interface and keeps its tasks at $ES_URL, or the address of one that runs",
    )
    run.add_argument(
        "--elasticsearch",
        default="8.19.8",
        metavar="VERSION|URL",
        help="one to start, or one that runs; its indices .tasques_* are deleted; default: %(default)s",
    )
    run.add_argument(
        "--soak-minutes", type=float, default=60.0, metavar="N", help="default: %(default)g"
    )
    run.add_argument("--heap", type=int, default=1024, metavar="MB", help="default: %(default)s")


def _choice(names: Sequence[str], soak_minutes: float) -> Sequence[Scenario]:
    """The scenarios of these names; the soak takes as long as it is told."""
    return [
        attrs.evolve(
            scenario,
            load=scenario.load.replace("60m", f"{soak_minutes:g}m"),
            limit_seconds=soak_minutes * 60 + 600,
        )
        if scenario.name == "soak"
        else scenario
        for scenario in named(names)
    ]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _named(text: str) -> tuple[str, str]:
    name, equals, place = text.partition("=")
    if not (name and equals and place):
        raise ValueError(f"--server wants a name and a command or an address: name=…, not [{text}]")
    return name, place


def _run(arguments: argparse.Namespace) -> int:
    others = dict(map(_named, arguments.server))
    plan = Plan(
        scenarios=_choice(arguments.scenarios, arguments.soak_minutes),
        subjects=chosen(arguments.subjects, original=arguments.original, others=others),
        rounds=arguments.rounds,
        limit_seconds=arguments.limit,
        warm_up_seconds=arguments.warm_up,
        elasticsearch=arguments.elasticsearch,
        heap_megabytes=arguments.heap,
        say=_say,
        keep=lambda results: files.write(results, arguments.json),
    )
    results = measure(plan)
    _say(f"{len(results.runs)} runs are in {arguments.json}")
    return 1 if _wrong(results) else 0


def _wrong(results: Results) -> bool:
    """Whether some run of this server's was not clean; what others do wrong is theirs."""
    ours = {subject.name for subject in OURS}
    return any(run.faults for run in results.runs if run.subject in ours)


def _report(arguments: argparse.Namespace) -> int:
    sessions = [files.read(path) for path in arguments.files or [page.RESULTS]]
    results = files.merged(sessions)
    if arguments.files:
        files.write(results, page.RESULTS)
    page.write(results)
    _say(f"{page.PAGE.name} shows {len(results.runs)} runs")
    return 0


def _list(_: argparse.Namespace) -> int:
    for scenario in SCENARIOS:
        print(
            f"{scenario.name:<20} {scenario.title}{'' if scenario.by_default else ' (by option)'}"
        )
    print()
    for subject in OURS:
        print(f"{subject.name:<20} {subject.about}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
