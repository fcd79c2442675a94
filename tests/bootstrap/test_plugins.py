"""What plugins are told and asked, and that their faults are theirs."""

from __future__ import annotations

import logging

import pluggy
import pytest

from tasques import bootstrap, hookspecs
from tasques.bootstrap.plugins import mounted, telling_of_leaders
from tasques.core.errors import InvalidInput
from tasques.core.service.election import Leadership
from tasques.core.service.meter import Meter
from tasques.hookspecs import hookimpl
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
