"""
What a worker itself spends on a task: CPU of a process with nothing but the worker in it.

    python -m tools.worker_cost --tasks 5000

No-op tasks, concurrency 8, over HTTP against a server of its own on memory. Beside it stands what a
bare request costs the same process at the same time, for a machine that is busy makes everything
dearer.
"""

from __future__ import annotations

import argparse
import http.client
import subprocess
import sys
import time
import urllib.parse

from tasques.app import Tasques
from tasques.worker import Worker, WorkerOptions
from tools.tasques_server import TasquesServer

_MICROSECONDS = 1e6
_REQUESTS = 500


def measure(url: str, tasks: int, *, is_async: bool) -> str:
    """Do so many tasks in this process, which should have done nothing before; gives a line."""
    app = Tasques(url, queue="cost")

    @app.task()
    def nothing(number: int) -> None:
        pass

    @app.task()
    async def nothing_awaited(number: int) -> None:
        pass

    task = nothing_awaited if is_async else nothing
    for first in range(0, tasks, 500):
        app.enqueue_many([task.prepare(number) for number in range(first, first + 500)])
    worker = Worker(app, WorkerOptions(queues=("cost",), max_tasks=tasks))
    began, spent = time.monotonic(), time.process_time()
    worker.run()
    spent, seconds = time.process_time() - spent, time.monotonic() - began
    done = worker.seen().counters.done
    bare = _bare_request(url)
    each = spent / tasks * _MICROSECONDS
    return (
        f"{'asynchronous' if is_async else 'in threads':13} {done} done, {each:.0f} us of CPU a task, "
        f"{each / bare:.1f} bare requests of {bare:.0f} us; {tasks / seconds:.0f} tasks/s"
    )


def _bare_request(url: str) -> float:
    """Microseconds of CPU that the standard library spends on a request."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    spent = time.process_time()
    for _ in range(_REQUESTS):
        connection.request("GET", "/health/live")
        connection.getresponse().read()
    spent = time.process_time() - spent
    connection.close()
    return spent / _REQUESTS * _MICROSECONDS


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url", help="measure here, against this server")
    parser.add_argument("--asynchronous", action="store_true", help="with --url: await the bodies")
    arguments = parser.parse_args()
    if arguments.url:
        print(measure(arguments.url, arguments.tasks, is_async=arguments.asynchronous), flush=True)
        return 0
    with TasquesServer({"backend": "memory:"}) as server:
        for _ in range(arguments.rounds):
            for more in ([], ["--asynchronous"]):
                here = ["--url", server.url, "--tasks", str(arguments.tasks), *more]
                subprocess.run([sys.executable, "-m", "tools.worker_cost", *here], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
