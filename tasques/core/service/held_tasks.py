"""
The versions that this server handed out, so that what becomes of them needs no read.

Whoever claims a task here mostly reports on it and finishes it here. Its version is then known, and
the change is one compare-and-set instead of a read and one. It is a hint: where another server has
changed the task meanwhile the write conflicts, and the task is read after all.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tasques.core.ports import Runtime
from tasques.core.tasks import StoredTask, TaskKey

#: About so many bytes are kept, the oldest are forgotten first.
_CAPACITY: Final = 64 * 2**20
#: A larger task is not worth its place: reading it costs little beside doing it.
_LARGEST: Final = 64 * 2**10


class HeldTasks:
    """Claimed tasks by their keys; may be used from several threads at once."""

    def __init__(self, runtime: Runtime, *, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._lock = runtime.condition()
        self._held: OrderedDict[TaskKey, StoredTask] = OrderedDict()
        self._size = 0

    def keep(self, stored: StoredTask) -> None:
        """Remember what has just been written; a younger version that is known stays."""
        key, size = stored.document.key, stored.document.approximate_bytes
        with self._lock:
            known = self._held.get(key)
            if size > _LARGEST or (known is not None and known.version >= stored.version):
                return
            if known is not None:
                self._remove(key)
            self._held[key] = stored
            self._size += size
            while self._size > self._capacity:
                self._remove(next(iter(self._held)))

    def take(self, key: TaskKey) -> StoredTask | None:
        """The version that is remembered, if any; it is forgotten, since a change makes another."""
        with self._lock:
            return self._remove(key)

    def _remove(self, key: TaskKey) -> StoredTask | None:
        stored = self._held.pop(key, None)
        if stored is not None:
            self._size -= stored.document.approximate_bytes
        return stored
