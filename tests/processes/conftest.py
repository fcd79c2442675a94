"""Real servers, each in a process of its own, stopped when their test ends."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.processes.places import Place
from tools.elasticsearch_node import ElasticsearchNode
from tools.ports import reserved_port
from tools.tasques_server import TasquesServer, elasticsearch_settings

#: Time-outs are seen soon.
QUICK_REAPER = {
    "recurring.timed_out_tasks_reaper.run_interval": "1s",
    "recurring.timed_out_tasks_reaper.margin": "500ms",
}

Start = Callable[..., TasquesServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server: settings by dotted name, more as :class:`TasquesServer` takes it."""
    with contextlib.ExitStack() as stack:

        def start(settings: Mapping[str, str] | None = None, **more: Any) -> TasquesServer:
            server = TasquesServer({"backend": "memory:", **(settings or {})}, **more)
            stack.callback(server.close)
            server.start()
            return server

        yield start


@pytest.fixture
def place(tmp_path: Path, start: Start) -> Iterator[Place]:
    """A server whose time-outs are seen soon, an application, and workers on it."""
    server = start(QUICK_REAPER)
    with contextlib.ExitStack() as stack:
        yield Place(tmp_path, server, stack)


def _prepared(url: str, prefix: str) -> dict[str, str]:
    settings = {**elasticsearch_settings(url, prefix), "backend": "elasticsearch:"}
    with contextlib.closing(TasquesServer(settings)) as server:
        server.set_up()
    return settings


@pytest.fixture
def on_elasticsearch(elasticsearch_url: str, prefix: str) -> dict[str, str]:
    """The settings of servers that share their queues on an Elasticsearch; set up already."""
    return _prepared(elasticsearch_url, prefix)


@pytest.fixture
def own_node(own_elasticsearch_node: ElasticsearchNode) -> ElasticsearchNode:
    return own_elasticsearch_node


@pytest.fixture
def on_own_node(own_node: ElasticsearchNode) -> dict[str, str]:
    """The settings of servers on an Elasticsearch that may be stopped, killed and paused."""
    # A prefix for each test: the node is one for all of a module. Removed with the node.
    prefix = f".t{secrets.token_hex(6)}_"
    return _prepared(own_node.url, prefix)


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Two in a row that nobody else is given."""
    with contextlib.ExitStack() as stack:
        while True:
            first = stack.enter_context(reserved_port())
            port: int = first.getsockname()[1]
            second = stack.enter_context(socket.socket())
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                break
        yield port, port + 1
