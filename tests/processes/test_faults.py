"""What servers do when one of them, or Elasticsearch behind them, goes and comes back."""

from __future__ import annotations

from collections.abc import Generator

from tests.processes.conftest import QUICK_REAPER, Start
from tests.processes.test_accounting import assert_accounted_for
from tests.processes.wire import Connection, ask, eventually
from tools.accounting.ledger import Totals
from tools.accounting.run import Options, account
from tools.elasticsearch_node import ElasticsearchNode
from tools.tasques_server import TasquesServer

TASK = {"queue": "mail", "kind": "send"}
ES_PASSWORD = "kept-from-the-log-7f3a"


def test_a_server_that_is_killed_loses_and_doubles_nothing(
    start: Start, on_elasticsearch: dict[str, str]
) -> None:
    """
    After kill -9 of one of two servers in the middle of the load, and of the other when it has come
    out of a pause, what was acknowledged stays, no task is held by two workers, every task comes to
    its end. A claim whose answer died with its server costs its task an attempt, as a worker that
    dies would.
    """
    settings = {**on_elasticsearch, **QUICK_REAPER}
    one, other = start(settings), start(settings)
    fates = _fates(one, other)
    next(fates)
    options = Options(
        urls=[one.url, other.url],
        tasks=400,
        limit_seconds=900,
        undisturbed=False,
        spare_attempts=20,
        timeout_seconds=8,
        waits=False,
        watch=fates.send,
    )
    result = account(options)
    assert_accounted_for(result)
    assert result.trouble.lost + result.trouble.refused, "the kills disturbed nobody"


def _fates(one: TasquesServer, other: TasquesServer) -> Generator[None, Totals, None]:
    """Is sent how far the run has come, about once a second."""
    while (yield).over < 60:
        pass
    one.kill()
    one.start()
    while (yield).over < 160:
        pass
    other.pause()
    yield
    other.resume()
    other.kill()
    other.start()
    while True:
        yield


def test_readiness_follows_elasticsearch(
    start: Start, own_node: ElasticsearchNode, on_own_node: dict[str, str]
) -> None:
    """
    While Elasticsearch is gone, readiness is red and requests are 503 with Retry-After; when it is
    back, readiness turns green by itself. What was acknowledged before is still there, what was
    refused can be asked for again, and the log has a reason but no traceback and no password.
    """
    server = start(
        {
            **on_own_node,
            **QUICK_REAPER,
            "tasks.completion_deadline": "2s",
            "elasticsearch.user.name": "tasques",
            "elasticsearch.user.password": ES_PASSWORD,
            "logging.level": "debug",
        }
    )
    ids = [f"kept-{number}" for number in range(50)]
    for id in ids:
        assert ask(server.url, "POST", "/tasques", {**TASK, "id": id}).status == 201
    claim = {"queues": ["mail"], "block_for": "50s", "amount": 5}
    held = [task["id"] for task in ask(server.url, "POST", "/tasques/claims", claim).json]
    assert held
    own_node.kill()
    assert eventually(lambda: ask(server.url, "GET", "/health/ready").status == 503)
    assert ask(server.url, "GET", "/health/live").status == 200
    done = f"/tasques/done/mail/{held[0]}"
    for method, path, body in (
        ("POST", "/tasques", {**TASK, "id": "refused"}),
        ("GET", f"/tasques/mail/{ids[0]}", None),
        ("POST", "/tasques/claims", {"queues": ["mail"], "block_for": "1s"}),
        ("PUT", done, {"data": {"ok": True}}),
        ("GET", "/health/ready", None),
    ):
        answer = ask(server.url, method, path, body)
        assert (answer.status, "retry-after" in answer.headers) == (503, True), (method, path)
        assert answer.json["message"]
    own_node.start()
    assert eventually(lambda: ask(server.url, "GET", "/health/ready").status == 200)
    for id in ids:
        assert ask(server.url, "GET", f"/tasques/mail/{id}").status == 200
    # Refused is not "did not happen": a creation may have reached a server that died after it.
    assert ask(server.url, "POST", "/tasques", {**TASK, "id": "refused"}).status in {201, 409}
    assert ask(server.url, "PUT", done, {"data": {"ok": True}}).json["state"] == "done"
    assert tracebacks(server) == []
    assert ES_PASSWORD not in server.log


def test_a_claim_that_waits_outlives_a_restart_of_elasticsearch(
    start: Start, own_node: ElasticsearchNode, on_own_node: dict[str, str]
) -> None:
    """A worker that waits meanwhile is answered truly: with a task, with nothing, or with 503."""
    server = start(on_own_node)
    assert ask(server.url, "POST", "/tasques", {**TASK, "queue": "other"}).status == 201
    with Connection(server.url) as waiting:
        waiting.request("POST", "/tasques/claims", {"queues": ["mail"], "block_for": "25s"})
        own_node.restart()
        assert eventually(lambda: ask(server.url, "GET", "/health/ready").status == 200)
        assert ask(server.url, "POST", "/tasques", {**TASK, "id": "a"}).status == 201
        answer = waiting.answer()
    if answer.status == 503:
        assert "retry-after" in answer.headers
    else:
        assert [task["id"] for task in answer.json] in ([], ["a"])
    claim = {"queues": ["mail"], "block_for": "50s"}
    if answer.status == 503 or not answer.json:
        (task,) = ask(server.url, "POST", "/tasques/claims", claim).json
        assert (task["id"], task["attempted"]) == ("a", 1)


def test_load_over_a_restart_of_elasticsearch_loses_and_doubles_nothing(
    start: Start, own_node: ElasticsearchNode, on_own_node: dict[str, str]
) -> None:
    """
    Elasticsearch is killed in the middle of the load and started again: nothing acknowledged is
    lost, no task is held by two workers, every task comes to its end.
    """
    server = start({**on_own_node, **QUICK_REAPER, "tasks.completion_deadline": "3s"})
    killed: list[Totals] = []

    def watch(totals: Totals) -> None:
        if not killed and totals.over > 60:
            killed.append(totals)
            own_node.kill()
            own_node.start()

    options = Options(
        urls=[server.url],
        tasks=300,
        limit_seconds=900,
        undisturbed=False,
        spare_attempts=20,
        timeout_seconds=15,
        waits=False,
        watch=watch,
    )
    result = account(options)
    assert_accounted_for(result)
    assert killed
    assert result.trouble.unavailable
    assert tracebacks(server) == []


def tracebacks(server: TasquesServer) -> list[str]:
    """The lines of the log that have one, and tracebacks that went past it."""
    return [line for line in server.log.splitlines() if "Traceback" in line]
