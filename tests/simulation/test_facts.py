"""The model is honest: what it claims holds on the real one, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Self

import attrs
import pytest

from tasques.core.documents import Operation, Stored, Version
from tasques.core.ports import (
    Blocked,
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    Invalid,
    Replace,
    Write,
    Written,
)
from tests.simulation.facts import Answer, Call, Facts
from tests.simulation.faults import Faults
from tests.simulation.model import Cluster, Refused, Shard
from tests.simulation.runtime import Node, Scheduler
from tools.elasticsearch_node import call


@attrs.frozen
class Note:
    """Any document."""

    key: Hashable
    operation: Operation | None = None
    approximate_bytes: int = 10

    def stamped(self, operation: Operation) -> Self:
        return attrs.evolve(self, operation=operation)


class ModelSubject:
    """The model, asked in raw terms."""

    def __init__(self) -> None:
        self.cluster = Cluster(Scheduler(1), Faults(1, 0.0, only=()))
        self._node = Node("test", 1)

    def bulk(self, calls: Sequence[Call]) -> list[Answer]:
        writes = [_write(each) for each in calls]
        places = {id(write): each for write, each in zip(writes, calls, strict=True)}

        def shard_of(write: Write[Any]) -> Shard | Refused:
            index = places[id(write)].index
            if isinstance(write, Delete) and index not in self.cluster.shards:
                return Invalid("404")
            return self.cluster.shard("note", index)

        outcomes = self.cluster.write(self._node, writes, shard_of)
        return [self._answer(each, outcome) for each, outcome in zip(calls, outcomes, strict=True)]

    def _answer(self, each: Call, outcome: object) -> Answer:
        match outcome:
            case Written(stored):
                version = stored.version
                status = 201 if each.verb == "create" else 200
                return Answer(status=status, seq_no=version.seq_no, term=version.primary_term)
            case Deleted():
                shard = self.cluster.shards[each.index]
                return Answer(status=200, seq_no=shard.next_seq_no - 1, term=shard.term)
            case Exists() | Conflict():
                return Answer(status=409)
            case Blocked():
                return Answer(status=429)
            case Invalid(reason):
                return Answer(status=int(reason))
            case _:
                raise AssertionError(outcome)

    def get(self, index: str, id: str) -> Answer:
        shard = self.cluster.shards.get(index)
        found = shard.get(id) if shard is not None else None
        if not isinstance(found, Stored):
            return Answer(status=404)
        version = found.version
        return Answer(status=200, seq_no=version.seq_no, term=version.primary_term)

    def search(self, index: str) -> list[str]:
        [found] = self.cluster.search(self._node, [self.cluster.shards[index]])
        return sorted(str(stored.document.key) for stored in found)

    def refresh(self, index: str) -> None:
        for copy in (0, 1):
            self.cluster.shards[index].search(0.0, copy, forced=True)

    def exists(self, index: str) -> bool:
        return index in self.cluster.shards

    def block(self, index: str, blocked: bool) -> None:
        self.cluster.shards[index].blocked = blocked


def _write(each: Call) -> Write[Any]:
    note = Note(each.id)
    version = Version(each.term, -1 if each.seq_no is None else each.seq_no)
    match each.verb:
        case "create":
            return Create(document=note)
        case "index":
            return Replace(document=note, expected=version)
        case _:
            return Delete(document=note, expected=version)


class RealSubject:
    """An Elasticsearch; its refreshes are switched off, so that nothing depends on the moment."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        template = {
            "index_patterns": [f"{prefix}*"],
            "priority": 1000,
            "template": {"settings": {"number_of_replicas": 0, "refresh_interval": "-1"}},
        }
        self._call("PUT", f"/_index_template/{prefix}facts", template)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = call(self._url, method, path, body)
        assert status < 500, (status, answer)
        return answer

    def bulk(self, calls: Sequence[Call]) -> list[Answer]:
        lines: list[str] = []
        for each in calls:
            target: dict[str, object] = {"_index": self._prefix + each.index, "_id": each.id}
            if each.seq_no is not None:
                target |= {"if_seq_no": each.seq_no, "if_primary_term": each.term}
            lines.append(json.dumps({each.verb: target}))
            lines += [] if each.verb == "delete" else ["{}"]
        answer = self._bulk("\n".join(lines) + "\n")
        items = [next(iter(item.values())) for item in answer["items"]]
        return [
            Answer(
                status=item["status"],
                seq_no=item.get("_seq_no", -1),
                term=item.get("_primary_term", 0),
            )
            for item in items
        ]

    def _bulk(self, body: str) -> Any:
        from urllib.request import Request, urlopen

        headers = {"Content-Type": "application/x-ndjson"}
        request = Request(f"{self._url}/_bulk", body.encode(), headers)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def get(self, index: str, id: str) -> Answer:
        found = self._call("GET", f"/{self._prefix}{index}/_doc/{id}")
        if not found.get("found"):
            return Answer(status=404)
        return Answer(status=200, seq_no=found["_seq_no"], term=found["_primary_term"])

    def search(self, index: str) -> list[str]:
        found = self._call("GET", f"/{self._prefix}{index}/_search")
        return sorted(hit["_id"] for hit in found["hits"]["hits"])

    def refresh(self, index: str) -> None:
        self._call("POST", f"/{self._prefix}{index}/_refresh")

    def exists(self, index: str) -> bool:
        status, _ = call(self._url, "GET", f"/{self._prefix}{index}")
        return status == 200

    def block(self, index: str, blocked: bool) -> None:
        setting = {"index.blocks.read_only_allow_delete": True if blocked else None}
        self._call("PUT", f"/{self._prefix}{index}/_settings", setting)


class TestModel(Facts):
    """The model of the simulation."""

    @pytest.fixture
    def subject(self) -> ModelSubject:
        return ModelSubject()

    def test_copies_are_refreshed_at_times_of_their_own(self) -> None:
        """So two searches one after the other may go back in time (reliability notes 1.5)."""
        shard = Shard("a", lambda change: None, (0.0, 0.5))
        shard.carry_out(Create(document=Note("1")), 0.2)
        seen: Callable[[int], int] = lambda copy: len(shard.search(0.8, copy))  # noqa: E731
        assert [seen(1), seen(0)] == [1, 0]
        assert len(shard.search(1.3, 0)) == 1


class TestElasticsearch(Facts):
    """The real one, in each version."""

    @pytest.fixture
    def subject(self, elasticsearch_url: str, prefix: str) -> RealSubject:
        return RealSubject(elasticsearch_url, prefix)
