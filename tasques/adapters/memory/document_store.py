"""Documents of any kind in memory, for those kinds that nobody searches in a hurry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from tasques.core import queues
from tasques.core.documents import D, Stored, Version
from tasques.core.policies import QueuePolicy
from tasques.core.ports import (
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    Invalid,
    Missing,
    ReadOutcome,
    Runtime,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.ports.documents import K
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTask, RecurringTaskId, StoredRecurringTask


class MemoryDocumentStore(Generic[K, D]):
    """
    A :class:`~tasques.core.ports.DocumentStore` in memory; see there for what it guarantees.

    The keys are texts. One lock guards everything, and each call holds it for as long as it takes.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._lock = runtime.condition()
        self._documents: dict[object, Stored[D]] = {}
        # Of the whole store, and never taken back: so whatever is created under the key of a
        # deleted document has a greater version than that had.
        self._writes = 0

    def write(self, writes: Sequence[Write[D]]) -> Sequence[WriteOutcome[D]]:
        """Try each write, in order."""
        with self._lock:
            return [self._write(write) for write in writes]

    def _write(self, write: Write[D]) -> WriteOutcome[D]:
        key = write.document.key
        if not fits_as_id(str(key)):
            return Invalid(f"an id must have 1 to {queues.MAX_ID_BYTES} bytes in UTF-8")
        current = self._documents.get(key)
        if isinstance(write, Create):
            if current is not None:
                return Exists()
        elif current is None or current.version != write.expected:
            return Conflict()
        self._writes += 1
        if isinstance(write, Delete):
            del self._documents[key]
            return Deleted()
        stored = Stored(document=write.document, version=Version(1, self._writes))
        self._documents[key] = stored
        return Written(stored)

    def get(self, keys: Sequence[K]) -> Sequence[ReadOutcome[D]]:
        """Read the present versions."""
        with self._lock:
            return [self._documents.get(key, Missing()) for key in keys]

    def _all(self) -> list[Stored[D]]:
        with self._lock:
            return list(self._documents.values())


def fits_as_id(text: str) -> bool:
    """Whether any store would take a document of that id."""
    try:
        length = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        return False
    return 0 < length <= queues.MAX_ID_BYTES


class MemoryPolicyStore(MemoryDocumentStore[QueueName, QueuePolicy]):
    """A :class:`~tasques.core.ports.PolicyStore` in memory."""

    def find_all(self) -> Sequence[Stored[QueuePolicy]]:
        """All there are."""
        return self._all()


class MemoryRecurringTaskStore(MemoryDocumentStore[RecurringTaskId, RecurringTask]):
    """A :class:`~tasques.core.ports.RecurringTaskStore` in memory; searches look at all there are."""

    def find_all(self) -> Sequence[StoredRecurringTask]:
        """All that are not deleted, by id."""
        found = [stored for stored in self._all() if not stored.document.is_deleted]
        # By code point, which is the order of the bytes in UTF-8 too.
        return sorted(found, key=lambda stored: stored.document.id)

    def find_changed(self) -> Sequence[StoredRecurringTask]:
        """Those that no leader has taken up since their last change."""
        return [stored for stored in self._all() if stored.document.loaded_at is None]
