"""What the archive relies on: facts of Elasticsearch itself, without the adapter but its client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.adapters.elasticsearch.client import NDJSON, Client
from tests.elasticsearch.conftest import Real
from tools.elasticsearch_node import call


@attrs.frozen
class Archive:
    """Two indices, the older with a document that the newer, which is written to, has not."""

    real: Real
    client: Client
    alias: str
    old: str
    new: str

    def do(self, action: str, index: str, id: str = "k", **options: Any) -> dict[str, Any]:
        """What became of one action of a bulk request."""
        lines: list[object] = [{action: {"_index": index, "_id": id, **options}}]
        if action != "delete":
            lines.append({"n": 1})
        body = "".join(json.dumps(line) + "\n" for line in lines)
        answer = self.client.request("POST", "/_bulk", body.encode(), content_type=NDJSON)
        assert answer.is_ok, answer
        (item,) = json.loads(answer.body)["items"]
        found: dict[str, Any] = item[action]
        return found

    def read(self, *indices: str) -> list[dict[str, Any]]:
        """What a multi get finds under the id in each of *indices*."""
        asked = {"docs": [{"_index": index, "_id": "k"} for index in indices]}
        found: list[dict[str, Any]] = self.real("POST", "/_mget", asked)["docs"]
        return found

    def roll_over(self) -> str:
        """The name of another new index."""
        return str(self.real("POST", f"/{self.alias}/_rollover")["new_index"])


@pytest.fixture
def archive(bare: Real, connect: Callable[..., ElasticsearchBackend]) -> Archive:
    alias = f"{bare.prefix}a"
    first = {"aliases": {alias: {"is_write_index": True}}}
    # Without refreshes, so that whatever is read was read by id.
    never = {"settings": {"index.refresh_interval": "-1"}}
    bare("PUT", f"/{alias}-000001", {**first, **never})
    made = Archive(bare, connect(bare).client, alias, f"{alias}-000001", f"{alias}-000002")
    made.do("create", alias)
    assert made.roll_over() == made.new
    return made


def exists(real: Real, index: str) -> bool:
    """Whether there is an index of that name."""
    return call(real.url, "HEAD", f"/{index}")[0] == 200


def test_a_create_through_an_alias_goes_to_its_write_index(archive: Archive) -> None:
    """And meets only the ids in there: one that an older index has is given again."""
    first = archive.do("create", archive.alias)
    assert (first["status"], first["_index"]) == (201, archive.new)
    second = archive.do("create", archive.alias)
    assert (second["status"], second["_index"]) == (409, archive.new)
    assert [found["found"] for found in archive.read(archive.old, archive.new)] == [True, True]


def test_a_rollover_needs_no_lifecycle_management(archive: Archive) -> None:
    """It moves the mark of the index to write to, and keeps the older ones behind the alias."""
    third = archive.roll_over()
    found = archive.real("GET", f"/{archive.alias}?filter_path=*.aliases")
    marks = {index: content["aliases"][archive.alias] for index, content in found.items()}
    assert marks == {
        archive.old: {"is_write_index": False},
        archive.new: {"is_write_index": False},
        third: {"is_write_index": True},
    }


def test_indices_say_when_they_were_made(archive: Archive) -> None:
    """So that all servers see them in one order, whatever they are called."""
    path = f"/{archive.alias}?filter_path=*.aliases,*.settings.index.creation_date"
    dates = {
        index: int(content["settings"]["index"]["creation_date"])
        for index, content in archive.real("GET", path).items()
    }
    assert dates[archive.old] < dates[archive.new]


def test_an_alias_of_several_indices_is_not_read_by_id(archive: Archive) -> None:
    """Neither alone nor among many: concrete names are needed."""
    status, answer = call(archive.real.url, "GET", f"/{archive.alias}/_doc/k")
    assert (status, answer["error"]["type"]) == (400, "illegal_argument_exception")
    (found,) = archive.read(archive.alias)
    assert found["error"]["type"] == "illegal_argument_exception"


def test_a_multi_get_by_concrete_names_is_realtime(archive: Archive) -> None:
    """Each index answers for itself, before any refresh; one that is gone hurts only itself."""
    archive.do("create", archive.alias)
    old, new, gone = archive.read(archive.old, archive.new, f"{archive.alias}-000009")
    assert old["found"]
    assert new["found"]
    assert gone["error"]["type"] == "index_not_found_exception"
    archive.do("delete", archive.new, if_seq_no=new["_seq_no"], if_primary_term=1)
    assert [found["found"] for found in archive.read(archive.old, archive.new)] == [True, False]
    counted = archive.real("GET", f"/{archive.alias}/_count?q=n:1")
    assert counted["count"] == 0


def test_through_an_alias_a_condition_may_meet_the_wrong_copy(archive: Archive) -> None:
    """Each index counts its versions for itself, so the same one means another document."""
    theirs = archive.do("create", archive.alias)
    (ours,) = archive.read(archive.old)
    assert ours["_seq_no"] == theirs["_seq_no"]
    condition = {"if_seq_no": ours["_seq_no"], "if_primary_term": 1}
    overwritten = archive.do("index", archive.alias, **condition)
    assert (overwritten["status"], overwritten["_index"]) == (200, archive.new)
    assert archive.read(archive.old) == [ours]


@pytest.mark.parametrize("action", ["index", "delete"])
def test_a_condition_on_a_missing_document_conflicts(archive: Archive, action: str) -> None:
    """What is not there is not at that version; nothing is made of it."""
    told = archive.do(action, archive.old, "nope", if_seq_no=0, if_primary_term=1)
    assert (told["status"], told["error"]["type"]) == (409, "version_conflict_engine_exception")


def test_a_delete_makes_no_index_but_a_replace_does(archive: Archive) -> None:
    """So a replace in an index that was removed must not be sent."""
    condition: dict[str, Any] = {"if_seq_no": 0, "if_primary_term": 1}
    deleted = archive.do("delete", f"{archive.alias}d", **condition)
    assert (deleted["status"], deleted["error"]["type"]) == (404, "index_not_found_exception")
    assert not exists(archive.real, f"{archive.alias}d")
    replaced = archive.do("index", f"{archive.alias}r", **condition)
    assert replaced["status"] == 409
    assert exists(archive.real, f"{archive.alias}r")


def test_a_template_may_forbid_writes_to_make_indices(archive: Archive) -> None:
    """And lets whoever asks for one make it, rollovers included."""
    real, prefix = archive.real, archive.real.prefix
    template = {"index_patterns": [f"{prefix}f-*"], "priority": 950, "allow_auto_create": False}
    real("PUT", f"/_index_template/{prefix}f", template)
    told = archive.do("create", f"{prefix}f-000001")
    assert (told["status"], told["error"]["type"]) == (404, "index_not_found_exception")
    assert not exists(real, f"{prefix}f-000001")
    real("PUT", f"/{prefix}f-000001", {"aliases": {f"{prefix}g": {"is_write_index": True}}})
    assert real("POST", f"/{prefix}g/_rollover")["new_index"] == f"{prefix}f-000002"


def test_a_create_may_require_an_alias(archive: Archive) -> None:
    """Where it is gone no index of its name is made."""
    assert archive.do("create", archive.alias, "x", require_alias=True)["status"] == 201
    for name in (f"{archive.alias}gone", archive.old):
        told = archive.do("create", name, "y", require_alias=True)
        assert (told["status"], told["error"]["type"]) == (404, "index_not_found_exception")
    assert not exists(archive.real, f"{archive.alias}gone")


def test_an_alias_needs_one_index_to_write_to(archive: Archive) -> None:
    """Of several one must be marked; an only one is, unless it is marked that it is not."""
    alias, real = archive.alias, archive.real

    def mark(index: str, *, is_write_index: bool | None) -> None:
        added: dict[str, object] = {"index": index, "alias": alias}
        if is_write_index is not None:
            added["is_write_index"] = is_write_index
        removed = {"index": index, "alias": alias}
        real("POST", "/_aliases", {"actions": [{"remove": removed}, {"add": added}]})

    mark(archive.new, is_write_index=False)
    told = archive.do("create", alias, "x")
    assert (told["status"], told["error"]["type"]) == (400, "illegal_argument_exception")
    real("POST", "/_aliases", {"actions": [{"remove": {"index": archive.old, "alias": alias}}]})
    assert archive.do("create", alias, "x")["status"] == 400
    mark(archive.new, is_write_index=None)
    assert archive.do("create", alias, "x")["status"] == 201


def test_a_search_passes_over_a_closed_index_that_a_read_by_id_names(archive: Archive) -> None:
    """Whoever closes an index of the archive should take it out of the alias too."""
    real = archive.real
    archive.do("create", archive.alias)
    real("POST", f"/{archive.alias}/_refresh")
    real("POST", f"/{archive.old}/_close")
    anyway = "ignore_unavailable=true&allow_no_indices=true&allow_partial_search_results=false"
    found = real("POST", f"/{archive.alias}/_search?{anyway}")["hits"]["hits"]
    assert [hit["_index"] for hit in found] == [archive.new]
    (closed,) = archive.read(archive.old)
    assert closed["error"]["type"] == "index_closed_exception"
