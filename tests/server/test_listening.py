"""Where a front listens, and what it says when it cannot."""

from __future__ import annotations

import http.client
import logging
import resource
import socket
from collections.abc import Callable

import pytest

from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.open_files import allow_open_files
from tasques.server.options import ServerOptions
from tasques.server.sockets import CannotListen
from tasques.settings.kinds import Address
from tests.server.conftest import World

Serve = Callable[..., Front]


def test_a_free_port_is_taken_and_told(world: World, serve: Serve) -> None:
    """Port 0 is what tests and sidecars ask for; the URL has the real one."""
    front = serve(create_app(world.services, ServerOptions()))
    ((host, port),) = [(each.host, each.port) for each in front.addresses]
    assert host == "127.0.0.1"
    assert port != 0
    assert front.url == f"http://127.0.0.1:{port}"


def test_a_name_with_several_addresses_has_one_port(world: World) -> None:
    """``localhost`` is 127.0.0.1 and, where the machine has it, ::1."""
    front = Front(
        create_app(world.services, ServerOptions()),
        ServerOptions(address=Address("localhost", 0)),
    )
    try:
        assert len({each.port for each in front.addresses}) == 1
        assert "127.0.0.1" in {each.host for each in front.addresses}
    finally:
        front.close()


def test_an_ipv6_address_is_written_in_brackets(world: World, serve: Serve) -> None:
    """As a URL wants it."""
    front = serve(create_app(world.services, ServerOptions()))
    front.addresses = (Address("::1", 8080),)
    assert front.url == "http://[::1]:8080"


def test_a_taken_address_is_named(world: World, serve: Serve) -> None:
    """With what to do."""
    app = create_app(world.services, ServerOptions())
    first = serve(app)
    with pytest.raises(CannotListen) as caught:
        Front(app, ServerOptions(address=first.addresses[0]))
    assert f"127.0.0.1:{first.addresses[0].port}" in str(caught.value)
    assert "listens there already" in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_named(world: World, host: str) -> None:
    """Or one that nobody knows."""
    with pytest.raises(CannotListen) as caught:
        Front(create_app(world.services, ServerOptions()), ServerOptions(address=Address(host, 0)))
    assert f"{host}:0" in str(caught.value)


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits of open files as a test has them: the last one holds."""
    found = [(256, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: found[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, new: found.append(new))
    return found


def test_enough_files_are_left_alone(limits: list[tuple[int, int]]) -> None:
    """Nothing is changed where there is room."""
    assert allow_open_files(200, others=50) == 200
    assert limits == [(256, 4096)]


def test_the_soft_limit_is_raised(limits: list[tuple[int, int]]) -> None:
    """As far as needed."""
    assert allow_open_files(2000, others=50) == 2000
    assert limits[-1] == (2050, 4096)


def test_without_limits_there_is_room(limits: list[tuple[int, int]]) -> None:
    """Unlimited is more than any number."""
    limits.append((resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert allow_open_files(10_000, others=50) == 10_000


def test_fewer_files_mean_fewer_connections(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning that says so, and how many."""
    with caplog.at_level(logging.WARNING):
        assert allow_open_files(5000, others=96) == 4000
    assert limits[-1] == (4096, 4096)
    (record,) = caplog.records
    assert "ulimit -n" in record.getMessage()
    assert "4000 connections instead of 5000" in record.getMessage()


def test_connections_beyond_the_limit_wait_for_their_turn(world: World, serve: Serve) -> None:
    """They are not refused: when others close, they are served."""
    front = serve(create_app(world.services, ServerOptions()), waiting_claims=1)
    limit = ServerOptions(waiting_claims=1).connection_limit
    place = (front.addresses[0].host, front.addresses[0].port)
    idle = [socket.create_connection(place, timeout=60) for _ in range(limit + 5)]
    late = http.client.HTTPConnection(*place, timeout=60)
    late.connect()
    for each in idle:
        each.close()
    late.request("GET", "/health/live")
    assert late.getresponse().status == 200
    late.close()
