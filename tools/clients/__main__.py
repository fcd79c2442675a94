"""The command line; see the package's text."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tools.clients import building, generated, original
from tools.clients.building import CannotBuild
from tools.clients.programs import Clients
from tools.clients.report import table
from tools.clients.run import Options, Restart, run
from tools.elasticsearch_node import ElasticsearchNode, NodeUnavailable
from tools.tasques_server import ServerUnavailable

#: Of the original, and built from its sources.
_ORIGINALS = ("go", "java-example")
_LANGUAGES = (*_ORIGINALS, "java", "rust")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status is 0 if every task of every make is accounted for."""
    arguments = _parser().parse_args(argv)
    languages = _LANGUAGES if arguments.language == "all" else (arguments.language,)
    try:
        makes = list(_makes(languages, arguments.source, arguments.work))
        with ElasticsearchNode(arguments.elasticsearch) as node:
            options = Options(
                elasticsearch=node.url,
                tasks=arguments.tasks,
                restart=Restart[arguments.restart.upper()],
                is_for_http=arguments.http,
                progress=_say,
            )
            results = [run(clients, options) for clients in makes]
    except (CannotBuild, NodeUnavailable, ServerUnavailable, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(results))
    return 0 if all(result.ok for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.clients",
        description="Has clients of the original's work against ours, while it is restarted.",
    )
    parser.add_argument(
        "--language", choices=(*_LANGUAGES, "all"), default="all", help="default: %(default)s"
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="FOLDER",
        help="a checkout of lloydmeta/tasques; else the module is asked for where Go gets modules",
    )
    parser.add_argument("--tasks", type=int, default=1000, help="default: %(default)s")
    parser.add_argument(
        "--restart",
        choices=[each.name.lower() for each in Restart],
        default="term",
        help="how the server goes down: in order, or killed, when the proxy in front repeats what"
        " was not answered; default: %(default)s",
    )
    parser.add_argument(
        "--http",
        action="store_true",
        help="have a proxy in front that knows requests, and not one for TCP alone",
    )
    parser.add_argument(
        "--elasticsearch", metavar="VERSION", default="8.19.8", help="default: %(default)s"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        default=Path(tempfile.gettempdir()) / "tasques-clients",
        help="for what is built, so that it is built once; default: %(default)s",
    )
    return parser


def _makes(languages: Sequence[str], source: Path | None, work: Path) -> Iterator[Clients]:
    """Build what is asked for, one after another."""
    work = work.resolve()
    if set(_ORIGINALS) & set(languages):
        if source is None:
            source = building.original(work)
            _say(f"the original from {source}")
        else:
            _say(f"the original at {building.revision(source)}, unchanged")
        programs = building.build_go(source, work / "go")
        if "go" in languages:
            yield _built(original.Go(programs))
        if "java-example" in languages:
            worker = building.build_example_in_java(source, work / "example")
            yield _built(original.ExampleInJava(programs, worker))
    if drivers := [language for language in languages if language in _DRIVERS]:
        descriptions = building.served_descriptions(work)
        for language in drivers:
            notation, build = _DRIVERS[language]
            yield _built(build(descriptions[notation], work / language))


def _java(description: Path, folder: Path) -> Clients:
    return generated.java(building.build_driver_in_java(description, folder))


def _rust(description: Path, folder: Path) -> Clients:
    return generated.rust(building.build_driver_in_rust(description, folder))


#: By language: the description that its client is generated from, and what builds the driver.
_DRIVERS: dict[str, tuple[str, Callable[[Path, Path], Clients]]] = {
    "java": ("openapi", _java),
    "rust": ("swagger", _rust),
}


def _built(clients: Clients) -> Clients:
    _say(f"built {clients.name}: {clients.about}")
    return clients


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
