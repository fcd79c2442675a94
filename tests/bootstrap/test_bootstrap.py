"""The composition root: who brings the backend, and what a start refuses."""

from __future__ import annotations

import threading

import pytest

from tasques import bootstrap
from tasques.adapters.memory.backend import MemoryBackend
from tasques.bootstrap.plugins import plugins
from tasques.core import errors
from tasques.core.service.group_commit import GroupCommit
from tasques.runtime import ThreadRuntime
from tasques.settings import Settings, load


def settings(**given: str) -> Settings:
    return load(overrides={name.replace("__", "."): value for name, value in given.items()})


def test_the_built_in_backends_come_in_by_the_door_for_plugins() -> None:
    """Both are entry points of the distribution, found like a stranger's."""
    names = {name for name, _ in plugins().list_name_plugin()}
    assert {"memory", "elasticsearch"} <= names


def test_a_scheme_that_nobody_knows_is_refused_by_name() -> None:
    """The message says what is missing."""
    with pytest.raises(errors.InvalidInput, match="carrier-pigeon"):
        bootstrap.open_backend(settings(backend="carrier-pigeon:x"), ThreadRuntime())


def test_a_node_on_memory_starts_no_thread() -> None:
    """Built, but not started: a library has the threads that it asks for."""
    before = set(threading.enumerate())
    backend = bootstrap.open_backend(settings(backend="memory:"), ThreadRuntime())
    node = bootstrap.build(Settings(), backend, ThreadRuntime())
    assert isinstance(backend, MemoryBackend)
    assert not isinstance(node.store, GroupCommit)
    # What earlier tests left may end at any time.
    assert set(threading.enumerate()) <= before


def test_writes_to_a_store_far_away_go_together() -> None:
    """One that costs a round trip is written in batches."""
    chosen = settings(backend="elasticsearch://127.0.0.1:9")
    backend = bootstrap.open_backend(chosen, ThreadRuntime())
    node = bootstrap.build(chosen, backend, ThreadRuntime())
    assert isinstance(node.store, GroupCommit)
    backend.close()


def test_a_start_without_its_elasticsearch_is_refused() -> None:
    """Nobody is told an address, and the reason is named."""
    announced: list[str] = []
    with pytest.raises(errors.StoreUnavailable, match="unreachable"):
        bootstrap.serve(settings(backend="elasticsearch://127.0.0.1:9"), announce=announced.append)
    assert announced == []


def test_the_defaults_of_requests_are_the_settings() -> None:
    """`amount` is the original's collecting."""
    chosen = settings(
        tasks__defaults__min_amount="amount",
        tasks__defaults__retry_times="7",
        tasks__defaults__block_for="9s",
    )
    backend = MemoryBackend(ThreadRuntime())
    defaults = bootstrap.build(chosen, backend, ThreadRuntime()).services.defaults
    assert defaults.min_amount is None
    assert defaults.retry_times == 7
    assert str(defaults.block_for) == "9s"
