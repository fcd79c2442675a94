"""Finished tasks; all in one place."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Final

import attrs

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
    Seen,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques_sqlite import rows
from tasques_sqlite.database import Database, next_number
from tasques_sqlite.document_store import is_text, stored_or_malformed, written_together
from tasques_sqlite.encoding import encode

_PLACE: Final = "archive"


class SqliteArchiveStore:
    """An :class:`~tasques.core.ports.ArchiveStore` in a file; see there for what it guarantees."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, writes: Sequence[Write[ArchivedTask]]) -> Sequence[WriteOutcome[ArchivedTask]]:
        """Try each write, in order, and have the disk take them together."""
        return written_together(self._database, writes, self._write)

    def _write(
        self, connection: sqlite3.Connection, write: Write[ArchivedTask]
    ) -> WriteOutcome[ArchivedTask]:
        copy = write.document
        if not isinstance(write, Delete) and (reason := rows.fault(copy.task)) is not None:
            return Invalid(reason)
        row = connection.execute(
            "SELECT version FROM archive WHERE key = ?", (copy.key,)
        ).fetchone()
        if isinstance(write, Create):
            if row is not None:
                return Exists()
        elif row is None or Version(1, row[0]) != write.expected or copy.place != _PLACE:
            return Conflict()
        number = next_number(connection)
        if isinstance(write, Delete):
            connection.execute("DELETE FROM archive WHERE key = ?", (copy.key,))
            return Deleted()
        copy = attrs.evolve(copy, place=_PLACE)
        key = {"key": copy.key, "queue": copy.task.queue, "id": copy.task.id}
        body = {"version": number, "body": encode(copy)}
        rows.put(connection, "archive", {**key, **body, **rows.listed_columns(copy.task)})
        return Written(Stored(document=copy, version=Version(1, number)))

    def find_copies(self, keys: Sequence[ArchiveKey]) -> Sequence[Sequence[StoredCopy | Malformed]]:
        """The copy under each key, if there is one."""
        with self._database.reading() as connection:
            found = [
                connection.execute(
                    "SELECT version, body FROM archive WHERE key = ?", (key,)
                ).fetchone()
                for key in keys
            ]
        return [[] if row is None else [stored_or_malformed(ArchivedTask, *row)] for row in found]

    def find_task(self, key: TaskKey) -> Seen[Task]:
        """The archived task of that queue and id, of several lives the last created."""
        if not (is_text(key.queue) and is_text(key.id)):
            return Missing()
        with self._database.reading() as connection:
            found = [
                stored_or_malformed(ArchivedTask, *row)
                for row in connection.execute(
                    "SELECT version, body FROM archive WHERE queue = ? AND id = ? "
                    "ORDER BY created_at DESC",
                    (key.queue, key.id),
                )
            ]
        bad: Missing | Malformed = Missing()
        for each in found:
            if isinstance(each, Stored):
                return _task_of(each)
            bad = each
        return bad

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """The next of a listing."""
        conditions, values = rows.listing(query)
        with self._database.reading() as connection:
            cursor = connection.execute(f"SELECT version, body FROM archive {conditions}", values)
            found = islice(rows.good(cursor, ArchivedTask), query.limit)
            return [_task_of(copy) for copy in found]


def _task_of(copy: StoredCopy) -> StoredTask:
    return Stored(document=copy.document.task, version=copy.version)
