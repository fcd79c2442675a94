"""
Moves tasks that have been finished for a while from their queues to the archive.

Every server does it: a copy has the id that follows from its task, and the task is deleted on
condition of the version that was copied, so two archivers are no worse than one. Nothing is deleted
before the copy of that very version was acknowledged, and what is in doubt is left to the next
sweep, which finds the copy and goes on from there. A sweep holds one page of tasks in memory.

Tasks made for slots stay for an hour at least, and while their slot is pending: a leader that was
cut off may create the task once more, and must meet its id (reliability notes 4.5).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from tasques.core.archive import ArchivedTask, CopyPlan, StoredCopy, archive_key, plan_copy, surplus
from tasques.core.documents import Stored
from tasques.core.ports import (
    ArchiveStore,
    Create,
    Delete,
    Deleted,
    FinishedQuery,
    Malformed,
    RecurringTaskStore,
    Replace,
    Runtime,
    TaskStore,
    Write,
    Written,
    seen,
)
from tasques.core.recurring import RecurringTaskId
from tasques.core.service.settlement import confirmation
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration, Instant

_log = logging.getLogger(__name__)

#: Tasks of slots stay in their queue at least so long after their end.
SLOT_TASKS_STAY: Final = Duration.of_seconds(3600)
#: Sweeps of several servers spread over this part of the interval.
_JITTER: Final = 0.1
_SHORTEST_PAUSE: Final = Duration.of_seconds(0.05)
#: So many tasks that cannot be archived now are passed over, so that they do not hide the others.
_MAX_PASSED_OVER: Final = 1000


@attrs.frozen(kw_only=True)
class ArchiverOptions:
    """
    How often, how much, and how old.

    Attributes:
        interval: Between sweeps that left nothing behind.
        older_than: A task is archived no sooner than so long after its end.
        page_size: Tasks moved in one sweep; a full sweep is followed by another soon.
    """

    interval: Duration = Duration.of_seconds(60)
    older_than: Duration = Duration.of_seconds(24 * 3600)
    page_size: int = 300


class Archiver:
    """
    One sweep at each :meth:`step`.

    Args:
        gate: Raises an :class:`~tasques.core.errors.Unavailable` while the clock may not decide.

    Attributes:
        archived: Tasks deleted from their queues here so far, their copies being in the archive.
    """

    def __init__(
        self,
        tasks: TaskStore,
        archive: ArchiveStore,
        recurring_tasks: RecurringTaskStore,
        runtime: Runtime,
        *,
        options: ArchiverOptions = ArchiverOptions(),
        gate: Callable[[], None] = lambda: None,
    ) -> None:
        self._tasks = tasks
        self._archive = archive
        self._recurring_tasks = recurring_tasks
        self._runtime = runtime
        self._options = options
        self._gate = gate
        self._passed_over: tuple[StoredTask, ...] = ()
        # Tasks that are gone, and may have more than one copy.
        self._untidy: tuple[StoredTask, ...] = ()
        self.archived = 0

    def step(self) -> Duration:
        """
        Sweep once; returns when the next sweep is wanted.

        Raises:
            Unavailable: If the clock may not decide, or a store cannot be read.
        """
        self._gate()
        if self._untidy:
            self._tidy(self._untidy)
        found = self._tasks.find_finished(self._query())
        movable = self._without_pending(found)
        copied = self._copy(movable) if movable else []
        moved = set(self._delete(copied)) if copied else set()
        self.archived += len(moved)
        if len(found) >= self._options.page_size:
            # What was not moved is not met again in this round, so that others get their turn.
            self._passed_over = (*self._passed_over, *(s for s in found if s not in moved))
            if len(self._passed_over) <= _MAX_PASSED_OVER:
                return max(self._tasks.traits.visibility_lag, _SHORTEST_PAUSE)
        # The next sweep looks at everything anew.
        self._passed_over = ()
        spread = 1 + _JITTER * (self._runtime.random() - 0.5)
        return Duration.of_seconds(self._options.interval.seconds * spread)

    def _query(self) -> FinishedQuery:
        now = self._runtime.wall()
        older_than = self._options.older_than
        return FinishedQuery(
            before=_ago(now, older_than),
            recurring_before=_ago(now, max(older_than, SLOT_TASKS_STAY)),
            limit=self._options.page_size,
            but=self._passed_over,
        )

    def _without_pending(self, found: Sequence[StoredTask]) -> list[StoredTask]:
        """*found* without the tasks of slots that are not noted as fired yet."""
        ids = {
            RecurringTaskId(s.document.recurring_task_id): None
            for s in found
            if s.document.recurring_task_id is not None
        }
        recurring = seen(self._recurring_tasks.get(list(ids))) if ids else ()
        pending = {
            current.document.recurrence.pending.key
            for current in recurring
            if isinstance(current, Stored) and current.document.recurrence.pending is not None
        }
        return [stored for stored in found if stored.document.key not in pending]

    def _copy(self, tasks: Sequence[StoredTask]) -> list[StoredTask]:
        """Write the copies of *tasks*; returns the tasks whose copies are known to be there."""
        keys = [archive_key(stored.document) for stored in tasks]
        plans: list[tuple[StoredTask, CopyPlan]] = []
        for stored, copies in zip(tasks, self._archive.find_copies(keys), strict=True):
            if (readable := _readable(copies)) is None:
                _log.error("the copy of [%s] in the archive is malformed", stored.document.key)
                continue
            current = self._confirmed(stored) if _has_later(readable, stored) else stored
            if current is not None:
                plans.append((current, plan_copy(current, readable)))
        outcomes = self._archive.write([_write(plan) for _, plan in plans])
        copied = [
            (stored, plan)
            for (stored, plan), outcome in zip(plans, outcomes, strict=True)
            if isinstance(outcome, Written)
        ]
        # A task that goes before its surplus copies leaves them to nobody.
        left = set(self._remove([copy for _, plan in copied for copy in plan.surplus]))
        return [stored for stored, plan in copied if left.isdisjoint(plan.surplus)]

    def _confirmed(self, stored: StoredTask) -> StoredTask | None:
        """
        *stored* as it is in its queue, newly written there; None if it has moved on.

        For where a copy of a later version is in the archive. Mostly a search has shown what moved on
        since, and its copy must not take the later one's place; but a later version may also have been
        one that a failover discarded. To read it again is not enough: an isolated primary shows what
        was never there to stay.
        """
        (outcome,) = self._tasks.write([confirmation(stored)])
        return outcome.stored if isinstance(outcome, Written) else None

    def _delete(self, tasks: Sequence[StoredTask]) -> list[StoredTask]:
        """Delete *tasks* from their queues, unless they have changed; returns those deleted."""
        outcomes = self._tasks.write(
            [Delete(document=stored.document, expected=stored.version) for stored in tasks]
        )
        moved: list[StoredTask] = []
        lost: list[StoredTask] = []
        for stored, outcome in zip(tasks, outcomes, strict=True):
            (moved if isinstance(outcome, Deleted) else lost).append(stored)
        if lost:
            self._tidy([*self._untidy, *lost])
        return moved

    def _tidy(self, tasks: Sequence[StoredTask]) -> None:
        """
        Leave one copy of each of *tasks*, which another archiver was the first to delete.

        If the newest place changed meanwhile, ours and theirs lie in different ones; nobody else
        will meet them both. What cannot be removed now is tried again in the next sweep.
        """
        self._untidy = tuple(tasks)
        found = self._archive.find_copies([archive_key(stored.document) for stored in tasks])
        untidy: list[StoredTask] = []
        for stored, copies in zip(tasks, found, strict=True):
            readable = _readable(copies)
            if readable is not None and self._remove(surplus(readable)):
                untidy.append(stored)
        self._untidy = tuple(untidy)

    def _remove(self, copies: Sequence[StoredCopy]) -> list[StoredCopy]:
        """Delete *copies* from the archive; returns those that are not known to be gone."""
        if not copies:
            return []
        outcomes = self._archive.write(
            [Delete(document=copy.document, expected=copy.version) for copy in copies]
        )
        return [
            copy
            for copy, outcome in zip(copies, outcomes, strict=True)
            if not isinstance(outcome, Deleted)
        ]


def _readable(copies: Sequence[StoredCopy | Malformed]) -> list[StoredCopy] | None:
    """*copies*, or None if one of them is malformed."""
    readable = [copy for copy in copies if isinstance(copy, Stored)]
    return readable if len(readable) == len(copies) else None


def _has_later(copies: Sequence[StoredCopy], stored: StoredTask) -> bool:
    """Whether one of *copies* is of a later version than *stored*."""
    return any(copy.document.origin > stored.version for copy in copies)


def _write(plan: CopyPlan) -> Write[ArchivedTask]:
    if plan.over is None:
        return Create(document=plan.copy)
    return Replace(document=plan.copy, expected=plan.over)


def _ago(now: Instant, duration: Duration) -> Instant:
    return now.plus(Duration(-duration.nanoseconds))
