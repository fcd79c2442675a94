"""
Reads by key of many callers in one request.

As with writes, whoever finds a free place takes everything that waits, nobody lingers, and there is
no thread for it. A read that waits is sent after it came, so it sees what was written before; it
never shares the answer to a request that had left already.

Keys of queues of which something could not be read, until it can be, are asked for apart from the
others: a store may take its time over those.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import attrs

from tasques.core.errors import StoreUnavailable
from tasques.core.ports import Condition, ReadOutcome, Runtime, TaskStore, Unreadable
from tasques.core.queues import QueueName
from tasques.core.tasks import Task, TaskKey

#: Keys asked for together, where several callers ask: their documents are all in memory at a time.
_ITEMS: Final = 200
#: Keys that may wait; each is at most some 800 bytes, so this is a bound in bytes, too.
_WAITING_ITEMS: Final = 10_000
_IN_FLIGHT: Final = 2
_REMEMBERED: Final = 10_000


@attrs.define(eq=False)
class _Asker:
    """The keys of one call, and what was found."""

    keys: Sequence[TaskKey]
    is_apart: bool
    answered: Condition
    outcomes: Sequence[ReadOutcome[Task]] | None = None
    failure: StoreUnavailable | None = None

    @property
    def is_open(self) -> bool:
        return self.outcomes is None and self.failure is None


@attrs.define(eq=False)
class _Line:
    """Calls that wait for the same place."""

    places: int
    waiting: deque[_Asker] = attrs.Factory(deque)
    under_way: int = 0

    def take(self) -> list[_Asker]:
        """What can go together now, the oldest first; empty if no place is free."""
        taken: list[_Asker] = []
        items = 0
        if self.under_way < self.places:
            while self.waiting and (not taken or items + len(self.waiting[0].keys) <= _ITEMS):
                taken.append(self.waiting.popleft())
                items += len(taken[-1].keys)
        self.under_way += bool(taken)
        return taken


class GroupRead:
    """
    Asks *store* for the present versions of tasks; safe for threads.

    Each caller gets the outcomes for its own keys, in its order. Where the store cannot be read at
    all, everybody who asked together learns that.
    """

    def __init__(self, store: TaskStore, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime
        self._lock = runtime.condition()
        self._waiting_items = 0
        self._main = _Line(places=_IN_FLIGHT)
        self._apart = _Line(places=1)
        self._unreadable: dict[QueueName, None] = {}

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """
        Read the present versions, as of now or later.

        Raises:
            StoreUnavailable: If nothing can be read, or too many wait for it here.
        """
        if not keys:
            return ()
        with self._lock:
            if self._waiting_items and self._waiting_items + len(keys) > _WAITING_ITEMS:
                raise StoreUnavailable("too many reads wait in this server")
            asker = _Asker(
                keys=keys,
                is_apart=any(key.queue in self._unreadable for key in keys),
                answered=self._runtime.condition(self._lock),
            )
            line = self._apart if asker.is_apart else self._main
            line.waiting.append(asker)
            self._waiting_items += len(keys)
        self._attend(asker, line)
        if asker.failure is not None:
            raise StoreUnavailable(str(asker.failure)) from asker.failure
        assert asker.outcomes is not None
        return asker.outcomes

    def _attend(self, asker: _Asker, line: _Line) -> None:
        while True:
            with self._lock:
                batch: list[_Asker] = []
                while asker.is_open and not (batch := line.take()):
                    asker.answered.wait()
                if not asker.is_open:
                    self._pass_on(line)
                    return
                self._waiting_items -= sum(len(each.keys) for each in batch)
            self._read(batch, line)

    def _read(self, batch: Sequence[_Asker], line: _Line) -> None:
        keys = [key for asker in batch for key in asker.keys]
        found: Sequence[ReadOutcome[Task]] = ()
        failure = StoreUnavailable("the store failed unexpectedly")
        try:
            found = self._store.get(keys)
        except StoreUnavailable as error:
            failure = error
        finally:
            with self._lock:
                line.under_way -= 1
                self._answer(batch, found, failure)
                self._learn(keys, found)
                self._pass_on(line)

    def _answer(
        self,
        batch: Sequence[_Asker],
        found: Sequence[ReadOutcome[Task]],
        failure: StoreUnavailable,
    ) -> None:
        first = 0
        for asker in batch:
            if found:
                asker.outcomes = found[first : first + len(asker.keys)]
                first += len(asker.keys)
            else:
                asker.failure = failure
            asker.answered.notify()

    def _learn(self, keys: Sequence[TaskKey], found: Sequence[ReadOutcome[Task]]) -> None:
        if not self._unreadable and not any(isinstance(each, Unreadable) for each in found):
            return
        for key, outcome in zip(keys, found, strict=False):
            if isinstance(outcome, Unreadable):
                self._unreadable[key.queue] = None
            else:
                self._unreadable.pop(key.queue, None)
        while len(self._unreadable) > _REMEMBERED:
            del self._unreadable[next(iter(self._unreadable))]

    def _pass_on(self, line: _Line) -> None:
        """Wake the caller that waits for the longest, where a place is free."""
        if line.waiting and line.under_way < line.places:
            line.waiting[0].answered.notify()
