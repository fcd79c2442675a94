"""Real servers, each in a process of its own, stopped when their test ends."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tools.elasticsearch_node import ElasticsearchNode
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
