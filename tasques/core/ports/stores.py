"""The stores that the core works with, each with what can be searched for in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from tasques.core.archive import ArchivedTask, ArchiveKey
from tasques.core.documents import Stored
from tasques.core.leadership import LeaderLock
from tasques.core.listing import QueueSummary, TaskQuery
from tasques.core.policies import QueuePolicy
from tasques.core.ports.documents import (
    DocumentStore,
    Malformed,
    Seen,
    StoreTraits,
    Write,
    WriteOutcome,
)
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTask, RecurringTaskId
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Instant


@attrs.frozen(kw_only=True)
class ClaimableQuery:
    """
    Ask for tasks that can be claimed.

    Attributes:
        queues: Where to look, sorted and without doubles; empty for every queue.
        paused: Of these, where not to look; all of them may be.
        now: Due by then.
        limit: At most so many, the first in :attr:`~tasques.core.tasks.Task.claim_order`.
        fresh: Of these, where to see everything that was acknowledged before the call. It may cost
            as much as hundreds of writes, so it is for those who know that they need it.
    """

    queues: tuple[QueueName, ...]
    now: Instant
    limit: int
    paused: tuple[QueueName, ...] = ()
    fresh: tuple[QueueName, ...] = ()


@attrs.frozen(kw_only=True)
class FinishedQuery:
    """
    Ask for tasks that are done or dead, and have been for a while.

    Attributes:
        before: Ended at or before then: by their result, or where there is none by their last
            change.
        recurring_before: The same for tasks that a recurring task made.
        limit: At most so many, the longest over first.
        but: None of these versions.
    """

    before: Instant
    recurring_before: Instant
    limit: int
    but: tuple[StoredTask, ...] = ()


class TaskStore(DocumentStore[TaskKey, Task], Protocol):
    """
    Where tasks are kept.

    Besides the guarantees of :class:`~tasques.core.ports.documents.DocumentStore`:

    - G8. ``find_*`` and ``summarise`` propose: they may miss what was written within
      ``visibility_lag`` and may show versions that have moved. A replace on such a version
      conflicts.
    - G9. ``find_claimable`` gives each query's candidates in claim order. Of a query's ``fresh``
      queues it misses nothing that was acknowledged before the call, unless a part of them cannot
      be reached within a second or so: then it gives what can be seen without.
    - G10 for searches: no more than *limit* good documents are hidden by any number of bad ones.
    - G12. ``count_outstanding`` counts every task whose write was acknowledged before the call.
    """

    @property
    def traits(self) -> StoreTraits:
        """What this store is like."""

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """Propose tasks to claim, for each query; a queue that does not exist holds none."""

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """
        Propose claimed tasks of all queues whose ``times_out_at`` is at or before *before*.

        At most *limit*, the longest over first.
        """

    def find_finished(self, query: FinishedQuery) -> Sequence[StoredTask]:
        """Propose tasks of all queues to archive."""

    def find_expired(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """
        Propose waiting tasks of all queues whose ``expires_at`` is at or before *before*.

        At most *limit*, the longest over first.
        """

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """
        The tasks of a queue that a filter means, in the order of listings.

        Any number of bad documents hides no good one, and fewer than the limit is the end.

        Raises:
            StoreUnavailable: Also where only a part could be searched.
        """

    def queue_names(self) -> frozenset[QueueName]:
        """The queues that have ever been used, as of now; those of others' making too."""

    def summarise(self, *, now: Instant) -> Sequence[QueueSummary]:
        """
        How every queue stands that has ever been used, by name.

        Args:
            now: What is due by then, with attempts left, is ready.

        Raises:
            StoreUnavailable: Also where only a part could be counted.
        """

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        """
        How many tasks of *queue*, made by that recurring task, are queued, claimed or failed.

        Raises:
            StoreUnavailable: Also where only a part could be counted.
        """


class RecurringTaskStore(DocumentStore[RecurringTaskId, RecurringTask], Protocol):
    """
    Where recurring tasks are kept, deleted ones included.

    ``find_all`` sees every write acknowledged before the call; ``find_changed`` may miss what was
    written within a second or so. Both leave out what is malformed.
    """

    def find_all(self) -> Sequence[Stored[RecurringTask]]:
        """All that are not deleted, sorted by id, bytewise in UTF-8; however many there are."""

    def find_changed(self) -> Sequence[Stored[RecurringTask]]:
        """Those that no leader has taken up since their last change, deleted ones included."""


class LeaderLockStore(DocumentStore[str, LeaderLock], Protocol):
    """Where leaders' locks are kept, by their names."""


class PolicyStore(DocumentStore[QueueName, QueuePolicy], Protocol):
    """Where the policies of queues are kept; there are few."""

    def find_all(self) -> Sequence[Stored[QueuePolicy]]:
        """All there are; sees every write acknowledged before the call."""


class ArchiveStore(Protocol):
    """
    Where finished tasks go.

    It may be one index or several, of which the newest is written to (rollover). A copy says in
    :attr:`~tasques.core.archive.ArchivedTask.place` where it lies; one that is not stored yet has no
    place, and is created in the newest. Of any number of creates of one key at most one is
    ``Written`` *in one place*: a change of the newest place between looking and creating can leave
    two, and ``find_copies`` shows both.

    G1, G3–G7, G10 and G11 of :class:`~tasques.core.ports.documents.DocumentStore` hold.
    """

    def write(self, writes: Sequence[Write[ArchivedTask]]) -> Sequence[WriteOutcome[ArchivedTask]]:
        """Try each write; replaces and deletes go to the place of their document."""

    def find_copies(
        self, keys: Sequence[ArchiveKey]
    ) -> Sequence[Sequence[Stored[ArchivedTask] | Malformed]]:
        """Every copy under each key, in the order in which their places were made; realtime."""

    def find_task(self, key: TaskKey) -> Seen[Task]:
        """
        The archived task of that queue and id, of several lives the last created.

        Sees what an original server archived too. May miss what was archived within a second or so.
        """

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """
        The archived tasks of a queue that a filter means, in the order of listings.

        Each life of a task once. May miss what was archived within a second or so.

        Raises:
            StoreUnavailable: Also where only a part could be searched.
        """
