"""The model keeps what the ports promise while nothing goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tasques.testing.contract import MalformedContract, TaskStoreContract, UnreadableContract
from tasques.testing.contract.malformed import PlantMalformed
from tasques.testing.contract.unreadable import Lose
from tests.simulation.faults import Faults
from tests.simulation.model import Cluster
from tests.simulation.runtime import Node, Scheduler
from tests.simulation.stores import QUEUE, SimulatedTaskStore


class OneAtATime:
    """The model is made for actors, of which one runs at a time; threads have to queue."""

    def __init__(self, store: SimulatedTaskStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.traits = store.traits

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def locked(*args: Any, **named: Any) -> Any:
            with self._lock:
                return method(*args, **named)

        return locked


class TestModel(TaskStoreContract, MalformedContract, UnreadableContract):
    """Without faults, and refreshed by hand."""

    @pytest.fixture
    def cluster(self) -> Cluster:
        return Cluster(Scheduler(1), Faults(1, 0.0, only=()))

    @pytest.fixture
    def store(self, cluster: Cluster) -> Any:
        return OneAtATime(SimulatedTaskStore(cluster, Node("test", 1)))

    @pytest.fixture
    def settle(self, cluster: Cluster) -> Callable[[], None]:
        def refresh() -> None:
            for shard in cluster.shards.values():
                for copy in (0, 1):
                    shard.search(0.0, copy, forced=True)

        return refresh

    @pytest.fixture
    def plant_malformed(self, cluster: Cluster) -> PlantMalformed:
        return lambda key, variety: cluster.shard("task", QUEUE + key.queue).plant(
            key, f"damage number {variety}", 0.0
        )

    @pytest.fixture
    def lose(self, cluster: Cluster) -> Lose:
        def take_away(queue: str) -> None:
            cluster.shard("task", QUEUE + queue).gone_until = 1.0

        return take_away
