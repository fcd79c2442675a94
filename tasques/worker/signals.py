"""
What the signals of the operating system mean to a worker.

=================  ================================================================
SIGTERM, SIGINT    stop within the grace; a second one: give back at once
SIGUSR1            write into the log what runs, and where
=================  ================================================================
"""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from tasques.core.values import Duration
from tasques.worker.log_fields import fields
from tasques.worker.worker import Worker

_log: Final = logging.getLogger("tasques.worker")
STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
_DUMPING: Final = signal.SIGUSR1


@contextlib.contextmanager
def handled(worker: Worker, stopping: Sequence[signal.Signals] = STOPPING) -> Iterator[None]:
    """
    Have *worker* obey signals meanwhile; to be called by the main thread.

    Args:
        stopping: Those that stop it.
    """
    # A handler runs in the main thread, between any two of its steps, and must not wait for a lock
    # that this very thread may hold. It only says which signal came; a thread does the rest.
    arrived: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    before = {
        number: signal.signal(number, lambda number, _: arrived.put(number))
        for number in (*stopping, _DUMPING)
    }
    obeying = threading.Thread(
        target=_obey, args=(worker, arrived), name="tasques-signals", daemon=True
    )
    obeying.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        arrived.put(None)
        obeying.join()


def _obey(worker: Worker, arrived: queue.SimpleQueue[int | None]) -> None:
    is_stopping = False
    while (number := arrived.get()) is not None:
        name = signal.Signals(number).name
        if number == _DUMPING:
            dump(worker)
        elif is_stopping:
            _log.warning("%s once more: everything is given back at once", name)
            worker.stop(grace=Duration(0))
        else:
            is_stopping = True
            grace = worker.options.grace
            _log.warning("%s: nothing more is claimed, and what runs has %s", name, grace)
            worker.stop()


def dump(worker: Worker) -> None:
    """Write into the log what runs, and where each body is."""
    seen = worker.seen()
    _log.warning("%d tasks run, %d bodies are abandoned", len(seen.running), seen.abandoned)
    for attempt, stack in worker.stacks().items():
        _log.warning("it is here:\n%s", stack, extra=fields(attempt.task))
