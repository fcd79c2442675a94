"""The contract, for a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from tasques_sqlite import SqliteBackend
from tasques_sqlite.rows import columns, listed_columns, put

from tasques.core.archive import archive_key
from tasques.core.ports import Backend, TaskStore
from tasques.core.service.group_commit import GroupCommit
from tasques.core.tasks import Task, TaskKey
from tasques.runtime import ThreadRuntime
from tasques.testing.contract import (
    BackendContract,
    LeaderLockStoreContract,
    MalformedArchiveContract,
    MalformedContract,
    OnePlaceArchiveContract,
    PolicyContract,
    RecurringTaskStoreContract,
    TaskStoreContract,
)
from tasques.testing.contract.archiving import PlantMalformedCopy
from tasques.testing.contract.malformed import PlantMalformed
from tasques.testing.examples import claimed, queued

DAMAGED = (
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"id": 7}',
    '{"id": "a", "queue": "a"}',
    '"task"',
    '{"id": "a", "queue": "a", "kind": "k", "state": "gone"}',
    "\\",
)


class InAFile:
    """The fixtures that the suites ask for."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "tasques.db"

    @pytest.fixture
    def backend(self, path: Path) -> Iterator[Backend]:
        backend = SqliteBackend(path, ThreadRuntime())
        backend.setup(apply=True)
        yield backend
        backend.close()


class TestTasks(InAFile, TaskStoreContract, BackendContract, MalformedContract):
    """The store of tasks, with documents that somebody else wrote there."""

    @pytest.fixture
    def plant_malformed(self, path: Path) -> PlantMalformed:
        numbers = count(10**9)

        def plant(key: TaskKey, variety: int) -> None:
            seen = queued(key.queue) if variety % 2 else claimed(key.queue)
            body = {"version": next(numbers), "body": DAMAGED[variety % len(DAMAGED)]}
            with closing(sqlite3.connect(path)) as connection, connection:
                put(
                    connection,
                    "tasks",
                    {"queue": key.queue, "id": key.id, **body, **columns(seen)},
                )

        return plant


class TestGroupCommit(InAFile, TaskStoreContract):
    """As a server uses it: writes that go together are still the writes of those who asked."""

    @pytest.fixture
    def store(self, backend: Backend) -> TaskStore:
        return GroupCommit(backend.tasks, ThreadRuntime())


class TestRecurringTasks(InAFile, RecurringTaskStoreContract):
    """The store of recurring tasks."""


class TestPolicies(InAFile, PolicyContract):
    """The store of policies."""


class TestLeaderLocks(InAFile, LeaderLockStoreContract):
    """The store of leaders' locks."""


class TestArchive(InAFile, OnePlaceArchiveContract, MalformedArchiveContract):
    """The archive."""

    @pytest.fixture
    def plant_malformed_copy(self, path: Path) -> PlantMalformedCopy:
        def plant(task: Task, variety: int) -> None:
            key = {"key": archive_key(task), "queue": task.queue, "id": task.id}
            body = {"version": 10**9 + variety, "body": DAMAGED[variety % len(DAMAGED)]}
            with closing(sqlite3.connect(path)) as connection, connection:
                put(connection, "archive", {**key, **body, **listed_columns(task)})

        return plant
