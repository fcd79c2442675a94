"""
Threads that commit what was handed in by callers who do not wait.

There are none until something is handed in; from then on as many as batches may be under way, and
one that had nothing to do for a while ends. Whoever hands in calls one. One that is on its way looks for
everything there is to do, and so does each before it sleeps; so nothing lies there beside a thread that
sleeps, and hardly ever are two woken for one batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from tasques.core.ports import Condition, Runtime

_log = logging.getLogger(__name__)

#: One without work for so long ends.
_PATIENCE_SECONDS: Final = 60.0


class Committers:
    """
    The threads; the lock of *sharing* is held by whoever calls a method.

    Args:
        limit: At most so many.
        next_job: Gives a job that waits, or None; called under the lock, the job without it.
    """

    def __init__(
        self,
        runtime: Runtime,
        sharing: Condition,
        *,
        limit: int,
        next_job: Callable[[], Callable[[], None] | None],
    ) -> None:
        self._runtime = runtime
        self._lock = sharing
        self._limit = limit
        self._next_job = next_job
        self._count = 0
        # What each idle one sleeps on, the one that works since last at the end.
        self._idle: list[Condition] = []
        self._is_called = False

    def call(self) -> None:
        """Have somebody look for a job soon."""
        if self._is_called:
            return
        if self._idle:
            self._is_called = True
            # Its caches are the warmest.
            self._idle.pop().notify()
        elif self._count < self._limit:
            try:
                self._runtime.spawn("committer", self._run)
            except RuntimeError:
                # Threads have run out; whoever calls next tries again.
                _log.exception("no thread is to be had for what was handed in")
                return
            self._is_called = True
            self._count += 1

    def _run(self) -> None:
        wake = self._runtime.condition(self._lock)
        while True:
            with self._lock:
                job = self._wait_for_job(wake)
                if job is None:
                    self._count -= 1
                    return
            try:
                job()
            except Exception:  # noqa: BLE001 - the next ones have to be served as well
                _log.exception("a batch failed unexpectedly")

    def _wait_for_job(self, wake: Condition) -> Callable[[], None] | None:
        """The next one; None if there was none for long."""
        patient = True
        while True:
            # Before looking: who comes after that calls anew.
            self._is_called = False
            job = self._next_job()
            if job is not None or not patient:
                return job
            self._idle.append(wake)
            wake.wait(_PATIENCE_SECONDS)
            # Still there: nobody has called.
            if wake in self._idle:
                self._idle.remove(wake)
                patient = False
