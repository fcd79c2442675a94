"""
Several processes that serve at one address.

One of them, the supervisor, binds the sockets, starts the others as children and serves nothing
itself. The children accept from the same sockets, whichever is free first; so what waits to be
accepted is nobody's yet, and a child that ends loses only the connections that it has.

- A child that ends is started again: at once if it ended in order, after a growing pause if not.
- A child that cannot even begin, while the server starts, ends the start.
- SIGTERM and SIGINT stop all of them in order. Asked a second time, they end at once.
- Children stop in order when their supervisor is gone, however it went.

A child is a server of its own in every other respect, as those of other machines are.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Final, TypeAlias

import attrs

from tasques.bootstrap.restarts import Restarts
from tasques.core.errors import TasquesError

_log = logging.getLogger(__name__)

#: What a server is told to stop by.
STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
#: What a child says once it serves; anything else is why it cannot.
_SERVES: Final = b"+"

#: Arranges that its argument is called when this process is to stop: by any thread, maybe more than
#: once, and maybe by a signal that interrupts a call of it.
Told: TypeAlias = Callable[[Callable[[], None]], None]
#: Serves in a child until told to stop, having called the first argument; gives the exit status.
Work: TypeAlias = Callable[[int, Callable[[], None], Told], int]


class CannotServe(TasquesError):
    """A process of the server could not begin; the message is what it said."""


@attrs.define(eq=False, kw_only=True)
class _Child:
    """
    One process.

    Attributes:
        number: From 0; one that takes another's place has its number.
        news: Where it tells that it serves, or why it cannot.
        began: On the monotonic clock.
        reason: Why it cannot, as far as it said so.
    """

    number: int
    pid: int
    news: int
    began: float
    serves: bool = False
    reason: str = ""


class Supervisor:
    """
    Keeps *count* children at work; to be run once, by a process without threads.

    Args:
        work: What a child does with its number.
        sockets: What the children listen on; closed when they are to stop.
    """

    def __init__(self, work: Work, count: int, sockets: Iterable[socket.socket]) -> None:
        self._work = work
        self._count = count
        self._sockets = tuple(sockets)
        self._children: dict[int, _Child] = {}
        self._restarts = {number: Restarts() for number in range(count)}
        # When whose place is to be filled.
        self._vacant: dict[int, float] = {}
        self._signals = 0
        self._has_begun = False
        self._fault: str | None = None
        self._statuses: list[int] = []
        self._lifeline, self._life = os.pipe()
        self._woken, self._waker = socket.socketpair()

    def run(self, announce: Callable[[], None]) -> int:
        """
        Have all serve until SIGINT or SIGTERM, which must be the business of this thread.

        Args:
            announce: Called once all of them serve.

        Returns:
            The exit status: 0, or 1 if a child did not stop in order.

        Raises:
            CannotServe: If one could not begin.
        """
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in STOPPING:
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, _nothing)
        self._vacant = dict.fromkeys(range(self._count), 0.0)
        while self._children or (self._vacant and not self._is_stopping):
            self._fill()
            self._wait()
            self._reap()
            self._listen_to_children()
            if not self._has_begun and self._all_serve:
                self._has_begun = True
                announce()
        if self._fault is not None:
            raise CannotServe(self._fault)
        return 1 if any(self._statuses) or self._signals > 1 else 0

    @property
    def _is_stopping(self) -> bool:
        return self._signals > 0 or self._fault is not None

    @property
    def _all_serve(self) -> bool:
        serving = [child for child in self._children.values() if child.serves]
        return len(serving) == self._count

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1:
            # Asked twice: whatever is under way is safe to be cut off, that is what compare-and-set
            # and time-outs are for.
            self._tell_all(signal.SIGKILL)
            return
        self._stop()

    def _stop(self) -> None:
        # As long as anybody has them open, clients connect to a server that does not answer.
        for each in self._sockets:
            each.close()
        self._tell_all(signal.SIGTERM)

    def _tell_all(self, number: signal.Signals) -> None:
        for pid in tuple(self._children):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # it has ended just now

    # -------------------------------------------------------------------- starting children

    def _fill(self) -> None:
        now = time.monotonic()
        for number, at in tuple(self._vacant.items()):
            if at <= now:
                # A signal between the last look and the note of the child would miss the child.
                signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
                if not self._is_stopping:
                    del self._vacant[number]
                    self._start(number)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def _start(self, number: int) -> None:
        news, telling = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(news)
                status = self._be_child(number, telling)
            finally:
                # Not past here: what follows is the supervisor's.
                os._exit(status)
        os.close(telling)
        self._children[pid] = _Child(number=number, pid=pid, news=news, began=time.monotonic())

    def _be_child(self, number: int, telling: int) -> int:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # A terminal sends it to all, and the supervisor passes it on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        os.close(self._life)
        for child in self._children.values():
            os.close(child.news)
        self._woken.close()
        self._waker.close()
        try:
            return self._work(number, lambda: _tell(telling, _SERVES), self._told)
        except (TasquesError, OSError) as error:
            _tell(telling, str(error).encode(errors="replace"))
        except Exception:  # noqa: BLE001 - the supervisor is to know, whatever it is
            _log.exception("process %d failed unexpectedly", number)
            _tell(telling, b"a process failed unexpectedly; see the log")
        finally:
            logging.shutdown()
        return 1

    def _told(self, stop: Callable[[], None]) -> None:
        """In a child: SIGTERM, however often, and the end of the supervisor."""
        signal.signal(signal.SIGTERM, lambda number, frame: stop())

        def watch() -> None:
            os.read(self._lifeline, 1)  # nobody writes there; it ends with the supervisor
            stop()

        threading.Thread(target=watch, name="supervisor", daemon=True).start()

    # ------------------------------------------------------------------ looking after them

    def _wait(self) -> None:
        """Until a signal, a word of a child, or the time to fill a place."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        for child in self._children.values():
            if not child.serves and not child.reason:
                poll.register(child.news, select.POLLIN)
        pause = None
        if self._vacant and not self._is_stopping:
            pause = 1000 * max(min(self._vacant.values()) - time.monotonic(), 0.0)
        for descriptor, _ in poll.poll(pause):
            if descriptor == self._woken.fileno():
                self._woken.recv(4096)

    def _listen_to_children(self) -> None:
        for child in self._children.values():
            self._listen_to(child)

    def _listen_to(self, child: _Child) -> None:
        if child.serves or not select.select([child.news], [], [], 0)[0]:
            return
        said = os.read(child.news, 65536)
        child.serves = said == _SERVES
        child.reason = child.reason or ("" if child.serves else said.decode(errors="replace"))

    def _reap(self) -> None:
        while self._children:
            pid, waited = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                self._listen_to(child)
                os.close(child.news)
                self._bury(child, os.waitstatus_to_exitcode(waited))

    def _bury(self, child: _Child, status: int) -> None:
        if self._is_stopping:
            # One that had not begun is ended by the signal itself, and had nothing under way.
            began = child.serves or status != -signal.SIGTERM
            self._statuses.append(status if began else 0)
        elif not self._has_begun and not child.serves:
            self._fault = child.reason or f"a process ended with status {status} as it began"
            self._stop()
        else:
            self._vacant[child.number] = time.monotonic() + self._pause_after(child, status)

    def _pause_after(self, child: _Child, status: int) -> float:
        pause = self._restarts[child.number].pause(status, time.monotonic() - child.began)
        if status == 0:
            _log.info("process %d (pid %d) ended; another begins", child.number, child.pid)
            return pause
        _log.error(
            "process %d (pid %d) ended with status %d%s; another begins in %.1f s",
            child.number,
            child.pid,
            status,
            f": {child.reason}" if child.reason else "",
            pause,
        )
        return pause


def _tell(telling: int, said: bytes) -> None:
    try:
        os.write(telling, said)
    except OSError:
        pass  # the supervisor is gone


def _nothing(number: int, frame: FrameType | None) -> None:
    """The signal has woken the supervisor, and that is all it is for."""
