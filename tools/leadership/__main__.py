"""The command line; see the package's text."""

import argparse
import contextlib
import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.elasticsearch_node import ElasticsearchNode, NodeUnavailable
from tools.leadership.fates import NobodyLeads
from tools.leadership.report import as_json, table
from tools.leadership.run import Options, Result, check
from tools.tasques_server import ServerUnavailable


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status is 0 if every slot is accounted for."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    is_given = "://" in arguments.elasticsearch
    if is_given and arguments.go is not None:
        # Its prefix is fixed, and it needs a setting of the whole cluster.
        parser.error("--go wants an Elasticsearch of its own: a version, not an address")
    if arguments.servers + (arguments.go is not None) < 2:
        parser.error("nobody could take over: there have to be two servers")
    try:
        with _options(arguments) as options:
            result = check(options)
    except (NobodyLeads, NodeUnavailable, ServerUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(result))
    if arguments.json is not None:
        _write_json(arguments.json, result)
    return 0 if result.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.leadership",
        description="Changes leaders in every way there is, and accounts for every slot.",
    )
    parser.add_argument(
        "--elasticsearch",
        metavar="VERSION|URL",
        default="8.19.8",
        help="start an Elasticsearch of this version, or use the one at this address, which is"
        " not paused then; default: %(default)s",
    )
    parser.add_argument(
        "--servers", type=int, default=3, help="how many to start, default: %(default)s"
    )
    parser.add_argument(
        "--lease", type=float, default=5.0, metavar="SECONDS", help="default: %(default)g"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=600.0,
        help="so long leaders are changed; default: %(default)g",
    )
    parser.add_argument("--seed", type=int, help="the fates of an earlier run")
    parser.add_argument(
        "--go", type=Path, metavar="PATH", help="the binary of an original server to take part"
    )
    parser.add_argument("--json", metavar="FILE", help="write the result there too; - for stdout")
    return parser


@contextlib.contextmanager
def _options(arguments: argparse.Namespace) -> Iterator[Options]:
    with contextlib.ExitStack() as stack:
        url: str = arguments.elasticsearch
        node: ElasticsearchNode | None = None
        prefix: str | None = None
        if "://" in url:
            prefix = f".leadership-{secrets.token_hex(3)}_"
        else:
            node = stack.enter_context(ElasticsearchNode(url))
            url = node.url
        yield Options(
            elasticsearch_url=url,
            node=node,
            prefix=prefix,
            servers=arguments.servers,
            lease_seconds=arguments.lease,
            seconds=arguments.seconds,
            seed=arguments.seed,
            original=arguments.go,
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        )


def _write_json(path: str, result: Result) -> None:
    text = json.dumps(as_json(result), indent=2) + "\n"
    if path == "-":
        print(text, end="")
    else:
        Path(path).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
