"""
Workers as processes: what they do on signals, and without their server.

Bodies tell by files what they have come to, so that nothing hangs on how fast a machine is.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tasques.core.tasks import State
from tests.processes.conftest import Start
from tests.processes.places import PATIENCE, Place, eventually


def test_a_burst_does_what_there_is_and_ends(place: Place) -> None:
    """With status 0, whatever the bodies did."""
    handles = [place.app.enqueue("quick", args={"number": n}) for n in range(50)]
    missing = place.app.enqueue("unheard-of")
    assert place.worker("--burst", "-c", "4").wait(PATIENCE) == 0
    assert [handle.result(0) for handle in handles] == list(range(50))
    assert missing.get().state is State.FAILED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_finish(place: Place, number: signal.Signals) -> None:
    """Nothing is begun after it; the worker ends with status 0 once the last body is through."""
    place.slow("first")
    worker = place.worker("-c", "1", "--grace", "10m")
    assert eventually(lambda: place.has_begun("first"))
    place.slow("second")
    worker.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(1)
    place.release("first")
    assert worker.wait(PATIENCE) == 0
    assert place.is_done("first")
    task = place.app.get("mail", "second")
    assert (task.state, task.attempted) == (State.QUEUED, 0)
    assert not place.has_begun("second")


@pytest.mark.parametrize("grace", ["0s", "10m"])
def test_what_does_not_finish_is_given_back(place: Place, grace: str) -> None:
    """At the end of the grace, or at a second signal: no attempt is lost, and the status is 0."""
    place.slow("stubborn")
    worker = place.worker("--grace", grace)
    assert eventually(lambda: place.has_begun("stubborn"))
    worker.terminate()
    if grace != "0s":
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(1)
        # Another one: a second of the same kind counts for nothing while the first is still pending.
        worker.send_signal(signal.SIGINT)
    assert worker.wait(PATIENCE) == 0
    task = place.app.get("mail", "stubborn")
    assert (task.state, task.attempted) == (State.QUEUED, 0)


def test_it_outlives_its_server_and_delivers_what_it_has(
    tmp_path: Path, start: Start, on_elasticsearch: dict[str, str]
) -> None:
    """What ends while the server is away is done once it is back; new work goes on."""
    server = start(on_elasticsearch)
    with contextlib.ExitStack() as stack:
        place = Place(tmp_path, server, stack)
        place.slow("before")
        worker = place.worker("-c", "2")
        assert eventually(lambda: place.has_begun("before"))
        server.kill()
        place.release("before")
        # It cannot know of the end of the body; but it goes on in any case.
        time.sleep(2)
        assert worker.poll() is None
        server.start()
        assert eventually(lambda: place.is_done("before"))
        assert place.app.enqueue("quick", args={"number": 7}).result(PATIENCE) == 7
        worker.terminate()
        assert worker.wait(PATIENCE) == 0


def test_it_waits_for_a_server_that_is_not_there_yet(place: Place) -> None:
    """And can be stopped meanwhile."""
    place.server.terminate()
    worker = place.worker()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(3)
    place.server.start()
    assert place.app.enqueue("quick", args={"number": 7}).result(PATIENCE) == 7
    place.server.terminate()
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
