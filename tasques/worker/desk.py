"""The ledger under its lock, and who is woken when something is entered."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from tasques.client import values
from tasques.client.values import Object
from tasques.worker.attempts import Attempt, Finishing
from tasques.worker.ledger import Ledger
from tasques.worker.rules import Limits

Clock = Callable[[], float]

#: Nobody waits longer without looking.
_LONGEST_WAIT_SECONDS: Final = 3600.0


class Desk:
    """
    Where the threads of a worker meet; every method may be called by any of them.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, ledger: Ledger, clock: Clock = time.monotonic) -> None:
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()
        #: Something is to be delivered.
        self._news = threading.Condition(self._lock)
        #: When who waits for that looks again by itself.
        self._news_at = math.inf
        #: A slot is free.
        self._room = threading.Condition(self._lock)
        #: All is done, or a limit has changed; for who watches.
        self._watch = threading.Condition(self._lock)
        self._watch_at = math.inf

    @contextlib.contextmanager
    def open(self) -> Iterator[tuple[Ledger, float]]:
        """The ledger and the time, for this thread alone; who waits looks again afterwards."""
        with self._lock:
            try:
                yield self._ledger, self._clock()
            finally:
                self._wake_who_waits_for_this()

    @contextlib.contextmanager
    def look(self) -> Iterator[tuple[Ledger, float]]:
        """The same, for who changes nothing that others wait for."""
        with self._lock:
            yield self._ledger, self._clock()

    # ------------------------------------------------------------------------ for bodies

    def begin(self, attempt: Attempt, limits: Limits) -> bool:
        """A body is about to run; False if it must not."""
        with self._lock:
            begun = self._ledger.begin(attempt, self._clock(), limits)
            if min(attempt.soft_at, attempt.hard_at) < self._watch_at:
                self._watch.notify()
            return begun

    def end(self, attempt: Attempt, finishing: Finishing) -> None:
        """A body has come to its end."""
        with self._lock:
            self._ledger.end(attempt, finishing, self._clock())
            self._news.notify()
            self._room.notify()
            if self._ledger.is_stopping:
                self._watch.notify()

    def report(self, attempt: Attempt, data: Object) -> None:
        """
        A body says how far it is.

        Raises:
            InvalidInput: If that is not what JSON can say.
        """
        said = values.json_object(data)
        with self._lock:
            if said is not None:
                self._ledger.said(attempt, said)
                self._news.notify()

    # --------------------------------------------------------------------- for the others

    def wait_for_room(self, is_over: Callable[[], bool]) -> int:
        """How many tasks to claim, once there is room; 0 when *is_over*."""
        with self._lock:
            while not is_over():
                now = self._clock()
                if wanted := self._ledger.to_claim(now):
                    return wanted
                self._room.wait(self._until(self._ledger.next_claim_at(), now))
            return 0

    def wait_for_news(self, is_over: Callable[[], bool]) -> None:
        """Until something is to be delivered, or *is_over*."""
        with self._lock:
            while not is_over():
                now = self._clock()
                at = self._ledger.next_delivery_at()
                if at <= now:
                    break
                self._news_at = at
                self._news.wait(self._until(at, now))
            self._news_at = math.inf

    def wait_to_watch(self, until: float, is_over: Callable[[], bool]) -> None:
        """Until a limit is over, or everything is, or something happened that concerns the watch."""
        with self._lock:
            now = self._clock()
            self._watch_at = min(self._ledger.next_limit_at(), until)
            if not is_over() and self._watch_at > now:
                self._watch.wait(self._until(self._watch_at, now))

    def wake(self) -> None:
        """Have everybody look again."""
        with self._lock:
            self._news.notify_all()
            self._room.notify_all()
            self._watch.notify_all()

    def _wake_who_waits_for_this(self) -> None:
        # Waking a thread for nothing costs more than finding out.
        ledger = self._ledger
        if ledger.next_delivery_at() < self._news_at:
            self._news.notify()
        if ledger.to_claim(self._clock()):
            self._room.notify()
        if ledger.is_stopping or ledger.is_finished:
            self._watch.notify()
            self._room.notify()

    def _until(self, at: float, now: float) -> float:
        # An instant that has passed is waited for no more by that, but by what is entered.
        return min(at - now, _LONGEST_WAIT_SECONDS) if at > now else _LONGEST_WAIT_SECONDS
