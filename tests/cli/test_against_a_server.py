"""The commands against a real server, in a process of its own, on memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasques.cli import acting, main, seeing
from tests.processes.wire import ask
from tools.tasques_server import TasquesServer

PASSWORD = "correct horse"  # of nobody but the user made here


@pytest.fixture(scope="module")
def server() -> Iterator[TasquesServer]:
    with TasquesServer({"backend": "memory:"}) as server:
        yield server


@pytest.fixture(autouse=True)
def asked(server: TasquesServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASQUES_URL", server.url)


Run = Callable[..., list[str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line that has to succeed; gives the lines that it prints."""

    def run(line: str, *more: str) -> list[str]:
        status = main([*line.split(), *more])
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return out.splitlines()

    return run


def claim(server: TasquesServer, queue: str, amount: int = 1) -> list[dict[str, Any]]:
    body = {"queues": [queue], "amount": amount, "block_for": "0s"}
    claimed: list[dict[str, Any]] = ask(server.url, "POST", "/tasques/claims", body).json
    return claimed


def test_a_task_from_its_creation_to_its_error(server: TasquesServer, run: Run):
    """Created, listed, failed by a worker, shown with what went wrong, and revived."""
    args = '{"n": 12345678901234567890123456789, "f": 0.1}'
    words = "enqueue lives bill --id 7 --priority 3 --retry-times 0 --timeout 90s"
    words += " --expires-at 2099-01-01T00:00:00Z"
    assert run(words, "--args", args, "--context", '{"ü": 1}') == ["7"]

    titles, line = run("list lives --kind bill --state queued")
    assert titles.split()[:3] == ["ID", "KIND", "STATE"]
    assert line.split()[:5] == ["7", "bill", "queued", "3", "0/1"]

    assert len(claim(server, "lives")) == 1
    failure = {"data": {"error": "Traceback:\n  line 1\nOSError: no answer"}}
    assert ask(server.url, "PUT", "/tasques/failed/lives/7", failure).status == 200

    shown = run("get lives 7")
    assert "state:              dead" in shown
    assert any(re.match("expires_at: +2099-01-01T00:00:00Z .in ", line) for line in shown)
    assert "  n: 12345678901234567890123456789" in shown
    assert "  f: 0.1" in shown
    assert "        | OSError: no answer" in shown
    assert json.loads(run("get lives 7 --json")[0])["context"] == {"ü": 1}

    assert run("retry lives 7") == ["7 queued"]
    assert run("reprioritise lives 7 --priority -9") == ["7 queued, priority -9"]
    assert run("delay lives 7 --run-at 2099-01-01T00:00:00Z") == [
        "7 queued, not before 2099-01-01T00:00:00Z"
    ]
    assert claim(server, "lives") == []
    assert run("cancel lives 7") == ["7 dead (cancelled)"]


def test_a_worker_is_asked_to_end_its_task(server: TasquesServer, run: Run):
    """What is claimed is the worker's."""
    run("enqueue held x --id 7")
    claim(server, "held")

    assert run("cancel held 7") == ["7 claimed (cancel requested)"]


def test_a_paused_queue_hands_out_nothing(server: TasquesServer, run: Run):
    """Until it is resumed; the list of queues says so."""
    run("enqueue resting x --id 7")

    assert run("pause resting")[0].startswith("resting is paused since 20")
    assert claim(server, "resting") == []
    (queue,) = [it for it in json.loads(run("queues --json")[0])["queues"] if "paused_at" in it]
    assert queue["queue"] == "resting"
    (line,) = [it for it in run("queues") if it.startswith("resting ")]
    assert re.fullmatch(r"resting +1( +0){4} +1 +\d+s +\d+s", line)

    assert run("resume resting") == ["resting hands out tasks"]
    assert len(claim(server, "resting")) == 1


def test_many_over_pages(server: TasquesServer, run: Run, monkeypatch: pytest.MonkeyPatch):
    """Everything that is meant is met once, and nothing else."""
    monkeypatch.setattr(seeing, "PAGE", 10)
    monkeypatch.setattr(acting, "PAGE", 10)
    for number in range(35):
        kind = "odd" if number % 2 else "even"
        body = {"queue": "crowd", "kind": kind, "id": f"t{number}"}
        assert ask(server.url, "POST", "/tasques", body).status == 201

    def listed(line: str) -> list[dict[str, Any]]:
        return [json.loads(task) for task in run(line)]

    def ids(line: str) -> list[str]:
        return [task["id"] for task in listed(line)]

    def created(tasks: list[dict[str, Any]]) -> list[str]:
        """When they were created, to the millisecond, which is what lists are ordered by."""
        return [task["metadata"]["created_at"][:23] for task in tasks]

    everything = [f"t{number}" for number in range(35)]
    oldest = listed("list crowd --all --order oldest --json")
    assert sorted(task["id"] for task in oldest) == sorted(everything)
    assert created(oldest) == sorted(created(oldest))
    newest = listed("list crowd --limit 12 --json")
    assert len({task["id"] for task in newest}) == 12
    assert created(newest) == created(oldest)[::-1][:12]

    dry = run("cancel crowd --all --kind odd --dry-run")
    assert (len(dry), dry[-1]) == (18, "17 would be changed")
    assert ids("list crowd --all --json --state dead") == []
    assert run("cancel crowd --all --kind odd --yes --limit 3") == ["3 changed"]
    assert run("cancel crowd --all --kind odd --yes") == ["14 changed"]
    assert sorted(ids("list crowd --all --json --state dead")) == sorted(everything[1::2])
    assert run("delay crowd --all --run-in 1h --yes") == ["18 changed"]
    assert run("reprioritise crowd --all --priority 7 --yes") == ["18 changed"]
    assert run("expire crowd --all --yes") == ["18 changed"]
    assert run("retry crowd --all --yes") == ["35 changed"]
    assert run("expire crowd --all --yes --state dead") == ["0 changed"]


def test_what_the_server_refuses(server: TasquesServer, capsys: pytest.CaptureFixture[str]):
    """Each with status 1, and the server's own words."""
    main(["enqueue", "refused", "x", "--id", "7"])
    lines = {
        "get refused none": "Could not find [none] in queue [refused]",
        "retry refused 7": "A task that is queued cannot retry: [7]",
        "enqueue refused x --id 7": "Task with Id [7] already exists",
        "enqueue Refused x": "queue: not lower case [Refused]",
        "list Refused": "queue: not lower case [Refused]",
        "enqueue refused x --id 8 --idempotency-key k": "Idempotency-Key",
    }
    capsys.readouterr()
    for line, message in lines.items():
        assert main(line.split()) == 1, line
        out, err = capsys.readouterr()
        assert out == ""
        assert message in err


def test_credentials(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Without them, with wrong ones, with the right ones."""
    with TasquesServer({"backend": "memory:"}, users={"ann": PASSWORD}) as server:
        monkeypatch.setenv("TASQUES_URL", server.url)
        assert main(["queues"]) == 1
        monkeypatch.setenv("TASQUES_USER", "ann")
        monkeypatch.setenv("TASQUES_PASSWORD", "wrong staple")
        assert main(["queues"]) == 1
        monkeypatch.setenv("TASQUES_PASSWORD", PASSWORD)
        assert main(["queues"]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("QUEUE ")
    assert [line.partition(" ")[2].partition(" ")[2] for line in err.splitlines()] == [
        "wants credentials: set TASQUES_USER and TASQUES_PASSWORD",
        "does not take this user with this password",
    ]
