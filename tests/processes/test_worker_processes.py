"""Several processes that work: what their supervisor does on signals, and when one of them ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasques.core.tasks import State
from tests.processes.places import PATIENCE, Place, eventually


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or waits for somebody to ask what became of it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_each_works_and_all_finish_what_they_have(place: Place) -> None:
    """Tasks run in as many processes as were asked for; after a SIGTERM all end, with status 0."""
    for name in ("first", "second"):
        place.slow(name)
    worker = place.worker("-c", "1", "--processes", "2", "--grace", "10m")
    assert eventually(lambda: place.process_of("first") * place.process_of("second") > 0)
    pids = {place.process_of("first"), place.process_of("second")}
    assert len(pids - {worker.pid}) == 2
    worker.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(1)
    place.release("first")
    place.release("second")
    assert worker.wait(PATIENCE) == 0
    assert place.is_done("first")
    assert place.is_done("second")


def test_a_signal_to_the_whole_group_counts_once(place: Place) -> None:
    """So a terminal sends it, and systemd: what runs may finish all the same."""
    place.slow("first")
    worker = place.worker("--processes", "1", "--grace", "10m", own_group=True)
    assert eventually(lambda: place.process_of("first") > 0)
    os.killpg(worker.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(1)
    place.release("first")
    assert worker.wait(PATIENCE) == 0
    assert place.is_done("first")


def test_a_second_signal_gives_back_at_once(place: Place) -> None:
    """In every process; no attempt is lost, and the status is 0."""
    place.slow("first")
    place.slow("second")
    worker = place.worker("-c", "1", "--processes", "2", "--grace", "10m")
    assert eventually(lambda: place.process_of("first") * place.process_of("second") > 0)
    worker.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(1)
    # Another one: a second of the same kind counts for nothing while the first is still pending.
    worker.send_signal(signal.SIGINT)
    assert worker.wait(PATIENCE) == 0
    for name in ("first", "second"):
        task = place.app.get("mail", name)
        assert (task.state, task.attempted) == (State.QUEUED, 0)


def test_one_that_is_killed_is_replaced_and_its_task_comes_back(place: Place) -> None:
    """The other processes do not notice."""
    place.slow("other")
    place.app.enqueue("slow", args={"name": "killed"}, id="killed", timeout="9s", retries=3)
    worker = place.worker("-c", "1", "--processes", "2")
    assert eventually(lambda: place.process_of("other") * place.process_of("killed") > 0)
    other, killed = place.process_of("other"), place.process_of("killed")
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: place.process_of("killed") not in (0, killed))
    assert place.process_of("other") == other
    place.release("killed")
    place.release("other")
    assert eventually(lambda: place.is_done("killed") and place.is_done("other"))
    assert place.app.get("mail", "killed").attempted == 2
    assert place.app.get("mail", "other").attempted == 1
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


def test_they_end_when_their_supervisor_is_killed(place: Place) -> None:
    """In order: what runs may finish."""
    place.slow("first")
    worker = place.worker("--processes", "1", "--grace", "10m")
    assert eventually(lambda: place.process_of("first") > 0)
    worker.kill()
    worker.wait()
    place.release("first")
    assert eventually(lambda: place.is_done("first"))
    assert eventually(lambda: has_ended(place.process_of("first")))


def test_each_has_a_port_and_an_id_of_its_own(place: Place, ports: tuple[int, int]) -> None:
    """From the given port on, and with its number behind the given id."""
    worker = place.worker("--processes", "2", "--health-port", str(ports[0]), "--worker-id", "me")

    def ids() -> list[str]:
        found = []
        for port in ports:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            with contextlib.closing(asked), contextlib.suppress(OSError):
                asked.request("GET", "/health/ready")
                found.append(json.load(asked.getresponse())["worker"])
        return found

    assert eventually(lambda: ids() == ["me-0", "me-1"])
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


def test_one_that_has_done_its_share_is_replaced(place: Place) -> None:
    """Against bodies that leak memory: every task has a process of its own here."""
    for name in ("a", "b", "c"):
        place.release(name)
        place.slow(name)
    worker = place.worker("--processes", "1", "-c", "1", "--max-tasks", "1")
    assert eventually(lambda: all(place.is_done(name) for name in ("a", "b", "c")))
    assert len({place.process_of(name) for name in ("a", "b", "c")}) == 3
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


def test_a_burst_ends_with_its_last_process(place: Place) -> None:
    """All is done then, and the status is 0."""
    handles = [place.app.enqueue("quick", args={"number": n}) for n in range(50)]
    assert place.worker("--burst", "--processes", "2", "-c", "2").wait(PATIENCE) == 0
    assert [handle.result(0) for handle in handles] == list(range(50))


def test_what_keeps_all_from_beginning_is_told_once(place: Place) -> None:
    """And ends the start, with the status that one process would have ended with."""
    command = [sys.executable, "-m", "tasques", "worker", "missing:app", "--processes", "3"]
    ended = subprocess.run(
        command, cwd=place.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.count("there is no module [missing]") == 1


def test_a_change_of_the_sources_begins_anew(place: Place) -> None:
    """
    With the new code, and what runs is given back. A fault in it is waited out, not repeated.
    """
    module = place.folder / "shop.py"
    before = module.read_text()
    log = place.folder / "log"
    place.slow("held")
    with log.open("w") as file:
        worker = place.worker("--reload", "--grace", "0s", log=file)
    assert eventually(lambda: place.process_of("held") > 0)
    first = place.process_of("held")
    module.write_text(before + "\nthis is no Python\n")
    assert eventually(lambda: "when the sources change" in log.read_text())
    assert worker.poll() is None
    task = place.app.get("mail", "held")
    assert (task.state, task.attempted) == (State.QUEUED, 0)
    module.write_text(before.replace("return number", "return -number"))
    assert eventually(lambda: place.process_of("held") not in (0, first))
    assert place.app.enqueue("quick", args={"number": 7}).result(PATIENCE) == -7
    place.release("held")
    assert eventually(lambda: place.is_done("held"))
    assert place.app.get("mail", "held").attempted == 1
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


STUBBORN = """
import signal, socket, sys, time
line = socket.socket(fileno=int(sys.argv[1]))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
line.sendall(b"+")
print("begun", flush=True)
while said := line.recv(1):
    print(said.decode(), flush=True)
"""

SUPERVISOR = """
import sys
from tasques.worker.supervisor import Supervisor

def command(number, line):
    return [sys.executable, "-c", {stubborn!r}, str(line)]

sys.exit(Supervisor(command, 1).run())
"""


def test_a_third_signal_kills() -> None:
    """Processes that obey nobody; the status says that they did not end in order."""
    command = [sys.executable, "-c", SUPERVISOR.format(stubborn=STUBBORN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        try:
            for said in ("begun", "s", "n"):
                assert supervisor.stdout.readline().strip() == said
                supervisor.terminate()
            assert supervisor.wait(PATIENCE) == 1
        finally:
            supervisor.kill()
