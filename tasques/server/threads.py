"""
The threads that work on requests, and which of them is woken for what.

The one that became idle last is woken next, so that under little load the same few serve all: their
stacks are warm in the processor's caches. waitress wakes the longest idle, which makes every one of
several hundred take its turn: half as much CPU again for a lone request (explanation/hot-path.md).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sized
from typing import Any

from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]


class Threads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """waitress's dispatcher, but for which threads are woken."""

    # waitress writes a line for each request that has to wait for a thread; how long requests take
    # is measured.
    queue_logger = logging.Logger("waitress.queue", logging.CRITICAL)  # noqa: LOG001 - ours alone

    def __init__(self) -> None:
        super().__init__()
        self.queue_cv = _LatestFirst(self.lock, self.queue)


class _LatestFirst:
    """
    As much of a condition variable as the dispatcher uses; whoever waits since last is woken first.

    While one is on its way no other is woken: it may be that it does what has come meanwhile, too,
    before another would have begun. It wakes the next before it begins, if there is more than it takes
    itself. So nothing lies there beside threads that wait, unless one of them is on its way.

    The lock is held by whoever calls a method.

    Args:
        tasks: What there is to do.
    """

    def __init__(self, lock: threading.Lock, tasks: Sized) -> None:
        self._lock = lock
        self._tasks = tasks
        self._waiting: deque[Any] = deque()
        self._on_the_way = 0

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
            self._on_the_way -= 1
            if len(self._tasks) > 1:
                self.notify()

    def notify(self) -> None:
        """Wake one, unless one is on its way."""
        if not self._on_the_way:
            self._wake_one()

    def notify_all(self) -> None:
        """Wake all."""
        while self._waiting:
            self._wake_one()

    def _wake_one(self) -> None:
        if self._waiting:
            self._on_the_way += 1
            self._waiting.pop().release()
