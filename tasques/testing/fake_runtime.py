"""
A runtime in which time moves by hand and chance comes from a seed.

Two runs with the same seed and the same calls see the same times, ids and random numbers, and none
ever waits for real.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Callable
from itertools import count
from random import Random
from types import TracebackType
from typing import Final

import attrs

from tasques.core.ports import Condition
from tasques.core.values import Duration, Instant
from tasques.testing.examples import NOW

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

#: When a fake clock starts, unless told otherwise: the moment of all examples.
START: Final = NOW


class WouldWaitForEver(RuntimeError):
    """Something waits for a notification, and nothing is planned that could give it."""


class FakeRuntime:
    """
    A :class:`~tasques.core.ports.Runtime` for tests.

    The clocks move in whole milliseconds, because that is what every store orders by. They move by
    :meth:`advance`, and by whoever sleeps or waits: who waits with a time-out gets it at once, after
    what was planned (:meth:`after`) until then. What is spawned does not run; it is kept in
    ``spawned`` for the test to run or to ignore.

    Locks are real, so that threads of a test exclude each other; but a thread that takes a lock it
    has already is told so, and only one thread may sleep, wait or move the time.

    Args:
        now: Where the wall clock starts; the monotonic one starts at 0.
        seed: Decides ids and random numbers.

    Attributes:
        spawned: The name and the target of everything that was spawned, in order.
    """

    def __init__(self, *, now: Instant = START, seed: int = 0) -> None:
        self.spawned: list[tuple[str, Callable[[], None]]] = []
        self._wall = now
        self._elapsed = 0
        self._random = Random(seed)
        self._planned: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        self._held = threading.local()

    # ----------------------------------------------------------------------- for the test

    def advance(self, duration: Duration) -> None:
        """
        Let time pass on both clocks, and carry out what was planned meanwhile.

        Raises:
            ValueError: If *duration* is negative, or not in whole milliseconds.
        """
        milliseconds, rest = divmod(duration.nanoseconds, NANOSECONDS_PER_MILLISECOND)
        if rest or milliseconds < 0:
            raise ValueError(f"{duration} is not a number of whole milliseconds")
        self._advance_to(self._elapsed + milliseconds, lambda: False)

    def jump(self, duration: Duration) -> None:
        """Set the wall clock, forward or back, as an operator would; the other one runs on."""
        self._wall = self._wall.plus(duration)

    def after(self, duration: Duration, action: Callable[[], None]) -> None:
        """Plan *action* for when so much more time has passed, rounded up to a millisecond."""
        at = self._elapsed + _milliseconds(duration.seconds)
        heapq.heappush(self._planned, (at, next(self._numbers), action))

    @property
    def holds_a_lock(self) -> bool:
        """Whether this thread holds any lock of this runtime: it must not during a port's call."""
        return getattr(self._held, "count", 0) > 0

    # ------------------------------------------------------------------------ for the code

    def wall(self) -> Instant:
        """What the wall clock says."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._elapsed / 1000

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, rounded up to a millisecond."""
        self._advance_to(self._elapsed + _milliseconds(seconds), lambda: False)

    def condition(self, sharing: Condition | None = None) -> Condition:
        """A condition that never blocks for real where there is one thread."""
        if sharing is None:
            return _FakeCondition(self, _Lock(self._held))
        if not isinstance(sharing, _FakeCondition):
            raise TypeError("a condition can only share a lock of the same runtime")
        return _FakeCondition(self, sharing.lock)

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Keep *target* for the test."""
        self.spawned.append((name, target))

    def random(self) -> float:
        """The next number in ``[0, 1)``."""
        return self._random.random()

    def new_id(self) -> str:
        """The next 32 hexadecimal digits."""
        return f"{self._random.getrandbits(128):032x}"

    # --------------------------------------------------------------------------- inside

    def run_until(self, is_over: Callable[[], bool], timeout: float | None) -> bool:
        """
        Let time pass until *is_over* or *timeout* seconds are gone; whether it was over before.

        Raises:
            WouldWaitForEver: If there is no time-out, and nothing planned made an end.
        """
        if timeout is not None:
            return self._advance_to(self._elapsed + _milliseconds(timeout), is_over)
        while not is_over():
            if not self._planned:
                raise WouldWaitForEver("nothing is planned that could end this wait")
            self._advance_to(max(self._planned[0][0], self._elapsed), is_over)
        return True

    def _advance_to(self, target: int, is_over: Callable[[], bool]) -> bool:
        while self._planned and self._planned[0][0] <= target and not is_over():
            at, _, action = heapq.heappop(self._planned)
            self._set(max(at, self._elapsed))
            action()
        if is_over():
            return True
        self._set(max(target, self._elapsed))
        return False

    def _set(self, elapsed: int) -> None:
        passed = (elapsed - self._elapsed) * NANOSECONDS_PER_MILLISECOND
        self._wall = self._wall.plus(Duration(passed))
        self._elapsed = elapsed


def _milliseconds(seconds: float) -> int:
    return max(math.ceil(seconds * 1000), 0)


class _Lock:
    """A real lock that knows who has it."""

    def __init__(self, held: threading.local) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._held = held

    @property
    def is_mine(self) -> bool:
        return self._owner == threading.get_ident()

    def acquire(self) -> None:
        if self.is_mine:
            raise RuntimeError("this thread has the lock already: with a plain one it would hang")
        self._lock.acquire()
        self._owner = threading.get_ident()
        self._held.count = getattr(self._held, "count", 0) + 1

    def release(self) -> None:
        self._owner = None
        self._held.count -= 1
        self._lock.release()


@attrs.define(eq=False)
class _Waiting:
    """One call of ``wait``."""

    is_notified: bool = False


class _FakeCondition:
    """See :meth:`FakeRuntime.condition`."""

    def __init__(self, runtime: FakeRuntime, lock: _Lock) -> None:
        self.lock = lock
        self._runtime = runtime
        self._waiting: list[_Waiting] = []

    def __enter__(self) -> bool:
        self.lock.acquire()
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        self.lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        self._must_be_mine()
        waiting = _Waiting()
        self._waiting.append(waiting)
        self.lock.release()
        try:
            return self._runtime.run_until(lambda: waiting.is_notified, timeout)
        finally:
            self.lock.acquire()
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def notify(self, n: int = 1) -> None:
        self._must_be_mine()
        for waiting in self._waiting[:n]:
            waiting.is_notified = True
        del self._waiting[:n]

    def notify_all(self) -> None:
        self.notify(len(self._waiting))

    def _must_be_mine(self) -> None:
        if not self.lock.is_mine:
            raise RuntimeError("this thread has not taken the lock")
