"""What plugins are told and asked, and that their faults are theirs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import attrs
import pluggy
import pytest

from tasques import bootstrap, hookspecs
from tasques.bootstrap.node import Node
from tasques.bootstrap.plugins import (
    ensure_valid,
    filters,
    http_middleware,
    mounted,
    observers,
    telling_of_leaders,
)
from tasques.core.documents import Stored
from tasques.core.errors import InvalidInput, Vetoed
from tasques.core.events import TaskEvent
from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.creations import Creation
from tasques.core.service.election import Leadership
from tasques.core.service.filters import ClaimFilter, EnqueueFilter, Filter, Veto
from tasques.core.service.meter import Meter
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask
from tasques.core.values import ZERO, Duration
from tasques.hookspecs import hookimpl
from tasques.http_middleware import HttpMiddleware
from tasques.runtime import ThreadRuntime
from tasques.settings import Settings
from tasques.testing.fake_runtime import FakeRuntime


def manager_of(*them: object) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for each in them:
        manager.register(each)
    manager.check_pending()
    return manager


def test_plugins_are_told_who_leads() -> None:
    """On a thread of its own: the election goes on whatever they do."""
    told: list[Leadership] = []

    class Curious:
        @hookimpl
        def tasques_leader_changed(self, leadership: Leadership) -> None:
            told.append(leadership)

    runtime = FakeRuntime()
    tell = telling_of_leaders(manager_of(Curious()), runtime)
    backend = bootstrap.open_backend(Settings(), runtime)
    node = bootstrap.build(Settings(), backend, runtime, on_leadership=tell)
    node.election.step()
    assert told == []
    [(name, call)] = runtime.spawned
    call()
    assert name == "leader changed"
    assert told == [node.election.leadership]
    assert told[0].is_here


def test_a_plugin_that_fails_to_listen_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """And nobody else is concerned."""

    class Deaf:
        @hookimpl
        def tasques_leader_changed(self, leadership: Leadership) -> None:
            raise RuntimeError("deaf")

    runtime = FakeRuntime()
    telling_of_leaders(manager_of(Deaf()), runtime)(Leadership())
    with caplog.at_level(logging.ERROR):
        runtime.spawned[0][1]()
    assert "a plugin failed" in caplog.text


class Attentive:
    """Notes what happens to tasks."""

    def __init__(self) -> None:
        self.events: list[TaskEvent] = []

    @hookimpl
    def tasques_task_event(self, event: TaskEvent) -> None:
        self.events.append(event)


class Broken:
    """Fails to take any event."""

    @hookimpl
    def tasques_task_event(self, event: TaskEvent) -> None:
        raise RuntimeError("broken")


class Strict:
    """Lets nobody create tasks of one kind, and makes others urgent."""

    @hookimpl
    def tasques_filters(self) -> Sequence[Filter]:
        def decide(new: NewTask) -> NewTask | Veto:
            return Veto("no spam") if new.kind == "spam" else attrs.evolve(new, priority=9)

        return [EnqueueFilter(name="strict", decide=decide)]


@pytest.fixture
def node_of() -> Iterator[Callable[..., Node]]:
    """Makes a node in memory, with plugins; it is stopped at the end."""
    nodes: list[Node] = []

    def make(*them: object) -> Node:
        manager, runtime = manager_of(*them), ThreadRuntime()
        node = bootstrap.build(
            Settings(),
            bootstrap.open_backend(Settings(), runtime),
            runtime,
            observers=observers(manager),
            filters=filters(manager),
        )
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.stop()


NEW = NewTask(
    queue=QueueName("mail"),
    kind="send",
    retry_times=0,
    processing_timeout=Duration.of_seconds(60),
)


def test_plugins_learn_what_happens_to_tasks(node_of: Callable[..., Node]) -> None:
    """Whatever another plugin does with it."""
    attentive = Attentive()
    node = node_of(Broken(), attentive, Broken())
    services = node.services
    key = services.tasks.create(NEW).document.key
    worker = WorkerId("w1")
    services.claims.claim(ClaimRequest(worker=worker, queues=(), amount=1, block_for=ZERO))
    services.tasks.report(key, worker=worker, data=None)
    services.tasks.fail(key, worker=worker, data=None)
    node.stop()
    assert [event.what.value for event in attentive.events] == [
        "created",
        "claimed",
        "reported",
        "failed",
        "dead",
    ]
    assert {event.task.key for event in attentive.events} == {key}


def test_filters_decide_about_creations(node_of: Callable[..., Node]) -> None:
    """One at a time, and among many."""
    tasks = node_of(Strict()).services.tasks
    assert tasks.create(NEW).document.priority == 9
    spam = attrs.evolve(NEW, kind="spam")
    with pytest.raises(Vetoed, match="no spam"):
        tasks.create(spam)
    refused, created = tasks.create_many([Creation(new=spam), Creation(new=NEW)])
    assert isinstance(refused, Vetoed)
    assert isinstance(created, Stored)


def test_filters_decide_about_claims(node_of: Callable[..., Node]) -> None:
    """Before anybody waits."""

    class Mean:
        @hookimpl
        def tasques_filters(self) -> Sequence[Filter]:
            return [ClaimFilter(name="mean", decide=lambda claim: Veto("not you"))]

    class Idle:
        @hookimpl
        def tasques_filters(self) -> None:
            return None

    claims = node_of(Mean(), Idle()).services.claims
    with pytest.raises(Vetoed, match="not you"):
        claims.claim(
            ClaimRequest(
                worker=WorkerId("w"), queues=(), amount=1, block_for=Duration.of_seconds(60)
            )
        )
    assert claims.waiting == 0


@pytest.mark.parametrize("needed", [(2, 0), (1, 99), (0, 9)])
def test_a_plugin_for_another_version_of_the_hooks_stops_the_start(
    needed: tuple[int, int],
) -> None:
    """One that says nothing, or asks for what there is, is taken."""

    class Other:
        TASQUES_API = needed

    class Same:
        TASQUES_API = hookspecs.API_VERSION

    ensure_valid(manager_of(Same(), Attentive()))
    with pytest.raises(InvalidInput, match=r"it needs version .* and this is 1\.1"):
        ensure_valid(manager_of(Other()))


def test_a_plugin_for_an_earlier_version_of_the_same_number_is_taken() -> None:
    """What was there in 1.0 is there in every 1.x."""

    class Earlier:
        TASQUES_API = (1, 0)

    assert hookspecs.API_VERSION > Earlier.TASQUES_API
    ensure_valid(manager_of(Earlier()))


@pytest.mark.parametrize(
    "hook", ["tasques_task_evnt", "tasques_task_event", "tasques_http_middleware"]
)
def test_a_hook_that_is_none_stops_the_start(hook: str) -> None:
    """A typing error in its name, or an argument that it has not."""

    class Wrong:
        pass

    def listen(self: object, evnt: object) -> None:
        """Never called."""

    setattr(Wrong, hook, hookimpl(listen))
    with pytest.raises(pluggy.PluginValidationError, match=hook):
        manager_of(Wrong())


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@pytest.mark.parametrize("path", ["metrics", "/a/{b}", "/tasques", "/tasques/claims"])
def test_a_path_that_cannot_be_a_plugin_s_stops_the_start(path: str) -> None:
    """It is no path, or the API's own."""

    class Greedy:
        @hookimpl
        def tasques_wsgi(self):
            return {path: application}

    with pytest.raises(InvalidInput, match="of a plugin"):
        mounted(manager_of(Greedy()), Meter(FakeRuntime()))


def test_two_plugins_cannot_share_a_path() -> None:
    """One that has nothing to serve is no trouble."""

    class One:
        @hookimpl
        def tasques_wsgi(self):
            return {"/one": application}

    class Idle:
        @hookimpl
        def tasques_wsgi(self):
            return None

    found = mounted(manager_of(One(), Idle()), Meter(FakeRuntime()))
    assert list(found) == ["/one"]
    with pytest.raises(InvalidInput, match="is taken"):
        mounted(manager_of(One(), One()), Meter(FakeRuntime()))


def gives(answer: object) -> object:
    """A plugin whose hook for middleware gives *answer*."""

    class Plugin:
        @hookimpl
        def tasques_http_middleware(self) -> object:
            return answer

    return Plugin()


def test_middleware_is_in_the_order_of_installation() -> None:
    """A plugin may have several, or none."""
    one, two, three = (HttpMiddleware(name=name, on_request=lambda _: None) for name in "abc")
    found = http_middleware(manager_of(gives([one, two]), gives(None), gives((three,))))
    assert [each.name for each in found] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "answer", [print, HttpMiddleware(name="bare", on_request=lambda _: None), [print], [None]]
)
def test_middleware_that_is_none_stops_the_start(answer: object) -> None:
    """Not the first request."""
    with pytest.raises(InvalidInput, match="no sequence of HttpMiddleware"):
        http_middleware(manager_of(gives(answer)))
