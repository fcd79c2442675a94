"""Which of its claims a worker means: ``claim_id`` and ``X-TASQUES-CLAIM-ID``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from falcon.testing import Result

from tasques.core.documents import Stored
from tasques.core.ports import Replace
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import Extensions, TaskKey
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tests.server.conftest import Api, World
from tests.server.wire import Wire

HELD = [
    ("PUT", "/tasques/reports/mail/x"),
    ("PUT", "/tasques/done/mail/x"),
    ("PUT", "/tasques/failed/mail/x"),
    ("DELETE", "/tasques/claims/mail/x"),
]
HEADER = "X-TASQUES-CLAIM-ID"


def say(
    api: Api, method: str, path: str, claim_id: str | None, body: object = None, worker: str = "w1"
) -> Result:
    headers = {} if claim_id is None else {HEADER: claim_id}
    return api.call(method, path, {} if body is None else body, worker=worker, headers=headers)


def claimed_twice(api: Api) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two claims of one task by one worker, the first of which failed."""
    first = api.create_and_claim(id="x")
    said = say(api, "PUT", "/tasques/failed/mail/x", first["claim_id"], {"retry_in": "0s"})
    assert said.status_code == 200
    (second,) = api.claim()
    return first, second


def test_each_claim_has_an_id(api: Api) -> None:
    """Another one each time, also for the same worker; once it has ended it is not shown."""
    first, second = claimed_twice(api)
    assert len(first["claim_id"]) == 32
    assert first["claim_id"] != second["claim_id"]
    assert api.call("GET", "/tasques/mail/x").json["claim_id"] == second["claim_id"]
    reported = say(api, "PUT", "/tasques/reports/mail/x", second["claim_id"]).json
    assert reported["claim_id"] == second["claim_id"]
    assert "claim_id" not in say(api, "PUT", "/tasques/done/mail/x", second["claim_id"]).json


def test_a_task_that_is_not_claimed_has_none(api: Api) -> None:
    """Nor after it was given back."""
    assert "claim_id" not in api.create(id="x")
    api.claim()
    assert "claim_id" not in say(api, "DELETE", "/tasques/claims/mail/x", None).json


@pytest.mark.parametrize(("method", "path"), HELD)
def test_what_is_said_of_another_claim_is_403(api: Api, method: str, path: str) -> None:
    """And nothing happens; a claim that never was is another too."""
    first, second = claimed_twice(api)
    for other in (first["claim_id"], "nonsense", second["claim_id"].upper() + "x"):
        answer = say(api, method, path, other)
        assert answer.status_code == 403
        assert answer.json == {
            "message": f"The Task was not owned under the claim [{other}];"
            " the worker [w1] holds it under another"
        }
    assert api.call("GET", "/tasques/mail/x").json == second


@pytest.mark.parametrize(("method", "path"), HELD)
def test_what_is_said_of_the_claim_counts(api: Api, method: str, path: str) -> None:
    """With white space around it too; and without the header the worker alone decides."""
    _, second = claimed_twice(api)
    padded = f"  {second['claim_id']} "
    assert say(api, "PUT", "/tasques/reports/mail/x", None).status_code == 200
    assert say(api, method, path, padded).status_code == 200


def test_a_late_duplicate_does_not_end_the_next_claim(api: Api) -> None:
    """Without an id the second claim would fail by what was said of the first."""
    first = api.create_and_claim(id="x")
    failure = {"data": {"error": "no answer"}, "retry_in": "0s"}
    said = say(api, "PUT", "/tasques/failed/mail/x", first["claim_id"], failure)
    assert said.json["state"] == "failed"
    (second,) = api.claim()
    late = say(api, "PUT", "/tasques/failed/mail/x", first["claim_id"], failure)
    assert late.status_code == 403
    assert api.call("GET", "/tasques/mail/x").json == second
    assert say(api, "PUT", "/tasques/done/mail/x", second["claim_id"]).json["state"] == "done"


@pytest.mark.parametrize(("method", "path"), HELD[1:])
def test_a_repeat_gets_the_first_answer(api: Api, method: str, path: str) -> None:
    """With the same id or without; not with another, which the repeat is not of."""
    claimed = api.create_and_claim(id="x")
    first = say(api, method, path, claimed["claim_id"])
    assert first.status_code == 200
    for claim_id in (claimed["claim_id"], None):
        again = say(api, method, path, claim_id)
        assert again.status_code == 200
        assert {**again.json, "metadata": 0} == {**first.json, "metadata": 0}
    assert say(api, method, path, "another").status_code == 400


@pytest.mark.parametrize(("method", "path"), HELD)
def test_whose_is_asked_before_which(api: Api, method: str, path: str) -> None:
    """First whether it is claimed (400), then by whom, then under which claim (403)."""
    api.create(id="x")
    assert say(api, method, path, "7f").status_code == 400
    (claimed,) = api.claim()
    answer = say(api, method, path, claimed["claim_id"], worker="w2")
    assert answer.json == {"message": "The Task was not owned by the worker [w2]"}


@pytest.mark.parametrize(("method", "path"), HELD)
def test_where_the_id_was_lost_the_worker_alone_decides(
    api: Api, world: World, method: str, path: str
) -> None:
    """An original server that rewrites the document drops what it does not know."""
    claimed = api.create_and_claim(id="x")
    (stored,) = world.backend.tasks.get([TaskKey(QueueName("mail"), TaskId("x"))])
    assert isinstance(stored, Stored)
    rewritten = attrs.evolve(stored.document, extensions=Extensions())
    world.backend.tasks.write([Replace(document=rewritten, expected=stored.version)])
    assert "claim_id" not in api.call("GET", "/tasques/mail/x").json
    assert say(api, method, path, claimed["claim_id"]).status_code == 200


@pytest.mark.parametrize(("method", "path"), HELD)
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_id_protects_from_nothing(api: Api, method: str, path: str, text: str) -> None:
    """So it is refused, after the worker's id was looked at and before the task is."""
    answer = say(api, method, path, text)
    assert answer.status_code == 400
    assert answer.json["faults"] == [
        {"path": HEADER, "rule": "required", "message": "must not be empty"}
    ]
    headers = {HEADER: text}
    without = api.call(method, path, {}, headers=headers)
    assert "Worker Id header" in without.json["message"]


def test_over_a_real_connection(world: World, serve: Callable[..., Front]) -> None:
    """The name of the header may be written in any case, as names of headers may."""
    front = serve(create_app(world.services, ServerOptions()))
    with Wire(front) as wire:
        wire.call("POST", "/tasques", {"queue": "mail", "kind": "send", "id": "x"})
        (claimed,) = wire.call("POST", "/tasques/claims", {"queues": ["mail"]}).json
        for claim_id, status in (("old", 403), (claimed["claim_id"], 200)):
            headers = {"x-Tasques-claim-ID": claim_id}
            assert wire.call("PUT", "/tasques/done/mail/x", {}, headers=headers).status == status
