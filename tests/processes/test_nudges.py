"""
A task reaches a worker that waits at another server, although no search ever shows it.

The queue's index is never refreshed, so it is not a matter of time: without a nudge the worker goes
away empty-handed, which is shown too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from tests.processes.conftest import Start
from tests.processes.wire import Connection, ask, eventually
from tools.elasticsearch_node import call
from tools.tasques_server import TasquesServer

TASK = {"queue": "mail", "kind": "send"}
CLAIM = {"queues": ["mail"], "amount": 1, "block_for": "50s"}
PORT = 7077
SECRET = "nobody else knows this one"


@pytest.fixture
def unsearchable(on_elasticsearch: dict[str, str]) -> Mapping[str, str]:
    """Settings of servers whose queue ``mail`` shows nothing to any search."""
    index = f"{on_elasticsearch['elasticsearch.prefix']}queue-mail"
    status, answer = call(
        on_elasticsearch["elasticsearch.addresses"],
        "PUT",
        f"/{index}",
        {"settings": {"index.refresh_interval": "-1"}},
    )
    assert status == 200, answer
    return on_elasticsearch


@pytest.fixture
def hosts() -> tuple[str, str]:
    """Addresses of the loopback interface that nobody else listens at."""
    first, second = (
        f"127.{byte[0]}.{byte[1]}.{byte[2]}" for byte in (os.urandom(3), os.urandom(3))
    )
    return first, second


def is_handed_over(waits_at: str, made_at: str) -> bool:
    """
    Whether a claim at one place gets a task that is created at the other.

    It takes a moment until the other knows that somebody waits, so tasks are created until then.
    """
    with Connection(waits_at) as worker:
        worker.request("POST", "/tasques/claims", CLAIM)

        def got_one() -> bool:
            if not worker.has_answer:
                assert ask(made_at, "POST", "/tasques", TASK).status == 201
            return worker.has_answer

        assert eventually(got_one, seconds=90)
        claimed = worker.answer().json
        return len(claimed) == 1


def test_between_servers_that_know_each_other(
    start: Start, unsearchable: Mapping[str, str], hosts: tuple[str, str]
) -> None:
    """Either way; that each finds itself among its peers, too, does not matter."""
    peers = ",".join(f"{host}:{PORT}" for host in hosts)
    first, second = (
        start(
            {
                **unsearchable,
                "nudges.bind_address": f"{host}:{PORT}",
                "nudges.peers": peers,
                "nudges.secret": SECRET,
            }
        )
        for host in hosts
    )
    assert is_handed_over(second.url, first.url)
    assert is_handed_over(first.url, second.url)


def two_processes(
    start: Start, settings: Mapping[str, str], ports: tuple[int, int], **more: str
) -> tuple[str, str]:
    own = {"http.processes": "2", "http.process_port": str(ports[0])}
    server: TasquesServer = start({**settings, **own, **more})
    assert eventually(lambda: "Tasques listens on" in server.log)
    first, second = (f"http://127.0.0.1:{port}" for port in ports)
    return first, second


def test_between_processes_of_one_server(
    start: Start, unsearchable: Mapping[str, str], ports: tuple[int, int]
) -> None:
    """Either way, and nothing is configured for it."""
    first, second = two_processes(start, unsearchable, ports)
    assert is_handed_over(second, first)
    assert is_handed_over(first, second)


def test_without_nudges_there_is_no_other_way(
    start: Start, unsearchable: Mapping[str, str], ports: tuple[int, int]
) -> None:
    """Else the tests above would show nothing."""
    more = {"nudges.enabled": "false"}
    first, second = two_processes(start, unsearchable, ports, **more)
    with Connection(second) as worker:
        worker.request("POST", "/tasques/claims", {**CLAIM, "block_for": "3s"})
        while not worker.has_answer:
            assert ask(first, "POST", "/tasques", TASK).status == 201
        assert worker.answer().json == []
