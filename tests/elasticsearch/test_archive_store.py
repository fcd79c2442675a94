"""The exact requests of the archive, and what is made of each answer; no cluster takes part."""

from __future__ import annotations

import json
from typing import Any

import attrs
import msgspec
import pytest
from elastic_transport import ConnectionTimeout

from tasques.adapters.elasticsearch import archive_documents, archive_store, documents
from tasques.adapters.elasticsearch.indices import IndexNames, archive_indices
from tasques.adapters.elasticsearch.parts import MalformedDocument
from tasques.core.archive import ArchivedTask, ArchiveKey, archive_key
from tasques.core.documents import Operation, Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import (
    Conflict,
    Create,
    Delete,
    Deleted,
    Malformed,
    Missing,
    Rejected,
    Replace,
    Unknown,
    Written,
)
from tasques.core.tasks import Extensions, State, Task
from tasques.core.values import Duration
from tests.elasticsearch.stub import NOW, StubCluster, a_task, failed, found, item

FIELDS = archive_indices(IndexNames("t_")).fields
ORIGIN = Version(2, 5)
OLD, NEW = "t_archive-000001", "t_archive-000002"


def done(id: str = "t0", **changes: Any) -> Task:
    """A task such as is archived."""
    return a_task(id, state=State.DONE, **changes)


def copy(id: str = "t0", place: str = "") -> ArchivedTask:
    """A copy of it."""
    return ArchivedTask(task=done(id), origin=ORIGIN, place=place)


def source(copy: ArchivedTask) -> Any:
    """Its document."""
    return json.loads(archive_documents.encode(copy))


def an_index(date: int, mark: bool | None = None, **settings: object) -> Any:
    """What there is to say of an index of the archive."""
    alias = {} if mark is None else {"is_write_index": mark}
    return {
        "aliases": {"t_archive": alias},
        "settings": {"index": {"creation_date": str(date), **settings}},
    }


def rolled_over(**changes: Any) -> StubCluster:
    """A cluster whose archive is an alias; the newest index, and not the last by name, takes copies."""
    cluster = StubCluster()
    indices = {NEW: an_index(1, False), OLD: an_index(2, True), **changes}
    cluster.answer("GET /t_archive", {index: said for index, said in indices.items() if said})
    for index in indices:
        cluster.answer(f"GET /{index}/_mapping", {index: {"mappings": {"properties": FIELDS}}})
    return cluster


def plain() -> StubCluster:
    """A cluster whose archive is an index."""
    cluster = StubCluster()
    index = {"aliases": {}, "settings": {"index": {"creation_date": "1"}}}
    cluster.answer("GET /t_archive", {"t_archive": index})
    cluster.answer("GET /t_archive/_mapping", {"t_archive": {"mappings": {"properties": FIELDS}}})
    return cluster


def created(index: str, seq_no: int = 0) -> Any:
    """An item of a bulk answer that tells where the document went."""
    made = item(seq_no=seq_no)
    made["create"]["_index"] = index
    return made


def paths(cluster: StubCluster) -> list[str]:
    """What was asked, in order."""
    return [f"{request.method} {request.path}" for request in cluster.requests]


# ------------------------------------------------------------------------------- documents


def test_a_copy_is_the_task_s_document_with_its_origin() -> None:
    """And what the task's own ext had; without a rank, since nobody claims it."""
    operation = Operation(token="00ff", verb="done")
    task = done(extensions=Extensions(operation=operation))
    document = source(ArchivedTask(task=task, origin=ORIGIN))
    whole = json.loads(documents.encode(task))
    assert document.pop("ext") == {
        "op": {"token": "00ff", "verb": "done"},
        "origin": {"primary_term": 2, "seq_no": 5},
        "v": 1,
    }
    del whole["ext"], whole["rank"]
    assert document == whole


def test_a_copy_without_a_word_of_its_task_s_is_ours_too() -> None:
    """A task that an original wrote has no ext."""
    document = source(copy())
    assert document["ext"] == {"origin": {"primary_term": 2, "seq_no": 5}, "v": 1}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"ext": {"v": 1}}, "which version"),
        ({"ext": None}, "which version"),
        ({"ext": {"origin": {"seq_no": 5}}}, "primary_term"),
        ({"id": "another"}, "not that of a copy"),
        ({"metadata": {"created_at": str(NOW.plus(Duration(1))), "modified_at": str(NOW)}}, "copy"),
        ({"kind": 7}, "kind"),
    ],
)
def test_what_is_no_copy_is_malformed(damage: dict[str, object], reason: str) -> None:
    """A task of that name may be in it, but it does not count as archived."""
    document = json.dumps({**source(copy()), **damage}).encode()
    with pytest.raises(MalformedDocument, match=reason):
        archive_documents.decode(msgspec.Raw(document), key=archive_key(done()), place="anywhere")


# --------------------------------------------------------------------------------- writing


def test_a_new_copy_goes_to_the_alias_and_requires_it() -> None:
    """So to whatever index takes copies, and to none of the alias's name; the answer says where."""
    cluster = rolled_over()
    cluster.answer("POST /_bulk", {"items": [created(OLD)]})
    outcomes = cluster.backend().archive.write([Create(document=copy(place="elsewhere"))])
    assert paths(cluster) == ["GET /t_archive", f"GET /{OLD}/_mapping", "POST /_bulk"]
    (request,) = cluster.asked("POST /_bulk")
    assert "items.*._index" in request.query
    action, document = request.lines
    key = archive_key(done())
    assert action == {"create": {"_index": "t_archive", "_id": key, "require_alias": True}}
    assert document == source(copy())
    assert outcomes == [Written(Stored(document=copy(place=OLD), version=Version(1, 0)))]


def test_a_plain_index_is_written_to_by_its_name() -> None:
    """Nothing else is there to go to."""
    cluster = plain()
    cluster.answer("POST /_bulk", {"items": [created("t_archive")]})
    (outcome,) = cluster.backend().archive.write([Create(document=copy())])
    (request,) = cluster.asked("POST /_bulk")
    assert request.lines[0] == {"create": {"_index": "t_archive", "_id": archive_key(done())}}
    assert isinstance(outcome, Written)
    assert outcome.stored.document.place == "t_archive"


def test_replaces_and_deletes_go_to_the_place_of_their_copy() -> None:
    """By its concrete name: through the alias they might meet another index's copy."""
    cluster = rolled_over()
    cluster.answer("POST /_bulk", {"items": [item(200, 3, "index"), item(200, 4, "delete")]})
    outcomes = cluster.backend().archive.write(
        [
            Replace(document=copy("a", NEW), expected=Version(1, 0)),
            Delete(document=copy("b", OLD), expected=Version(3, 7)),
        ]
    )
    (request,) = cluster.asked("POST /_bulk")
    index, _, delete = request.lines
    condition = {"if_seq_no": 0, "if_primary_term": 1}
    assert index == {"index": {"_index": NEW, "_id": copy("a").key, **condition}}
    condition = {"if_seq_no": 7, "if_primary_term": 3}
    assert delete == {"delete": {"_index": OLD, "_id": copy("b").key, **condition}}
    assert isinstance(outcomes[0], Written)
    assert outcomes[1] == Deleted()


def test_nothing_is_sent_to_an_index_that_the_archive_does_not_have() -> None:
    """A replace would make that index. It is looked for once more, in case it is new."""
    cluster = rolled_over()
    archive = cluster.backend().archive
    for _ in range(2):
        stray = Replace(document=copy(place="t_archive-000009"), expected=Version(1, 0))
        assert archive.write([stray]) == [Conflict()]
    assert set(paths(cluster)) == {"GET /t_archive"}


def test_where_the_archive_lies_is_remembered_for_a_moment() -> None:
    """One sweep writes several times; a copy that went to an unknown index ends it."""
    cluster = rolled_over()
    cluster.answer("POST /_bulk", {"items": [created(OLD)]})
    cluster.answer("POST /_bulk", {"items": [created(OLD)]})
    cluster.answer("POST /_bulk", {"items": [created("t_archive-000003")]})
    archive = cluster.backend().archive
    for _ in range(3):
        archive.write([Create(document=copy())])
    assert len(cluster.asked("GET /t_archive")) == 1
    archive.write([Create(document=copy())])
    assert len(cluster.asked("GET /t_archive")) == 2


def test_an_archive_that_is_gone_is_looked_for_anew() -> None:
    """The alias was removed a moment ago: a definite no, and the next write knows it."""
    cluster = rolled_over()
    cluster.answer("POST /_bulk", {"items": [failed(404, "index_not_found_exception")]})
    archive = cluster.backend().archive
    for _ in range(2):
        (outcome,) = archive.write([Create(document=copy())])
        assert isinstance(outcome, Rejected)
    assert len(cluster.asked("GET /t_archive")) == 2


def test_what_takes_new_copies_is_adopted_first() -> None:
    """A mapping that an original left would take ext apart; the older indices are left alone."""
    cluster = StubCluster()
    cluster.answer("GET /t_archive", {OLD: an_index(1, False), NEW: an_index(2, True)})
    lacking = {name: field for name, field in FIELDS.items() if name != "ext"}
    cluster.answer(f"GET /{NEW}/_mapping", {NEW: {"mappings": {"properties": lacking}}})
    cluster.answer(f"PUT /{NEW}/_mapping", {"acknowledged": True})
    cluster.answer("POST /_bulk", {"items": [created(NEW)]})
    cluster.backend().archive.write([Create(document=copy())])
    (put,) = cluster.asked(f"PUT /{NEW}/_mapping")
    assert json.loads(put.body) == {"properties": {"ext": {"type": "object", "enabled": False}}}
    assert not cluster.asked(f"GET /{OLD}/_mapping")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [(["t_archive"], Written), (["t_archive-*"], Rejected), ([], Rejected)],
)
def test_an_archive_that_is_not_there_is_made_from_our_template_or_not_at_all(
    patterns: list[str], expected: type
) -> None:
    """Where lifecycle management is to make its indices, a write must not."""
    cluster = StubCluster()
    if patterns:
        template = {"index_template": {"index_patterns": patterns}}
        cluster.answer(
            "GET /_index_template/t_archive_index_template", {"index_templates": [template]}
        )
    cluster.answer("POST /_bulk", {"items": [created("t_archive")]})
    (outcome,) = cluster.backend().archive.write([Create(document=copy())])
    assert isinstance(outcome, expected)
    assert bool(cluster.asked("POST /_bulk")) is (expected is Written)
    if isinstance(outcome, Rejected):
        assert "tasques setup" in outcome.reason


@pytest.mark.parametrize(
    ("indices", "what"),
    [
        ({NEW: an_index(1, False), OLD: an_index(2, False)}, "is_write_index"),
        ({NEW: an_index(1), OLD: an_index(2)}, "is_write_index"),
        ({OLD: an_index(2, False), NEW: None}, "is_write_index"),
        ({OLD: an_index(2, True, translog={"durability": "ASYNC"})}, "async"),
    ],
)
def test_an_archive_that_cannot_be_relied_on_says_why(indices: Any, what: str) -> None:
    """Nothing is sent; the task stays in its queue."""
    cluster = rolled_over(**indices)
    (outcome,) = cluster.backend().archive.write([Create(document=copy())])
    assert isinstance(outcome, Rejected)
    assert what in outcome.reason
    assert not cluster.asked("POST /_bulk")


def test_an_only_index_of_an_alias_takes_the_copies() -> None:
    """Without a mark, as one makes it by hand."""
    cluster = rolled_over(**{NEW: None, OLD: an_index(1)})
    cluster.answer("POST /_bulk", {"items": [created(OLD)]})
    (outcome,) = cluster.backend().archive.write([Create(document=copy())])
    assert isinstance(outcome, Written)


def test_a_write_never_raises() -> None:
    """Where the archive cannot be looked at, nothing was sent; where its answer is lost, who knows."""
    cluster = StubCluster()
    cluster.fail("GET /t_archive", ConnectionTimeout("slow"))
    (outcome,) = cluster.backend().archive.write([Create(document=copy())])
    assert isinstance(outcome, Rejected)
    cluster = rolled_over()
    cluster.fail("POST /_bulk", ConnectionTimeout("slow"))
    (outcome,) = cluster.backend().archive.write([Create(document=copy())])
    assert isinstance(outcome, Unknown)


def test_nothing_to_do_sends_nothing() -> None:
    """Empty batches cost no request."""
    cluster = StubCluster()
    archive = cluster.backend().archive
    assert list(archive.write([])) == []
    assert list(archive.find_copies([])) == []
    assert cluster.requests == []


# --------------------------------------------------------------------------- finding copies


def read(index: str, copy: ArchivedTask, seq_no: int = 0, **changes: object) -> Any:
    """A document found by its id."""
    document = {**source(copy), **changes}
    where = {"_index": index, "_id": copy.key, "_seq_no": seq_no, "_primary_term": 1}
    return {**where, "_source": document, "found": True}


def test_copies_are_sought_in_every_index_by_its_own_name() -> None:
    """In one multi get, and given in the order in which the indices were made."""
    cluster = rolled_over()
    nothing = {"_index": NEW, "_id": "x", "found": False}
    gone = {**nothing, "error": {"type": "index_not_found_exception", "reason": "removed"}}
    a, b = copy("a"), copy("b")
    docs = [read(NEW, a, 1), read(OLD, a, 2), gone, read(OLD, b, 3, kind=7)]
    cluster.answer("POST /_mget", {"docs": docs})
    found = cluster.backend().archive.find_copies([a.key, b.key])
    (request,) = cluster.asked("POST /_mget")
    assert json.loads(request.body) == {
        "docs": [
            {"_index": NEW, "_id": a.key},
            {"_index": OLD, "_id": a.key},
            {"_index": NEW, "_id": b.key},
            {"_index": OLD, "_id": b.key},
        ]
    }
    assert found[0] == [
        Stored(document=attrs.evolve(a, place=NEW), version=Version(1, 1)),
        Stored(document=attrs.evolve(a, place=OLD), version=Version(1, 2)),
    ]
    (malformed,) = found[1]
    assert isinstance(malformed, Malformed)


def test_copies_are_sought_in_the_indices_that_are_there_now() -> None:
    """Another server may have written into one that was begun a moment ago."""
    cluster = StubCluster()
    cluster.answer("GET /t_archive", {OLD: an_index(1, True)})
    cluster.answer("GET /t_archive", {OLD: an_index(1, False), NEW: an_index(2, True)})
    nothing = {"_index": OLD, "_id": copy().key, "found": False}
    cluster.answer("POST /_mget", {"docs": [nothing]})
    cluster.answer("POST /_mget", {"docs": [nothing, read(NEW, copy())]})
    archive = cluster.backend().archive
    assert list(archive.find_copies([copy().key])) == [[]]
    ((there,),) = archive.find_copies([copy().key])
    assert isinstance(there, Stored)
    assert there.document.place == NEW


def test_many_indices_are_asked_in_several_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of years has hundreds, and each document that is missing is an answer."""
    monkeypatch.setattr(archive_store, "MAX_ASKED", 5)
    cluster = rolled_over()

    def answer(body: bytes) -> tuple[int, object]:
        asked = json.loads(body)["docs"]
        assert len(asked) <= 5
        return 200, {
            "docs": [
                read(OLD, copy("3"))
                if (one["_index"], one["_id"]) == (OLD, copy("3").key)
                else {**one, "found": False}
                for one in asked
            ]
        }

    cluster.answer_by("POST /_mget", answer)
    found = cluster.backend().archive.find_copies([copy(str(n)).key for n in range(6)])
    assert [len(copies) for copies in found] == [0, 0, 0, 1, 0, 0]
    assert len(cluster.asked("POST /_mget")) == 3


def test_an_archive_that_is_not_there_holds_no_copies() -> None:
    """And nothing more is asked."""
    cluster = StubCluster()
    assert list(cluster.backend().archive.find_copies([ArchiveKey("k")] * 2)) == [[], []]
    assert paths(cluster) == ["GET /t_archive"]


def test_an_index_that_cannot_be_read_is_no_empty_one() -> None:
    """Else a copy in it would be made again."""
    cluster = rolled_over()
    closed = {"_index": NEW, "_id": "k", "error": {"type": "index_closed_exception"}}
    cluster.answer("POST /_mget", {"docs": [closed, {"_index": OLD, "_id": "k", "found": False}]})
    with pytest.raises(StoreUnavailable, match="index_closed"):
        cluster.backend().archive.find_copies([ArchiveKey("k")])


@pytest.mark.parametrize(("body", "status"), [(b"<html>", 200), (b"[]", 200), (b"", 500)])
def test_an_archive_that_cannot_be_looked_at_is_unavailable(body: bytes, status: int) -> None:
    """A proxy's page, or an error."""
    cluster = StubCluster()
    cluster.answer("GET /t_archive", body, status=status)
    with pytest.raises(StoreUnavailable):
        cluster.backend().archive.find_copies([ArchiveKey("k")])


# ---------------------------------------------------------------------------- finding tasks


def named(document: Any, seq_no: int = 0, index: str = OLD) -> Any:
    """A document found by a search, under an id that says nothing."""
    where = {"_index": index, "_id": "cZ9-random", "_seq_no": seq_no, "_primary_term": 1}
    return {**where, "_source": document}


SEARCH = "POST /t_archive/_search"


def test_a_task_is_sought_by_its_name() -> None:
    """Whatever its document's id is, in every index behind the name, whole or not at all."""
    cluster = StubCluster()
    original = json.loads(documents.encode(done()))
    cluster.answer(SEARCH, found(named(original, 7)))
    task = cluster.backend().archive.find_task(done().key)
    (request,) = cluster.requests
    assert set(request.query.split("&")) == {
        "ignore_unavailable=true",
        "allow_no_indices=true",
        "expand_wildcards=open,hidden",
        "allow_partial_search_results=false",
    }
    body = json.loads(request.body)
    assert body["query"]["bool"]["filter"] == [
        {"term": {"id.keyword": "t0"}},
        {"term": {"queue.keyword": "q"}},
    ]
    assert body["sort"] == [
        {"metadata.created_at": {"order": "desc", "unmapped_type": "date"}},
        {"metadata.modified_at": {"order": "desc", "unmapped_type": "date"}},
    ]
    assert body["seq_no_primary_term"] is True
    assert task == Stored(document=done(), version=Version(1, 7))


def test_a_task_that_is_not_there_is_missing() -> None:
    """Of an archive that is not there, too."""
    cluster = StubCluster()
    cluster.answer(SEARCH, found())
    assert cluster.backend().archive.find_task(done().key) == Missing()


def test_pages_of_bad_documents_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """By number; where there is no good one, the first bad one tells what is wrong."""
    size = archive_store.PAGE_SIZE
    bad = {**source(copy()), "kind": 7}
    cluster = StubCluster()
    cluster.answer(SEARCH, found(*[named(bad)] * size))
    cluster.answer(SEARCH, found(named(bad), named(source(copy()), 5)))
    archive = cluster.backend().archive
    assert archive.find_task(done().key) == Stored(document=done(), version=Version(1, 5))
    starts = [json.loads(request.body)["from"] for request in cluster.requests]
    assert starts == [0, size]
    cluster.answer(SEARCH, found(named(bad)))
    cluster.answer(SEARCH, found(named(bad)))
    archive.find_task(done().key)
    outcome = archive.find_task(done().key)
    assert isinstance(outcome, Malformed)
    assert "kind" in outcome.reason
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"hits": {"hits": []}, "_shards": {"total": 2, "failed": 1}},
        {"hits": {"hits": []}, "timed_out": True},
        b"<html>",
    ],
)
def test_a_part_of_the_archive_is_not_the_archive(answer: object) -> None:
    """A task in the rest would be called missing."""
    cluster = StubCluster()
    cluster.answer(SEARCH, answer)
    with pytest.raises(StoreUnavailable):
        cluster.backend().archive.find_task(done().key)
