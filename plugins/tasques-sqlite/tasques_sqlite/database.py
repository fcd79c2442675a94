"""
The file: how it is opened, what is in it, and what its errors mean.

One connection writes and one reads, each behind a lock of its own, so that a search does not wait for
the disk. SQLite's write-ahead log lets both go on at once, and other processes too: each write is a
transaction that takes the file's one place for writers before it looks at anything.

A commit returns once the disk has it (``synchronous=FULL``): what was acknowledged survives the
process and the machine. Source: SQLite, "Write-Ahead Logging" and "PRAGMA synchronous".
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tasques.core import errors
from tasques.core.ports import Blocked, Condition, Rejected, Runtime, Unknown

#: Of the tables below; a file says which it was made with.
SCHEMA_VERSION: Final = 1
#: How long a writer waits for another process's transaction.
_BUSY_SECONDS: Final = 5.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS writes (number INTEGER NOT NULL);
INSERT INTO writes SELECT 0 WHERE NOT EXISTS (SELECT * FROM writes);

CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS tasks (
    queue TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
    state TEXT NOT NULL, kind TEXT NOT NULL, worker TEXT,
    created_ms INTEGER NOT NULL, created_at TEXT NOT NULL,
    priority INTEGER NOT NULL, run_at TEXT NOT NULL, remaining INTEGER NOT NULL,
    waits INTEGER NOT NULL, times_out_at TEXT, expires_at TEXT, finished_at TEXT, recurring TEXT,
    PRIMARY KEY (queue, id)
);
CREATE INDEX IF NOT EXISTS claimable ON tasks (queue, priority DESC, run_at, remaining DESC, id)
    WHERE waits;
CREATE INDEX IF NOT EXISTS timing_out ON tasks (times_out_at, id, queue)
    WHERE times_out_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS expiring ON tasks (expires_at, id, queue) WHERE expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS finished ON tasks (finished_at, id, queue)
    WHERE finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS listed ON tasks (queue, created_ms, id);
CREATE INDEX IF NOT EXISTS outstanding ON tasks (queue, recurring)
    WHERE recurring IS NOT NULL AND finished_at IS NULL;

CREATE TABLE IF NOT EXISTS archive (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL,
    queue TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL, worker TEXT,
    created_ms INTEGER NOT NULL, created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS archived ON archive (queue, created_ms, id);
CREATE INDEX IF NOT EXISTS lives ON archive (queue, id, created_at);
"""


class Database:
    """
    A file of ours; opened when it is first used, and made if it is not there.

    Args:
        runtime: Its locks come from there.
    """

    def __init__(self, path: Path, runtime: Runtime) -> None:
        self.path = path
        self._writing = _Connection(path, runtime.condition())
        self._reading = _Connection(path, runtime.condition())

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """
        A look at what is committed now.

        Raises:
            StoreUnavailable: If the file cannot be read.
        """
        try:
            with self._reading.taken() as connection:
                yield connection
        except sqlite3.Error as error:
            raise errors.StoreUnavailable(f"{self.path}: {error}") from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """
        A transaction; committed at the end, and rolled back where something raises.

        Raises:
            sqlite3.Error: See :func:`outcome_of`.
        """
        with self._writing.taken() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            _commit(connection)

    def version(self) -> int:
        """
        What the file was made with; 0 if it is empty or not there.

        Raises:
            sqlite3.Error: If it cannot be read.
        """
        if not self.path.exists():
            return 0
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as look:
            found: int = look.execute("PRAGMA user_version").fetchone()[0]
        return found

    def close(self) -> None:
        """Give back the file."""
        self._reading.close()
        self._writing.close()


class NotCommitted(sqlite3.OperationalError):
    """The end of a transaction failed, and nobody knows whether it is in the file."""


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(connection)
        raise NotCommitted(str(error)) from error


def _roll_back(connection: sqlite3.Connection) -> None:
    # A full disk has rolled it back already.
    with contextlib.suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def outcome_of(error: sqlite3.Error) -> Rejected | Blocked | Unknown:
    """What became of writes whose transaction ended with *error*."""
    if isinstance(error, NotCommitted):
        return Unknown(str(error))
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return Blocked(str(error))
    return Rejected(str(error))


class _Connection:
    """One connection behind a lock; a child process gets one of its own."""

    def __init__(self, path: Path, lock: Condition) -> None:
        self._path = path
        self._lock = lock
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    @contextlib.contextmanager
    def taken(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time."""
        with self._lock:
            if self._connection is None or self._process != os.getpid():
                # What a parent opened must not be used in its child, not even to close it.
                self._connection, self._process = _opened(self._path), os.getpid()
            yield self._connection

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None


def _opened(path: Path) -> sqlite3.Connection:
    # Transactions are begun by hand; the lock keeps threads apart.
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        made_with: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if made_with > SCHEMA_VERSION:
            raise sqlite3.DatabaseError(
                f"it was made by a later version ({made_with}; this one knows {SCHEMA_VERSION})"
            )
        if made_with < SCHEMA_VERSION:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def next_number(connection: sqlite3.Connection) -> int:
    """A greater one for each write to the file, whatever it is to; within a transaction."""
    number: int = connection.execute(
        "UPDATE writes SET number = number + 1 RETURNING number"
    ).fetchone()[0]
    return number
