"""
What can be written on the command line: commands and options, each as one table.

The help, the parser and the reference page's test are made of the same tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import attrs

from tasques import logs
from tasques.core.listing import ListOrder
from tasques.core.tasks import State
from tasques.core.values import Duration, Instant


@attrs.frozen(kw_only=True)
class Command:
    """
    A command.

    Attributes:
        words: What is written: ``show config``.
        parameters: What follows the words: ``QUEUE``; in brackets what may be left out: ``[ID]``.
        summary: One line, for the list of commands.
        description: What it does, when to use it, and with which exit status it ends.
        options: Those of :data:`OPTIONS` that it takes, apart from the general ones.
        asks_server: Whether it asks a server that runs, rather than being about one of its own.
    """

    words: str
    parameters: tuple[str, ...] = ()
    summary: str
    description: str
    options: tuple[str, ...] = ()
    asks_server: bool = False

    @property
    def usage(self) -> str:
        """As the help has it: ``get QUEUE ID``."""
        return " ".join((self.words, *self.parameters))


@attrs.frozen(kw_only=True)
class Option:
    """
    An option.

    Attributes:
        flags: As it is written: ``--config``; the long form first.
        value: What its value is, in capitals; empty where it takes none.
        meaning: What it does, in a sentence or two.
        is_general: Whether all commands take it.
        read: Raises a ValueError for a value that makes no sense.
        choices: The values that there are; empty where there are any number.
    """

    flags: tuple[str, ...]
    value: str = ""
    meaning: str
    is_general: bool = False
    read: Callable[[str], object] = str
    choices: tuple[str, ...] = ()

    def check(self, text: str) -> None:
        """
        Refuse a value that makes no sense.

        Raises:
            ValueError: With what is wrong.
        """
        if self.choices and text not in self.choices:
            raise ValueError(f"[{text}] is not one of {', '.join(self.choices)}")
        self.read(text)

    @property
    def usage(self) -> str:
        """As the help has it: ``--config FILE``."""
        return " ".join(filter(None, (", ".join(self.flags), self.value)))


#: Taken by the commands that are about a server of their own.
SETTINGS: Final = ("--config", "--backend", "--bind", "--processes", "--set")
#: Taken by the commands that ask a server.
ASKING: Final = ("--url", "--request-timeout", "--json")
#: Which tasks are meant.
FILTERS: Final = ("--state", "--kind", "--worker", "--created-from", "--created-before")
#: What goes with ``--all`` where a command acts.
MANY: Final = (*FILTERS, "--limit", "--dry-run", "--yes", "--progress")
_ACTING: Final = (*ASKING, "--all", *MANY)

LAST_PORT: Final = 65535

_ONE_OR_ALL: Final = (
    "With --all instead of an id it does so to every task that the options mean, page by page, the "
    "oldest first, asks before, and prints how many were changed. What cannot be changed is "
    "printed, and is no failure. "
)

#: Whose command lines can be completed.
SHELLS: Final = ("bash", "zsh", "fish")

COMMANDS: Final = (
    Command(
        words="serve",
        summary="Serve the HTTP API; what `tasques` does without a command, too.",
        description="Reads the settings, opens the backend and serves until SIGINT or SIGTERM. "
        "Then it takes nothing new, answers the claims that wait, and lets running requests "
        "finish within `shutdown_timeout`. Exit status 0 when it stopped in order; 1 if the "
        "settings are wrong, the templates are missing, Elasticsearch cannot be reached, the "
        "address is taken, or requests did not finish in time.",
        options=SETTINGS,
    ),
    Command(
        words="setup",
        summary="Install in Elasticsearch what the server needs.",
        description="Installs index templates and what else is missing, and prints each thing "
        "with its state. Where `kibana.address` is set and a template was missing, dashboards are "
        "imported into Kibana. Run it once before the first start and after upgrades; doing it "
        "twice changes nothing. Exit status 0 when everything is there, else 1.",
        options=(*SETTINGS, "--check", "--dry-run", "--kibana"),
    ),
    Command(
        words="check",
        summary="Test the settings and the connection to the backend.",
        description="Reads the settings as `serve` would, asks the backend how it is, and prints "
        "every finding: `fatal` keeps the server from serving, `warning` does not. Changes "
        "nothing. Exit status 1 if something is fatal, else 0.",
        options=SETTINGS,
    ),
    Command(
        words="show config",
        summary="Print the settings in effect, and where each came from.",
        description="Prints one JSON object to the standard output, in the shape of the file below "
        "`tasques.server`: durations in nanoseconds, null for what is not set, *** for secrets. "
        "`sources` says for each setting whether the command line, the environment, the file or "
        "the default decided. (The original prints it through its log.) Exit status 0, or 1 if the "
        "settings are wrong.",
        options=SETTINGS,
    ),
    Command(
        words="queues",
        summary="List the queues: tasks by state, what waits, what is paused.",
        description="Prints a line for each queue: its tasks by state; how many can be claimed now "
        "(READY), and for how long the longest due of these has waited (WAITING); for how long it "
        "has been paused (PAUSED). With --json: one document, as the server answers. Exit status "
        "0, or 1 if the server does not answer.",
        options=ASKING,
        asks_server=True,
    ),
    Command(
        words="list",
        parameters=("QUEUE",),
        summary="List tasks of a queue, or those archived from it.",
        description="Prints a line for each task that the options mean, the newest first, a "
        "hundred if neither --limit nor --all says otherwise; if there are more, it says so on the "
        "standard error. With --json: one line of JSON for each task, as the server answers. Exit "
        "status 0, also if there are none, or 1 if the server does not answer.",
        options=(*ASKING, *FILTERS, "--order", "--limit", "--all", "--archived", "--progress"),
        asks_server=True,
    ),
    Command(
        words="get",
        parameters=("QUEUE", "ID"),
        summary="Show a task, with everything that is known about it.",
        description="Prints the task: its fields by their names, texts of several lines as such, "
        "and how long ago things happened. With --json: one document, as the server answers. Exit "
        "status 0, or 1 if there is no such task.",
        options=(*ASKING, "--archived"),
        asks_server=True,
    ),
    Command(
        words="enqueue",
        parameters=("QUEUE", "KIND"),
        summary="Create a task.",
        description="Creates a task and prints its id. Repeated with the same --id it is refused, "
        "with the same --idempotency-key it finds the first task; either way there are not two. "
        "With --json: the task, as the server answers. Exit status 0, or 1 if the server does not "
        "answer or refuses.",
        options=(
            *ASKING,
            "--id",
            "--priority",
            "--retry-times",
            "--timeout",
            "--run-at",
            "--expires-at",
            "--args",
            "--context",
            "--idempotency-key",
        ),
        asks_server=True,
    ),
    Command(
        words="cancel",
        parameters=("QUEUE", "[ID]"),
        summary="End tasks: those that wait at once, those at work by their workers.",
        description="Ends a task that is queued or failed; of a claimed one it asks its worker to "
        f"end it. {_ONE_OR_ALL}Exit status 0, or 1 if the task could not be cancelled or any of "
        "many failed.",
        options=_ACTING,
        asks_server=True,
    ),
    Command(
        words="retry",
        parameters=("QUEUE", "[ID]"),
        summary="Queue dead tasks again, with all their attempts.",
        description=f"Queues a dead task again, with all its attempts. {_ONE_OR_ALL}Exit status 0, "
        "or 1 if the task is not dead or any of many failed.",
        options=_ACTING,
        asks_server=True,
    ),
    Command(
        words="expire",
        parameters=("QUEUE", "[ID]"),
        summary="End tasks that wait and are not worth starting any more.",
        description=f"Ends a task that is queued or failed, as expired. {_ONE_OR_ALL}Exit status "
        "0, or 1 if the task does not wait or any of many failed.",
        options=_ACTING,
        asks_server=True,
    ),
    Command(
        words="delay",
        parameters=("QUEUE", "[ID]"),
        summary="Let tasks that wait, wait until another time.",
        description="Has a task that is queued or failed wait until --run-at, or for --run-in from "
        f"now. {_ONE_OR_ALL}Exit status 0, or 1 if the task does not wait or any of many failed.",
        options=(*_ACTING, "--run-at", "--run-in"),
        asks_server=True,
    ),
    Command(
        words="reprioritise",
        parameters=("QUEUE", "[ID]"),
        summary="Give tasks that wait another priority.",
        description=f"Gives a task that is queued or failed the --priority. {_ONE_OR_ALL}Exit "
        "status 0, or 1 if the task does not wait or any of many failed.",
        options=(*_ACTING, "--priority"),
        asks_server=True,
    ),
    Command(
        words="pause",
        parameters=("QUEUE",),
        summary="Hand out nothing from a queue until it is resumed.",
        description="From now on no task of the queue is handed out; those at work go on, and new "
        "ones may be created. Doing it twice changes nothing. (A server of the original's does not "
        "obey.) Exit status 0, or 1 if the server does not answer.",
        options=ASKING,
        asks_server=True,
    ),
    Command(
        words="resume",
        parameters=("QUEUE",),
        summary="Hand out tasks of a paused queue again.",
        description="Ends a pause; doing it twice changes nothing. Exit status 0, or 1 if the "
        "server does not answer.",
        options=ASKING,
        asks_server=True,
    ),
    Command(
        words="worker",
        parameters=("MODULE:APP",),
        summary="Run the tasks that an application declares.",
        description="Claims tasks, runs them, and tells the server what came of them, until SIGTERM or "
        "SIGINT. Then it claims nothing more, lets what runs finish within --grace, gives the rest "
        "back, and ends; a second signal gives back at once. With --processes a process that ends is "
        "replaced. SIGUSR1 writes into the log what runs, and "
        "where. It waits for a server that does not answer, however long that takes. Exit status 0 "
        "when it stopped in order, 1 if it could not begin.",
        options=(
            "--queue",
            "--strict",
            "--concurrency",
            "--processes",
            "--reload",
            "--grace",
            "--burst",
            "--max-tasks",
            "--soft-limit",
            "--hard-limit",
            "--worker-id",
            "--health-port",
            "--log-level",
            "--log-json",
        ),
    ),
    Command(
        words="completion",
        parameters=("SHELL",),
        summary="Print what has a shell complete command lines of tasques.",
        description="Prints a script for bash, zsh or fish. Its first lines say where to put it. It "
        "completes commands, options, and the values of those that have a few. Exit status 0, or 2 for "
        "another shell.",
    ),
    Command(
        words="help",
        summary="Explain all of this, or one command: `tasques help setup`.",
        description="Prints the help, of one command if its words follow. Exit status 0.",
        options=SETTINGS,
    ),
)


def _address(text: str) -> None:
    """
    Refuse what is no address of a server, and a password: others can see a command line.

    The reason never repeats the text, which may have a password at an unexpected place.
    """
    from tasques.cli.remote import split_url

    if split_url(text).password is not None:
        raise ValueError(
            "with a password can be seen by others on this machine; "
            "put it into TASQUES_URL or TASQUES_PASSWORD"
        )


def _positive_duration(text: str) -> None:
    if Duration.parse(text).nanoseconds <= 0:
        raise ValueError("must be longer than nothing")


def _whole(text: str) -> None:
    # int() takes blanks and underscores, too, and no number of the API has more digits.
    if not re.fullmatch("-?[0-9]{1,19}", text):
        raise ValueError(f"[{text}] is not a whole number")


def _count(text: str) -> None:
    _whole(text)
    if int(text) < 1:
        raise ValueError("must not be less than 1")


def _weighted(text: str) -> None:
    # No queue's name has a colon.
    _, colon, weight = text.partition(":")
    if colon and not re.fullmatch("[0-9]{1,6}", weight):
        raise ValueError(f"[{weight}] is not a weight: write QUEUE:3")


def _port(text: str) -> None:
    if not text.isascii() or not text.isdigit() or int(text) > LAST_PORT:
        raise ValueError(f"[{text}] is not a port, 0 to {LAST_PORT}")


def _header_value(text: str) -> None:
    if not text or any(not character.isprintable() for character in text):
        raise ValueError("must have characters, and only such as can be seen")


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
        flags=("--processes",),
        value="NUMBER",
        meaning="How many processes serve at the address together; there it is short for --set "
        "http.processes=NUMBER. Of a worker: how many work, each with so many tasks at a time.",
    ),
    Option(
        flags=("--set",),
        value="NAME=VALUE",
        meaning="Any setting, such as tasks.defaults.retry_times=3; may be repeated, the last one "
        "counts. Wins over environment and file. An empty value for a section removes the section. "
        "Others can see a command line, so keep secrets in the file or the environment.",
    ),
    Option(
        flags=("--help", "-h"),
        meaning="Explain, and do nothing else.",
        is_general=True,
    ),
    Option(
        flags=("--version",),
        meaning="Print the version, and do nothing else.",
        is_general=True,
    ),
    Option(
        flags=("--check",),
        meaning="Change nothing; exit status 1 if something is missing.",
    ),
    Option(
        flags=("--dry-run",),
        meaning="Change nothing; say what would be done. Exit status 0.",
    ),
    Option(
        flags=("--kibana",),
        meaning="Import the dashboards into Kibana although no template was missing, over those "
        "imported before.",
    ),
    Option(
        flags=("--url",),
        value="URL",
        meaning="The server to ask; without it what TASQUES_URL says, else http://localhost:8080. A "
        "user and a password come from TASQUES_USER and TASQUES_PASSWORD, or stand in TASQUES_URL: "
        "http://ann:secret@host:8080.",
        read=_address,
    ),
    Option(
        flags=("--request-timeout",),
        value="DURATION",
        meaning="How long the server may be silent before it counts as not answering; 60s.",
        read=_positive_duration,
    ),
    Option(flags=("--json",), meaning="Print JSON for programs, instead of a text for people."),
    Option(
        flags=("--state",),
        value="STATE",
        meaning="Only tasks in this state: queued, claimed, failed, done or dead; may be repeated. "
        "Where a command acts and none is given, those in which it can.",
        choices=tuple(State),
    ),
    Option(flags=("--kind",), value="KIND", meaning="Only tasks of this kind."),
    Option(
        flags=("--worker",),
        value="ID",
        meaning="Only tasks whose current or last claim is this worker's.",
    ),
    Option(
        flags=("--created-from",),
        value="TIME",
        meaning="Only tasks created then or later; RFC 3339, such as 2026-11-22T04:00:10Z.",
        read=Instant.parse,
    ),
    Option(
        flags=("--created-before",),
        value="TIME",
        meaning="Only tasks created before then.",
        read=Instant.parse,
    ),
    Option(
        flags=("--order",),
        value="ORDER",
        meaning="By creation: newest first, or oldest; newest.",
        choices=tuple(ListOrder),
    ),
    Option(
        flags=("--limit",),
        value="N",
        meaning="Look at so many tasks, and leave the others alone.",
        read=_count,
    ),
    Option(flags=("--all",), meaning="Every task that the other options mean."),
    Option(
        flags=("--archived",),
        meaning="Look into the archive: `list` there only, `get` there too.",
    ),
    Option(
        flags=("--yes",),
        meaning="Do it without asking; where nobody sits before a terminal, --all needs it.",
    ),
    Option(
        flags=("--progress",),
        meaning="Say on the standard error how far it is, though that is no terminal.",
    ),
    Option(
        flags=("--id",),
        value="ID",
        meaning="The task's id; without it the server makes one up.",
    ),
    Option(
        flags=("--priority",),
        value="N",
        meaning="The higher, the sooner it is claimed; 0 for a new task.",
        read=_whole,
    ),
    Option(
        flags=("--retry-times",),
        value="N",
        meaning="How often it is tried again after it has failed; without it the server's default.",
        read=_whole,
    ),
    Option(
        flags=("--timeout",),
        value="DURATION",
        meaning="How long a worker has, from its claim or its last report; 30m or 1h30m. Without it "
        "the server's default.",
        read=Duration.parse,
    ),
    Option(
        flags=("--run-at",),
        value="TIME",
        meaning="Not to be claimed before.",
        read=Instant.parse,
    ),
    Option(
        flags=("--run-in",),
        value="DURATION",
        meaning="Not to be claimed before so long from now, by the server's clock.",
        read=Duration.parse,
    ),
    Option(
        flags=("--expires-at",),
        value="TIME",
        meaning="Not worth starting after.",
        read=Instant.parse,
    ),
    Option(
        flags=("--args",),
        value="JSON",
        meaning="What the task is to work on: a JSON object, or @FILE, or - for the standard input.",
    ),
    Option(
        flags=("--context",),
        value="JSON",
        meaning="What else goes with it, written in the same ways.",
    ),
    Option(
        flags=("--idempotency-key",),
        value="KEY",
        meaning="Makes a repeat recognisable: it finds the task that the first one made. Not "
        "together with --id.",
        read=_header_value,
    ),
    Option(
        flags=("--queue", "-q"),
        value="QUEUE[:WEIGHT]",
        meaning="A queue to take tasks from; may be repeated. Without it: from every queue. With weights, "
        "mail:3 and bulk:1, three times as many from mail while both have some.",
        read=_weighted,
    ),
    Option(
        flags=("--strict",),
        meaning="Take nothing from a queue while one that is named before it has something.",
    ),
    Option(
        flags=("--concurrency", "-c"),
        value="N",
        meaning="So many tasks at a time; 8.",
        read=_count,
    ),
    Option(
        flags=("--reload",),
        meaning="Begin anew whenever a Python file below the working directory changes; for development.",
    ),
    Option(
        flags=("--grace",),
        value="DURATION",
        meaning="How long tasks may go on after the first signal to stop; 30s, with --reload 2s.",
        read=Duration.parse,
    ),
    Option(flags=("--burst",), meaning="Stop when nothing is left to do."),
    Option(
        flags=("--max-tasks",),
        value="N",
        meaning="Stop after so many tasks: against bodies that leak memory.",
        read=_count,
    ),
    Option(
        flags=("--soft-limit",),
        value="DURATION",
        meaning="A task that runs longer gets the exception SoftTimeLimitExceeded, where it is.",
        read=_positive_duration,
    ),
    Option(
        flags=("--hard-limit",),
        value="DURATION",
        meaning="A task that runs longer has failed, and its place is taken by another, whatever it "
        "still does.",
        read=_positive_duration,
    ),
    Option(
        flags=("--worker-id",),
        value="ID",
        meaning="Who the worker is to the server, made up if not given. No two may be the same at a "
        "time.",
        read=_header_value,
    ),
    Option(
        flags=("--health-port",),
        value="PORT",
        meaning="Answer GET /health/live, /health/ready, /counters and /metrics there; 0 for a free port. "
        "Of several processes each has its own, from this one on.",
        read=_port,
    ),
    Option(
        flags=("--log-level",),
        value="LEVEL",
        meaning=f"From which level on is logged: {', '.join(logs.LEVELS)}; info.",
        choices=tuple(logs.LEVELS),
    ),
    Option(flags=("--log-json",), meaning="Log a JSON object a line, instead of text."),
)
