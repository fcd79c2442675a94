"""
A worker in a process that a supervisor has started: what the two say to each other.

They share a pair of sockets. The process says once that it works. The supervisor says what its own
signals mean; that it is gone is said by the end of the line, however it went. Not signals: who stops a
whole group of processes, as a terminal, systemd and Kubernetes do, reaches the worker too, and what the
supervisor passed on would count as the second one.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Final

from tasques.core.values import Duration
from tasques.worker.signals import dump
from tasques.worker.worker import Worker

#: The process works.
WORKS: Final = b"+"
#: Stop within the grace; give back at once; write into the log what runs.
STOP: Final = b"s"
STOP_NOW: Final = b"n"
DUMP: Final = b"d"

_log: Final = logging.getLogger("tasques.worker")


@contextlib.contextmanager
def obeying(worker: Worker, line: socket.socket) -> Iterator[None]:
    """Have *worker* do meanwhile what comes over *line*, also what came before; and say that it works."""
    listening = threading.Thread(
        target=_listen, args=(worker, line), name="tasques-supervisor", daemon=True
    )
    with contextlib.suppress(OSError):
        line.sendall(WORKS)
    listening.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        listening.join()
        line.close()


def _listen(worker: Worker, line: socket.socket) -> None:
    try:
        while said := line.recv(1):
            if said == DUMP:
                dump(worker)
            else:
                worker.stop(grace=Duration(0) if said == STOP_NOW else None)
    except OSError:
        pass  # nobody is there any more
    if not worker.ended.is_set() and not worker.seen().is_stopping:
        _log.warning("the supervisor is gone: nothing more is claimed, and what runs may finish")
        worker.stop()
