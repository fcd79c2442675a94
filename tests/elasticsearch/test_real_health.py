"""What is found wrong with a real Elasticsearch, and that it turns right again by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.core.ports import Create
from tasques.runtime import ThreadRuntime
from tests.elasticsearch.conftest import Real
from tests.elasticsearch.stub import a_task


def codes(backend: ElasticsearchBackend) -> dict[str, bool]:
    """The problems there are, and whether each is fatal."""
    return {problem.code: problem.fatal for problem in backend.check()}


def test_all_is_well_after_setup(bare: Real, connect: Callable[..., ElasticsearchBackend]) -> None:
    """Before, the server must not start, and the message says what to do."""
    backend = connect(bare)
    (problem,) = backend.check()
    assert (problem.code, problem.fatal) == ("templates_missing", True)
    assert "tasques setup" in problem.message
    backend.setup(apply=True)
    assert backend.check() == []
    backend.tasks.write([Create(document=a_task())])
    assert backend.check() == []


def test_asking_again_costs_one_request(real: Real, backend: ElasticsearchBackend) -> None:
    """Health is asked every second or two."""
    assert codes(backend) == {}
    asked: list[str] = []
    request = backend.client.request

    def note(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(path)
        return request(method, path, *args, **kwargs)

    backend.client.request = note  # type: ignore[method-assign]
    assert codes(backend) == {}
    assert len(asked) == 1


def test_an_asynchronous_translog_is_fatal(
    real: Real, connect: Callable[..., ElasticsearchBackend], backend: ElasticsearchBackend
) -> None:
    """It may lose what it acknowledged."""
    backend.tasks.write([Create(document=a_task())])
    settings = f"/{real.index('q')}/_settings"
    real("PUT", settings, {"index.translog.durability": "async"})
    asked = connect(real)
    assert codes(asked) == {"translog_async": True}
    real("PUT", settings, {"index.translog.durability": "request"})
    assert codes(asked) == {}


def test_a_full_disk_is_seen_and_its_end_too(
    real: Real, connect: Callable[..., ElasticsearchBackend], backend: ElasticsearchBackend
) -> None:
    """By the block that Elasticsearch sets, and lifts by itself."""
    backend.tasks.write([Create(document=a_task())])
    settings = f"/{real.index('q')}/_settings"
    real("PUT", settings, {"index.blocks.read_only_allow_delete": True})
    asked = connect(real)
    (problem,) = asked.check()
    assert problem.code == "disk_block"
    assert f"{real.prefix}queue-q" in problem.message
    real("PUT", settings, {"index.blocks.read_only_allow_delete": None})
    assert codes(asked) == {}


def test_a_field_mapped_otherwise_is_drift(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """Its queue may not be found; the others go on."""
    bare("PUT", f"/{bare.index('q')}", {"mappings": {"properties": {"state": {"type": "text"}}}})
    asked = connect(bare)
    asked.setup(apply=True)
    (problem,) = asked.check()
    assert (problem.code, problem.fatal) == ("mapping_drift", False)
    assert f"{bare.prefix}queue-q (state)" in problem.message


def test_the_clock_of_the_store_is_near_ours(backend: ElasticsearchBackend) -> None:
    """The same machine: within seconds."""
    theirs = backend.server_time()
    assert theirs is not None
    assert abs(ThreadRuntime().wall().since(theirs).seconds) < 5
