"""Bodies in threads."""

from __future__ import annotations

import ctypes
import queue
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Final

from tasques.worker.attempts import Attempt, Why
from tasques.worker.bodies import Bodies
from tasques.worker.limits import SoftTimeLimitExceeded

_set_exception: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)
_set_exception.restype = ctypes.c_int


class _Stretch:
    """
    The stretch of a thread's work into which others may raise an exception.

    The exception comes when the thread next runs Python: a body that waits within C, for a lock or a
    socket, gets it when it comes back from there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.thread: int | None = threading.get_ident()

    def interrupt(self) -> None:
        with self._lock:
            if self.thread is not None:
                _set_exception(self.thread, ctypes.py_object(SoftTimeLimitExceeded))

    def close(self) -> None:
        """No exception comes after this; one may come out of it."""
        with self._lock:
            if self.thread is not None:
                # One that is on its way, and has not arrived.
                _set_exception(self.thread, ctypes.py_object())
                self.thread = None


class ThreadRunner:
    """
    Runs bodies in threads, which are made when they are needed and kept.

    They are daemons: a body that does not end keeps the program from nothing. One whose attempt was
    abandoned is not used again once it comes back.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._waiting: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads = 0
        self._stretches: dict[Attempt, _Stretch] = {}

    def start(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            if not self._idle.acquire(blocking=False):
                self._threads += 1
                name = f"tasques-body-{self._threads}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
            self._waiting.put(attempt)

    def interrupt(self, attempt: Attempt, why: Why) -> None:
        # For everything but the limit a body is expected to look at its context: an exception at any
        # place could break what it shares with others.
        stretch = self._stretches.get(attempt)
        if stretch is not None and why is Why.SOFT_LIMIT:
            stretch.interrupt()

    def stacks(self) -> Mapping[Attempt, str]:
        frames = sys._current_frames()
        return {
            attempt: "".join(traceback.format_stack(frames[stretch.thread]))
            for attempt, stretch in list(self._stretches.items())
            if stretch.thread in frames
        }

    def close(self) -> None:
        for _ in range(self._threads):
            self._waiting.put(None)

    def _work(self) -> None:
        while (attempt := self._waiting.get()) is not None:
            work = _Work(self._idle, attempt)
            if self._bodies.begin(attempt):
                self._run(work)
            else:
                work.free()
            if not work.is_freed:
                return
            del attempt, work

    def _run(self, work: _Work) -> None:
        attempt = work.attempt
        stretch = self._stretches[attempt] = _Stretch()
        try:
            try:
                try:
                    result = self._bodies.call(attempt)
                finally:
                    stretch.close()
            except BaseException as error:  # noqa: BLE001 - somebody else's code
                stretch.close()
                self._bodies.raised(attempt, error, work.free)
            else:
                self._bodies.returned(attempt, result, work.free)
        except BaseException as error:  # noqa: BLE001 - an attempt always ends
            # A limit that was over while something else was handled; or a fault of ours.
            stretch.close()
            self._bodies.raised(attempt, error, work.free)
        finally:
            self._stretches.pop(attempt, None)


class _Work:
    """
    An attempt, and whether its thread takes another afterwards.

    The thread says that it is idle before the slot is free. Said after it, the next claim could find
    nobody idle, and make a thread more than there are slots.
    """

    def __init__(self, idle: threading.Semaphore, attempt: Attempt) -> None:
        self.attempt = attempt
        self.is_freed = False
        self._idle = idle

    def free(self) -> None:
        # One whose place another has taken is not used again.
        if not self.is_freed and not self.attempt.is_abandoned:
            self.is_freed = True
            self._idle.release()
