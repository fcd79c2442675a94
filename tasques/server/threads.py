"""
The threads that work on requests, and which of them is woken for what.

The one that became idle last is woken next, so that under little load the same few serve all: their
stacks are warm in the processor's caches. waitress wakes the longest idle, which makes every one of
several hundred take its turn: half as much CPU again for a lone request (explanation/hot-path.md).

Work that waits for nobody, as the answers of a whole round of claims that found nothing, is done by one
thread, one piece after another; waking one for each would cost more than the work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sized
from typing import Any, Final, Protocol

from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]

#: A thread that has been at one piece of brief work for so long gets company.
_BRIEF_SECONDS: Final = 0.02


class Task(Protocol):
    """What a thread is given."""

    def service(self) -> None:
        """Do it."""

    def cancel(self) -> None:
        """It is not going to be done."""


class Threads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """waitress's dispatcher, but for which threads are woken."""

    # waitress writes a line for each request that has to wait for a thread; how long requests take
    # is measured.
    queue_logger = logging.Logger("waitress.queue", logging.CRITICAL)  # noqa: LOG001 - ours alone

    def __init__(self) -> None:
        super().__init__()
        self.queue_cv = _LatestFirst(self.lock, self.queue)
        self._brief = _BriefTasks(self)

    def add_brief_task(self, task: Task) -> None:
        """Have a task done that waits for nobody."""
        self._brief.add(task)

    def help_brief_tasks(self) -> None:
        """Should one wait all the same, have those behind it done; to be called now and then."""
        self._brief.help()


class _BriefTasks:
    """
    Tasks that one thread does, as far as it gets on; for that thread they are one task.

    There is a thread for them, on its way or at work, whenever there are any: it leaves under the
    lock under which others find out that it is there.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._at_work = 0
        self._began = 0.0  # the last one, or the last thread was called

    def add(self, task: Task) -> None:
        """Have it done after those before it."""
        with self._lock:
            self._tasks.append(task)
        self.help()

    def help(self) -> None:
        """Call a thread, if there are tasks and none gets on with them."""
        with self._lock:
            now = time.monotonic()
            gets_on = self._at_work > 0 and now - self._began < _BRIEF_SECONDS
            if gets_on or not self._tasks:
                return
            self._at_work += 1
            self._began = now
        self._threads.add_task(self)

    def service(self) -> None:
        """Do all there are, on one of the threads."""
        while (task := self._next()) is not None:
            try:
                task.service()
            except BaseException:  # as waitress does: the thread goes on
                self._threads.logger.exception("Exception when servicing %r", task)

    def cancel(self) -> None:
        """None of them is going to be done."""
        with self._lock:
            tasks, self._tasks = self._tasks, deque()
        for task in tasks:
            task.cancel()

    def _next(self) -> Task | None:
        with self._lock:
            if not self._tasks:
                self._at_work -= 1
                return None
            self._began = time.monotonic()
            return self._tasks.popleft()


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
