"""What the suites have in common: their fixtures, and the shortest ways to read and write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import HealthCheck

from tasques.core.documents import D, Stored
from tasques.core.ports import (
    Backend,
    ClaimableQuery,
    Create,
    Delete,
    Deleted,
    DocumentStore,
    FinishedQuery,
    Replace,
    TaskStore,
    WriteOutcome,
    Written,
)
from tasques.core.queues import QueueName
from tasques.core.tasks import StoredTask, Task
from tasques.core.values import Instant
from tasques.testing import strategies

#: Makes what was written so far visible to searches.
Settle: TypeAlias = Callable[[], None]

#: The store outlives an example, and each backend runs the same test from a class of its own. That
#: examples come slowly says something about the machine, and nothing about the store.
SHARED_STORE: Final = [
    HealthCheck.function_scoped_fixture,
    HealthCheck.differing_executors,
    HealthCheck.too_slow,
]


def _at_once() -> None:
    """Nothing has to settle."""


class StoreFixtures:
    """Fixtures that a suite may override; ``backend`` it must."""

    @pytest.fixture
    def settle(self) -> Settle:
        """By default nothing has to settle."""
        return _at_once

    @pytest.fixture
    def store(self, backend: Backend) -> TaskStore:
        """The backend's store."""
        return backend.tasks


def written(store: TaskStore, *tasks: Task) -> list[StoredTask]:
    """*tasks*, newly created."""
    return created(store, *tasks)


def created(store: DocumentStore[Any, D], *documents: D) -> list[Stored[D]]:
    """*documents*, newly created."""
    outcomes = store.write([Create(document=document) for document in documents])
    return [must(outcome) for outcome in outcomes]


def replaced(store: DocumentStore[Any, D], stored: Stored[D], document: D) -> Stored[D]:
    """*document* in the place of *stored*."""
    [outcome] = store.write([Replace(document=document, expected=stored.version)])
    return must(outcome)


def must(outcome: WriteOutcome[D]) -> Stored[D]:
    """What was written; it must have been."""
    assert isinstance(outcome, Written), outcome
    return outcome.stored


def the_task(store: TaskStore, task: Task) -> StoredTask:
    """The present version of *task*; it must be there."""
    [found] = store.get([task.key])
    assert isinstance(found, Stored), found
    return found


def claimable(
    store: TaskStore, *queues: QueueName, now: Instant, limit: int = 1000
) -> Sequence[StoredTask]:
    """What can be claimed from *queues*; from all, if none is named."""
    query = ClaimableQuery(queues=tuple(sorted(queues)), now=now, limit=limit)
    [found] = store.find_claimable([query])
    return found


def put_away(store: TaskStore, settle: Settle) -> None:
    """Let nothing be there that a search could find."""
    everything = FinishedQuery(
        before=strategies.LATEST, recurring_before=strategies.LATEST, limit=1000
    )
    while True:
        settle()
        found = [
            *claimable(store, now=strategies.LATEST),
            *store.find_timed_out(before=strategies.LATEST, limit=1000),
            *store.find_finished(everything),
        ]
        if not found:
            return
        deletes = [Delete(document=one.document, expected=one.version) for one in found]
        assert list(store.write(deletes)) == [Deleted()] * len(found)
