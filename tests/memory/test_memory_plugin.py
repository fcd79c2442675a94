"""The door by which the in-memory backend comes in."""

from __future__ import annotations

import pluggy
import pytest

from tasques import hookspecs
from tasques.adapters.memory import plugin
from tasques.core import lifecycle
from tasques.core.errors import InvalidInput
from tasques.core.ports import Backend, Create, Missing
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import NewTask
from tasques.core.values import Duration
from tasques.testing import fake_runtime
from tasques.testing.fake_runtime import FakeRuntime


@pytest.fixture
def plugins() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    return manager


def opened(plugins: pluggy.PluginManager, url: str) -> Backend | None:
    """What the plugins make of *url*."""
    backend: Backend | None = plugins.hook.tasques_backend(
        url=url, options={}, runtime=FakeRuntime()
    )
    return backend


@pytest.mark.parametrize("url", ["memory:", "MEMORY:"])
def test_the_scheme_opens_a_backend(plugins: pluggy.PluginManager, url: str) -> None:
    """It keeps nothing, needs nothing, and there is never anything wrong with it."""
    backend = opened(plugins, url)
    assert backend is not None
    assert backend.url == "memory:"
    assert not backend.is_durable
    assert not backend.check()
    assert not backend.setup(apply=True)
    assert backend.server_time() is None
    backend.close()


@pytest.mark.parametrize("url", ["elasticsearch:", "memories:", "sqlite:memory:", ""])
def test_other_schemes_are_left_to_others(plugins: pluggy.PluginManager, url: str) -> None:
    """Whoever asks goes on to the next plugin."""
    assert opened(plugins, url) is None


@pytest.mark.parametrize("url", ["memory://", "memory:x", "memory:?a=b", "memory: "])
def test_there_is_nothing_to_say_about_memory(plugins: pluggy.PluginManager, url: str) -> None:
    """A URL that means to say more is a mistake, and is told so."""
    with pytest.raises(InvalidInput, match=r"nothing may follow \[memory:\]"):
        opened(plugins, url)


def test_each_backend_is_private(plugins: pluggy.PluginManager) -> None:
    """Two servers with the same URL share nothing."""
    one, other = opened(plugins, "memory:"), opened(plugins, "memory:")
    assert one is not None
    assert other is not None
    new = NewTask(
        queue=QueueName("q"), kind="k", retry_times=0, processing_timeout=Duration.of_seconds(1)
    )
    task = lifecycle.create(new, id=TaskId("t"), now=fake_runtime.START)
    one.tasks.write([Create(document=task)])
    assert other.tasks.get([task.key]) == [Missing()]
