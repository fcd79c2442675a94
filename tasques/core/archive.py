"""
What it takes to move a finished task to the archive without loss or double.

First a copy is written under an id that follows from the task's identity, then the task is deleted
from its queue, on condition of the version that was copied. The copy says which version that was
(*origin*): only a copy of the very version that is about to be deleted counts. A sweep that is
repeated, by whichever server, meets the copy instead of making a second.

Source: reliability notes 4.4; Elastic, "Efficient duplicate prevention for event-based data".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NewType, Self, TypeAlias

import attrs

from tasques.core.documents import Operation, Stored, Version
from tasques.core.tasks import StoredTask, Task
from tasques.core.values import Instant

ArchiveKey = NewType("ArchiveKey", str)


def archive_key(task: Task) -> ArchiveKey:
    """
    The id of *task*'s copy: the same for all copies of one life of a task.

    ``created_at`` is part of it, since an id may be used again once its task is archived.
    """
    named = json.dumps([task.queue, task.id, str(task.created_at)]).encode()
    return ArchiveKey(hashlib.sha256(named).hexdigest())


@attrs.frozen(kw_only=True)
class ArchivedTask:
    """
    A copy of a finished task.

    Attributes:
        origin: The version of the task in its queue that this copies.
        place: Where it lies, or is to lie; empty for wherever new copies go.
    """

    task: Task
    origin: Version
    place: str = ""

    @property
    def key(self) -> ArchiveKey:
        """What names it; in each place once."""
        return archive_key(self.task)

    @property
    def operation(self) -> Operation | None:
        """The write that made the task; copies carry no mark of their own."""
        return self.task.operation

    @property
    def approximate_bytes(self) -> int:
        """About what its document takes in the store."""
        return self.task.approximate_bytes + 100

    def stamped(self, operation: Operation) -> Self:
        """This with the mark of the write that is about to make it."""
        return attrs.evolve(self, task=self.task.stamped(operation))


StoredCopy: TypeAlias = Stored[ArchivedTask]


@attrs.frozen(kw_only=True)
class CopyPlan:
    """
    What has to be written before a task may be deleted from its queue.

    Attributes:
        copy: The copy to write.
        over: The version that it replaces; None if it is new.
        surplus: Copies that a change of the newest place left behind; to be deleted.
    """

    copy: ArchivedTask
    over: Version | None
    surplus: tuple[StoredCopy, ...] = ()


def plan_copy(stored: StoredTask, copies: Sequence[StoredCopy]) -> CopyPlan:
    """
    How to archive *stored*, given the copies that were found under its key, the oldest place first.

    A copy is written even where one of this very version was found: what was read may not be there
    to stay (reliability 1.1), and what is acknowledged is.
    """
    task = stored.document
    if not copies:
        return CopyPlan(copy=ArchivedTask(task=task, origin=stored.version), over=None)
    oldest, *newer = copies
    copy = ArchivedTask(task=task, origin=stored.version, place=oldest.document.place)
    return CopyPlan(copy=copy, over=oldest.version, surplus=tuple(newer))


def surplus(copies: Sequence[StoredCopy]) -> tuple[StoredCopy, ...]:
    """
    Of the copies under one key, all but the one to keep: that of the latest version of the task.

    For a task that is not in its queue any more. Copies of one version are equal, so the oldest place
    is as good as another.
    """
    if not copies:
        return ()
    kept = max(copies, key=lambda copy: copy.document.origin)
    return tuple(copy for copy in copies if copy is not kept)


def finished_at(task: Task) -> Instant:
    """
    Since when a done or dead task is finished.

    By its last result, as the original counts it. One that was cancelled or expired before anybody
    claimed it has none: its last change ended it.
    """
    result = task.last_claim.result if task.last_claim is not None else None
    return task.modified_at if result is None else result.at
