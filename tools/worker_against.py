"""
Runs the worker against a server that runs already, an original one above all, and says what it saw.

    python -m tools.worker_against http://127.0.0.1:8150

Tasks of a queue of their own end in every way that a body can end; one runs for three times its timeout.
Exit status 0 if all of them are as the pages about the worker say.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Callable

import attrs

from tasques.app import GiveUp, Retry, Snooze, Tasques
from tasques.client import Client, Task
from tasques.core.tasks import State
from tasques.worker import Worker, WorkerOptions

#: An original server finds what was created, or has failed, after Elasticsearch's next refresh.
_PATIENCE_SECONDS = 120.0
_SHORT_SECONDS = 6.0


@attrs.frozen
class Expected:
    """How a task should be in the end; *by_original* where that differs there."""

    kind: str
    meets: Callable[[Task], bool]
    by_original: Callable[[Task], bool] | None = None


def is_done(task: Task) -> bool:
    """It is done."""
    return task.state is State.DONE


def is_dead(task: Task) -> bool:
    """It is dead."""
    return task.state is State.DEAD


def has_failed(task: Task) -> bool:
    """It has failed, and is tried again: perhaps several times by now."""
    claim = task.last_claimed
    if task.attempted < 1 or claim is None or task.state is State.DEAD:
        return False
    return task.attempted > 1 or (claim.result is not None and claim.result.failure is not None)


def is_back(task: Task) -> bool:
    """It waits, as if nobody had claimed it."""
    return task.state is State.QUEUED and task.attempted == 0


EXPECTED = (
    Expected("returns", is_done),
    Expected("awaits", is_done),
    Expected("lasts", is_done),
    Expected("raises", has_failed),
    Expected("retries_later", has_failed),
    Expected("gives_up", is_dead, has_failed),
    Expected("snoozes", is_back, has_failed),
    Expected("nobody_declares_this", has_failed),
)


def declare(app: Tasques) -> None:
    """One task for each way to end."""

    @app.task()
    def returns(number: int) -> int:
        return number

    @app.task()
    async def awaits(number: int) -> int:
        await asyncio.sleep(0.01)
        return number

    @app.task(timeout=_SHORT_SECONDS)
    def lasts(number: int) -> int:
        time.sleep(3 * _SHORT_SECONDS)
        return number

    @app.task()
    def raises(number: int) -> int:
        raise OSError("as meant")

    @app.task()
    def retries_later(number: int) -> int:
        raise Retry("as meant", in_="1h")

    @app.task()
    def gives_up(number: int) -> int:
        raise GiveUp("as meant")

    @app.task()
    def snoozes(number: int) -> int:
        raise Snooze("1h")


def run(url: str) -> int:
    """Run all of it; gives the exit status."""
    queue = f"worker-check-{secrets.token_hex(3)}"
    with Tasques(url, queue=queue) as app, Client(url) as client:
        declare(app)
        is_original = client.is_original()
        print(f"an {'original server' if is_original else 'up-to-date server'} at {client.url}")
        for each in EXPECTED:
            app.enqueue(each.kind, args={"number": 7}, id=each.kind, retries=5)
        many = [app.tasks["returns"].prepare(number=number) for number in range(50)]
        handles = app.enqueue_many(many)
        with Worker(app, WorkerOptions(queues=(queue,), concurrency=4)) as worker:
            wrong = _wait(app, queue, is_original)
            undone = [each for each in handles if not hasattr(each, "result")]
            for handle in handles:
                if hasattr(handle, "wait"):
                    handle.wait(_PATIENCE_SECONDS)
        counters = worker.seen().counters
    print(f"counted: {counters}")
    lasting = counters.lost or undone
    return 1 if wrong or lasting else 0


def _wait(app: Tasques, queue: str, is_original: bool) -> int:
    wrong = 0
    for each in EXPECTED:
        meets = each.by_original if is_original and each.by_original else each.meets
        until = time.monotonic() + _PATIENCE_SECONDS
        while not meets(task := app.get(queue, each.kind)) and time.monotonic() < until:
            time.sleep(0.2)
        is_right = meets(task)
        wrong += not is_right
        word = "as told" if is_right else "NOT AS TOLD"
        print(f"{each.kind:22} {task.state:8} attempted {task.attempted}  {word}")
    return wrong


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("url", help="of the server, such as http://127.0.0.1:8150")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    return run(arguments.url)


if __name__ == "__main__":
    sys.exit(main())
