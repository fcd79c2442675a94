"""The contract, for Elasticsearch in the oldest version that is supported and a recent one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasques.adapters.elasticsearch import lock_documents, recurring_documents
from tasques.core.ports import Backend, Runtime, TaskStore
from tasques.core.service.group_commit import GroupCommit
from tasques.runtime import ThreadRuntime
from tasques.testing.contract import (
    BackendContract,
    LeaderLockStoreContract,
    MalformedContract,
    MalformedLeaderLockContract,
    MalformedRecurringTaskContract,
    PolicyContract,
    RecurringTaskStoreContract,
    TaskStoreContract,
    UnreadableContract,
)
from tasques.testing.contract.racing import RacingContract
from tasques.testing.contract.recurring import PlantMalformedDocument
from tasques.testing.examples import NOW, leader_lock, recurring
from tests.contract.conftest import PlantDamaged


class OnElasticsearch:
    """The fixtures that the suites ask for."""

    @pytest.fixture
    def backend(self, open_elasticsearch: Callable[[Runtime], Backend]) -> Backend:
        return open_elasticsearch(ThreadRuntime())

    @pytest.fixture
    def settle(self, refresh: Callable[[], None]) -> Callable[[], None]:
        return refresh


class TestElasticsearch(
    OnElasticsearch, TaskStoreContract, MalformedContract, UnreadableContract, BackendContract
):
    """As it is, without anything on top."""


class TestRecurringTasks(
    OnElasticsearch, RecurringTaskStoreContract, MalformedRecurringTaskContract
):
    """The store of recurring tasks."""

    @pytest.fixture
    def plant_malformed_document(self, plant_damaged: PlantDamaged) -> PlantMalformedDocument:
        def plant(id: str, variety: int) -> None:
            document = json.loads(recurring_documents.encode(recurring(id)))
            plant_damaged("recurring_tasks", id, damaged_recurring(document, variety))

        return plant


class TestPolicies(OnElasticsearch, PolicyContract):
    """The store of policies."""


class TestLeaderLocks(OnElasticsearch, LeaderLockStoreContract, MalformedLeaderLockContract):
    """The store of leaders' locks."""

    @pytest.fixture
    def plant_malformed_document(self, plant_damaged: PlantDamaged) -> PlantMalformedDocument:
        def plant(id: str, variety: int) -> None:
            document = json.loads(lock_documents.encode(leader_lock(id)))
            plant_damaged("leader_locks", id, damaged_lock(document, variety))

        return plant


class TestGroupCommit(OnElasticsearch, RacingContract):
    """As servers use it, with the writes of several threads going together."""

    @pytest.fixture
    def store(self, backend: Backend) -> TaskStore:
        return GroupCommit(backend.tasks, ThreadRuntime())


def damaged_recurring(document: dict[str, Any], variety: int) -> dict[str, Any]:
    """The document of a recurring task with one thing wrong with it; no leader took it up."""
    definition = document["task_definition"]
    damages: list[Callable[[], object]] = [
        lambda: document.pop("schedule_expression"),
        lambda: document.pop("metadata"),
        lambda: document.pop("task_definition"),
        lambda: definition.pop("kind"),
        lambda: definition.update(args=5),
        lambda: definition.update(retry_times=-1),
        lambda: document["metadata"].update(modified_at="2020-01-01"),
        lambda: document.update(ext={"v": 1, "pending": {"slot": str(NOW)}}),
    ]
    damages[variety % len(damages)]()
    return document


def damaged_lock(document: dict[str, Any], variety: int) -> dict[str, Any]:
    """The document of a lock with one thing wrong with it."""
    damages: list[Callable[[], object]] = [
        lambda: document.pop("leader_id"),
        lambda: document.pop("at"),
        lambda: document.pop("leader_lock_lease"),
        lambda: document.update(leader_lock_lease="5"),
        lambda: document.update(at="2020-01-01"),
        lambda: document.update(leader_lock_lease=0.5),
        lambda: document.update(ext={"v": 1, "released": "yes"}),
        lambda: document.update(ext={"v": 1, "term": 5}),
    ]
    damages[variety % len(damages)]()
    return document
