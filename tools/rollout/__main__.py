"""The command line; see the package's text."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.accounting.client import OutOfTime
from tools.elasticsearch_node import ElasticsearchNode, NodeUnavailable
from tools.original_server import HOW_TO_BUILD
from tools.rollout import documents
from tools.rollout.report import table
from tools.rollout.run import Options, roll_out
from tools.tasques_server import ServerUnavailable

#: Beside the tasks, those of recurring tasks have to be read in one answer, too.
_MOST_TASKS = 6000


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status is 0 if every task is accounted for."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not os.access(arguments.go, os.X_OK):
        parser.error(f"{arguments.go} is no program. To build it:\n{HOW_TO_BUILD}")
    if not 100 <= arguments.tasks <= _MOST_TASKS:
        parser.error(f"--tasks has to be from 100 to {_MOST_TASKS}")
    if arguments.logs is not None:
        arguments.logs.mkdir(parents=True, exist_ok=True)
    try:
        with _elasticsearch(arguments.elasticsearch) as url:
            if documents.has_indices(url):
                parser.error("--elasticsearch wants one without tasks: its indices would be mixed")
            result = roll_out(
                Options(
                    binary=arguments.go.absolute(),
                    elasticsearch_url=url,
                    tasks=arguments.tasks,
                    phase_seconds=arguments.phase,
                    seed=arguments.seed,
                    limit_seconds=arguments.limit,
                    logs=arguments.logs,
                    progress=lambda line: print(line, file=sys.stderr, flush=True),
                )
            )
    except (NodeUnavailable, OutOfTime, ServerUnavailable, documents.Unreadable) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(result))
    return 0 if result.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.rollout",
        description="Rolls this server out beside the original one, and back, while workers send"
        " each request to either, and accounts for every task.",
        epilog=f"To build the original server:\n\n{HOW_TO_BUILD}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--go", type=Path, required=True, metavar="PATH", help="the original server's binary"
    )
    parser.add_argument(
        "--elasticsearch",
        metavar="VERSION|URL",
        default="8.19.8",
        help="start an Elasticsearch of this version, or use the one at this address, which must"
        " have no tasks; default: %(default)s",
    )
    parser.add_argument("--tasks", type=int, default=2000, help="default: %(default)s")
    parser.add_argument(
        "--phase",
        type=float,
        default=40.0,
        metavar="SECONDS",
        help="how long each of the five phases lasts, at least; default: %(default)g",
    )
    parser.add_argument("--seed", type=int, help="the plans of an earlier run")
    parser.add_argument(
        "--limit", type=float, default=600.0, metavar="SECONDS", help="default: %(default)g"
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="FOLDER",
        help="keep the servers' logs there, by order of start",
    )
    return parser


@contextlib.contextmanager
def _elasticsearch(given: str) -> Iterator[str]:
    """The address of one that runs."""
    if "://" in given:
        yield given
        return
    with ElasticsearchNode(given) as node:
        yield node.url


if __name__ == "__main__":
    sys.exit(main())
