"""What can be seen of a worker: health over HTTP, and the dump."""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request

import pytest

from tasques.app import Tasques
from tasques.worker import signals
from tasques.worker.health import HealthServer
from tests.worker.conftest import PATIENCE, Start
from tests.worker.test_worker import eventually


def get(server: HealthServer, path: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{server.port}{path}", timeout=PATIENCE
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def text(server: HealthServer, path: str) -> str:
    address = f"http://127.0.0.1:{server.port}{path}"
    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(answer.read(), "utf-8")


def test_health_over_http(app: Tasques, start: Start) -> None:
    """Alive and ready, with what runs and what was counted; not ready once it stops."""
    begun, release = threading.Event(), threading.Event()

    @app.task()
    def slow() -> None:
        begun.set()
        release.wait(PATIENCE)

    handle = slow.enqueue()
    worker = start()
    with HealthServer(worker.seen, worker.is_alive, 0, "127.0.0.1") as server:
        assert begun.wait(PATIENCE)
        assert get(server, "/health/live") == (200, {"live": True})
        status, ready = get(server, "/health/ready")
        assert (status, ready["ready"]) == (200, True)
        running = ready["running"]
        assert isinstance(running, list)
        assert [(each["id"], each["kind"], each["phase"]) for each in running] == [
            (handle.id, "slow", "running")
        ]
        assert get(server, "/counters")[1]["claimed"] == 1
        assert "\ntasques_worker_claimed_total 1\n" in text(server, "/metrics")
        assert "\ntasques_worker_running 1\n" in text(server, "/metrics")
        assert get(server, "/else")[0] == 404
        worker.stop()
        assert get(server, "/health/ready")[0] == 503
        assert get(server, "/health/live")[0] == 200
        release.set()
        assert worker.join(PATIENCE)


def test_a_worker_that_has_not_reached_its_server_is_not_ready(app: Tasques) -> None:
    """Before the first answer to a claim, too."""
    worker = app.worker("mail")
    with HealthServer(worker.seen, worker.is_alive, 0, "127.0.0.1") as server:
        assert get(server, "/health/ready")[0] == 503


@pytest.mark.parametrize("is_async", [False, True])
def test_a_dump_says_where_each_body_is(
    app: Tasques, start: Start, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    """Its stack, with the task that it is about."""
    begun, release = threading.Event(), threading.Event()

    @app.task()
    def thread() -> None:
        begun.set()
        release.wait(PATIENCE)

    @app.task()
    async def coroutine() -> None:
        import asyncio

        begun.set()
        while not release.is_set():
            await asyncio.sleep(0.01)

    handle = (coroutine if is_async else thread).enqueue()
    worker = start()
    assert begun.wait(PATIENCE)
    caplog.set_level(logging.INFO, "tasques.worker")
    signals.dump(worker)
    (line,) = [record for record in caplog.records if hasattr(record, "task_id")]
    assert line.task_id == handle.id
    assert "test_seeing.py" in line.getMessage()
    release.set()
    assert eventually(lambda: not worker.seen().running)
