"""The command that works: ``tasques worker module:app``."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import attrs

from tasques import logs
from tasques.cli.arguments import Arguments, UsageError
from tasques.worker import App, TaskFilter, Worker, WorkerOptions
from tasques.worker.health import HealthServer
from tasques.worker.signals import handled
from tasques.worker.sources import Sources
from tasques.worker.supervised import obeying
from tasques.worker.supervisor import Supervisor

_log: Final = logging.getLogger("tasques.worker")

#: Over a network, what was just created by others may be found a moment later.
_LAST_LOOK: Final = "1s"
#: Who has changed a file wants to see what comes of it.
_RELOAD_GRACE: Final = "2s"


def worker(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """
    Work until told to stop; gives the exit status.

    Raises:
        UsageError: If there is no such application.
        InvalidInput: If an option makes no sense.
        OSError: If the port for health is taken.
    """
    if arguments.has("--processes") or arguments.has("--reload"):
        _configure_log(arguments)
        return _supervise(arguments)
    return work(arguments)


def work(arguments: Arguments, number: int = 0, supervisor: socket.socket | None = None) -> int:
    """
    Work in this process; gives the exit status.

    Args:
        number: Which of several processes this is.
        supervisor: The line to who has started them, if there are several.

    Raises:
        UsageError, InvalidInput, OSError: As of :func:`worker`.
    """
    _configure_log(arguments)
    told = options(arguments)
    if supervisor is not None and told.worker_id is not None:
        told = attrs.evolve(told, worker_id=f"{told.worker_id}-{number}")
    made = Worker(application(arguments.parameters[0]), told)
    with _health(made, arguments.number("--health-port"), number), _told(made, supervisor):
        made.run()
    if made.seen().abandoned:
        # A body that does not end could keep the program from ending, too: by a thread of an
        # executor, for which Python waits.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
    return 0


def _configure_log(arguments: Arguments) -> None:
    logs.configure(
        level=arguments.text("--log-level") or "info",
        as_json=arguments.has("--log-json"),
        filters=[TaskFilter()],
    )


def _supervise(arguments: Arguments) -> int:
    # What is wrong with the options is said once, and here.
    options(arguments)

    # A cached form counts as current if it has the source's size and, to the second, its time: what is
    # written twice in a second could be run as it was the first time. So none is written.
    flags = ["-B"] if arguments.has("--reload") else []

    def command(number: int, line: int) -> list[str]:
        module = "tasques.cli.worker_process"
        options = [str(line), str(number), "worker", *arguments.line]
        return [sys.executable, *flags, "-m", module, *options]

    return Supervisor(
        command,
        arguments.number("--processes") or 1,
        is_burst=arguments.has("--burst"),
        have_changed=Sources(Path.cwd()).have_changed if arguments.has("--reload") else None,
    ).run()


@contextlib.contextmanager
def _told(made: Worker, supervisor: socket.socket | None) -> Iterator[None]:
    """Have *made* do what signals say, or whoever has started it."""
    if supervisor is None:
        with handled(made):
            yield
    else:
        with handled(made, [signal.SIGTERM]), obeying(made, supervisor):
            yield


def options(arguments: Arguments) -> WorkerOptions:
    """
    What the command line says of the worker.

    Raises:
        InvalidInput: If a value makes no sense.
    """
    named = [name.partition(":") for name in arguments.options.get("--queue", ())]
    given = {
        "queues": [queue for queue, _, _ in named],
        "weights": {queue: int(weight) for queue, _, weight in named if weight},
        "strict": arguments.has("--strict"),
        "concurrency": arguments.number("--concurrency"),
        "worker_id": arguments.text("--worker-id"),
        "grace": arguments.text("--grace")
        or (_RELOAD_GRACE if arguments.has("--reload") else None),
        "max_tasks": arguments.number("--max-tasks"),
        "soft_limit": arguments.text("--soft-limit"),
        "hard_limit": arguments.text("--hard-limit"),
    }
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return WorkerOptions(burst=arguments.has("--burst"), last_look=_LAST_LOOK, **said)


def application(place: str) -> App:
    """
    The application at ``package.module:name``.

    Raises:
        UsageError: If there is none.
    """
    module_name, colon, name = place.partition(":")
    if not colon or not module_name or not name:
        raise UsageError(f"write where the application is as MODULE:NAME, not [{place}]")
    # As python -m has it: what lies in the working directory can be imported.
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise UsageError(f"there is no module [{module_name}] here: {error}") from error
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not hasattr(found, "tasks") or not hasattr(found, "operations"):
        raise UsageError(f"[{name}] of [{module_name}] is no application: {type(found).__name__}")
    return cast("App", found)


@contextlib.contextmanager
def _health(made: Worker, port: int | None, number: int) -> Iterator[None]:
    if port is None:
        yield
        return
    with HealthServer(made.seen, made.is_alive, port and port + number) as server:
        _log.info("health can be asked for at port %d", server.port)
        yield
