"""
Finished tasks, and the places in which their copies lie.

Elsewhere the archive may be several indices, the newest of which takes new copies, while lifecycle
management begins a new one now and then. Nothing here has to be split up; but what has to work with
such an archive can be tried out here, by :meth:`MemoryArchiveStore.roll_over`.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tasques.adapters.memory.task_store import next_of_listing
from tasques.core.archive import ArchivedTask, ArchiveKey, StoredCopy
from tasques.core.documents import Stored, Version
from tasques.core.listing import TaskQuery
from tasques.core.ports import (
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    Invalid,
    Malformed,
    Missing,
    Runtime,
    Seen,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.tasks import (
    MAX_PRIORITY,
    MAX_RETRY_TIMES,
    MIN_PRIORITY,
    StoredTask,
    Task,
    TaskKey,
)


class MemoryArchiveStore:
    """
    An :class:`~tasques.core.ports.ArchiveStore` in memory; see there for what it guarantees.

    Like the store of tasks it holds one lock for as long as a call takes, so that a search sees
    the last write too.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._lock = runtime.condition()
        # By the names of the places, in the order in which they were made.
        self._places: dict[str, dict[ArchiveKey, StoredCopy]] = {}
        # The copies of all lives of a task, wherever they lie.
        self._lives: dict[TaskKey, dict[tuple[str, ArchiveKey], StoredCopy]] = {}
        self._writes = 0
        self.roll_over()

    def roll_over(self) -> str:
        """
        Begin a new place, which takes the copies from now on, and give its name.

        What lifecycle management does elsewhere, by age or size; nothing does it here by itself.
        """
        with self._lock:
            name = f"archive-{len(self._places) + 1:06d}"
            self._places[name] = {}
            return name

    # -------------------------------------------------------------------------------- writes

    def write(self, writes: Sequence[Write[ArchivedTask]]) -> Sequence[WriteOutcome[ArchivedTask]]:
        """Try each write, in order."""
        with self._lock:
            return [self._write(write) for write in writes]

    def _write(self, write: Write[ArchivedTask]) -> WriteOutcome[ArchivedTask]:
        copy = write.document
        if isinstance(write, Delete):
            return self._delete(copy, write.expected)
        fault = _fault(copy.task)
        if fault is not None:
            return Invalid(fault)
        if isinstance(write, Create):
            newest = next(reversed(self._places))
            if copy.key in self._places[newest]:
                return Exists()
            return Written(self._put(attrs.evolve(copy, place=newest)))
        if not self._is_at(copy, write.expected):
            return Conflict()
        return Written(self._put(copy))

    def _delete(self, copy: ArchivedTask, expected: Version) -> WriteOutcome[ArchivedTask]:
        if not self._is_at(copy, expected):
            return Conflict()
        del self._places[copy.place][copy.key]
        lives = self._lives[copy.task.key]
        del lives[copy.place, copy.key]
        if not lives:
            del self._lives[copy.task.key]
        return Deleted()

    def _is_at(self, copy: ArchivedTask, version: Version) -> bool:
        current = self._places.get(copy.place, {}).get(copy.key)
        return current is not None and current.version == version

    def _put(self, copy: ArchivedTask) -> StoredCopy:
        self._writes += 1
        stored = Stored(document=copy, version=Version(1, self._writes))
        self._places[copy.place][copy.key] = stored
        self._lives.setdefault(copy.task.key, {})[copy.place, copy.key] = stored
        return stored

    # --------------------------------------------------------------------------------- reads

    def find_copies(self, keys: Sequence[ArchiveKey]) -> Sequence[Sequence[StoredCopy | Malformed]]:
        """Every copy under each key, the one in the oldest place first."""
        with self._lock:
            return [
                [copies[key] for copies in self._places.values() if key in copies] for key in keys
            ]

    def find_task(self, key: TaskKey) -> Seen[Task]:
        """The archived task of that queue and id, of several lives the last created."""
        with self._lock:
            copies = list(self._lives.get(key, {}).values())
        if not copies:
            return Missing()
        last = max(copies, key=_age)
        return StoredTask(document=last.document.task, version=last.version)

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """The next of a listing; looks at every archived task."""
        with self._lock:
            lives: dict[ArchiveKey, StoredCopy] = {}
            for copy in (copy for each in self._lives.values() for copy in each.values()):
                known = lives.get(copy.document.key)
                if known is None or _age(known) < _age(copy):
                    lives[copy.document.key] = copy
            return next_of_listing(
                query,
                [Stored(document=c.document.task, version=c.version) for c in lives.values()],
            )


def _age(copy: StoredCopy) -> tuple[int, int]:
    # Of copies of one life the one that was changed last, until an archiver removes the others.
    task = copy.document.task
    return task.created_at.nanoseconds, task.modified_at.nanoseconds


def _fault(task: Task) -> str | None:
    """Why no store would take a copy of *task*; None if they would."""
    if not MIN_PRIORITY <= task.priority <= MAX_PRIORITY:
        return "a priority must fit in 64 bits"
    if not 0 <= task.retry_times <= MAX_RETRY_TIMES:
        return "the attempts must fit in 64 bits"
    return None
