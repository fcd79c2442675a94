"""
One queue's waiting tasks, so that those due can be had in the order of claims without a search.

Two sorted lists. *Future* ones lie in the order of their ``run_at``, *ready* ones in the order of
claims; as time goes on, the front of the one moves into the other. So each task is moved at most
once, and finding the next one costs the same among a million as among ten.

Tried and rejected: a single list in the order of claims that is read past what is not due. It stalls
where many tasks wait for later under priorities of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from sortedcontainers import SortedList

from tasques.core.queues import TaskId
from tasques.core.tasks import Task
from tasques.core.values import NANOSECONDS_PER_SECOND, Instant

#: Of :attr:`~tasques.core.tasks.Task.claim_order`: where ``run_at`` and the id stand.
RUN_AT: Final = 1
_ID: Final = 3

#: A task's place in the order of claims.
Order: TypeAlias = tuple[int, int, int, str]

#: Less than any order there is.
_FIRST: Final[Order] = (-(2**64), 0, 0, "")

#: Threads that read the clock one after the other may come here in another order, and clocks are
#: set; a look back in time by less than this passes over the few that are too young, and only one
#: by more sorts everything anew.
_LOOK_BACK: Final = NANOSECONDS_PER_SECOND


class WaitingTasks:
    """The claimable tasks of one queue. Not safe for threads; the store's lock guards it."""

    __slots__ = ("_future", "_now", "_ready")

    def __init__(self) -> None:
        # What is due by then is in *ready*, all else in *future*; nanoseconds.
        self._now = 0
        self._ready: SortedList[Order] = SortedList()
        self._future: SortedList[tuple[int, Order]] = SortedList()

    def __len__(self) -> int:
        """How many wait, due or not."""
        return len(self._ready) + len(self._future)

    def add(self, task: Task) -> None:
        """Let *task* wait here; it must not do so already."""
        order = task.claim_order
        if order[RUN_AT] <= self._now:
            self._ready.add(order)
        else:
            self._future.add((order[RUN_AT], order))

    def remove(self, task: Task) -> None:
        """
        Let *task*, as it was added, no longer wait here.

        Raises:
            ValueError: If it does not.
        """
        order = task.claim_order
        if order[RUN_AT] <= self._now:
            self._ready.remove(order)
        else:
            self._future.remove((order[RUN_AT], order))

    def due(self, now: Instant) -> Iterator[tuple[Order, TaskId]]:
        """
        The ids of those due at *now* with what sorts them, in the order of claims.

        Nothing may be added or removed before the iterator is used up or dropped.
        """
        if now.nanoseconds > self._now:
            self._ripen(now.nanoseconds)
        elif now.nanoseconds < self._now - _LOOK_BACK:
            self._turn_back(now.nanoseconds)
        for order in self._ready:
            if order[RUN_AT] <= now.nanoseconds:
                yield order, TaskId(order[_ID])

    def _ripen(self, now: int) -> None:
        self._now = now
        if not self._future or self._future[0][0] > now:
            return
        if len(self._future) == 1 or self._future[1][0] > now:
            self._ready.add(self._future.pop(0)[1])  # as in most looks; a third of the cost
            return
        count = self._future.bisect_left((now + 1, _FIRST))
        self._ready.update(order for _, order in self._future[:count])
        del self._future[:count]

    def _turn_back(self, now: int) -> None:
        self._now = now
        everything = [*self._ready, *(order for _, order in self._future)]
        self._ready = SortedList(order for order in everything if order[RUN_AT] <= now)
        self._future = SortedList(
            (order[RUN_AT], order) for order in everything if order[RUN_AT] > now
        )
