"""
What can be written on the command line: commands and options, each as one table.

The help and the reference page's test are made of the same tables.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import attrs


class UsageError(Exception):
    """The command line makes no sense; the message says what to write instead."""


@attrs.frozen(kw_only=True)
class Command:
    """
    A command.

    Attributes:
        words: What is written: ``show config``.
        summary: One line, for the list of commands.
        description: What it does, when to use it, and with which exit status it ends.
        options: Those of :data:`OPTIONS` that only some commands take, and this one does.
    """

    words: str
    summary: str
    description: str
    options: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Option:
    """
    An option.

    Attributes:
        flags: As it is written: ``--config``; the long form first.
        value: What its value is, in capitals; empty where it takes none.
        meaning: What it does, in a sentence or two.
        is_general: Whether all commands take it, before and after the command's words.
    """

    flags: tuple[str, ...]
    value: str = ""
    meaning: str
    is_general: bool = True

    @property
    def usage(self) -> str:
        """As the help has it: ``--config FILE``."""
        return " ".join(filter(None, (", ".join(self.flags), self.value)))


COMMANDS: Final = (
    Command(
        words="serve",
        summary="Serve the HTTP API; what `tasques` does without a command, too.",
        description="Reads the settings, opens the backend and serves until SIGINT or SIGTERM. "
        "Then it takes nothing new, answers the claims that wait, and lets running requests "
        "finish within `shutdown_timeout`. Exit status 0 when it stopped in order; 1 if the "
        "settings are wrong, the templates are missing, Elasticsearch cannot be reached, the "
        "address is taken, or requests did not finish in time.",
    ),
    Command(
        words="setup",
        summary="Install in Elasticsearch what the server needs.",
        description="Installs index templates and what else is missing, and prints each thing "
        "with its state. Where `kibana.address` is set and a template was missing, dashboards are "
        "imported into Kibana. Run it once before the first start and after upgrades; doing it "
        "twice changes nothing. Exit status 0 when everything is there, else 1.",
        options=("--check", "--dry-run", "--kibana"),
    ),
    Command(
        words="check",
        summary="Test the settings and the connection to the backend.",
        description="Reads the settings as `serve` would, asks the backend how it is, and prints "
        "every finding: `fatal` keeps the server from serving, `warning` does not. Changes "
        "nothing. Exit status 1 if something is fatal, else 0.",
    ),
    Command(
        words="show config",
        summary="Print the settings in effect, and where each came from.",
        description="Prints one JSON object to the standard output, in the shape of the file below "
        "`tasques.server`: durations in nanoseconds, null for what is not set, *** for secrets. "
        "`sources` says for each setting whether the command line, the environment, the file or "
        "the default decided. (The original prints it through its log.) Exit status 0, or 1 if the "
        "settings are wrong.",
    ),
    Command(
        words="help",
        summary="Explain all of this, or one command: `tasques help setup`.",
        description="Prints the help, of one command if its words follow. Exit status 0.",
    ),
)

OPTIONS: Final = (
    Option(
        flags=("--config",),
        value="FILE",
        meaning="The configuration file: YAML, JSON or TOML by its ending. Without it: tasques.yaml, "
        ".yml, .json or .toml in ., ./config or /app/config, the first that exists; none is fine.",
    ),
    Option(
        flags=("--backend",),
        value="URL",
        meaning="Where tasks are kept: memory:, elasticsearch://host:9200, or a plugin's. Short for "
        "--set backend=URL.",
    ),
    Option(
        flags=("--bind",),
        value="HOST:PORT",
        meaning="Where to listen; :8080 for every interface, port 0 for a free one. Short for --set "
        "bind_address=HOST:PORT.",
    ),
    Option(
        flags=("--set",),
        value="NAME=VALUE",
        meaning="Any setting, such as tasks.defaults.retry_times=3; may be repeated, the last one "
        "counts. Wins over environment and file. An empty value for a section removes the section. "
        "Others can see a command line, so keep secrets in the file or the environment.",
    ),
    Option(flags=("--help", "-h"), meaning="Explain, and do nothing else."),
    Option(flags=("--version",), meaning="Print the version, and do nothing else."),
    Option(
        flags=("--check",),
        meaning="Change nothing; exit status 1 if something is missing.",
        is_general=False,
    ),
    Option(
        flags=("--dry-run",),
        meaning="Change nothing; say what would be done. Exit status 0.",
        is_general=False,
    ),
    Option(
        flags=("--kibana",),
        meaning="Import the dashboards into Kibana although no template was missing, over those "
        "imported before.",
        is_general=False,
    ),
)


@attrs.frozen(kw_only=True)
class Arguments:
    """
    A command line that was understood.

    Attributes:
        command: What to do; ``help`` where help was asked for in any way.
        topic: What to explain; empty for everything.
        overrides: Settings by dotted name, as texts.
    """

    command: str
    topic: str = ""
    config: str | None = None
    overrides: Mapping[str, str] = attrs.field(factory=dict)
    check: bool = False
    dry_run: bool = False
    kibana: bool = False
    version: bool = False


def parse(argv: Sequence[str]) -> Arguments:
    """
    Understand a command line, without the program's name.

    Raises:
        UsageError: If it makes no sense.
    """
    given = _parser().parse_intermixed_args(argv)
    words = " ".join(given.words)
    if words == "show" or words.split()[:1] == ["help"] or given.help:
        topic = words.removeprefix("help").strip()
        return Arguments(command="help", topic=topic and _known(topic, prefix=True))
    command = next(it for it in COMMANDS if it.words == _known(words or "serve"))
    flags = {"--check": given.check, "--dry-run": given.dry_run, "--kibana": given.kibana}
    for flag, is_given in flags.items():
        if is_given and flag not in command.options:
            raise UsageError(f"{flag} goes with setup, not with {command.words}")
    if given.check and given.dry_run:
        raise UsageError("--check and --dry-run exclude each other")
    if given.check and given.kibana:
        raise UsageError("--check never asks Kibana; --dry-run --kibana says what it would get")
    return Arguments(
        command=command.words,
        config=given.config,
        overrides=dict(given.overrides),
        check=given.check,
        dry_run=given.dry_run,
        kibana=given.kibana,
        version=given.version,
    )


def _known(words: str, *, prefix: bool = False) -> str:
    """*words*, if they are a command's, or with *prefix* the first of one's."""
    all_words = [command.words for command in COMMANDS]
    if words in all_words or (prefix and any(it.split()[0] == words for it in all_words)):
        return words
    close = difflib.get_close_matches(words, all_words, n=1)
    advice = f"did you mean {close[0]}?" if close else "tasques help lists the commands"
    raise UsageError(f"there is no command [{words}]; {advice}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="tasques", add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    for option in OPTIONS:
        parser.add_argument(
            *option.flags, **_actions().get(option.flags[0], {"action": "store_true"})
        )
    return parser


def _actions() -> Mapping[str, Mapping[str, Any]]:
    override: Mapping[str, Any] = {"action": "append", "dest": "overrides", "default": []}
    return {
        "--config": {},
        "--backend": {**override, "type": lambda url: ("backend", url)},
        "--bind": {**override, "type": lambda address: ("bind_address", address)},
        "--set": {**override, "type": _assignment},
    }


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError("wants NAME=VALUE, such as tasks.defaults.retry_times=3")
    return name.strip(), value
