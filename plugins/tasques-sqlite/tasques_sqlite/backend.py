"""The stores together, in one file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tasques.core import errors
from tasques.core.metrics import MetricFamily, gauge
from tasques.core.ports import (
    ArchiveStore,
    LeaderLockStore,
    PolicyStore,
    Problem,
    RecurringTaskStore,
    Runtime,
    SetupStep,
    TaskStore,
)
from tasques.core.values import Instant
from tasques_sqlite.archive_store import SqliteArchiveStore
from tasques_sqlite.database import SCHEMA_VERSION, Database
from tasques_sqlite.document_store import (
    SqliteLeaderLockStore,
    SqlitePolicyStore,
    SqliteRecurringTaskStore,
)
from tasques_sqlite.task_store import SqliteTaskStore


class SqliteBackend:
    """
    A :class:`~tasques.core.ports.Backend` in a file of this machine.

    Several processes may use one file, on one machine.

    Args:
        path: The file; it is made, with its tables, when it is first used.
    """

    is_durable = True

    def __init__(self, path: Path, runtime: Runtime) -> None:
        self._database = Database(path, runtime)
        self._tasks = SqliteTaskStore(self._database)
        self._recurring_tasks = SqliteRecurringTaskStore(self._database)
        self._leader_locks = SqliteLeaderLockStore(self._database)
        self._policies = SqlitePolicyStore(self._database)
        self._archive = SqliteArchiveStore(self._database)

    @property
    def url(self) -> str:
        """The file."""
        return f"sqlite:///{self._database.path}"

    @property
    def tasks(self) -> TaskStore:
        """The store of tasks, the same one each time."""
        return self._tasks

    @property
    def recurring_tasks(self) -> RecurringTaskStore:
        """The store of recurring tasks, the same one each time."""
        return self._recurring_tasks

    @property
    def leader_locks(self) -> LeaderLockStore:
        """The store of leaders' locks, the same one each time."""
        return self._leader_locks

    @property
    def policies(self) -> PolicyStore:
        """The store of queues' policies, the same one each time."""
        return self._policies

    @property
    def archive(self) -> ArchiveStore:
        """The store of finished tasks, the same one each time."""
        return self._archive

    def check(self) -> Sequence[Problem]:
        """Whether the file can be used."""
        try:
            self._look()
        except errors.StoreUnavailable as error:
            return (Problem(code="unreachable", message=f"The file cannot be used: {error}"),)
        return ()

    def _look(self) -> None:
        with self._database.reading() as connection:
            connection.execute("SELECT number FROM writes").fetchone()

    def server_time(self) -> Instant | None:
        """None: it lives by the clock of this machine."""
        return None

    def measurements(self) -> Sequence[MetricFamily]:
        """How large the file is."""
        try:
            size = self._database.path.stat().st_size
        except OSError:
            return ()
        return (gauge("tasques_sqlite_file_bytes", "The size of the file of tasks.", size),)

    def setup(self, *, apply: bool, dashboards: bool = False) -> Sequence[SetupStep]:
        """Make the file with its tables."""
        what = f"tables in {self._database.path}"
        try:
            is_there = self._database.version() == SCHEMA_VERSION
        except sqlite3.Error as error:
            raise errors.StoreUnavailable(f"{self._database.path}: {error}") from error
        if is_there or not apply:
            return (SetupStep(what=what, state="present" if is_there else "missing"),)
        self._look()
        return (SetupStep(what=what, state="installed"),)

    def close(self) -> None:
        """Give back the file."""
        self._database.close()
