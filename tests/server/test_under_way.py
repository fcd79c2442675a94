"""Requests whose write is under way: they hold nobody up, and leave nothing behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tasques.server.bodies import BodyBudgetMiddleware
from tests.server.conftest import World
from tests.server.held_up import AT_ONCE, TASK, Serve, Served, claimed
from tests.server.test_drain import Draining
from tests.server.test_socket_claims import until
from tests.server.wire import Wire


@pytest.fixture
def served(world: World, serve: Serve) -> Iterator[Served]:
    made = Served(world, serve)
    yield made
    made.let_on()
    made.claims.close()


def test_a_store_that_hangs_holds_up_no_other_request(served: Served) -> None:
    """More of them wait than there are threads; health is told, and other queues take tasks."""
    served.hold_up("slow")
    wires = [Wire(served.front) for _ in range(100)]
    for number, wire in enumerate(wires):
        wire.request("POST", "/tasques", {"queue": "slow", "kind": "send", "id": f"s{number}"})
    served.until_under_way("s0")
    with Wire(served.front) as other:
        assert other.call("GET", "/health/live").status == 200
        for _ in range(3):
            assert other.call("POST", "/tasques", TASK).status == 201
    served.let_on()
    assert {wire.answer().status for wire in wires} == {201}
    for wire in wires:
        wire.close()


def test_a_client_that_goes_leaves_nothing_behind(
    world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its write takes place; the room that its body took is free, and it is counted once."""
    budgets: list[BodyBudgetMiddleware] = []
    init = BodyBudgetMiddleware.__init__

    def noting(self: BodyBudgetMiddleware, limit: int) -> None:
        init(self, limit)
        budgets.append(self)

    monkeypatch.setattr(BodyBudgetMiddleware, "__init__", noting)
    caplog.set_level(logging.DEBUG, "tasques.access")
    served = Served(world, serve)
    served.hold_up()
    wires = [Wire(served.front) for _ in range(5)]
    for number, wire in enumerate(wires):
        wire.request("POST", "/tasques", {**TASK, "id": f"x{number}"})
    served.until_under_way("x0")
    until(lambda: len(served.passes) == 5)
    assert sum(each.in_flight for each in budgets) > 0
    for wire in wires:
        wire.vanish()
    (listener,) = served.front._listeners
    until(lambda: not listener.active_channels)
    served.let_on()
    until(lambda: sum(each.in_flight for each in budgets) == 0)
    with Wire(served.front) as wire:
        for number in range(5):
            assert wire.call("GET", f"/tasques/mail/x{number}").status == 200
    lines = [record for record in caplog.records if getattr(record, "path", "") == "/tasques"]
    assert len(lines) == 5
    served.claims.close()


def test_what_is_under_way_when_the_server_stops_is_answered(served: Served) -> None:
    """As the last answer on its connection."""
    served.hold_up()
    with Wire(served.front) as wire:
        wire.request("POST", "/tasques", {**TASK, "id": "x"})
        served.until_under_way("x")
        draining = Draining(served.front)
        until(lambda: all(each.is_draining for each in served.front._listeners))
        served.let_on()
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"].lower()) == (201, "close")
        assert draining.result()


def test_tasks_that_nobody_took_are_given_back_by_others(served: Served) -> None:
    """A worker that went away: its task is there for the next."""
    with Wire(served.front) as producer:
        gone = Wire(served.front)
        gone.request("POST", "/tasques/claims", {**AT_ONCE, "block_for": "60s"})
        until(lambda: served.claims.waiting == 1)
        served.hold_up()
        producer.request("POST", "/tasques", {**TASK, "id": "x"})
        served.until_under_way("x")
        gone.vanish()
        served.let_on()
        assert producer.answer().status == 201
        assert claimed(producer, "w2")["id"] == "x"
