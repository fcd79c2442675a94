"""
The threads that work on requests.

The one that became idle last is woken next, so that under little load the same few serve all: their
stacks are warm in the processor's caches. waitress wakes the longest idle, which makes every one of
several hundred take its turn: half as much CPU again for a lone request (explanation/hot-path.md).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]


class Threads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """waitress's dispatcher, but for the order in which idle threads are woken."""

    # waitress writes a line for each request that has to wait for a thread; how long requests take
    # is measured.
    queue_logger = logging.Logger("waitress.queue", logging.CRITICAL)  # noqa: LOG001 - ours alone

    def __init__(self) -> None:
        super().__init__()
        self.queue_cv = _LatestFirst(self.lock)


class _LatestFirst:
    """
    As much of a condition variable as the dispatcher uses; whoever waits since last is woken first.

    The lock is held by whoever calls a method.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._waiting: deque[Any] = deque()

    def wait(self) -> None:
        """Let go of the lock until woken."""
        gate = threading.Lock()
        gate.acquire()
        self._waiting.append(gate)
        self._lock.release()
        try:
            gate.acquire()
        finally:
            self._lock.acquire()

    def notify(self) -> None:
        """Wake one."""
        if self._waiting:
            self._waiting.pop().release()

    def notify_all(self) -> None:
        """Wake all."""
        while self._waiting:
            self._waiting.pop().release()
