"""
What operators ask about queues and their tasks, as values.

Tasks are listed by creation: its millisecond, then the id. That order is total within a queue, never
changes while a task lives, and is the same in every store; so a listing can be continued after any
task, however many there are, and a task that is there throughout is neither left out nor shown twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.tasks import State, Task
from tasques.core.values import Instant


@attrs.frozen(kw_only=True)
class QueueSummary:
    """
    How a queue stands, as a search saw it.

    Attributes:
        counts: Tasks by state; a state that is not there has none.
        ready: Tasks that can be claimed now.
        oldest_ready: Since when the longest due of these could be, to the millisecond; None if there
            are none.
    """

    queue: QueueName
    counts: Mapping[State, int]
    ready: int = 0
    oldest_ready: Instant | None = None


class ListOrder(StrEnum):
    """Which tasks come first."""

    NEWEST = "newest"
    OLDEST = "oldest"


@attrs.frozen(kw_only=True)
class TaskFilter:
    """
    Which tasks of a queue are meant; what is empty or None excludes nothing.

    Attributes:
        worker: The worker of the current or last claim.
        created_from: Created then or later.
        created_before: Created before then.
    """

    queue: QueueName
    states: frozenset[State] = frozenset()
    kind: str | None = None
    worker: WorkerId | None = None
    created_from: Instant | None = None
    created_before: Instant | None = None

    def matches(self, task: Task) -> bool:
        """Whether *task* is one of those meant."""
        return (
            task.queue == self.queue
            and (not self.states or task.state in self.states)
            and (self.kind is None or task.kind == self.kind)
            and (self.worker is None or _worker_of(task) == self.worker)
            and (self.created_from is None or task.created_at >= self.created_from)
            and (self.created_before is None or task.created_at < self.created_before)
        )


def _worker_of(task: Task) -> WorkerId | None:
    return None if task.last_claim is None else task.last_claim.worker_id


@attrs.frozen(order=True)
class Position:
    """
    A place in a listing: right after the task created then, of that id.

    Attributes:
        milliseconds: Since 1970, UTC; what is finer is cut off.
    """

    milliseconds: int
    id: TaskId

    @classmethod
    def of(cls, task: Task) -> Position:
        """Right after *task*."""
        return cls(task.created_at.milliseconds, task.id)


@attrs.frozen(kw_only=True)
class TaskQuery:
    """
    Ask for tasks of a queue, in the order of a listing.

    Attributes:
        after: Where the last answer ended; None for the beginning.
        limit: At most so many.
    """

    filter: TaskFilter
    order: ListOrder = ListOrder.NEWEST
    after: Position | None = None
    limit: int = 100
