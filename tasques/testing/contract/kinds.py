"""The kinds of documents that stores keep, each with what a test needs to make some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic

import attrs
from hypothesis.strategies import SearchStrategy

from tasques.core.documents import D
from tasques.core.leadership import LeaderLock
from tasques.core.queues import QueueName, TaskId
from tasques.core.recurring import RecurringTask, RecurringTaskId
from tasques.core.tasks import Task, TaskKey
from tasques.core.values import Instant
from tasques.testing import strategies
from tasques.testing.examples import leader_lock, queued, recurring


@attrs.frozen(kw_only=True)
class Kind(Generic[D]):
    """
    One kind of documents.

    Attributes:
        new: A document with a key of its own.
        named: A document of that id.
        key: The key that goes with an id.
        at: A document with its number changed: an instant that means nothing to a store.
        number: What *at* set.
        any: Whatever is legal.
    """

    new: Callable[[], D]
    named: Callable[[str], D]
    key: Callable[[str], Any]
    at: Callable[[D, int], D]
    number: Callable[[D], int]
    any: SearchStrategy[D]


TASKS: Final = Kind[Task](
    new=queued,
    named=lambda id: queued(id=TaskId(id)),
    key=lambda id: TaskKey(QueueName("q"), TaskId(id)),
    at=lambda task, number: attrs.evolve(task, last_enqueued_at=Instant(number)),
    number=lambda task: task.last_enqueued_at.nanoseconds,
    any=strategies.tasks(),
)

RECURRING_TASKS: Final = Kind[RecurringTask](
    new=recurring,
    named=recurring,
    key=RecurringTaskId,
    at=lambda document, number: attrs.evolve(document, modified_at=Instant(number)),
    number=lambda document: document.modified_at.nanoseconds,
    any=strategies.recurring_tasks(),
)

LEADER_LOCKS: Final = Kind[LeaderLock](
    new=leader_lock,
    named=leader_lock,
    key=str,
    at=lambda lock, number: attrs.evolve(lock, at=Instant(number)),
    number=lambda lock: lock.at.nanoseconds,
    any=strategies.leader_locks(),
)
