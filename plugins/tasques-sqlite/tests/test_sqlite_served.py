"""A server on a file: nothing that it acknowledged is lost, however it ends."""

from __future__ import annotations

import json
import sqlite3
import threading
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from tasques_sqlite import SqliteBackend, plugin

from tasques import bootstrap
from tasques.core.errors import InvalidInput, StoreUnavailable
from tasques.core.ports import Blocked, Create, Written
from tasques.core.service.task_service import TaskService
from tasques.runtime import ThreadRuntime
from tasques.settings import Settings
from tasques.testing.examples import queued
from tools.elasticsearch_node import call
from tools.tasques_server import TasquesServer

PATIENCE_SECONDS = 60


def claim_all(server: TasquesServer) -> list[dict[str, str]]:
    """Every task of the queue."""
    request = urllib.request.Request(
        f"{server.url}/tasques/claims",
        json.dumps({"queues": ["q"], "amount": 1000}).encode(),
        headers={"X-TASQUES-WORKER-ID": "w"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        tasks: list[dict[str, str]] = json.loads(answer.read())
    return tasks


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL in the middle of writes: each task whose creation was answered is there afterwards."""
    acknowledged: list[str] = []
    enough, refused = threading.Event(), threading.Event()
    settings = {"backend": f"sqlite:///{tmp_path / 'tasques.db'}"}

    def produce(server: TasquesServer, name: str) -> None:
        number = 0
        while not refused.is_set():
            id, number = f"{name}-{number}", number + 1
            try:
                status, _ = call(
                    server.url, "POST", "/tasques", {"queue": "q", "kind": "k", "id": id}
                )
            except OSError:
                return
            if status == 201:
                acknowledged.append(id)
            if len(acknowledged) >= 200:
                enough.set()

    with TasquesServer(settings) as server:
        producers = [
            threading.Thread(target=produce, args=(server, f"p{number}")) for number in range(4)
        ]
        for producer in producers:
            producer.start()
        assert enough.wait(PATIENCE_SECONDS)
        server.kill()
        refused.set()
        for producer in producers:
            producer.join(PATIENCE_SECONDS)
        server.start()
        for id in acknowledged:
            status, task = call(server.url, "GET", f"/tasques/q/{id}")
            assert (status, task["state"]) == (200, "queued")
        claimed = claim_all(server)
        assert set(acknowledged) <= {task["id"] for task in claimed}
    with closing(sqlite3.connect(tmp_path / "tasques.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """What one writes the other sees, and of two creates of one id one succeeds."""
    settings = {"backend": f"sqlite:///{tmp_path / 'tasques.db'}"}
    task = {"queue": "q", "kind": "k", "id": "t"}
    with TasquesServer(settings) as one, TasquesServer(settings) as other:
        assert call(one.url, "POST", "/tasques", task)[0] == 201
        assert call(other.url, "POST", "/tasques", task)[0] == 409
        assert call(other.url, "GET", "/tasques/q/t")[0] == 200


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One that is not there yet."""
    return tmp_path / "tasques.db"


def test_the_door_opens_it() -> None:
    """By its scheme, as any other backend."""
    backend = bootstrap.open_backend(Settings(backend="sqlite:///a.db"), ThreadRuntime())
    assert isinstance(backend, SqliteBackend)
    assert backend.url == "sqlite:///a.db"
    assert backend.is_durable


@pytest.mark.parametrize(
    "url", ["sqlite:", "sqlite:a.db", "sqlite://a.db", "sqlite:///", "sqlite:///a/"]
)
def test_what_names_no_file_is_refused(url: str) -> None:
    """With how it is written."""
    with pytest.raises(InvalidInput, match=r"sqlite:///tasques\.db"):
        plugin.tasques_backend(url, {}, ThreadRuntime())


def test_other_schemes_are_somebody_else_s() -> None:
    """None, so that the next plugin is asked."""
    assert plugin.tasques_backend("memory:", {}, ThreadRuntime()) is None


def test_setup_makes_the_file(file: Path) -> None:
    """It is missing, installed, present."""
    backend = SqliteBackend(file, ThreadRuntime())
    states = [backend.setup(apply=apply)[0].state for apply in (False, True, False, True)]
    assert states == ["missing", "installed", "present", "present"]
    backend.close()


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """Named, and nothing can be read or written meanwhile."""
    backend = SqliteBackend(tmp_path / "gone" / "tasques.db", ThreadRuntime())
    [problem] = backend.check()
    assert problem.fatal
    assert "unable to open database file" in problem.message
    with pytest.raises(StoreUnavailable, match="unable to open"):
        backend.tasks.get([queued().key])


def test_a_file_of_a_later_version_is_left_alone(file: Path) -> None:
    """Its tables may mean something else."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    backend = SqliteBackend(file, ThreadRuntime())
    [problem] = backend.check()
    assert "made by a later version (99" in problem.message


def test_a_full_disk_blocks_writes_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A definite no, for as long as it lasts; what is there can be read."""
    runtime = ThreadRuntime()
    backend = SqliteBackend(file, runtime)
    stored = TaskService(backend.tasks, runtime)
    [written] = backend.tasks.write([Create(document=queued())])
    assert isinstance(written, Written)
    with backend._database.writing() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    with backend._database._writing.taken() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")
    writes = [Create(document=queued()) for _ in range(1000)]
    outcomes = backend.tasks.write(writes)
    assert {type(outcome) for outcome in outcomes} == {Blocked}
    assert stored.get(written.stored.document.key) == written.stored
    assert backend.tasks.get([write.document.key for write in writes[:1]]) != [written.stored]
    backend.close()
