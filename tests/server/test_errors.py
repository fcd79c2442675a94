"""From an error to its answer, and what a fault of ours shows of itself: nothing."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest

from tasques.core import errors
from tasques.server.app import create_app
from tasques.server.errors import STATUS_BY_ERROR, status_of
from tasques.server.options import ServerOptions
from tests.server.conftest import Api, World


class Failing:
    """Stands in for the tasks service: everything it is asked fails the same way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*args: object, **kwargs: object) -> None:
            raise self._error

        return fail


def failing_api(world: World, error: Exception) -> Api:
    failing: Any = Failing(error)
    services = attrs.evolve(world.services, tasks=failing, claims=failing)
    return Api(create_app(services, ServerOptions()))


ERRORS = [
    (errors.TaskNotFound("mail", "x"), 404, "Could not find [x] in queue [mail]"),
    (errors.TaskAlreadyExists("x"), 409, "Task with Id [x] already exists "),
    (errors.IdempotencyKeyReused("x"), 409, None),
    (
        errors.TaskNotClaimed("x"),
        400,
        "The Task is not currently Claimed so cannot be reported on: [x]",
    ),
    (errors.TaskNotOwned("x", "w"), 403, "The Task was not owned by the worker [w]"),
    (
        errors.ReportFromThePast("x", last="2020", reported="2019"),
        400,
        "The Task [x] was already reported on at [2020],"
        " which overrides the current one reported at [2019]",
    ),
    (
        errors.VersionConflict("x"),
        409,
        "Version provided did not match persisted version for [x]",
    ),
    (errors.IllegalTransition("x", state="done", action="claim"), 400, None),
    (errors.MalformedTask("mail", "x", "no kind"), 500, None),
    (errors.InvalidInput([errors.Fault("kind", "required", "is required")]), 400, None),
    (errors.StoreUnavailable("down"), 503, "down"),
    (errors.StoreBlocked("full"), 503, "full"),
    (errors.OutcomeUnknown("who knows"), 503, None),
    (errors.Overloaded("busy"), 503, None),
    (errors.ClockUntrusted("skewed"), 503, None),
    (errors.ShuttingDown("bye"), 503, None),
]


@pytest.mark.parametrize(
    ("error", "status", "message"), ERRORS, ids=lambda value: type(value).__name__
)
def test_each_error_has_its_status_and_the_original_words(
    world: World, error: errors.TasquesError, status: int, message: str | None
) -> None:
    """One key, ``message``; faults of the input stand beside it."""
    answer = failing_api(world, error).call("GET", "/tasques/mail/x")
    assert answer.status_code == status
    assert answer.json["message"] == (str(error) if message is None else message)
    extras = {errors.InvalidInput: {"faults"}, errors.Unavailable: {"code"}}
    allowed = [names for kind, names in extras.items() if isinstance(error, kind)]
    assert set(answer.json) == {"message"}.union(*allowed)


@pytest.mark.parametrize("error", [e for e, status, _ in ERRORS if status == 503], ids=repr)
def test_trouble_behind_us_says_when_to_come_back(world: World, error: errors.Unavailable) -> None:
    """In whole seconds, for every route; a claim that a stopping server refuses finds nothing."""
    api = failing_api(world, error)
    claims = () if isinstance(error, errors.ShuttingDown) else (("POST", "/tasques/claims"),)
    for method, path in (
        ("POST", "/tasques"),
        ("GET", "/tasques/mail/x"),
        ("PUT", "/tasques/done/mail/x"),
        ("DELETE", "/tasques/claims/mail/x"),
        *claims,
    ):
        body = {"queue": "mail", "kind": "send", "queues": []}
        answer = api.call(method, path, body, worker="w1")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == str(error.retry_after_seconds)
        assert answer.json["code"] == type(error).__name__


def test_a_claim_that_a_stopping_server_refuses_finds_nothing(world: World) -> None:
    """As one that waited when it was told to stop: some workers end at any error."""
    api = failing_api(world, errors.ShuttingDown("bye"))
    answer = api.call("POST", "/tasques/claims", {"queues": []}, worker="w1")
    assert (answer.status_code, answer.json) == (200, [])


def leaves(kind: type) -> set[type]:
    below: list[type] = kind.__subclasses__()
    return {leaf for each in below for leaf in leaves(each)} or {kind}


def test_every_error_of_the_core_is_in_the_table() -> None:
    """By itself or by a class above it; what the server raises before it serves does not count."""
    raised = {kind for kind in leaves(errors.TasquesError) if kind.__module__ == errors.__name__}
    assert raised
    for kind in raised:
        assert any(above in STATUS_BY_ERROR for above in kind.__mro__), kind


def test_the_nearest_class_decides() -> None:
    """A special case of a special case keeps its status until it gets one of its own."""

    class Special(errors.TaskNotFound):
        pass

    assert status_of(Special("mail", "x")) == 404


@pytest.mark.parametrize(
    "error", [RuntimeError("a secret"), errors.TasquesError("a secret"), KeyError("a secret")]
)
def test_a_fault_of_ours_shows_nothing_of_itself(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """500 with JSON and the id under which the log has the traceback."""
    with caplog.at_level(logging.ERROR):
        answer = failing_api(world, error).call("GET", "/tasques/mail/x")
    assert answer.status_code == 500
    assert set(answer.json) == {"message"}
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.json["message"]
    assert any(r.exc_info and r.exc_info[1] is error for r in caplog.records)


def test_a_fault_while_encoding_an_answer_is_a_fault_of_ours(world: World) -> None:
    """Not a broken connection."""

    class Nonsense:
        def get(self, key: object) -> object:
            return object()

    nonsense: Any = Nonsense()
    services = attrs.evolve(world.services, tasks=nonsense)
    answer = Api(create_app(services, ServerOptions())).call("GET", "/tasques/mail/x")
    assert answer.status_code == 500
    assert "message" in answer.json
