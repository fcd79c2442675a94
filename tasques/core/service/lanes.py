"""
Lanes: writes that wait for the same way to the store.

All queues that are well share the main lane. One that is new or troubled has a lane of its own, in
which one write goes ahead and the others wait for what becomes of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Hashable, Iterator

import attrs

from tasques.core.ports import Write, WriteOutcome
from tasques.core.queues import QueueName
from tasques.core.service.queue_health import Standing
from tasques.core.tasks import Task


@attrs.define(eq=False)
class Submission:
    """
    The writes of one call, and what became of them.

    Attributes:
        open: How many are not settled.
        notify: Tells its caller that all are settled, or to commit if it waits.
        lanes: Where some of them waited; the main one first.
        is_handed_in: Whether its caller does not wait, so that somebody else has to commit.
        is_asleep: Whether its caller waits to be told.
        is_called: Whether the caller was told to commit, and has not woken yet.
    """

    outcomes: list[WriteOutcome[Task] | None]
    open: int
    notify: Callable[[], None]
    is_handed_in: bool = False
    lanes: list[Lane] = attrs.Factory(list)
    is_asleep: bool = False
    is_called: bool = False

    def settle(self, position: int, outcome: WriteOutcome[Task]) -> None:
        """Note what became of one; with the last one the caller is told."""
        self.outcomes[position] = outcome
        self.open -= 1
        if not self.open:
            self.notify()

    @property
    def settled(self) -> list[WriteOutcome[Task]]:
        """What became of all, in their order."""
        return [outcome for outcome in self.outcomes if outcome is not None]


@attrs.frozen(eq=False)
class Entry:
    """One write on its way."""

    write: Write[Task]
    key: Hashable
    size: int
    submission: Submission
    position: int

    @property
    def queue(self) -> QueueName:
        """Where it goes."""
        return self.write.document.queue

    def settle(self, outcome: WriteOutcome[Task]) -> None:
        """Tell what became of it."""
        self.submission.settle(self.position, outcome)


@attrs.define(eq=False)
class Lane:
    """
    Writes that wait, the oldest first; its owner has to lock.

    Attributes:
        queue: Whose lane it is; None for the main one.
        size: What waits in it, in bytes.
        under_way: Batches of it that have not come back.
    """

    queue: QueueName | None = None
    waiting: deque[Entry] = attrs.Factory(deque)
    size: int = 0
    under_way: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits or is under way."""
        return not self.waiting and not self.under_way

    def put(self, entry: Entry) -> None:
        """Let *entry* wait behind all others."""
        self.waiting.append(entry)
        self.size += entry.size
        lanes = entry.submission.lanes
        if self not in lanes:
            # What goes with the others comes before what may take its time.
            lanes.insert(0 if self.queue is None else len(lanes), self)

    def take(self, flying: Container[Hashable], *, items: int, size: int) -> list[Entry]:
        """
        Take what can go now, the oldest first.

        What has to wait for another write of its document stays, in its order.

        Args:
            flying: The documents of which a write is under way.
            items: At most so many.
            size: About so many bytes, at most; a larger write goes alone.
        """
        batch: list[Entry] = []
        keys: set[Hashable] = set()
        kept: deque[Entry] = deque()
        taken = 0
        while self.waiting and len(batch) < items:
            entry = self.waiting[0]
            if entry.key in flying or entry.key in keys:
                kept.append(self.waiting.popleft())
                continue
            if batch and taken + entry.size > size:
                break
            batch.append(self.waiting.popleft())
            keys.add(entry.key)
            taken += entry.size
        self.waiting.extendleft(reversed(kept))
        self.size -= taken
        return batch

    def withdraw(self, queue: QueueName | None = None) -> list[Entry]:
        """Take all that waits, or all of *queue*, in its order."""
        found = [entry for entry in self.waiting if queue is None or entry.queue == queue]
        if found:
            taken = set(map(id, found))
            self.waiting = deque(entry for entry in self.waiting if id(entry) not in taken)
            self.size -= sum(entry.size for entry in found)
        return found

    def ready(self, flying: Container[Hashable]) -> Iterator[Submission]:
        """Whose writes could go now, the oldest first."""
        return (entry.submission for entry in self.waiting if entry.key not in flying)


@attrs.frozen(eq=False)
class Batch:
    """
    Writes that go together.

    Attributes:
        standing: How the lane's queue stood when they left; of the main lane, well.
    """

    lane: Lane
    standing: Standing
    entries: list[Entry]
