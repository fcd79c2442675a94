"""A server whose writes go together, over a store that a test holds up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from tasques.core.ports import Write, WriteOutcome
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.group_commit import GroupCommit
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.store_layer import StoreLayer
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import Task
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tests.server.conftest import World
from tests.server.test_socket_claims import until
from tests.server.wire import PATIENCE_SECONDS, Answer, Wire

Serve = Callable[..., Front]

TASK = {"queue": "mail", "kind": "send"}
AT_ONCE = {"queues": ["mail"], "block_for": "0s"}
#: Of requests that the I/O thread leaves to others.
LARGE = {"text": "x" * 20_000}


class HeldUp(StoreLayer):
    """
    A store that a test holds up, or answers for.

    Attributes:
        slow: Queues of which no write gets on while the gate is shut.
        script: Asked first; an outcome in place of the store's, or None.
        batches: The ids of what was written together.
    """

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.slow: set[str] = set()
        self.gate = threading.Event()
        self.script: Callable[[Write[Task]], WriteOutcome[Task] | None] = lambda write: None
        self.batches: list[list[str]] = []

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        self.batches.append([write.document.id for write in writes])
        if any(write.document.queue in self.slow for write in writes):
            assert self.gate.wait(PATIENCE_SECONDS)
        return [self.script(write) or super(HeldUp, self).write([write])[0] for write in writes]


class Served:
    """
    A server whose writes go together, and what it did with each request.

    Attributes:
        passes: Method and path of whatever the application was asked, and the thread that did.
    """

    def __init__(self, world: World, serve: Serve, *, at_once: bool = True, **options: Any) -> None:
        self.store = HeldUp(world.backend.tasks)
        self.commit = GroupCommit(self.store, world.clock)
        self.held = HeldTasks(world.clock)
        self.is_prepared = True
        self.claims = ClaimDispatcher(
            self.commit,
            world.clock,
            is_prepared=lambda: self.is_prepared,
            held=self.held,
            hand_in=self.commit.hand_in,
        )
        tasks = TaskService(self.commit, world.clock, on_waiting=self.claims.offer, held=self.held)
        services = attrs.evolve(
            world.services, tasks=tasks, claims=self.claims, hand_in=self.commit.hand_in
        )
        self.passes: list[tuple[str, str, str]] = []
        app = create_app(services, ServerOptions(**options))

        def noting(environ: dict[str, Any], start_response: Any) -> Any:
            thread = threading.current_thread().name.partition("-")[0]
            self.passes.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], thread))
            return app(environ, start_response)

        self.front = serve(noting, at_once=at_once, **options)

    def threads(self, path: str) -> list[str]:
        """Who served requests for *path*, one after the other."""
        return [thread for _, each, thread in self.passes if each.startswith(path)]

    def hold_up(self, queue: str = "mail") -> None:
        """Let no write of *queue* get on."""
        self.store.gate.clear()
        self.store.slow.add(queue)

    def let_on(self) -> None:
        self.store.slow.clear()
        self.store.gate.set()

    def call_held_up(self, wire: Wire, method: str, path: str, body: object) -> Answer:
        """A call whose write is let on once the I/O thread has gone on to something else."""
        batches_so_far = len(self.store.batches)
        self.hold_up()
        wire.request(method, path, body)
        until(lambda: len(self.store.batches) > batches_so_far)
        with Wire(self.front) as other:
            assert other.call("GET", "/health/live").status == 200
        self.let_on()
        return wire.answer()

    def until_under_way(self, id: str) -> None:
        until(lambda: any(id in batch for batch in self.store.batches))


def claimed(wire: Wire, worker: str = "w1") -> dict[str, Any]:
    (task,) = wire.call(
        "POST", "/tasques/claims", {**AT_ONCE, "block_for": "60s"}, worker=worker
    ).json
    found: dict[str, Any] = task
    return found
