"""
The command ``tasques``.

- :mod:`~tasques.cli.vocabulary`: commands and options as tables.
- :mod:`~tasques.cli.arguments`: how a command line is read.
- :mod:`~tasques.cli.explain`: the help, made of the tables.
- :mod:`~tasques.cli.commands`: what the commands about a server of one's own do.
- :mod:`~tasques.cli.serving`: the command that serves.
- :mod:`~tasques.cli.working`: the command that works; :mod:`~tasques.cli.worker_process` is one of its
  processes, if there are several.
- :mod:`~tasques.cli.seeing`, :mod:`~tasques.cli.acting`: the commands that ask a server.
- :mod:`~tasques.cli.completion`: what has a shell complete command lines.
- :mod:`~tasques.cli.remote`: that server, over HTTP.
- :mod:`~tasques.cli.layout`, :mod:`~tasques.cli.progress`: what they print.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from tasques import __version__, logs
from tasques.cli import explain
from tasques.cli.arguments import Arguments, UsageError, parse
from tasques.core.errors import InvalidInput, TasquesError

_Run: TypeAlias = Callable[[Arguments, Mapping[str, str]], int]


def _later(module: str, function: str) -> _Run:
    """A command that is imported when it is run: the others start sooner without it."""

    def run(arguments: Arguments, environ: Mapping[str, str]) -> int:
        found: _Run = getattr(importlib.import_module(f"tasques.cli.{module}"), function)
        return found(arguments, environ)

    return run


_RUN: Final[Mapping[str, _Run]] = {
    "serve": _later("serving", "serve"),
    "setup": _later("commands", "setup"),
    "check": _later("commands", "check"),
    "show config": _later("commands", "show_config"),
    "queues": _later("seeing", "queues"),
    "list": _later("seeing", "list_tasks"),
    "get": _later("seeing", "get"),
    "enqueue": _later("acting", "enqueue"),
    **dict.fromkeys(
        ("cancel", "retry", "expire", "delay", "reprioritise"), _later("acting", "one_or_all")
    ),
    "worker": _later("working", "worker"),
    "completion": _later("completion", "completion"),
    **dict.fromkeys(("pause", "resume"), _later("acting", "pause_or_resume")),
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
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that knows fewer characters than tasks have gets \u65e5 rather than nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    return status_of(lambda: _RUN[arguments.command](arguments, os.environ))


def status_of(run: Callable[[], int]) -> int:
    """The exit status of a command; what goes wrong is told on the standard error."""
    try:
        status = run()
        sys.stdout.flush()
        return status
    except UsageError as error:
        _complain(str(error))
        return 2
    except InvalidInput as error:
        for fault in error.faults:
            _complain(str(fault))
    except BrokenPipeError:
        # Whoever reads has seen enough, as head has. What is left goes nowhere, else Python would
        # complain when it flushes it at its end. Source: Python, signal, "Note on SIGPIPE".
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (TasquesError, OSError) as error:
        _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted")
    return 1


def _complain(message: str) -> None:
    print(f"tasques: {logs.escape(message)}", file=sys.stderr)
