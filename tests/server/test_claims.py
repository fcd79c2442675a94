"""``POST /tasques/claims``: wire contract, section 3, without waiting; that is tested elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest

from tasques.core.service.defaults import Defaults
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration
from tasques.server.app import create_app
from tasques.server.options import ServerOptions
from tests.server.conftest import Api, HandClock, World


def test_a_claimed_task(api: Api, clock: HandClock) -> None:
    """``attempted`` one higher and a fresh ``last_claimed`` that ends with the timeout."""
    created = api.create(id="x", processing_timeout="90s")
    clock.forward("5s")
    (claimed,) = api.claim("w1")
    now = str(clock.now)
    assert claimed["state"] == "claimed"
    assert claimed["attempted"] == created["attempted"] + 1
    assert claimed["last_claimed"] == {
        "worker_id": "w1",
        "claimed_at": now,
        "times_out_at": str(clock.now.plus(Duration.parse("90s"))),
    }
    assert claimed["metadata"]["modified_at"] == now
    assert claimed["metadata"]["version"] != created["metadata"]["version"]


def test_a_new_claim_has_no_trace_of_the_last_one(api: Api, clock: HandClock) -> None:
    """No report and no result."""
    api.create_and_claim(id="x")
    api.call("PUT", "/tasques/reports/mail/x", {"data": {"p": 1}}, worker="w1")
    api.call("PUT", "/tasques/failed/mail/x", {"retry_in": "0s"}, worker="w1")
    (again,) = api.claim("w2")
    assert set(again["last_claimed"]) == {"worker_id", "claimed_at", "times_out_at"}
    assert again["attempted"] == 2


def test_nothing_to_do_is_an_empty_array(api: Api) -> None:
    """Also for a queue that does not exist, which is no error."""
    assert api.claim(queues=["never-used"]) == []


def test_no_queues_named_means_every_queue(api: Api) -> None:
    """An empty array does; absent or null is 400."""
    api.create(queue="a")
    api.create(queue="b")
    assert {task["queue"] for task in api.claim(queues=[], amount=5)} == {"a", "b"}
    for body in ({}, {"queues": None}):
        answer = api.call("POST", "/tasques/claims", body, worker="w1")
        assert answer.status_code == 400
        assert answer.json["faults"] == [
            {"path": "queues", "rule": "required", "message": "is required"}
        ]


def test_the_order_of_claims(api: Api, clock: HandClock) -> None:
    """Priority, then ``run_at``, then remaining attempts; across the queues named."""
    early, late = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    api.create(id="d", queue="a", run_at=late)
    api.create(id="c", queue="b", run_at=early, retry_times=1)
    api.create(id="b", queue="a", run_at=early, retry_times=2)
    api.create(id="a", queue="b", run_at=late, priority=1)
    claimed = api.claim(queues=["a", "b"], amount=4)
    assert [task["id"] for task in claimed] == ["a", "b", "c", "d"]


def test_what_is_not_due_is_not_claimed(api: Api, clock: HandClock) -> None:
    """``run_at`` is the earliest time."""
    api.create(id="x", run_at=str(clock.now.plus(Duration.parse("1m"))))
    assert api.claim() == []
    clock.forward("1m")
    assert [task["id"] for task in api.claim()] == ["x"]


def test_the_amount(api: Api) -> None:
    """One by default; at most as many as asked for; none for zero."""
    for _ in range(5):
        api.create()
    assert len(api.claim()) == 1
    assert len(api.claim(amount=0)) == 0
    assert len(api.claim(amount=3)) == 3
    assert len(api.claim(amount=2**64 - 1)) == 1


def test_the_worker_comes_before_the_body(api: Api) -> None:
    """Wire contract, section 1: claims look at the worker id first."""
    answer = api.call("POST", "/tasques/claims", raw=b"nonsense")
    assert "not sent" in answer.json["message"]


@attrs.define
class Recorder:
    """Stands in for the dispatcher, to see what it is asked."""

    asked: list[ClaimRequest] = attrs.field(factory=list)

    def claim(
        self, request: ClaimRequest, *, is_connected: Callable[[], bool]
    ) -> Sequence[StoredTask]:
        assert is_connected()
        self.asked.append(request)
        return ()


@pytest.mark.parametrize(
    ("default", "body", "min_amount"),
    [
        (1, {}, 1),
        (1, {"amount": 5}, 1),
        (3, {"amount": 5}, 3),
        (3, {"amount": 2}, 2),  # cut
        (None, {"amount": 5}, 5),  # the original's collecting
        (None, {}, 4),
        (3, {"amount": 5, "min_amount": 5}, 5),
        (None, {"amount": 5, "min_amount": 1}, 1),
        (1, {"amount": 0}, 0),
    ],
)
def test_the_least_amount(
    world: World, default: int | None, body: dict[str, Any], min_amount: int
) -> None:
    """As asked for, else the server's default, cut to the amount."""
    recorder: Any = Recorder()
    services = attrs.evolve(
        world.services, claims=recorder, defaults=Defaults(claim_amount=4, min_amount=default)
    )
    Api(create_app(services, ServerOptions())).claim(**body)
    assert recorder.asked[0].min_amount == min_amount


@pytest.mark.parametrize(
    "body", [{"min_amount": 2}, {"amount": 3, "min_amount": 4}, {"min_amount": 0}]
)
def test_the_least_amount_lies_between_one_and_the_amount(api: Api, body: dict[str, Any]) -> None:
    """Else 400, with the field's name."""
    answer = api.call("POST", "/tasques/claims", {"queues": [], **body}, worker="w1")
    assert answer.status_code == 400
    assert answer.json["faults"][0]["path"] == "min_amount"


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({}, 3.0),
        ({"block_for": None}, 3.0),
        ({"block_for": "3000ms"}, 3.0),
        ({"block_for": 5}, 5e-9),
    ],
)
def test_how_long_a_claim_waits(world: World, body: dict[str, Any], seconds: float) -> None:
    """As asked for, else the server's default."""
    recorder: Any = Recorder()
    services = attrs.evolve(world.services, claims=recorder)
    api = Api(create_app(services, ServerOptions()))
    api.call("POST", "/tasques/claims", {"queues": ["a"], **body}, worker="w1")
    assert recorder.asked[0].block_for == Duration.of_seconds(seconds)


@pytest.mark.parametrize("block_for", ["0s", "-1s", 0, -5])
def test_a_claim_that_does_not_wait_looks_once(api: Api, block_for: object) -> None:
    """The original does not look at all."""
    api.create(id="x")
    assert [task["id"] for task in api.claim(block_for=block_for)] == ["x"]
    assert api.claim(block_for=block_for) == []
