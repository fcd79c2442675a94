"""The contract, for Elasticsearch in the oldest version that is supported and a recent one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasques.core.ports import Backend, Runtime, TaskStore
from tasques.core.service.group_commit import GroupCommit
from tasques.runtime import ThreadRuntime
from tasques.testing.contract import BackendContract, MalformedContract, TaskStoreContract
from tasques.testing.contract.racing import RacingContract


class OnElasticsearch:
    """The fixtures that the suites ask for."""

    @pytest.fixture
    def backend(self, open_elasticsearch: Callable[[Runtime], Backend]) -> Backend:
        return open_elasticsearch(ThreadRuntime())

    @pytest.fixture
    def settle(self, refresh: Callable[[], None]) -> Callable[[], None]:
        return refresh


class TestElasticsearch(OnElasticsearch, TaskStoreContract, MalformedContract, BackendContract):
    """As it is, without anything on top."""


class TestGroupCommit(OnElasticsearch, RacingContract):
    """As servers use it, with the writes of several threads going together."""

    @pytest.fixture
    def store(self, backend: Backend) -> TaskStore:
        return GroupCommit(backend.tasks, ThreadRuntime())
