"""A cluster that answers by hand, and the adapter on a real one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from tasques.adapters.elasticsearch import settings
from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.adapters.elasticsearch.indices import IndexNames, templates
from tasques.runtime import ThreadRuntime
from tests.elasticsearch.stub import StubCluster
from tools.elasticsearch_node import call


@pytest.fixture
def cluster() -> StubCluster:
    """A cluster that has the index of the queue ``q``; no real one."""
    stub = StubCluster()
    stub.has_index("t_queue-q")
    return stub


@attrs.frozen
class Real:
    """A real Elasticsearch, apart from the adapter: to arrange things and to look."""

    url: str
    prefix: str

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """The decoded body of an answer, which must be one of success."""
        status, answer = call(self.url, method, path, body)
        assert 200 <= status < 300, (status, answer)
        return answer

    def index(self, queue: str) -> str:
        """The name of a queue's index, for a path."""
        return quote(f"{self.prefix}queue-{queue}", safe="")

    def refresh(self) -> None:
        """Let searches see what was written."""
        self("POST", f"/{self.prefix}*/_refresh?expand_wildcards=all")

    def mapping(self, queue: str) -> Any:
        """The fields of a queue's index."""
        (content,) = self("GET", f"/{self.index(queue)}/_mapping").values()
        return content["mappings"]

    def put(self, queue: str, document: Mapping[str, object]) -> None:
        """Write a document as somebody else would."""
        self("PUT", f"/{self.index(queue)}/_doc/{quote(str(document['id']), safe='')}", document)


@pytest.fixture
def bare(elasticsearch_url: str, prefix: str) -> Real:
    """The shared Elasticsearch, with a prefix of this test's own and nothing set up."""
    return Real(elasticsearch_url, prefix)


@pytest.fixture(scope="module")
def set_up(elasticsearch_url: str) -> Iterator[Real]:
    """The shared Elasticsearch, set up once for a module, because that takes a second."""
    real = Real(elasticsearch_url, f".e{secrets.token_hex(6)}_")
    backend = _connect(real)
    backend.setup(apply=True)
    yield real
    for template in templates(IndexNames(real.prefix), policy_name=None):
        for kind in ("_index_template", "_template"):
            call(real.url, "DELETE", f"/{kind}/{template.name}")
    backend.close()


@pytest.fixture
def real(set_up: Real) -> Iterator[Real]:
    """The shared Elasticsearch, set up, without an index."""
    yield set_up
    _, found = call(set_up.url, "GET", f"/_resolve/index/{set_up.prefix}*?expand_wildcards=all")
    # By their names, since clusters refuse to delete by pattern.
    for index in found["indices"]:
        call(set_up.url, "DELETE", f"/{quote(index['name'], safe='')}")


@pytest.fixture
def connect() -> Iterator[Callable[..., ElasticsearchBackend]]:
    """Makes backends on a real Elasticsearch, and closes them."""
    made: list[ElasticsearchBackend] = []

    def make(real: Real, **changes: Any) -> ElasticsearchBackend:
        made.append(_connect(real, **changes))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def backend(real: Real, connect: Callable[..., ElasticsearchBackend]) -> ElasticsearchBackend:
    """The adapter, set up on the shared Elasticsearch."""
    return connect(real)


def _connect(real: Real, **changes: Any) -> ElasticsearchBackend:
    options = {"elasticsearch.addresses": real.url, "elasticsearch.prefix": real.prefix}
    parsed = attrs.evolve(settings.parse("elasticsearch:", options), **changes)
    return ElasticsearchBackend.connect(parsed, ThreadRuntime())
