"""
The library's own worker with tasks that do nothing, as the load starts it.

Where and how many is in the environment. It says a line when it is ready, begins when it gets one,
and says at its end how many tasks it ran, and how many of them were different.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from tasques.app import Tasques
from tasques.worker import Worker, WorkerOptions


def main() -> int:
    """Run as many tasks as there are."""
    queue = os.environ["BENCH_QUEUE"]
    ran = 0
    numbers: set[int] = set()
    lock = threading.Lock()
    with Tasques(os.environ["BENCH_URL"], queue=queue) as app:

        @app.task(kind="bench")
        def bench(i: int, pad: str) -> None:
            nonlocal ran
            with lock:
                ran += 1
                numbers.add(i)

        options = WorkerOptions(queues=(queue,), max_tasks=int(os.environ["BENCH_TASKS"]))
        worker = Worker(app, options)
        _say("ready")
        sys.stdin.readline()
        worker.run()
        _say(json.dumps({"ran": ran, "distinct": len(numbers)}))
        sys.stdin.readline()  # Its processor time is looked at before it ends.
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
