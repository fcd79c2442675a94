"""The archive on a real Elasticsearch: beside an original server's, and where something lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasques.adapters.elasticsearch import archive_documents
from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.adapters.elasticsearch.documents import encode
from tasques.core.archive import ArchivedTask
from tasques.core.documents import Operation, Stored, Version
from tasques.core.ports import Create, Malformed, Missing, Rejected, Replace, Written
from tasques.core.queues import TaskId
from tasques.core.tasks import Extensions, State, Task
from tasques.core.values import Duration
from tests.elasticsearch.conftest import Real
from tests.elasticsearch.stub import NOW, a_task
from tools.elasticsearch_node import call

EXTENSIONS = Extensions(operation=Operation(token="00ff", verb="done"))


def done(id: str = "t0", **changes: Any) -> Task:
    """A task such as is archived."""
    return a_task(id, state=State.DONE, **changes)


def archive(backend: ElasticsearchBackend, task: Task) -> Any:
    """What becomes of a new copy of *task*."""
    copy = ArchivedTask(task=task, origin=Version(1, 1))
    (outcome,) = backend.archive.write([Create(document=copy)])
    return outcome


def by_an_original(real: Real, task: Task, **changes: object) -> None:
    """Archive *task* as an original server does: under an id of Elasticsearch's, without ext."""
    document = {k: v for k, v in json.loads(encode(task)).items() if k not in ("rank", "ext")}
    real("POST", f"/{real.prefix}archive/_doc", {**document, **changes})


def mapping(real: Real, index: str) -> Any:
    """The mapping of an index."""
    return real("GET", f"/{index}/_mapping")[index]["mappings"]


def test_the_first_copy_makes_the_archive_from_our_template(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """Without lifecycle management: one index, to which no document adds a field."""
    assert isinstance(archive(backend, done(extensions=EXTENSIONS)), Written)
    made = mapping(real, f"{real.prefix}archive")
    assert made["dynamic"] == "false"
    assert made["properties"]["ext"] == {"type": "object", "enabled": False}
    assert "rank" not in made["properties"]


def test_without_its_template_no_archive_is_made(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """An archive with a guessed mapping would be with us for ever."""
    outcome = archive(connect(bare), done())
    assert isinstance(outcome, Rejected)
    assert "tasques setup" in outcome.reason
    assert call(bare.url, "HEAD", f"/{bare.prefix}archive")[0] == 404


def test_what_an_original_archived_is_found_beside_ours(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """By its name, with the version of its document; of several lives the last created."""
    later = done(created_at=NOW.plus(Duration(1)))
    by_an_original(real, done())
    archive(backend, done("ours"))
    real.refresh()
    theirs = backend.archive.find_task(done().key)
    assert theirs == Stored(document=done(), version=Version(1, 0))
    by_an_original(real, later, kind=None)
    archive(backend, done(created_at=NOW.plus(Duration(-1))))
    real.refresh()
    assert backend.archive.find_task(done().key) == theirs
    by_an_original(real, later)
    real.refresh()
    found = backend.archive.find_task(done().key)
    assert isinstance(found, Stored)
    assert found.document == later


def test_ids_are_found_up_to_the_longest(real: Real, backend: ElasticsearchBackend) -> None:
    """512 bytes, of one byte each or of more; what begins or is spelt alike is another."""
    ids = ["i" * 512, "i" * 511, "é" * 256, "日" * 170, "I" * 512]
    for id in ids:
        by_an_original(real, done(id))
    real.refresh()
    for id in ids:
        found = backend.archive.find_task(done(id).key)
        assert isinstance(found, Stored)
        assert found.document.id == TaskId(id)
    assert backend.archive.find_task(done("i" * 510).key) == Missing()


def test_an_original_s_archive_is_adopted_before_the_first_copy(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """Made from the legacy templates alone, dynamic; ext would be taken apart field by field."""
    backend = connect(bare)
    backend.setup(apply=True)
    bare("DELETE", f"/_index_template/{bare.prefix}archive_index_template")
    by_an_original(bare, done("theirs"))
    assert mapping(bare, f"{bare.prefix}archive")["dynamic"] == "true"
    assert isinstance(archive(backend, done("ours", extensions=EXTENSIONS)), Written)
    after = mapping(bare, f"{bare.prefix}archive")
    assert after["properties"]["ext"] == {"type": "object", "enabled": False}
    bare.refresh()
    for id in ("theirs", "ours"):
        assert isinstance(backend.archive.find_task(done(id).key), Stored)


def test_each_index_of_an_alias_is_adopted_when_it_takes_copies(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """Rolled over by hand under a name for which nobody has a template."""
    backend = connect(bare)
    alias, first = f"{bare.prefix}archive", f"{bare.prefix}mine-1"
    bare("PUT", f"/{first}", {"aliases": {alias: {"is_write_index": True}}})
    for number in (1, 2):
        outcome = archive(backend, done("i" * 512, extensions=EXTENSIONS))
        assert isinstance(outcome, Written)
        assert outcome.stored.document.place.endswith(str(number))
        fields = mapping(bare, outcome.stored.document.place)["properties"]
        assert fields["ext"] == {"type": "object", "enabled": False}
        if number == 1:
            bare("POST", f"/{alias}/_rollover")
            # The alias is not looked at again before a moment is over; another server has not yet.
            backend = connect(bare)
    bare.refresh()
    assert isinstance(backend.archive.find_task(done("i" * 512).key), Stored)


def test_a_place_that_was_removed_is_not_made_again(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """A copy that was read, and whose index lifecycle management has deleted since."""
    backend = connect(bare)
    backend.setup(apply=True)
    alias = f"{bare.prefix}archive"
    bare("PUT", f"/{alias}-1", {"aliases": {alias: {"is_write_index": True}}})
    stored = archive(backend, done()).stored
    bare("POST", f"/{alias}/_rollover")
    bare("DELETE", f"/{alias}-1")
    assert list(backend.archive.find_copies([stored.document.key])) == [[]]
    backend.archive.write([Replace(document=stored.document, expected=stored.version)])
    assert call(bare.url, "HEAD", f"/{alias}-1")[0] == 404


def test_a_copy_spoilt_by_hand_is_malformed_until_it_is_mended(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """It does not count as a copy, and nothing overwrites it."""
    stored = archive(backend, done()).stored
    document = json.loads(archive_documents.encode(stored.document))
    path = f"/{stored.document.place}/_doc/{stored.document.key}"
    real("PUT", path, {**document, "ext": {"v": 1}})
    ((spoilt,),) = backend.archive.find_copies([stored.document.key])
    assert isinstance(spoilt, Malformed)
    real("PUT", path, document)
    ((mended,),) = backend.archive.find_copies([stored.document.key])
    assert isinstance(mended, Stored)
    assert mended.document == stored.document


@pytest.mark.parametrize("durability", ["async", "ASYNC"])
def test_a_place_that_may_lose_copies_takes_none(
    real: Real, backend: ElasticsearchBackend, durability: str
) -> None:
    """A task is deleted from its queue on the strength of its copy (P6)."""
    index = f"/{real.prefix}archive"
    real("PUT", index, {"settings": {"index.translog.durability": durability}})
    outcome = archive(backend, done())
    assert isinstance(outcome, Rejected)
    assert "async" in outcome.reason


def test_readers_count_a_task_once_by_its_name(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """A copy that was left behind by a rollover is no second task, and another life is one."""
    backend = connect(bare)
    backend.setup(apply=True)
    alias = f"{bare.prefix}archive"
    bare("PUT", f"/{alias}-1", {"aliases": {alias: {"is_write_index": True}}})
    archive(backend, done())
    bare("POST", f"/{alias}/_rollover")
    for task in (done(), done("t1"), done(created_at=NOW.plus(Duration.of_seconds(1)))):
        assert isinstance(archive(connect(bare), task), Written)
    bare.refresh()
    fields = ("queue.keyword", "id.keyword", "metadata.created_at")
    sources = [{field: {"terms": {"field": field}}} for field in fields]
    search = {"size": 0, "aggs": {"tasks": {"composite": {"size": 1000, "sources": sources}}}}
    found = bare("POST", f"/{alias}/_search", search)
    assert found["hits"]["total"]["value"] == 4
    assert len(found["aggregations"]["tasks"]["buckets"]) == 3
    status, _ = call(
        bare.url,
        "POST",
        f"/{alias}/_search",
        {"size": 0, "aggs": {"tasks": {"cardinality": {"field": "_id"}}}},
    )
    assert status == 400
