"""The server without its tricks gives the same answers, by searching for itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.naive import NaiveClaims, naive
from tasques.bootstrap import build, open_backend
from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.services import Services
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask, State
from tasques.core.values import Duration
from tasques.runtime import ThreadRuntime
from tasques.settings import load

QUEUE = QueueName("queue")
WORKER = WorkerId("worker")
NEW = NewTask(queue=QUEUE, kind="k", retry_times=1, processing_timeout=Duration.of_seconds(60))


@pytest.fixture
def services() -> Iterator[Services]:
    settings = load(overrides={"backend": "memory:"})
    runtime = ThreadRuntime()
    backend = open_backend(settings, runtime)
    node = build(settings, backend, runtime)
    yield naive(node.services, backend, runtime, settings)
    backend.close()


def wanted(amount: int, block_for: Duration = Duration(0)) -> ClaimRequest:
    return ClaimRequest(worker=WORKER, queues=(QUEUE,), amount=amount, block_for=block_for)


def test_tasks_are_claimed_and_finished(services: Services) -> None:
    """Each once, up to the amount, by what replaces the dispatcher."""
    assert isinstance(services.claims, NaiveClaims)
    created = {services.tasks.create(NEW).document.id for _ in range(5)}

    first = services.claims.claim(wanted(3))
    second = services.claims.claim(wanted(3))
    assert [len(first), len(second)] == [3, 2]
    assert {stored.document.id for stored in (*first, *second)} == created
    assert not services.claims.claim(wanted(1))

    done = services.tasks.complete(first[0].document.key, worker=WORKER, data=None)
    assert done.document.state is State.DONE


def test_a_claim_waits_no_longer_than_it_is_told(services: Services) -> None:
    """And whoever has gone is not waited for."""
    assert not services.claims.claim(wanted(1, Duration.of_seconds(0.01)))
    hour = Duration.of_seconds(3600)
    assert not services.claims.claim(wanted(1, hour), is_connected=lambda: False)
