"""An answer that was definitely not taken has its tasks given back; any other has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from falcon.testing import create_environ

from tasques.server.app import create_app
from tasques.server.delivery import Delivery
from tasques.server.options import ServerOptions
from tests.server.conftest import Api, World


class Count:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def test_a_body_that_is_taken_whole() -> None:
    """The server asks for more and gets none: it has the body."""
    undelivered = Count()
    delivery = Delivery(b"body", undelivered)
    assert list(delivery) == [b"body"]
    delivery.close()
    assert undelivered.calls == 0


@pytest.mark.parametrize("begin", [False, True])
def test_a_body_that_is_not_taken(begin: bool) -> None:
    """The server closes before it asks for more: once is acted."""
    undelivered = Count()
    delivery = Delivery(b"body", undelivered)
    parts = iter(delivery)
    if begin:
        next(parts)
    delivery.close()
    delivery.close()
    assert undelivered.calls == 1


def claim(world: World, send: Callable[[Any], object]) -> None:
    """A claim as a WSGI server has it; *send* deals with the body."""
    app: Any = create_app(world.services, ServerOptions())
    body = b'{"queues": ["mail"]}'
    environ = create_environ(
        "/tasques/claims", method="POST", body=body, headers={"X-TASQUES-WORKER-ID": "w1"}
    )
    parts = app(environ, lambda status, headers: None)
    try:
        send(parts)
    finally:
        parts.close()


def test_a_task_that_did_not_reach_its_worker_is_claimable_at_once(api: Api, world: World) -> None:
    """With its attempt not counted."""
    created = api.create(id="x")

    def fail(parts: Any) -> None:
        next(iter(parts))
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        claim(world, fail)
    back = api.call("GET", "/tasques/mail/x").json
    assert (back["state"], back["attempted"]) == ("queued", created["attempted"])
    assert [task["id"] for task in api.claim("w2")] == ["x"]


def test_a_task_that_reached_its_worker_stays_claimed(api: Api, world: World) -> None:
    """The ordinary case."""
    api.create(id="x")
    claim(world, list)
    assert api.call("GET", "/tasques/mail/x").json["state"] == "claimed"


def test_an_answer_that_cannot_be_made_is_not_delivered_either(world: World, api: Api) -> None:
    """A fault after the claim does not keep the tasks from others."""
    api.create(id="x")

    class Unencodable:
        """Gives back what is claimed, and hands out what cannot be encoded."""

        def __init__(self) -> None:
            self.given_back: list[object] = []

        def claim(self, request: object, *, is_connected: object) -> list[object]:
            return [object()]

        def give_back(self, claimed: list[object]) -> None:
            self.given_back += claimed

    claims: Any = Unencodable()
    services = attrs.evolve(world.services, claims=claims)
    answer = Api(create_app(services, ServerOptions())).call(
        "POST", "/tasques/claims", {"queues": []}, worker="w1"
    )
    assert answer.status_code == 500
    assert len(claims.given_back) == 1
