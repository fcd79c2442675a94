"""A front that stops: nothing new is taken, what is under way is finished."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tasques.core.values import ZERO, Duration
from tasques.server import front as fronts
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tests.server.conftest import LOOPBACK, World
from tests.server.wire import PATIENCE_SECONDS, Wire

PATIENCE = Duration.of_seconds(PATIENCE_SECONDS)

Serve = Callable[..., Front]


class Gated:
    """An application that answers when it is let."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.may_go_on = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.entered.release()
        assert self.may_go_on.wait(PATIENCE_SECONDS)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    def until_entered(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE_SECONDS)


@pytest.fixture
def gated() -> Iterator[Gated]:
    app = Gated()
    yield app
    app.may_go_on.set()


class Draining:
    """A drain on a thread of its own, as it is where a signal asks for it."""

    def __init__(self, front: Front, timeout: Duration = PATIENCE) -> None:
        self._results: list[bool] = []
        self._thread = threading.Thread(target=lambda: self._results.append(front.drain(timeout)))
        self._thread.start()

    def result(self) -> bool:
        self._thread.join(2 * PATIENCE_SECONDS)
        (result,) = self._results
        return result


def refuses(front: Front) -> bool:
    """Whether nobody listens any more."""
    try:
        Wire(front).close()
    except ConnectionError:
        return True
    return False


def test_a_quiet_server_stops_at_once(world: World, serve: Serve) -> None:
    """True: everything finished; idle connections are closed, and nobody listens."""
    front = serve(create_app(world.services, ServerOptions()))
    with Wire(front) as idle, Wire(front):
        idle.call("GET", "/health/live")
        assert front.drain(PATIENCE)
        assert idle.is_closed
    assert refuses(front)


def test_a_busy_client_loses_no_request(
    world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on its way when the server stops is answered, as the last on its connection."""
    # Longer than a busy machine takes between two requests.
    monkeypatch.setattr(fronts, "_QUIET_SECONDS", 60.0)
    front = serve(create_app(world.services, ServerOptions()))
    with Wire(front) as busy:
        busy.call("GET", "/health/live")
        draining = Draining(front)
        while not refuses(front):
            pass
        answer = busy.call("GET", "/health/live")
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert busy.is_closed
    assert draining.result()


def test_silent_connections_go_before_all_others(
    serve: Serve, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they go nothing else changes: a client has nothing left then but what is in use."""
    monkeypatch.setattr(fronts, "_QUIET_SECONDS", 0.0)
    front = serve(gated)
    with Wire(front) as silent, Wire(front) as busy:
        busy.request("GET", "/")
        gated.until_entered()
        front.dismiss_silent()
        assert silent.is_closed
        assert not refuses(front)
        gated.may_go_on.set()
        assert "connection" not in busy.answer().headers
        assert busy.call("GET", "/").status == 200
        assert front.drain(PATIENCE)
        assert busy.is_closed


def test_dismissing_needs_no_running_server(world: World) -> None:
    """A stop that comes before the start has nobody to wait for."""
    front = Front(create_app(world.services, ServerOptions()), ServerOptions(address=LOOPBACK))
    front.dismiss_silent()
    front.close()


def test_requests_under_way_are_finished(serve: Serve, gated: Gated) -> None:
    """And told that theirs was the last answer on this connection."""
    front = serve(gated)
    with Wire(front) as wire:
        wire.request("GET", "/")
        gated.until_entered()
        draining = Draining(front)
        while not refuses(front):
            pass
        gated.may_go_on.set()
        answer = wire.answer()
        assert (answer.status, answer.content) == (200, b"done")
        assert answer.headers["connection"] == "close"
        assert wire.is_closed
    assert draining.result()


def test_a_request_that_arrives_in_part_is_finished_too(world: World, serve: Serve) -> None:
    """Its sender was promised that it would be read."""
    front = serve(create_app(world.services, ServerOptions()))
    with Wire(front) as wire:
        wire.send(b"GET /health/live HT")
        with Wire(front) as other:  # so that the part has been read, as connections are in turn
            other.call("GET", "/health/live")
        draining = Draining(front)
        while not refuses(front):
            pass
        wire.send(b"TP/1.1\r\n\r\n")
        assert wire.answer().status == 200
        assert wire.is_closed
    assert draining.result()


def test_what_does_not_finish_in_time_is_cut_off(serve: Serve, gated: Gated) -> None:
    """False; and the connection is closed."""
    front = serve(gated)
    with Wire(front) as wire:
        wire.request("GET", "/")
        gated.until_entered()
        assert not front.drain(ZERO)
        assert wire.is_closed


def test_waiting_claims_are_answered(world: World, serve: Serve, parks: bool) -> None:
    """Once the dispatcher is closed, which is to be done first."""
    front = serve(create_app(world.services, ServerOptions(parks=parks)), parks=parks)
    with Wire(front) as worker:
        worker.request("POST", "/tasques/claims", {"queues": ["a"], "block_for": "60s"})
        while not world.services.claims.waiting:
            pass
        world.services.health.start_draining()
        world.services.claims.close()
        draining = Draining(front)
        answer = worker.answer()
        assert (answer.status, answer.json) == (200, [])
        assert worker.is_closed
    assert draining.result()


def test_closing_and_draining_twice_changes_nothing(world: World, serve: Serve) -> None:
    """Whoever is in a hurry may ask again."""
    front = serve(create_app(world.services, ServerOptions()))
    with Wire(front) as wire:
        wire.call("GET", "/health/live")
    assert front.drain(PATIENCE)
    assert front.drain(PATIENCE)
    front.close()
    front.close()


def test_a_front_that_never_ran_can_be_closed(world: World) -> None:
    """A start that fails after listening began gives the address back."""
    front = Front(create_app(world.services, ServerOptions()), ServerOptions(address=LOOPBACK))
    assert front.drain(PATIENCE)
    again = Front(
        create_app(world.services, ServerOptions()), ServerOptions(address=front.addresses[0])
    )
    assert again.addresses == front.addresses
    again.close()
