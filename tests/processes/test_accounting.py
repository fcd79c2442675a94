"""
Tasks through their whole life over HTTP, with exact accounting, on every backend.

The judge itself is tested in ``test_accounting_audit.py``: it does convict.
"""

from __future__ import annotations

from tests.processes.conftest import QUICK_REAPER, Start
from tests.processes.wire import Connection, ask
from tools.accounting.report import table
from tools.accounting.run import Options, Result, account
from tools.tasques_server import TasquesServer

TASKS = 400


def assert_accounted_for(result: Result) -> None:
    assert result.ok, table(result)


def test_every_task_on_memory(start: Start) -> None:
    """No task is lost, none is held by two workers at once, each ends as planned; backoffs, too."""
    server = start(QUICK_REAPER)
    result = account(Options(urls=[server.url], tasks=TASKS, limit_seconds=900))
    assert_accounted_for(result)
    counts = result.judgement.counts
    assert all(
        counts[name]
        for name in ("done", "retried", "dead", "unclaimed", "timed out", "reports", "ended queued")
    )


def test_every_task_on_two_servers_sharing_an_elasticsearch(
    start: Start, on_elasticsearch: dict[str, str]
) -> None:
    """
    Two servers on one Elasticsearch are as good as one: both hand out the same queues' tasks, and no
    task goes to a worker of each.
    """
    settings = {**on_elasticsearch, **QUICK_REAPER}
    servers = [start(settings), start(settings)]
    options = Options(
        urls=[server.url for server in servers], tasks=TASKS, limit_seconds=900, waits=False
    )
    assert_accounted_for(account(options))


def test_a_server_that_wants_credentials_gets_them(start: Start) -> None:
    """Every request of producers and workers carries what the address says."""
    server = start(QUICK_REAPER, users={"ann": "a:b@c/d"})
    with_user = server.url.replace("//", "//ann:a%3Ab%40c%2Fd@")
    assert_accounted_for(account(Options(urls=[with_user], tasks=40, waits=False)))


def test_servers_share_queues(start: Start, on_elasticsearch: dict[str, str]) -> None:
    """What is created at one server is claimed, reported on and finished at another."""
    one, other = start(on_elasticsearch), start(on_elasticsearch)
    task = {"queue": "shared", "kind": "send", "id": "a"}
    assert ask(one.url, "POST", "/tasques", task).status == 201
    claim = {"queues": ["shared"], "block_for": "50s"}
    (claimed,) = ask(other.url, "POST", "/tasques/claims", claim).json
    assert claimed["id"] == "a"
    assert _state(one, "a") == "claimed"
    assert ask(one.url, "PUT", "/tasques/reports/shared/a", {}).status == 200
    assert ask(other.url, "PUT", "/tasques/done/shared/a", {}).status == 200
    assert _state(one, "a") == "done"


def test_a_worker_at_one_server_gets_what_comes_in_at_another(
    start: Start, on_elasticsearch: dict[str, str]
) -> None:
    """A claim that waits already does not need the creation to come in at its own server."""
    one, other = start(on_elasticsearch), start(on_elasticsearch)
    with Connection(one.url) as waiting:
        claim = {"queues": ["shared"], "block_for": "50s"}
        waiting.request("POST", "/tasques/claims", claim)
        task = {"queue": "shared", "kind": "send", "id": "a"}
        assert ask(other.url, "POST", "/tasques", task).status == 201
        assert [task["id"] for task in waiting.answer().json] == ["a"]


def _state(server: TasquesServer, id: str) -> str:
    state: str = ask(server.url, "GET", f"/tasques/shared/{id}").json["state"]
    return state
