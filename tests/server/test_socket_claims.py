"""Waiting claims over a real socket: they wait, hold up nobody, and lose nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import perf_counter
from typing import Any

import pytest

from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import State, TaskKey
from tasques.runtime import ThreadRuntime
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.server.waiting import WaitingClaims
from tests.server.conftest import World
from tests.server.wire import PATIENCE_SECONDS, Wire

TASK = {"queue": "mail", "kind": "send"}
LONG = {"queues": ["mail"], "block_for": "60s"}


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do; fails if it does not."""
    runtime = ThreadRuntime()
    give_up_at = runtime.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert runtime.monotonic() < give_up_at, "it did not happen"
        runtime.sleep(0.001)


class Served:
    """A front, and how many claims wait there."""

    def __init__(
        self, world: World, serve: Callable[..., Front], waiting_claims: int, parks: bool
    ) -> None:
        self.waiting = WaitingClaims(waiting_claims)
        options = ServerOptions(waiting_claims=waiting_claims, parks=parks)
        app = create_app(world.services, options, waiting=self.waiting)
        self.front = serve(app, waiting_claims=waiting_claims, parks=parks)
        self._claims = world.services.claims

    def until_waiting(self, number: int) -> None:
        until(lambda: self.waiting.count == number and self._claims.waiting == number)


@pytest.fixture
def served(world: World, serve: Callable[..., Front], parks: bool) -> Iterator[Served]:
    yield Served(world, serve, 8, parks)
    world.services.claims.close()


def test_a_waiting_claim_gets_a_task_that_is_created(served: Served) -> None:
    """At once, not at the end of ``block_for``."""
    with Wire(served.front) as worker, Wire(served.front) as producer:
        worker.request("POST", "/tasques/claims", LONG)
        served.until_waiting(1)
        created = producer.call("POST", "/tasques", TASK).json
        answer = worker.answer()
        assert [task["id"] for task in answer.json] == [created["id"]]
        served.until_waiting(0)


def test_a_claim_that_finds_nothing_says_so_in_the_end(served: Served) -> None:
    """200 with an empty array when ``block_for`` is over, and not before."""
    with Wire(served.front) as worker:
        began = perf_counter()
        answer = worker.call("POST", "/tasques/claims", {**LONG, "block_for": "300ms"})
        assert (answer.status, answer.json) == (200, [])
        assert perf_counter() - began >= 0.3


def test_two_hundred_waiting_claims_hold_up_nobody(
    world: World, serve: Callable[..., Front], parks: bool
) -> None:
    """With the default settings; ordinary requests beside them are as quick as without."""
    served = Served(world, serve, ServerOptions(parks=parks).waiting_claims, parks)
    with ExitStack() as stack:
        workers = [stack.enter_context(Wire(served.front)) for _ in range(200)]
        for number, worker in enumerate(workers):
            claim = {**LONG, "queues": ["never-used"]}
            worker.request("POST", "/tasques/claims", claim, worker=f"w{number}")
        served.until_waiting(200)
        with Wire(served.front) as other:
            took = []
            for number in range(100):
                began = perf_counter()
                assert other.call("POST", "/tasques", {**TASK, "id": f"t{number}"}).status == 201
                took.append(perf_counter() - began)
            # They would wait for the end of block_for, a minute, if no thread were left for them.
            assert sorted(took)[50] < 20
        assert served.waiting.count == 200
        world.services.claims.close()
        assert [worker.answer().status for worker in workers] == [200] * 200


def test_more_claims_than_may_wait_are_told_to_come_back(served: Served) -> None:
    """503 with ``Retry-After``, never an empty answer at once; counted; others go on."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Wire(served.front)) for _ in range(8)]
        for worker in workers:
            worker.request("POST", "/tasques/claims", LONG)
        served.until_waiting(8)
        with Wire(served.front) as late:
            refused = late.call("POST", "/tasques/claims", LONG)
            assert refused.status == 503
            assert refused.headers["retry-after"] == "1"
            assert "claims wait here already" in refused.json["message"]
            assert served.waiting.refused == 1
            # One that does not wait needs no place.
            at_once = late.call("POST", "/tasques/claims", {**LONG, "block_for": "0s"})
            assert (at_once.status, at_once.json) == (200, [])
        with Wire(served.front) as producer:
            producer.call("POST", "/tasques", TASK)
        served.until_waiting(7)
        with Wire(served.front) as another:
            another.request("POST", "/tasques/claims", LONG)
            served.until_waiting(8)


@pytest.mark.parametrize("leave", [Wire.close, Wire.vanish])
def test_a_worker_that_goes_away_frees_its_place(
    served: Served, leave: Callable[[Wire], None]
) -> None:
    """Long before ``block_for`` is over, once there is something to be handed out or looked for."""
    gone = Wire(served.front)
    gone.request("POST", "/tasques/claims", LONG)
    served.until_waiting(1)
    leave(gone)
    served.until_waiting(0)


@pytest.mark.parametrize("leave", [Wire.close, Wire.vanish])
def test_nothing_is_claimed_for_a_worker_that_went_away(
    served: Served, world: World, leave: Callable[[Wire], None]
) -> None:
    """The task goes to the next one, at its first attempt."""
    gone = Wire(served.front)
    gone.request("POST", "/tasques/claims", LONG, worker="gone")
    served.until_waiting(1)
    leave(gone)
    served.until_waiting(0)
    with Wire(served.front) as wire:
        wire.call("POST", "/tasques", {**TASK, "id": "x"})
        (claimed,) = wire.call("POST", "/tasques/claims", LONG, worker="next").json
        assert claimed["last_claimed"]["worker_id"] == "next"
        assert claimed["attempted"] == 1


def test_an_answer_that_cannot_be_sent_gives_its_tasks_back(
    world: World, serve: Callable[..., Front], parks: bool
) -> None:
    """The worker goes away between the claim and its answer: the tasks are queued again."""
    claimed, left = threading.Event(), threading.Event()
    app = create_app(world.services, ServerOptions(parks=parks))

    def slow(environ: Any, start_response: Any) -> Any:
        # The claim is done; before its answer is sent, the worker leaves.
        answer = app(environ, start_response)
        claimed.set()
        gone = environ["waitress.client_disconnected"]
        left.wait(PATIENCE_SECONDS)
        until(gone)
        return answer

    key = TaskKey(QueueName("mail"), TaskId("x"))
    with Wire(serve(app, parks=parks)) as wire:
        wire.call("POST", "/tasques", {**TASK, "id": "x"})
    worker = Wire(serve(slow, parks=parks))
    worker.request("POST", "/tasques/claims", LONG)
    assert claimed.wait(PATIENCE_SECONDS)
    assert world.services.tasks.get(key).document.state is State.CLAIMED
    worker.close()
    left.set()
    until(lambda: world.services.tasks.get(key).document.state is State.QUEUED)
    assert world.services.tasks.get(key).document.attempted == 0


def test_a_pipelined_request_waits_for_the_claim_before_it(served: Served) -> None:
    """Answers stay in order; and a request in the pipeline is no sign that the worker left."""
    with Wire(served.front) as worker, Wire(served.front) as producer:
        worker.request("POST", "/tasques/claims", LONG)
        worker.request("GET", "/health/live")
        served.until_waiting(1)
        producer.call("POST", "/tasques", {**TASK, "id": "x"})
        assert [task["id"] for task in worker.answer().json] == ["x"]
        assert worker.answer().json == {"status": "live"}
