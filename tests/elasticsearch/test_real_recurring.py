"""Recurring tasks and leaders' locks on a real Elasticsearch, beside an original server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from tasques.adapters.elasticsearch import lock_documents, recurring_documents, scan
from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.core.documents import Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.leadership import LOCK_NAME
from tasques.core.ports import Create, Invalid, Missing, Replace, Written
from tasques.core.queues import QueueName
from tasques.core.recurring import Recurrence, RecurringTask, RecurringTaskId
from tasques.testing.examples import NOW, at, leader_lock, queued, recurring
from tests.elasticsearch.conftest import Real

OPAQUE = {"type": "object", "enabled": False}
HOURLY = RecurringTaskId("hourly")


def written_by_an_original(recurring: RecurringTask) -> dict[str, Any]:
    """The document as an original writes it: without ext."""
    document = json.loads(recurring_documents.encode(recurring))
    return {name: value for name, value in document.items() if name != "ext"}


def put(real: Real, index: str, id: str, document: dict[str, Any]) -> None:
    """Write a document as somebody else would."""
    real("PUT", f"/{real.prefix}{index}/_doc/{quote(id, safe='')}", document)


def fields(real: Real, index: str) -> Any:
    """What an index maps."""
    (content,) = real("GET", f"/{real.prefix}{index}/_mapping").values()
    return content["mappings"]["properties"]


@pytest.fixture
def beside_an_original(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> ElasticsearchBackend:
    """Everything set up, but the indices will be made from the legacy templates alone."""
    backend = connect(bare)
    backend.setup(apply=True)
    for kind in ("recurring_tasks", "leader_locks"):
        bare("DELETE", f"/_index_template/{bare.prefix}{kind}_index_template")
    return backend


def test_indices_of_an_original_are_adopted_before_the_first_write(
    bare: Real, beside_an_original: ElasticsearchBackend
) -> None:
    """They are dynamic; of ext nothing is mapped but that it is not."""
    backend = beside_an_original
    put(bare, "recurring_tasks", "theirs", written_by_an_original(recurring("theirs")))
    lock = json.loads(lock_documents.encode(leader_lock()))
    put(bare, "leader_locks", LOCK_NAME, {k: v for k, v in lock.items() if k != "ext"})
    (theirs,) = backend.recurring_tasks.get([RecurringTaskId("theirs")])
    assert isinstance(theirs, Stored)
    assert theirs.document.recurrence == Recurrence()
    taken_up = theirs.document.taken_up(now=NOW, term=Version(1, 1))
    (outcome,) = backend.recurring_tasks.write(
        [Replace(document=taken_up, expected=theirs.version)]
    )
    assert isinstance(outcome, Written)
    (held,) = backend.leader_locks.get([LOCK_NAME])
    assert isinstance(held, Stored)
    ours = attrs.evolve(leader_lock(LOCK_NAME), released=True)
    (renewed,) = backend.leader_locks.write([Replace(document=ours, expected=held.version)])
    assert isinstance(renewed, Written)
    for index in ("recurring_tasks", "leader_locks"):
        assert fields(bare, index)["ext"] == OPAQUE
    assert list(backend.recurring_tasks.find_all()) == list(
        backend.recurring_tasks.get([RecurringTaskId("theirs")])
    )


def test_setup_adopts_indices_of_an_original(
    bare: Real, beside_an_original: ElasticsearchBackend
) -> None:
    """All at once, and says so; afterwards there is nothing to do."""
    backend = beside_an_original
    put(bare, "recurring_tasks", "theirs", written_by_an_original(recurring("theirs")))
    put(bare, "leader_locks", LOCK_NAME, {"leader_id": "x", "leader_lock_lease": 1})
    backend.setup(apply=True)
    for index in ("recurring_tasks", "leader_locks"):
        assert fields(bare, index)["ext"] == OPAQUE
    assert {step.state for step in backend.setup(apply=False)} == {"present"}
    assert backend.check() == []


def test_an_index_mapped_otherwise_is_drift(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """Health says which field of which index."""
    backend = connect(bare)
    backend.setup(apply=True)
    mapping = {"mappings": {"properties": {"is_deleted": {"type": "keyword"}}}}
    bare("PUT", f"/{bare.prefix}recurring_tasks", mapping)
    (problem,) = [p for p in backend.check() if p.code == "mapping_drift"]
    assert f"{bare.prefix}recurring_tasks (is_deleted)" in problem.message
    assert not problem.fatal


def test_what_an_original_rewrites_is_found_as_changed(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """It drops ext, so that nobody knows what was fired; its deletes are deletes to us."""
    (stored,) = backend.recurring_tasks.write([Create(document=recurring("a"))])
    assert isinstance(stored, Written)
    put(real, "recurring_tasks", "a", written_by_an_original(recurring("a")))
    real.refresh()
    (changed,) = backend.recurring_tasks.find_changed()
    assert changed.document.recurrence == Recurrence()
    assert changed.version > stored.stored.version
    put(real, "recurring_tasks", "a", written_by_an_original(recurring("a").deleted(now=at(1))))
    assert list(backend.recurring_tasks.find_all()) == []
    real.refresh()
    (gone,) = backend.recurring_tasks.find_changed()
    assert gone.document.is_deleted


def test_no_point_in_time_stays_open(
    real: Real, backend: ElasticsearchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each keeps files and memory of the cluster for a minute; a single page needs none."""
    monkeypatch.setattr(scan, "PAGE_SIZE", 2)

    def open_contexts() -> object:
        path = f"/{real.prefix}recurring_tasks/_stats/search?filter_path=_all.primaries.search"
        search = real("GET", path)["_all"]["primaries"]["search"]
        return search["open_contexts"]

    backend.recurring_tasks.write([Create(document=recurring()) for _ in range(3)])
    before = open_contexts()
    for _ in range(5):
        assert len(backend.recurring_tasks.find_all()) == 3
    assert open_contexts() == before


def test_what_cannot_be_an_id_is_the_name_of_nothing(backend: ElasticsearchBackend) -> None:
    """Neither does it spoil the read of others; a task of somebody's may name it."""
    (written,) = backend.recurring_tasks.write([Create(document=recurring("a"))])
    assert isinstance(written, Written)
    keys = [RecurringTaskId(id) for id in ("i" * 513, "a", "")]
    outcomes = backend.recurring_tasks.get(keys)
    assert list(outcomes) == [Missing(), written.stored, Missing()]
    nameless = attrs.evolve(recurring(), id=RecurringTaskId(""))
    first, second = backend.recurring_tasks.write(
        [Create(document=nameless), Create(document=recurring())]
    )
    assert isinstance(first, Invalid)
    assert isinstance(second, Written)


def test_a_missing_shard_is_said_at_once(real: Real, backend: ElasticsearchBackend) -> None:
    """Neither a shorter list nor a lower count, and not a minute's wait, as for a refresh."""
    nowhere = {"settings": {"index.routing.allocation.require._name": "nobody"}}
    for index in ("recurring_tasks", "queue-q"):
        real("PUT", f"/{real.prefix}{index}?wait_for_active_shards=0&timeout=1ms", nowhere)
    started = time.monotonic()
    for search in (
        backend.recurring_tasks.find_all,
        backend.recurring_tasks.find_changed,
        lambda: backend.tasks.count_outstanding(QueueName("q"), HOURLY),
    ):
        with pytest.raises(StoreUnavailable):
            search()
    assert time.monotonic() - started < 20
    assert backend.tasks.count_outstanding(QueueName("other"), HOURLY) == 0


def test_a_closed_index_is_no_empty_one(real: Real, backend: ElasticsearchBackend) -> None:
    """An operator closed it, and has to open it; nothing is unscheduled meanwhile."""
    backend.recurring_tasks.write([Create(document=recurring())])
    task = attrs.evolve(queued(), recurring_task_id=HOURLY)
    backend.tasks.write([Create(document=task)])
    for index in ("recurring_tasks", "queue-q"):
        real("POST", f"/{real.prefix}{index}/_close")
    with pytest.raises(StoreUnavailable):
        backend.recurring_tasks.find_all()
    with pytest.raises(StoreUnavailable):
        backend.tasks.count_outstanding(QueueName("q"), HOURLY)
