"""Documents of the kinds of which there are few: recurring tasks, locks, policies."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Generic

from tasques.core import queues
from tasques.core.documents import D, Stored, Version
from tasques.core.leadership import LeaderLock
from tasques.core.policies import QueuePolicy
from tasques.core.ports import (
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    Invalid,
    Malformed,
    Missing,
    ReadOutcome,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.ports.documents import K
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTask, RecurringTaskId
from tasques_sqlite.database import Database, next_number, outcome_of
from tasques_sqlite.encoding import Undecodable, decode, encode


def written_together(
    database: Database,
    writes: Sequence[Write[D]],
    attempt: Callable[[sqlite3.Connection, Write[D]], WriteOutcome[D]],
) -> Sequence[WriteOutcome[D]]:
    """
    *writes* in one transaction, each with its own outcome.

    Where the transaction itself fails, that is the outcome of all of them.
    """
    try:
        with database.writing() as connection:
            return [attempt(connection, write) for write in writes]
    except sqlite3.Error as error:
        return [outcome_of(error)] * len(writes)


def stored_or_malformed(kind: type[D], version: object, body: object) -> Stored[D] | Malformed:
    """The document in a row, or why it is none."""
    try:
        if not isinstance(version, int):
            raise Undecodable("the version is no number")
        return Stored(document=decode(body, kind), version=Version(1, version))
    except Undecodable as error:
        return Malformed(str(error))


def is_text(name: str) -> bool:
    """Whether SQLite can be asked for it; half of a surrogate pair is no text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def fits_as_id(text: str) -> bool:
    """Whether any store would take a document of that id."""
    return is_text(text) and 0 < len(text.encode()) <= queues.MAX_ID_BYTES


class SqliteDocumentStore(Generic[K, D]):
    """
    A :class:`~tasques.core.ports.DocumentStore` of one kind of documents.

    Args:
        kind: What they are.
        name: What the kind is called in the table.
    """

    def __init__(self, database: Database, kind: type[D], name: str) -> None:
        self._database = database
        self._kind = kind
        self._name = name

    def write(self, writes: Sequence[Write[D]]) -> Sequence[WriteOutcome[D]]:
        """Try each write, in order."""
        return written_together(self._database, writes, self._write)

    def _write(self, connection: sqlite3.Connection, write: Write[D]) -> WriteOutcome[D]:
        key = str(write.document.key)
        if not fits_as_id(key):
            return Invalid(f"an id must have 1 to {queues.MAX_ID_BYTES} bytes in UTF-8")
        row = connection.execute(
            "SELECT version FROM documents WHERE kind = ? AND key = ?", (self._name, key)
        ).fetchone()
        if isinstance(write, Create):
            if row is not None:
                return Exists()
        elif row is None or Version(1, row[0]) != write.expected:
            return Conflict()
        if isinstance(write, Delete):
            connection.execute(
                "DELETE FROM documents WHERE kind = ? AND key = ?", (self._name, key)
            )
            # So that one created here later has a greater version than this one had.
            next_number(connection)
            return Deleted()
        number = next_number(connection)
        connection.execute(
            "INSERT OR REPLACE INTO documents (kind, key, version, body) VALUES (?, ?, ?, ?)",
            (self._name, key, number, encode(write.document)),
        )
        return Written(Stored(document=write.document, version=Version(1, number)))

    def get(self, keys: Sequence[K]) -> Sequence[ReadOutcome[D]]:
        """Read the present versions."""
        with self._database.reading() as connection:
            return [self._get(connection, str(key)) for key in keys]

    def _get(self, connection: sqlite3.Connection, key: str) -> ReadOutcome[D]:
        if not is_text(key):
            return Missing()
        row = connection.execute(
            "SELECT version, body FROM documents WHERE kind = ? AND key = ?", (self._name, key)
        ).fetchone()
        return Missing() if row is None else stored_or_malformed(self._kind, *row)

    def _all(self) -> list[Stored[D]]:
        """Those that are documents, by key."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT version, body FROM documents WHERE kind = ? ORDER BY key", (self._name,)
            ).fetchall()
        found = (stored_or_malformed(self._kind, *row) for row in rows)
        return [each for each in found if isinstance(each, Stored)]


class SqliteRecurringTaskStore(SqliteDocumentStore[RecurringTaskId, RecurringTask]):
    """A :class:`~tasques.core.ports.RecurringTaskStore`; searches look at all there are."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, RecurringTask, "recurring_task")

    def find_all(self) -> Sequence[Stored[RecurringTask]]:
        """All that are not deleted, by id."""
        return [each for each in self._all() if not each.document.is_deleted]

    def find_changed(self) -> Sequence[Stored[RecurringTask]]:
        """Those that no leader has taken up since their last change."""
        return [each for each in self._all() if each.document.loaded_at is None]


class SqliteLeaderLockStore(SqliteDocumentStore[str, LeaderLock]):
    """A :class:`~tasques.core.ports.LeaderLockStore`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, LeaderLock, "leader_lock")


class SqlitePolicyStore(SqliteDocumentStore[QueueName, QueuePolicy]):
    """A :class:`~tasques.core.ports.PolicyStore`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, QueuePolicy, "policy")

    def find_all(self) -> Sequence[Stored[QueuePolicy]]:
        """All there are."""
        return self._all()
