"""A server that answers badly, or not at all: the worker goes on, and loses nothing that can be kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tasques.app import Tasques
from tasques.client import AnswerLost, Hold, ServerUnavailable, Task
from tasques.client.errors import ServerError
from tasques.core.errors import TasquesError
from tasques.core.tasks import State
from tasques.core.values import Duration
from tasques.worker import WorkerOptions, worker
from tasques.worker.gate import OperationsGate
from tasques.worker.readings import Accepted
from tasques.worker.together import Saying
from tests.worker.conftest import PATIENCE, Start
from tests.worker.test_worker import eventually

Trouble = Callable[[], Exception]

TROUBLES: list[Trouble] = [
    lambda: ServerUnavailable("down"),
    lambda: AnswerLost("no answer"),
    lambda: ServerError("a fault of the server's", status=500),
    lambda: RuntimeError("a fault of ours"),
]


class TroubledGate(OperationsGate):
    """
    Goes wrong while there is *trouble*.

    Attributes:
        does_it_all_the_same: Whether what was said has arrived, although it went wrong.
    """

    def __init__(self, app: Tasques, trouble: Trouble) -> None:
        super().__init__(app.operations)
        self._trouble = trouble
        self.claiming, self.telling = threading.Event(), threading.Event()
        self.does_it_all_the_same = False
        self.failures = 0

    def claim(
        self, worker: str, queues: Sequence[str], amount: int, wait: Duration
    ) -> Sequence[Task]:
        if self.claiming.is_set():
            self.failures += 1
            raise self._trouble()
        return super().claim(worker, queues, amount, wait)

    def say(self, sayings: Sequence[Saying]) -> list[Accepted | Task | TasquesError]:
        if not self.telling.is_set():
            return super().say(sayings)
        if self.does_it_all_the_same:
            super().say(sayings)
        self.failures += 1
        raise self._trouble()


@pytest.fixture(params=TROUBLES, ids=["unavailable", "unknown", "500", "bug"])
def gate(app: Tasques, request: pytest.FixtureRequest) -> TroubledGate:
    return TroubledGate(app, request.param)


def declare(app: Tasques) -> Any:
    @app.task()
    def quick() -> int:
        return 1

    return quick


def test_claims_that_fail_are_tried_again(app: Tasques, start: Start, gate: TroubledGate) -> None:
    """Whatever it is; once it is over, work goes on."""
    quick = declare(app)
    gate.claiming.set()
    worker = start(gate=gate)
    assert eventually(lambda: gate.failures >= 3)
    assert not worker.seen().is_reached
    gate.claiming.clear()
    assert quick.enqueue().result(PATIENCE) == 1
    assert worker.seen().counters.claim_errors >= 3


@pytest.mark.parametrize("arrives", [False, True])
def test_ends_that_cannot_be_told_are_kept(
    app: Tasques, start: Start, gate: TroubledGate, arrives: bool
) -> None:
    """And told again until they are accepted; one that had arrived counts once."""
    quick = declare(app)
    gate.does_it_all_the_same = arrives
    gate.telling.set()
    worker = start(gate=gate, max_tasks=1)
    handle = quick.enqueue()
    assert eventually(lambda: gate.failures >= 3)
    assert worker.seen().undelivered == 1
    gate.telling.clear()
    assert worker.join(PATIENCE)
    assert handle.result(0) == 1
    assert handle.get().attempted == 1
    counters = worker.seen().counters
    assert (counters.done, counters.lost) == (1, 0)


def test_a_worker_whose_server_stays_away_stops_all_the_same(
    app: Tasques, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace and its last words; what it holds then times out."""
    monkeypatch.setattr(worker, "_LAST_WORDS_SECONDS", 0.2)
    gate = TroubledGate(app, TROUBLES[0])
    quick = declare(app)
    gate.telling.set()
    working = start(gate=gate)
    handle = quick.enqueue()
    assert eventually(lambda: gate.failures >= 1)
    working.stop(grace=Duration(0))
    assert working.join(PATIENCE)
    assert working.seen().undelivered == 1
    assert handle.get().state is State.CLAIMED


def test_an_original_claim_is_looked_at_before_a_doubtful_end_is_repeated(app: Tasques) -> None:
    """It has no name: the repeat could meet a later claim by the same worker."""
    gate = OperationsGate(app.operations)
    app.create("mail", "quick", id="a")
    (task,) = app.claim("w", ["mail"], block_for="0s")
    hold = Hold(queue="mail", id="a", worker="w")
    assert gate.still_holds(hold, task)
    app.unclaim(task)
    assert not gate.still_holds(hold, task)
    app.claim("w", ["mail"], block_for="0s")
    assert not gate.still_holds(hold, task)
    assert not gate.still_holds(Hold(queue="mail", id="gone", worker="w"), task)


def test_a_worker_has_options_that_make_sense() -> None:
    """Those that do not are refused before anything is claimed."""
    with pytest.raises(TasquesError):
        WorkerOptions(concurrency=0)
    with pytest.raises(TasquesError):
        WorkerOptions(grace="soon")
