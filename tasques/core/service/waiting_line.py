"""
Those who wait for tasks: the oldest first, by the queues they wait for, and by their deadlines.

Thousands may wait, most of them for the same queues and with nothing to be had. So what concerns a
set of queues is asked once for all who wait for it, and nobody is looked at because others come.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import attrs

from tasques.core.queues import QueueName
from tasques.core.service.waiting import Waiter

QueueSet: TypeAlias = tuple[QueueName, ...]


@attrs.define(eq=False)
class Group:
    """
    All who wait for the same queues.

    Attributes:
        wanted: So many tasks in all.
        new: Those of them for whom nobody has looked yet, by number.
    """

    queues: QueueSet
    wanted: int = 0
    new: dict[int, Waiter] = attrs.field(factory=dict)
    _count: int = 0

    def add(self, waiter: Waiter) -> None:
        """One more."""
        self.wanted += waiter.request.amount
        self._count += 1
        if not waiter.looked:
            self.new[waiter.number] = waiter

    def remove(self, waiter: Waiter) -> bool:
        """One less; whether any is left."""
        self.wanted -= waiter.request.amount
        self._count -= 1
        self.new.pop(waiter.number, None)
        return self._count > 0

    @property
    def new_deadline(self) -> float:
        """The first deadline among the new, on the monotonic clock; infinite if there is none."""
        return min((waiter.deadline for waiter in self.new.values()), default=math.inf)

    def note_looked(self, last: int) -> None:
        """A search has shown what there was after waiter number *last* came."""
        for number in [number for number in self.new if number <= last]:
            self.new.pop(number).looked = True


class WaitingLine:
    """Not safe between threads: the dispatcher's lock guards it."""

    def __init__(self) -> None:
        self._waiters: dict[int, Waiter] = {}
        self._groups: dict[QueueSet, Group] = {}
        # Deadlines to come, those of waiters that have left included, until they come up.
        self._deadlines: list[tuple[float, int]] = []
        self._late: dict[int, Waiter] = {}

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        """All, the oldest first."""
        return iter(self._waiters.values())

    @property
    def groups(self) -> Mapping[QueueSet, Group]:
        """By their queues; none is empty."""
        return self._groups

    def add(self, waiter: Waiter) -> Group:
        """Let *waiter* stand at the end; gives its group."""
        self._waiters[waiter.number] = waiter
        heapq.heappush(self._deadlines, (waiter.deadline, waiter.number))
        queues = waiter.request.queues
        group = self._groups.setdefault(queues, Group(queues))
        group.add(waiter)
        return group

    def remove(self, waiter: Waiter) -> None:
        """Let *waiter* go."""
        del self._waiters[waiter.number]
        self._late.pop(waiter.number, None)
        if not self._groups[waiter.request.queues].remove(waiter):
            del self._groups[waiter.request.queues]
        if len(self._deadlines) > 2 * len(self._waiters) + 64:
            # Those who were served long before their time would lie there until it is over.
            here = self._waiters.keys() - self._late.keys()
            self._deadlines = [entry for entry in self._deadlines if entry[1] in here]
            heapq.heapify(self._deadlines)

    def overdue(self, at: float) -> list[Waiter]:
        """Those whose time is over, the oldest first."""
        while self._deadlines and self._deadlines[0][0] <= at:
            _, number = heapq.heappop(self._deadlines)
            if number in self._waiters:
                self._late[number] = self._waiters[number]
        return [self._late[number] for number in sorted(self._late)]

    @property
    def next_deadline(self) -> float:
        """When the time of the next one is over that was not :meth:`overdue`; infinite if never."""
        while self._deadlines and self._deadlines[0][1] not in self._waiters:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else math.inf
