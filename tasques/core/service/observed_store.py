"""A store of tasks that tells observers what was written through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasques.core.events import TaskEvent, archived, events_of
from tasques.core.ports import (
    Delete,
    Deleted,
    Runtime,
    TaskStore,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.service.store_layer import StoreLayer
from tasques.core.tasks import Task


class ObservedTaskStore(StoreLayer):
    """
    Makes an event of every write that took place; see :mod:`tasques.core.events`.

    Whatever becomes of a task is a write that says what it was for, so no service has to tell.

    Args:
        tell: Takes the events of one batch; must neither block nor raise.
    """

    def __init__(
        self, store: TaskStore, runtime: Runtime, tell: Callable[[Sequence[TaskEvent]], None]
    ) -> None:
        super().__init__(store)
        self._runtime = runtime
        self._tell = tell

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Have them tried, and tell of those that took place."""
        outcomes = self._store.write(writes)
        now = self._runtime.wall()
        events: list[TaskEvent] = []
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Written):
                events.extend(events_of(outcome.stored.document, outcome.stored.version, at=now))
            elif isinstance(outcome, Deleted) and isinstance(write, Delete):
                # Nobody but the archiver deletes, and it has stored the copy before.
                events.append(archived(write.document, write.expected, at=now))
        if events:
            self._tell(events)
        return outcomes
