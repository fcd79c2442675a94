"""The help: of everything, or of one command."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from tasques.cli.vocabulary import COMMANDS, OPTIONS, SETTINGS, Command, Option

_WIDTH: Final = 96

_INTRODUCTION: Final = """\
Tasques hands tasks out to workers over HTTP, and keeps them in Elasticsearch or in memory.

    tasques [COMMAND] [OPTIONS]
"""

_FIRST_STEPS: Final = """\
First steps:

    tasques                                   serve from memory at localhost:8080, just to try
    tasques setup --set elasticsearch.addresses=http://localhost:9200
    tasques serve --set elasticsearch.addresses=http://localhost:9200
    tasques queues --url http://localhost:8080

Settings come from the command line, the environment (TASQUES_SERVER_TASKS_DEFAULTS_RETRY_TIMES
for tasks.defaults.retry_times), a file, and their defaults; the first that says something counts.
`tasques show config` prints them all. Elasticsearch is used where its addresses are set, and
memory otherwise, which forgets every task when the server stops.

Exit status: 0 fine; 1 wrong settings or trouble while working; 2 a command line that makes no
sense.
"""


def everything() -> str:
    """What ``tasques help`` prints."""
    settings = [option for option in OPTIONS if option.is_general or option.flags[0] in SETTINGS]
    working = [it for it in COMMANDS if it.words == "worker"]
    own = [it for it in COMMANDS if not it.asks_server and it not in working]
    asking = [it for it in COMMANDS if it.asks_server]
    return "\n".join(
        [
            _INTRODUCTION,
            "Commands about a server of yours:\n",
            *_entries((it.usage, it.summary) for it in own),
            "\nand their options, before or after the command:\n",
            *_entries((option.usage, option.meaning) for option in settings),
            "\nCommands that ask a server which runs; `tasques help COMMAND` has their options:\n",
            *_entries((it.usage, it.summary) for it in asking),
            "\nThe command that works; `tasques help worker` has its options:\n",
            *_entries((it.usage, it.summary) for it in working),
            "",
            _FIRST_STEPS,
        ]
    )


def command(words: str) -> str:
    """What ``tasques help WORDS`` prints; also for the first of a command's words."""
    found = [it for it in COMMANDS if it.words == words or it.words.split()[0] == words]
    return "\n".join(_command(it) for it in found)


def _command(it: Command) -> str:
    # The general ones last: what is asked for here is what this command has of its own.
    options = [option for option in OPTIONS if _takes(it, option)]
    options += [option for option in OPTIONS if option.is_general]
    return "\n".join(
        [
            f"    tasques {it.usage} [OPTIONS]\n",
            textwrap.fill(it.description, _WIDTH),
            "\nOptions:\n",
            *_entries((option.usage, option.meaning) for option in options),
            "",
        ]
    )


def _takes(it: Command, option: Option) -> bool:
    return option.flags[0] in it.options


def _entries(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        indented = textwrap.fill(
            text, _WIDTH, initial_indent=" " * 22, subsequent_indent=" " * 22
        ).lstrip()
        yield f"  {term:<20}{indented}" if len(term) < 20 else f"  {term}\n{' ' * 22}{indented}"
