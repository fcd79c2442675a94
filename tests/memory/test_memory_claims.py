"""The services over memory, where a search gives the very objects that were written."""

from __future__ import annotations

import pytest

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.ports import Create
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.waiting import ClaimRequest
from tasques.core.values import ZERO, Duration
from tasques.testing.examples import WORKER, queued
from tasques.testing.fake_runtime import FakeRuntime


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.1, 0.101, 1.0, 3600.0])
def test_claims_one_after_the_other_empty_the_queue(pause: float) -> None:
    """Whatever was found for an earlier claim is found again, however much later the next one is."""
    runtime = FakeRuntime()
    store = MemoryBackend(runtime).tasks
    claims = ClaimDispatcher(store, runtime)
    tasks = [queued() for _ in range(4)]
    store.write([Create(document=task) for task in tasks])
    request = ClaimRequest(worker=WORKER, queues=(), amount=1, block_for=ZERO)
    for task in tasks:
        [claimed] = claims.claim(request)
        assert claimed.document.id == task.id
        runtime.advance(Duration.of_seconds(pause))
    assert list(claims.claim(request)) == []
