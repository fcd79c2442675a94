"""The contract of the archive, for every backend and every way to set one up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from tasques.adapters.elasticsearch.indices import IndexNames, templates
from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.archive import archive_key
from tasques.core.ports import Backend, Runtime
from tasques.core.tasks import Task
from tasques.runtime import ThreadRuntime
from tasques.testing.contract import (
    MalformedArchiveContract,
    OnePlaceArchiveContract,
    SeveralPlacesArchiveContract,
)
from tasques.testing.contract.archiving import PlantMalformedCopy, RollOver
from tasques.testing.contract.store_fixtures import Settle
from tests.contract.conftest import damaged, remove_indices
from tools.elasticsearch_node import call


class OnMemory:
    """The fixtures that the suites ask for."""

    @pytest.fixture
    def backend(self) -> MemoryBackend:
        return MemoryBackend(ThreadRuntime())


class TestMemory(OnMemory, OnePlaceArchiveContract):
    """As it runs in production."""


class TestMemoryRolledOver(OnMemory, SeveralPlacesArchiveContract):
    """As tests may have it, for the sake of what has to work elsewhere."""

    @pytest.fixture
    def roll_over(self, backend: MemoryBackend) -> RollOver:
        return backend.archive.roll_over


@attrs.frozen
class Archive:
    """An archive on Elasticsearch, apart from the adapter: to arrange things."""

    url: str
    prefix: str

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """The decoded body of an answer, which must be one of success."""
        status, answer = call(self.url, method, path, body)
        assert 200 <= status < 300, (status, answer)
        return answer

    @property
    def name(self) -> str:
        """Of the index, or the alias."""
        return f"{self.prefix}archive"


class OnElasticsearch:
    """The fixtures that the suites ask for."""

    @pytest.fixture
    def there(self, elasticsearch_url: str, installed: str) -> Iterator[Archive]:
        yield Archive(elasticsearch_url, installed)
        remove_indices(elasticsearch_url, f"{installed}archive")

    @pytest.fixture
    def backend(self, open_elasticsearch: Callable[[Runtime], Backend], there: Archive) -> Backend:
        return open_elasticsearch(ThreadRuntime())

    @pytest.fixture
    def settle(self, there: Archive) -> Settle:
        return lambda: there("POST", f"/{there.name}/_refresh?ignore_unavailable=true")

    @pytest.fixture
    def plant_malformed_copy(self, there: Archive) -> PlantMalformedCopy:
        def plant(task: Task, variety: int) -> None:
            origin = {"primary_term": 1, "seq_no": 7}
            document = {**damaged(task, variety), "ext": {"origin": origin, "v": 1}}
            there("PUT", f"/{there.name}/_doc/{archive_key(task)}", document)

        return plant


class TestElasticsearchPlainIndex(
    OnElasticsearch, OnePlaceArchiveContract, MalformedArchiveContract
):
    """Without lifecycle management."""


class TestElasticsearchAlias(
    OnElasticsearch, SeveralPlacesArchiveContract, MalformedArchiveContract
):
    """As lifecycle management sets it up and rolls it over; the same requests do it by hand."""

    @pytest.fixture
    def there(self, elasticsearch_url: str, installed: str) -> Iterator[Archive]:
        there = Archive(elasticsearch_url, installed)
        there("PUT", f"/_index_template/{installed}rolled", _rolled_template(installed))
        first = {"aliases": {there.name: {"is_write_index": True}}}
        there("PUT", f"/{there.name}-000001", first)
        yield there
        remove_indices(elasticsearch_url, f"{installed}archive")

    @pytest.fixture
    def roll_over(self, there: Archive) -> RollOver:
        return lambda: there("POST", f"/{there.name}/_rollover")


def _rolled_template(prefix: str) -> Any:
    """Our template as it is with lifecycle management, without what only that understands."""
    names = IndexNames(prefix)
    (template,) = [
        template
        for template in templates(names, policy_name="p")
        if template.name == f"{prefix}archive_index_template"
    ]
    body: Any = template.composable
    settings = {
        name: value
        for name, value in body["template"]["settings"].items()
        if not name.startswith("index.lifecycle.")
    }
    return {**body, "template": {**body["template"], "settings": settings}}
