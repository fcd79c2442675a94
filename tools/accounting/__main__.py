"""The command line; see the package's text."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.accounting.client import OutOfTime
from tools.accounting.report import as_json, table
from tools.accounting.run import Options, Result, account
from tools.elasticsearch_node import ElasticsearchNode, NodeUnavailable
from tools.tasques_server import ServerUnavailable, TasquesServer, elasticsearch_settings

#: What a server that is started here does faster than by default, so that time-outs come soon.
QUICK_REAPER = {
    "recurring.timed_out_tasks_reaper.run_interval": "1s",
    "recurring.timed_out_tasks_reaper.margin": "500ms",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status is 0 if every task is accounted for."""
    arguments = _parser().parse_args(argv)
    try:
        with _servers(arguments) as urls:
            result = account(_options(arguments, urls))
    except (NodeUnavailable, OutOfTime, ServerUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(result))
    if arguments.json is not None:
        _write_json(arguments.json, result)
    return 0 if result.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.accounting",
        description="Takes tasks through their whole life over HTTP and accounts for every one.",
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--url",
        action="append",
        metavar="URL",
        help="a server that runs; again for each further one that shares its queues",
    )
    target.add_argument(
        "--backend", metavar="URL", help="start a server on this backend, such as memory:"
    )
    target.add_argument(
        "--elasticsearch",
        metavar="VERSION",
        help="start an Elasticsearch of this version, and servers on it: 8.19.8, 9.5.0",
    )
    parser.add_argument(
        "--servers", type=int, default=1, help="how many to start, default: %(default)s"
    )
    parser.add_argument("--tasks", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--producers", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--seed", type=int, help="the plans of an earlier run")
    parser.add_argument(
        "--limit", type=float, default=900.0, metavar="SECONDS", help="default: %(default)g"
    )
    parser.add_argument(
        "--disturbed",
        action="store_true",
        help="faults are expected: lost answers and slow workers are counted, and are no fault",
    )
    parser.add_argument("--json", metavar="FILE", help="write the result there too; - for stdout")
    return parser


def _options(arguments: argparse.Namespace, urls: Sequence[str]) -> Options:
    return Options(
        urls=urls,
        tasks=arguments.tasks,
        workers=arguments.workers,
        producers=arguments.producers,
        seed=arguments.seed,
        limit_seconds=arguments.limit,
        undisturbed=not arguments.disturbed,
        spare_attempts=20 if arguments.disturbed else 0,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )


@contextlib.contextmanager
def _servers(arguments: argparse.Namespace) -> Iterator[Sequence[str]]:
    """The addresses of the servers; those that are started here are stopped at the end."""
    if arguments.url:
        yield arguments.url
        return
    with contextlib.ExitStack() as stack:
        settings = dict(QUICK_REAPER)
        if arguments.elasticsearch:
            node = stack.enter_context(ElasticsearchNode(arguments.elasticsearch))
            settings |= elasticsearch_settings(node.url)
        else:
            settings["backend"] = arguments.backend
        servers = [TasquesServer(settings) for _ in range(arguments.servers)]
        servers[0].set_up()
        for server in servers:
            stack.enter_context(server)
        yield [server.url for server in servers]


def _write_json(path: str, result: Result) -> None:
    text = json.dumps(as_json(result), indent=2) + "\n"
    if path == "-":
        print(text, end="")
    else:
        Path(path).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
