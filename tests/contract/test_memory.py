"""The contract, for memory."""

from __future__ import annotations

import pytest

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.ports import Backend, TaskStore
from tasques.core.service.group_commit import GroupCommit
from tasques.runtime import ThreadRuntime
from tasques.testing.contract import (
    BackendContract,
    LeaderLockStoreContract,
    MalformedContract,
    PolicyContract,
    RecurringTaskStoreContract,
    TaskStoreContract,
    UnreadableContract,
)
from tasques.testing.contract.malformed import PlantMalformed
from tasques.testing.contract.unreadable import Lose
from tasques.testing.fake_runtime import FakeRuntime
from tasques.testing.faulty import FaultyTaskStore


class OnMemory:
    """The fixtures that the suites ask for."""

    @pytest.fixture
    def backend(self) -> Backend:
        return MemoryBackend(ThreadRuntime())


class TestMemory(OnMemory, TaskStoreContract, BackendContract):
    """As it runs in production."""


class TestRecurringTasks(OnMemory, RecurringTaskStoreContract):
    """The store of recurring tasks."""


class TestPolicies(OnMemory, PolicyContract):
    """The store of policies."""


class TestLeaderLocks(OnMemory, LeaderLockStoreContract):
    """The store of leaders' locks."""


class TestMemoryOnAFakeRuntime(TaskStoreContract):
    """As tests use it: the locks of the fake runtime hold between threads, too."""

    @pytest.fixture
    def backend(self) -> Backend:
        return MemoryBackend(FakeRuntime())


class TestFaultlessFaults(TaskStoreContract, MalformedContract, UnreadableContract):
    """The store that fails on purpose keeps every guarantee while it is told to do nothing."""

    @pytest.fixture
    def store(self) -> FaultyTaskStore:
        return FaultyTaskStore(MemoryBackend(FakeRuntime()).tasks)

    @pytest.fixture
    def plant_malformed(self, store: FaultyTaskStore) -> PlantMalformed:
        return lambda key, variety: store.plant_malformed(key, f"damage number {variety}")

    @pytest.fixture
    def lose(self, store: FaultyTaskStore) -> Lose:
        return store.lose


class TestGroupCommit(TaskStoreContract):
    """Writes that go together are still the writes of those who asked."""

    @pytest.fixture
    def store(self) -> TaskStore:
        runtime = ThreadRuntime()
        return GroupCommit(MemoryBackend(runtime).tasks, runtime)
