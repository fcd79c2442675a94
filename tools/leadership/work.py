"""A worker, for the recurring task that wants no second task while one is not finished."""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tools.accounting.client import Client, OutOfTime, task_path

_HEADERS = {"X-TASQUES-WORKER-ID": "leadership"}
_HELD_SECONDS = (0.0, 0.1, 0.5, 2.5)


class Worker:
    """
    Claims and finishes tasks on a thread of its own until it is stopped; a context manager.

    Some it holds for longer than a slot takes to come, so that the next slot finds it unfinished.
    """

    def __init__(self, urls: Sequence[str], queue: str, *, seed: int) -> None:
        self._urls = urls
        self._queue = queue
        self._chance = random.Random(seed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self._finished_at: dict[str, int] = {}

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def finished_at(self) -> Mapping[str, int]:
        """When each task was asked to be finished, in nanoseconds since 1970; once stopped."""
        return MappingProxyType(self._finished_at)

    def _work(self) -> None:
        while not self._stopped.is_set():
            client = Client(self._urls, stop_at=time.monotonic() + 10)
            try:
                self._work_once(client)
            except (ConnectionRefusedError, OutOfTime):
                self._stopped.wait(0.2)
            finally:
                client.close()
            # So that one that does not answer is not asked for ever.
            self._urls = [*self._urls[1:], self._urls[0]]

    def _work_once(self, client: Client) -> None:
        body = {"queues": [self._queue], "block_for": "1s"}
        answer = client.once("POST", "/tasques/claims", body, _HEADERS, timeout_seconds=5)
        if answer is None or answer.status != 200:
            self._stopped.wait(0.2)
            return
        for task in answer.body:
            self._stopped.wait(self._chance.choice(_HELD_SECONDS))
            self._finished_at[task["id"]] = time.time_ns()
            client.ask("PUT", task_path("done", self._queue, task["id"]), {}, _HEADERS)
