"""An application in memory, and workers on it that are stopped when their test ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasques.app import Tasques
from tasques.worker import Worker, WorkerOptions

#: Nothing here takes long; a busy machine may.
PATIENCE = 60.0

Start = Callable[..., Worker]


@pytest.fixture
def app() -> Iterator[Tasques]:
    with Tasques("memory:", queue="mail") as app:
        yield app


@pytest.fixture
def start(app: Tasques) -> Iterator[Start]:
    """Starts a worker in the background: options by name, and ``gate``."""
    with contextlib.ExitStack() as stack:

        def start(*, gate: Any = None, **options: Any) -> Worker:
            settings = WorkerOptions(**{"queues": ["mail"], "claim_wait": "50ms", **options})
            worker = Worker(app, settings, gate=gate)
            # Whatever a test left running is not waited for.
            stack.callback(worker.join, PATIENCE)
            stack.callback(worker.stop, grace=settings.last_look)
            worker.__enter__()
            return worker

        yield start


def burst(app: Tasques, **options: Any) -> Worker:
    """A worker that has done what there was."""
    worker = Worker(app, WorkerOptions(**{"queues": ["mail"], "burst": True, **options}))
    worker.run()
    return worker
