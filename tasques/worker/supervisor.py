"""
Several processes that work for one application.

The supervisor starts them as fresh interpreters, and does no work itself: it has no thread, and nothing
that a fork could break.

- The first one begins alone. If it cannot, neither could the others, and that ends the start.
- A process that ends is replaced: at once if it ended in order, after a growing pause if not. What it held
  comes back by its timeout.
- SIGTERM and SIGINT let all of them finish within their grace; a second signal has them give back at once;
  a third kills them. SIGUSR1 has each write into the log what it does.
- They stop within their grace when their supervisor is gone, however it went.
- When the sources change, if they are watched, all are stopped and others begin. One that cannot begin then
  waits for the next change.
- In a burst a process that ends in order is not replaced; the supervisor ends with the last one.
"""

from __future__ import annotations

import contextlib
import logging
import math
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Final

import attrs

from tasques.bootstrap.restarts import Restarts
from tasques.worker.supervised import DUMP, STOP, STOP_NOW, WORKS

_log: Final = logging.getLogger("tasques.worker")

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
#: Sources that are watched are looked at so often.
_WATCH_SECONDS: Final = 0.5

#: What a process is started with, by its number and the descriptor of its line to the supervisor.
Command = Callable[[int, int], Sequence[str]]


@attrs.define(eq=False, kw_only=True)
class _Child:
    """
    One process.

    Attributes:
        number: From 0; one that takes another's place has its number.
        line: What it says, and what is said to it.
        began: On the monotonic clock.
        works: Whether it has said so.
        is_outdated: Whether it was stopped to make place for another.
        is_silent: Whether it will never say anything any more.
    """

    number: int
    process: subprocess.Popen[bytes]
    line: socket.socket
    began: float
    works: bool = False
    is_silent: bool = False
    is_outdated: bool = False

    def say(self, what: bytes) -> None:
        """Say it, if it still listens."""
        with contextlib.suppress(OSError):
            self.line.send(what)

    def hear(self) -> None:
        """Take note of what it said."""
        with contextlib.suppress(BlockingIOError):
            try:
                said = self.line.recv(1, socket.MSG_DONTWAIT)
            except ConnectionResetError:
                said = b""
            self.works = self.works or said == WORKS
            self.is_silent = not said


class Supervisor:
    """
    Keeps *count* processes at work; to be run once, by the main thread.

    Args:
        is_burst: Whether those that end in order have done what there was.
        have_changed: Whether the sources have, since it was asked before; None if that is of no interest.
    """

    def __init__(
        self,
        command: Command,
        count: int,
        *,
        is_burst: bool = False,
        have_changed: Callable[[], bool] | None = None,
    ) -> None:
        self._command = command
        self._is_burst = is_burst
        self._have_changed = have_changed
        self._children: dict[int, _Child] = {}
        self._restarts = {number: Restarts() for number in range(count)}
        # When whose place is to be filled.
        self._vacant = dict.fromkeys(range(count), 0.0)
        self._signals = 0
        self._has_begun = False
        self._fault = 0
        self._statuses: list[int] = []
        self._woken, self._waker = socket.socketpair()

    def run(self) -> int:
        """
        Have all work until they are told to stop, or have nothing left to do in a burst.

        Returns:
            The exit status: 0 if all stopped in order; that of the first process if it could not
            begin; else 1.
        """
        with self._signalled(), self._woken, self._waker:
            while self._children or (self._vacant and not self._is_stopping):
                self._fill()
                self._wait()
                self._watch()
                self._hear()
                self._reap()
        return self._fault or int(any(self._statuses) or self._signals > 2)

    @property
    def _is_stopping(self) -> bool:
        return self._signals > 0 or self._fault != 0

    # ------------------------------------------------------------------------------ signals

    @contextlib.contextmanager
    def _signalled(self) -> Iterator[None]:
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        wakeup = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        handlers = {
            **dict.fromkeys(_STOPPING, self._on_stop),
            signal.SIGUSR1: self._on_dump,
            signal.SIGCHLD: _nothing,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        for child in tuple(self._children.values()):
            self._tell(child)

    def _on_dump(self, number: int, frame: FrameType | None) -> None:
        for child in tuple(self._children.values()):
            child.say(DUMP)

    def _tell(self, child: _Child) -> None:
        """What the signals that came mean for it; said twice it means the same."""
        match self._signals:
            case 0:
                pass
            case 1:
                child.say(STOP)
            case 2:
                child.say(STOP_NOW)
            case _:
                child.process.kill()

    # ----------------------------------------------------------------------------- starting

    def _fill(self) -> None:
        now = time.monotonic()
        for number, at in tuple(self._vacant.items()):
            # What keeps one from beginning keeps all of them: that is told once.
            may_begin = self._has_begun or not self._children
            if at <= now and may_begin and not self._is_stopping:
                del self._vacant[number]
                self._start(number)

    def _start(self, number: int) -> None:
        ours, line = socket.socketpair()
        with line:
            process = subprocess.Popen(
                self._command(number, line.fileno()), pass_fds=[line.fileno()]
            )
        child = self._children[process.pid] = _Child(
            number=number, process=process, line=ours, began=time.monotonic()
        )
        # What came before it was noted has missed it.
        self._tell(child)

    # ------------------------------------------------------------------ looking after them

    def _wait(self) -> None:
        """Until a signal, a word of a process, or the time to fill a place."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        for child in self._children.values():
            if not child.works and not child.is_silent:
                poll.register(child.line, select.POLLIN)
        poll.poll(self._patience())
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)

    def _patience(self) -> float | None:
        """So many milliseconds at most; None for ever."""
        at = math.inf
        if self._vacant and not self._is_stopping and (self._has_begun or not self._children):
            at = min(self._vacant.values())
        if self._have_changed is not None:
            at = min(at, time.monotonic() + _WATCH_SECONDS)
        return None if at == math.inf else 1000 * max(at - time.monotonic(), 0.0)

    def _watch(self) -> None:
        if self._have_changed is None or self._is_stopping or not self._have_changed():
            return
        _log.info("the sources have changed: all begin anew")
        self._vacant = dict.fromkeys(self._vacant, 0.0)
        for child in self._children.values():
            child.is_outdated = True
            child.say(STOP)

    def _hear(self) -> None:
        for child in self._children.values():
            child.hear()
            self._has_begun = self._has_begun or child.works

    def _reap(self) -> None:
        for pid, child in tuple(self._children.items()):
            status = child.process.poll()
            if status is not None:
                del self._children[pid]
                child.hear()
                child.line.close()
                self._bury(child, status)

    def _bury(self, child: _Child, status: int) -> None:
        if self._is_stopping:
            # One that had not begun is ended by the signal itself, and had nothing under way.
            is_no_fault = not child.works and -status in _STOPPING
            self._statuses.append(0 if is_no_fault else status)
            self._tell_end(child, self._statuses[-1])
        elif self._is_burst and status == 0:
            _log.info("process %d has nothing left to do", child.number)
        elif child.is_outdated:
            self._vacant[child.number] = 0.0
        elif not child.works and self._have_changed is not None:
            self._tell_end(
                child, status, " before it worked; the next begins when the sources change"
            )
            self._vacant = dict.fromkeys([*self._vacant, child.number], math.inf)
        elif not self._has_begun and not child.works:
            self._fault = status if status > 0 else 1
        else:
            self._replace(child, status)

    def _replace(self, child: _Child, status: int) -> None:
        pause = self._restarts[child.number].pause(status, time.monotonic() - child.began)
        self._tell_end(child, status, f"; another begins in {pause:.1f} s")
        self._vacant[child.number] = time.monotonic() + pause

    def _tell_end(self, child: _Child, status: int, then: str = "") -> None:
        level = logging.ERROR if status else logging.INFO
        pid = child.process.pid
        _log.log(
            level, "process %d (pid %d) ended with status %d%s", child.number, pid, status, then
        )


def _nothing(number: int, frame: FrameType | None) -> None:
    """The signal has woken the supervisor, and that is all it is for."""
