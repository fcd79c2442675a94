"""
The command ``tasques``.

- :mod:`~tasques.cli.arguments`: commands and options as tables, and how a command line is read.
- :mod:`~tasques.cli.explain`: the help, made of the tables.
- :mod:`~tasques.cli.commands`: what the commands do.
- :mod:`~tasques.cli.serving`: the command that serves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tasques import __version__, logs
from tasques.cli import commands, explain, serving
from tasques.cli.arguments import Arguments, UsageError, parse
from tasques.core.errors import InvalidInput, TasquesError

_RUN: Final[Mapping[str, Callable[[Arguments, Mapping[str, str]], int]]] = {
    "serve": serving.serve,
    "setup": commands.setup,
    "check": commands.check,
    "show config": commands.show_config,
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command line.

    Args:
        argv: Without the program's name; that of the process if None.

    Returns:
        The exit status: 0 fine, 1 trouble, 2 a command line that makes no sense.
    """
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        _complain(str(error))
        return 2
    if arguments.version:
        print(f"tasques {__version__}")
        return 0
    if arguments.command == "help":
        print(explain.command(arguments.topic) if arguments.topic else explain.everything(), end="")
        return 0
    return _run(arguments)


def _run(arguments: Arguments) -> int:
    try:
        return _RUN[arguments.command](arguments, os.environ)
    except InvalidInput as error:
        for fault in error.faults:
            _complain(str(fault))
    except (TasquesError, OSError) as error:
        _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted")
    return 1


def _complain(message: str) -> None:
    print(f"tasques: {logs.escape(message)}", file=sys.stderr)
