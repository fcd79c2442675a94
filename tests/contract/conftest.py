"""Elasticsearch as the suites of this directory take it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

import attrs
import pytest

from tasques.adapters.elasticsearch import bulk, documents, plugin
from tasques.core.ports import Backend, Runtime
from tasques.core.queues import QueueName
from tasques.core.tasks import Task, TaskKey
from tasques.runtime import ThreadRuntime
from tasques.testing.contract.malformed import PlantMalformed
from tasques.testing.contract.unreadable import Lose
from tasques.testing.examples import claimed, queued
from tools.elasticsearch_node import call


@pytest.fixture(autouse=True)
def patient_bulks(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let a busy node take its time over a new index.

    A server does not wait for it and is told that the write was rejected, which is an outcome like
    others and not what these suites are about.
    """
    patient = bulk._BULK.replace("timeout=1s", "timeout=30s")
    assert patient != bulk._BULK
    monkeypatch.setattr(bulk, "_BULK", patient)


@pytest.fixture(scope="module")
def installed(elasticsearch_url: str) -> Iterator[str]:
    """A prefix under which all is set up; once for a module, as a set-up takes about a second."""
    prefix = f".c{secrets.token_hex(6)}_"
    backend = connect(elasticsearch_url, prefix, ThreadRuntime())
    backend.setup(apply=True)
    backend.close()
    yield prefix
    remove_indices(elasticsearch_url, prefix)
    for kind in ("_index_template", "_template"):
        call(elasticsearch_url, "DELETE", f"/{kind}/{prefix}*")


@pytest.fixture
def open_elasticsearch(
    elasticsearch_url: str, installed: str
) -> Iterator[Callable[[Runtime], Backend]]:
    """Opens backends over the same indices, of which there are none at the start of a test."""
    opened: list[Backend] = []

    def open_backend(runtime: Runtime) -> Backend:
        opened.append(connect(elasticsearch_url, installed, runtime))
        return opened[-1]

    yield open_backend
    for backend in opened:
        backend.close()
    remove_indices(elasticsearch_url, installed)


def connect(url: str, prefix: str, runtime: Runtime) -> Backend:
    """A backend on the node at *url*, opened by the door that servers use."""
    parts = urlsplit(url)
    name = f"elasticsearch+{parts.scheme}://{parts.netloc}/?prefix={quote(prefix)}"
    # The policy for archives is the cluster's, not the prefix's: leave it alone.
    options = {"lifecycle_setup.archived_tasks.enabled": False}
    backend = plugin.tasques_backend(url=name, options=options, runtime=runtime)
    assert backend is not None
    return backend


def remove_indices(url: str, prefix: str) -> None:
    """Remove what begins with *prefix*, by name, since clusters refuse to remove by pattern."""
    _, found = call(url, "GET", f"/_resolve/index/{prefix}*?expand_wildcards=all")
    names = [quote(index["name"], safe="") for index in found["indices"]]
    if names:
        status, answer = call(url, "DELETE", "/" + ",".join(names))
        assert status == 200, answer


@pytest.fixture
def refresh(elasticsearch_url: str, installed: str) -> Callable[[], None]:
    """Makes what was written visible to searches."""

    def refresh() -> None:
        path = f"/{installed}*/_refresh?expand_wildcards=all"
        status, _ = call(elasticsearch_url, "POST", path)
        assert status == 200

    return refresh


@pytest.fixture
def plant_malformed(elasticsearch_url: str, installed: str) -> PlantMalformed:
    """Writes documents that no server would, each kind of damage accepted by the mapping."""

    def plant(key: TaskKey, variety: int) -> None:
        # Half of them look claimable, half of them timed out.
        whole = queued() if variety % 2 else claimed()
        document = damaged(
            attrs.evolve(whole, queue=key.queue, id=key.id, priority=30_000), variety
        )
        path = f"/{installed}queue-{quote(key.queue, safe='')}/_doc/{quote(key.id, safe='')}"
        status, answer = call(elasticsearch_url, "PUT", path, document)
        assert status == 201, answer

    return plant


@pytest.fixture
def lose(elasticsearch_url: str, installed: str) -> Lose:
    """Makes indices whose primary no node may take."""

    def take_away(queue: QueueName) -> None:
        settings = {"index.routing.allocation.require._name": "no-such-node"}
        path = f"/{installed}queue-{quote(queue, safe='')}?wait_for_active_shards=0&timeout=1s"
        status, answer = call(elasticsearch_url, "PUT", path, {"settings": settings})
        assert status == 200, answer

    return take_away


#: Writes a document into the index of that name, as others could.
PlantDamaged: TypeAlias = Callable[[str, str, dict[str, Any]], None]


@pytest.fixture
def plant_damaged(elasticsearch_url: str, installed: str) -> PlantDamaged:
    """Writes documents of any kind that no server would, accepted by the mapping."""

    def plant(index: str, id: str, document: dict[str, Any]) -> None:
        path = f"/{installed}{index}/_doc/{quote(id, safe='')}"
        status, answer = call(elasticsearch_url, "PUT", path, document)
        assert status == 201, answer

    return plant


def damaged(task: Task, variety: int) -> dict[str, object]:
    """The document of *task*, with one thing wrong with it."""
    document: dict[str, object] = json.loads(documents.encode(task))
    damages: list[Callable[[], object]] = [
        lambda: document.pop("kind"),
        lambda: document.pop("metadata"),
        lambda: document.update(args=5),
        lambda: document.update(retry_times="3"),
        lambda: document.update(run_at="2020-01-01"),
        lambda: document.update(queue="another"),
        lambda: document.update(id="another"),
        lambda: document.update(remaining_attempts=task.retry_times + 2),
        lambda: document.update(priority=30_000.5),
        lambda: document.update(last_claimed={"times_out_at": "2020-01-01T00:00:00Z"}),
    ]
    damages[variety % len(damages)]()
    return document
