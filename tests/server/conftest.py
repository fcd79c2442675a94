"""The API on real services over a store, called in process; and clients for a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import pytest
from falcon.testing import Result, TestClient

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.ports import Problem
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.clock import ClockWatch
from tasques.core.service.defaults import Defaults
from tasques.core.service.election import NOBODY, Leadership
from tasques.core.service.health import Health
from tasques.core.service.meter import Meter
from tasques.core.service.operator_service import OperatorService
from tasques.core.service.queue_policies import QueuePolicies
from tasques.core.service.reaper import Reaper
from tasques.core.service.recurring_service import RecurringService
from tasques.core.service.services import Services
from tasques.core.service.task_service import TaskService
from tasques.core.values import Duration, Instant
from tasques.runtime import ThreadRuntime
from tasques.server.app import App, create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.settings.kinds import Address

START = Instant.parse("2026-11-22T04:00:00.123456789Z")


class HandClock(ThreadRuntime):
    """The wall clock moves by hand; everything else is as ever."""

    def __init__(self) -> None:
        self.now = START

    def wall(self) -> Instant:
        return self.now

    def forward(self, text: str) -> None:
        self.now = self.now.plus(Duration.parse(text))


class TroubledBackend(MemoryBackend):
    """Memory, with whatever problems a test gives it."""

    problems: Sequence[Problem] = ()

    def check(self) -> Sequence[Problem]:
        return self.problems


@attrs.frozen(kw_only=True)
class World:
    """
    A server without a front, and what a test wants to look at.

    Attributes:
        leadership: Its one item is who leads, as far as the server knows.
    """

    clock: HandClock
    backend: TroubledBackend
    services: Services
    leadership: list[Leadership]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def make_world(clock: HandClock, defaults: Defaults | None = None) -> World:
    """The services of one server on memory, without background work."""
    backend = TroubledBackend(clock)
    policies = QueuePolicies(backend.policies, clock)
    claims = ClaimDispatcher(
        backend.tasks, clock, policies=policies.known, prepare=policies.ensure_fresh
    )
    watch = ClockWatch(backend.server_time, clock)
    leadership = [NOBODY]
    health = Health(backend, clock, watch, leadership=lambda: leadership[0])
    health.step()
    tasks = TaskService(backend.tasks, clock, on_waiting=claims.offer, archive=backend.archive)
    services = Services(
        tasks=tasks,
        claims=claims,
        recurring=RecurringService(backend.recurring_tasks, tasks, clock),
        operators=OperatorService(backend.tasks, backend.archive, clock, on_waiting=claims.offer),
        policies=policies,
        meter=Meter(clock),
        health=health,
        defaults=defaults or Defaults(),
        clock=watch,
        reaper=Reaper(backend.tasks, clock),
    )
    return World(clock=clock, backend=backend, services=services, leadership=leadership)


@pytest.fixture
def world(clock: HandClock) -> Iterator[World]:
    made = make_world(clock)
    yield made
    made.services.claims.close()


class Api:
    """The API as a worker or a producer sees it; answers are Falcon's :class:`Result`."""

    def __init__(self, app: App) -> None:
        self.client = TestClient(app)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        worker: str | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Result:
        sent = dict(headers or {})
        if worker is not None:
            sent["X-TASQUES-WORKER-ID"] = worker
        content = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        path, _, query = path.partition("?")
        return self.client.simulate_request(
            method, path, body=content, headers=sent, query_string=query
        )

    def create(self, **fields: object) -> dict[str, Any]:
        answer = self.call("POST", "/tasques", {"queue": "mail", "kind": "send", **fields})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json
        return created

    def claim(self, worker: str = "w1", **fields: object) -> list[dict[str, Any]]:
        wanted = {"queues": ["mail"], "block_for": "0s", **fields}
        answer = self.call("POST", "/tasques/claims", wanted, worker=worker)
        assert answer.status_code == 200, answer.text
        claimed: list[dict[str, Any]] = answer.json
        return claimed

    def repeat(self, **fields: object) -> dict[str, Any]:
        """Create a recurring task; one called ``r`` that is due every minute, unless told else."""
        new = {
            "id": "r",
            "schedule_expression": "@every 1m",
            "task_definition": {"queue": "mail", "kind": "send"},
            **fields,
        }
        answer = self.call("POST", "/recurring_tasques", new)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json
        return created

    def create_and_claim(self, worker: str = "w1", **fields: object) -> dict[str, Any]:
        self.create(**fields)
        (claimed,) = self.claim(worker)
        return claimed


@pytest.fixture
def api(world: World) -> Api:
    return Api(create_app(world.services, ServerOptions()))


LOOPBACK = Address("127.0.0.1", 0)


@pytest.fixture(params=[True, False], ids=["parked", "on-threads"])
def parks(request: pytest.FixtureRequest) -> bool:
    """Whether waiting claims are parked; what holds of them holds either way."""
    parked: bool = request.param
    return parked


@pytest.fixture
def serve() -> Iterator[Callable[..., Front]]:
    """Start a front for an application on a free port of the loopback interface."""
    started: list[tuple[Front, threading.Thread]] = []

    def start(app: Any, **options: Any) -> Front:
        front = Front(app, ServerOptions(address=LOOPBACK, **options))
        thread = threading.Thread(target=front.run, name="front")
        thread.start()
        started.append((front, thread))
        return front

    yield start
    for front, thread in started:
        front.close()
        thread.join(60)
        assert not thread.is_alive()
