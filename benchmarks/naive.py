"""
This server as it would be without what makes it fast, to see what that is worth.

``python -m benchmarks.naive --bind 127.0.0.1:PORT`` serves the same API on the same store with the
same code, but:

- no group commit: each request's writes are a call of their own;
- no dispatcher: each claim searches for itself, again and again while it waits, and takes by
  compare-and-set what it found; nothing is handed over from a creation;
- no memory of claimed tasks: who finishes one, reads it first;
- no parking: who waits holds a thread.

So it does what the Go original does, by its own queries. For measurements only.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Final

import attrs

from tasques import logs
from tasques.bootstrap import build, open_backend
from tasques.core import lifecycle
from tasques.core.admission import admit
from tasques.core.documents import Operation
from tasques.core.ports import Backend, ClaimableQuery, Replace, Runtime, TaskStore, Written
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.services import Services
from tasques.core.service.task_service import TaskService
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import ClaimId, StoredTask, Task
from tasques.runtime import ThreadRuntime
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.settings import Settings, load

#: Of the original: it looks at so many times as many tasks as are wanted, and tries all of them.
_MULTIPLIER: Final = 5
#: Of the original: a claim that waits looks again after a twentieth of its time, this at least.
_POLL_SECONDS: Final = 0.1


def _always() -> bool:
    return True


class NaiveClaims(ClaimDispatcher):
    """A search for each claim, and nobody who knows of the others."""

    def __init__(self, store: TaskStore, runtime: Runtime) -> None:
        super().__init__(store, runtime)
        self._own_store = store
        self._own_runtime = runtime

    def claim(
        self, request: ClaimRequest, *, is_connected: Callable[[], bool] = _always
    ) -> Sequence[StoredTask]:
        """Look until there is something, somebody has gone, or the time is over."""
        wait = max(request.block_for.seconds, 0.0)
        deadline = self._own_runtime.monotonic() + wait
        while True:
            claimed = self._take(request)
            left = deadline - self._own_runtime.monotonic()
            if claimed or left <= 0 or not is_connected():
                return claimed
            self._own_runtime.sleep(min(left, max(_POLL_SECONDS, wait / 20)))

    def offer(self, stored: StoredTask) -> None:
        """Nobody is told: who wants it will find it."""

    def _take(self, request: ClaimRequest) -> Sequence[StoredTask]:
        """What this claim wins of what it finds, the first ones first."""
        now = self._own_runtime.wall()
        query = ClaimableQuery(queues=request.queues, now=now, limit=request.amount * _MULTIPLIER)
        found = list(admit(self._own_store.find_claimable([query])[0], {}, now).ready)
        claimed: list[StoredTask] = []
        while found and len(claimed) < request.amount:
            missing = request.amount - len(claimed)
            tried, found = found[:missing], found[missing:]
            writes = [self._claiming(stored, request) for stored in tried]
            outcomes = self._own_store.write(writes)
            claimed += [each.stored for each in outcomes if isinstance(each, Written)]
        return claimed

    def _claiming(self, stored: StoredTask, request: ClaimRequest) -> Replace[Task]:
        operation = Operation(token=self._own_runtime.new_id(), verb="claim")
        claimed = lifecycle.claim(
            stored.document,
            worker=request.worker,
            now=self._own_runtime.wall(),
            claim_id=ClaimId(operation.token),
        )
        return Replace(document=claimed.stamped(operation), expected=stored.version)


def naive(services: Services, backend: Backend, runtime: Runtime, settings: Settings) -> Services:
    """*services* with tasks and claims that go straight to the store."""
    tasks = TaskService(
        backend.tasks,
        runtime,
        conflict_retries=settings.tasks.defaults.version_conflict_retry_times,
        patience=settings.tasks.completion_deadline,
        archive=backend.archive,
    )
    return attrs.evolve(services, tasks=tasks, claims=NaiveClaims(backend.tasks, runtime))


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Serve until a signal comes, and end at once then."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.naive")
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    arguments = parser.parse_args(argv)
    settings = load(
        None, os.environ if environ is None else environ, {"bind_address": arguments.bind}
    )
    logs.configure(level=settings.logging.level, as_json=settings.logging.json)
    runtime = ThreadRuntime()
    backend = open_backend(settings, runtime)
    node = build(settings, backend, runtime)
    services = naive(node.services, backend, runtime, settings)
    options = ServerOptions(address=settings.bind_address, parks=False)
    front = Front(create_app(services, options), options)

    def on_signal(number: int, frame: FrameType | None) -> None:
        # Nothing is lost by it that compare-and-set and time-outs do not bring back.
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    services.clock.step()
    services.health.step()
    node.start()
    front.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
