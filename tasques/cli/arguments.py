"""How a command line is understood, by the tables of the vocabulary."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

import attrs

from tasques.cli.vocabulary import (
    COMMANDS,
    LAST_PORT,
    MANY,
    OPTIONS,
    SETTINGS,
    SHELLS,
    Command,
    Option,
)


class UsageError(Exception):
    """The command line makes no sense; the message says what to write instead."""


@attrs.frozen(kw_only=True)
class Arguments:
    """
    A command line that was understood.

    Attributes:
        command: What to do; ``help`` where help was asked for in any way.
        topic: What to explain; empty for everything.
        parameters: What followed the command's words, such as a queue.
        overrides: Settings by dotted name, as texts.
        options: What was given for each flag, in that order: one text for each time, empty for a
            flag without a value. Those about settings and help are not among them.
    """

    command: str
    topic: str = ""
    parameters: tuple[str, ...] = ()
    config: str | None = None
    overrides: Mapping[str, str] = attrs.field(factory=dict)
    options: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    version: bool = False

    def has(self, flag: str) -> bool:
        """Whether the flag was given."""
        return flag in self.options

    def text(self, flag: str) -> str | None:
        """The flag's value, the last if it was given more than once."""
        return self.options[flag][-1] if flag in self.options else None

    @property
    def line(self) -> Sequence[str]:
        """The options and parameters again, as they can be written after the command."""
        options = [
            f"{flag}={value}" if value else flag
            for flag, values in self.options.items()
            for value in values
        ]
        return [*options, "--", *self.parameters]

    def number(self, flag: str) -> int | None:
        """The flag's value as a number."""
        text = self.text(flag)
        return None if text is None else int(text)


def parse(argv: Sequence[str]) -> Arguments:
    """
    Understand a command line, without the program's name.

    Raises:
        UsageError: If it makes no sense.
    """
    given = vars(_parser().parse_intermixed_args(argv))
    words: list[str] = given["words"]
    if words[:1] == ["help"]:
        return Arguments(command="help", topic=_topic(words[1:]))
    if words == ["show"]:
        return Arguments(command="help", topic="show")
    if not words and given["--help"]:
        return Arguments(command="help")
    command = _command(words or ["serve"])
    if given["--help"]:
        return Arguments(command="help", topic=command.words)
    processes, overrides = _processes(command, given["overrides"])
    arguments = Arguments(
        command=command.words,
        parameters=tuple(words[len(command.words.split()) :]),
        config=given["--config"],
        overrides=overrides,
        options={**{flag: tuple(given[flag]) for flag in _OWN if given[flag]}, **processes},
        version=given["--version"],
    )
    _check_flags(command, arguments)
    _check_parameters(command, arguments.parameters)
    _RULES.get(command.words, _anything)(arguments)
    return arguments


_OWN: Final = tuple(
    option.flags[0]
    for option in OPTIONS
    if not option.is_general and option.flags[0] not in SETTINGS
)


def _processes(
    command: Command, overrides: Sequence[tuple[str, str]]
) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, str]]:
    """``--processes`` as an option, where it is no setting; and the settings."""
    if "--set" in command.options:
        return {}, {_SETTING_OF.get(name, name): value for name, value in overrides}
    given = tuple(value for name, value in overrides if name == _PROCESSES)
    return (
        {_PROCESSES: given} if given and _PROCESSES in command.options else {},
        {name: value for name, value in overrides if name not in command.options},
    )


_PROCESSES: Final = "--processes"
_SETTING_OF: Final = {_PROCESSES: "http.processes"}


def _topic(words: Sequence[str]) -> str:
    """The command to explain, or the first word of one's; empty for everything."""
    topic = " ".join(words)
    known = {name for it in COMMANDS for name in (it.words, it.words.split()[0])}
    return topic if not topic or topic in known else _refuse(topic)


def _command(words: Sequence[str]) -> Command:
    for command in COMMANDS:
        own = command.words.split()
        if own == list(words[: len(own)]):
            return command
    return _refuse(" ".join(words))


def _refuse(words: str) -> NoReturn:
    all_words = [command.words for command in COMMANDS]
    first = words.partition(" ")[0]
    close = difflib.get_close_matches(words, all_words, n=1) or difflib.get_close_matches(
        first, all_words, n=1
    )
    advice = f"did you mean {close[0]}?" if close else "tasques help lists the commands"
    raise UsageError(f"there is no command [{words}]; {advice}")


def _check_flags(command: Command, arguments: Arguments) -> None:
    settings = {"--config": arguments.config, "--set": arguments.overrides}
    for flag in (*filter(settings.get, settings), *arguments.options):
        if flag not in command.options:
            others = ", ".join(it.words for it in COMMANDS if flag in it.options)
            raise UsageError(f"{flag} goes with {others}, not with {command.words}")


def _check_parameters(command: Command, given: Sequence[str]) -> None:
    needed = [name for name in command.parameters if not name.startswith("[")]
    if not len(needed) <= len(given) <= len(command.parameters) or "" in given:
        raise UsageError(f"write: tasques {command.usage}; tasques help {command.words} has more")


# What a command wants beyond that, each with its options.


def _anything(arguments: Arguments) -> None:
    pass


def _setup(arguments: Arguments) -> None:
    if arguments.has("--check") and arguments.has("--dry-run"):
        raise UsageError("--check and --dry-run exclude each other")
    if arguments.has("--check") and arguments.has("--kibana"):
        raise UsageError("--check never asks Kibana; --dry-run --kibana says what it would get")


def _list(arguments: Arguments) -> None:
    if arguments.has("--all") and arguments.has("--limit"):
        raise UsageError("--all and --limit exclude each other")


def _enqueue(arguments: Arguments) -> None:
    if arguments.text("--args") == arguments.text("--context") == "-":
        raise UsageError("--args and --context cannot both come from the standard input")


def _one_or_all(arguments: Arguments) -> None:
    is_one = len(arguments.parameters) == 2
    if is_one == arguments.has("--all"):
        raise UsageError(f"{arguments.command} wants either an ID or --all")
    for flag in MANY:
        if is_one and arguments.has(flag):
            raise UsageError(f"{flag} goes with --all, not with an ID")


def _delay(arguments: Arguments) -> None:
    _one_or_all(arguments)
    if arguments.has("--run-at") == arguments.has("--run-in"):
        raise UsageError("delay wants either --run-at or --run-in")


def _reprioritise(arguments: Arguments) -> None:
    _one_or_all(arguments)
    if not arguments.has("--priority"):
        raise UsageError("reprioritise wants a --priority")


def _worker(arguments: Arguments) -> None:
    if arguments.has("--burst") and arguments.has("--reload"):
        raise UsageError("--burst and --reload exclude each other")
    if arguments.has(_PROCESSES):
        _fewer_than(_PROCESSES, arguments.text(_PROCESSES) or "", _MOST_PROCESSES)
    processes, port = arguments.number(_PROCESSES) or 1, arguments.number("--health-port") or 0
    if port + processes - 1 > LAST_PORT:
        raise UsageError(f"there are no {processes} ports from {port} on for --health-port")


def _fewer_than(flag: str, text: str, most: int) -> None:
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise UsageError(f"argument {flag}: [{text}] is no number from 1 to {most}")


_MOST_PROCESSES: Final = 1000


def _completion(arguments: Arguments) -> None:
    (shell,) = arguments.parameters
    if shell not in SHELLS:
        raise UsageError(f"there is a script for {', '.join(SHELLS)}, not for [{shell}]")


_RULES: Final[Mapping[str, Callable[[Arguments], None]]] = {
    "setup": _setup,
    "list": _list,
    "enqueue": _enqueue,
    "cancel": _one_or_all,
    "retry": _one_or_all,
    "expire": _one_or_all,
    "delay": _delay,
    "reprioritise": _reprioritise,
    "worker": _worker,
    "completion": _completion,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="tasques", add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    for option in OPTIONS:
        action = _SETTING_ACTIONS.get(option.flags[0]) or _action(option)
        parser.add_argument(*option.flags, **{"dest": option.flags[0], **action})
    return parser


def _action(option: Option) -> Mapping[str, Any]:
    if option.is_general:
        return {"action": "store_true"}
    if not option.value:
        return {"action": "append_const", "const": "", "default": []}
    return {"action": "append", "type": _reading(option), "default": []}


def _reading(option: Option) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            option.check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return read


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError("wants NAME=VALUE, such as tasks.defaults.retry_times=3")
    return name.strip(), value


_OVERRIDE: Final[Mapping[str, Any]] = {"action": "append", "dest": "overrides", "default": []}
_SETTING_ACTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "--config": {"action": "store"},
    "--backend": {**_OVERRIDE, "type": lambda url: ("backend", url)},
    "--bind": {**_OVERRIDE, "type": lambda address: ("bind_address", address)},
    "--processes": {**_OVERRIDE, "type": lambda number: (_PROCESSES, number)},
    "--set": {**_OVERRIDE, "type": _assignment},
}
