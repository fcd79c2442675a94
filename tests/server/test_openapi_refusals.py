"""What any route may meet, against the OpenAPI description."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPResponse
from typing import Final

import pytest

from tasques.core import errors
from tasques.core.values import Duration
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.routes import OPEN_ERRORS
from tests.server.conftest import Api, World
from tests.server.openapi_answers import (
    NAMES,
    OPERATIONS,
    OPTIONS,
    Answer,
    check,
    describes,
    failing,
)

#: What any operation answers to an error behind it.
ERRORS: Final[Mapping[int, Exception]] = {
    500: RuntimeError("no"),
    503: errors.StoreUnavailable("no"),
}


@pytest.mark.parametrize("status", ERRORS)
# Readiness has an answer of its own for 503.
@pytest.mark.parametrize("operation_id", [id for id in OPERATIONS if id != "get-readiness"])
def test_trouble_is_as_described(operation_id: str, status: int, world: World) -> None:
    """Faults of the server and of what lies behind it validate on every route."""
    answer = failing(world, ERRORS[status]).send(operation_id)
    assert answer.status == status
    check(operation_id, answer)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_strangers_are_answered_as_described(operation_id: str, world: World) -> None:
    """Without credentials there is 401 where it is described, and only there."""
    method, path = OPERATIONS[operation_id]
    api = Api(create_app(world.services, OPTIONS))
    answer = Answer.of(api.call(method, path.format_map(NAMES)))
    assert (answer.status == 401) == describes(operation_id, 401)
    check(operation_id, answer)


#: What makes waitress refuse a request, after its first line.
REFUSED: Final[Mapping[int, bytes]] = {
    400: b"Host: x\r\nContent-Length: many\r\n\r\n",
    408: b"Host: x\r\nX-Slow: x",
    413: b"Host: x\r\nContent-Length: 99999999999\r\n\r\n",
    431: b"Host: x\r\nX-Large: " + b"x" * 70_000 + b"\r\n\r\n",
    501: b"Host: x\r\nTransfer-Encoding: compress\r\n\r\n",
}


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for each in opened:
        each.close()


@pytest.mark.parametrize("status", REFUSED)
def test_refusals_by_the_front_are_as_described(
    status: int, world: World, serve: Callable[..., Front], sockets: list[socket.socket]
) -> None:
    """What is refused before the application sees it validates too, whatever the route."""
    front = serve(create_app(world.services, OPTIONS), request_timeout=Duration.parse("3s"))
    for method, path in OPERATIONS.values():
        sockets.append(socket.create_connection(("127.0.0.1", front.addresses[0].port), 20))
        line = f"{method} {path.format_map(NAMES)} HTTP/1.1\r\n".encode()
        sockets[-1].sendall(line + REFUSED[status])
    for operation_id, each in zip(OPERATIONS, sockets, strict=True):
        answer = _received(each)
        assert answer.status == status
        check(operation_id, answer, by_front=True)


def _received(connection: socket.socket) -> Answer:
    with HTTPResponse(connection) as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def test_every_common_status_was_seen() -> None:
    """What the table says of all routes happens on all routes."""
    assert set(OPEN_ERRORS) == {*ERRORS, *REFUSED}
