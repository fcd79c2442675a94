"""The middleware of plugins: what it sees, may do, and cannot break."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import attrs
import pytest

from tasques.core.errors import InvalidInput
from tasques.core.metrics import Sample
from tasques.core.service.filters import Failing
from tasques.http_middleware import (
    HttpAnswer,
    HttpMiddleware,
    HttpRequest,
    OnAnswer,
    OnRequest,
    Refusal,
)
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.settings.kinds import User
from tests.server.conftest import Api, World
from tests.server.test_parking import ANY, Claims
from tests.server.test_socket_claims import until
from tests.server.wire import Wire


class Curious:
    """Notes what it is told, and says so in a header."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.answers: list[HttpAnswer] = []

    def on_request(self, request: HttpRequest) -> OnAnswer:
        self.requests.append(request)
        return self.on_answer

    def on_answer(self, answer: HttpAnswer) -> Mapping[str, str]:
        self.answers.append(answer)
        return {"X-Seen": str(len(self.answers))}


def plugged(on_request: OnRequest, failing: Failing = Failing.OPEN) -> HttpMiddleware:
    return HttpMiddleware(name="mine", on_request=on_request, failing=failing)


def api_with(world: World, *middleware: HttpMiddleware, users: Sequence[User] = ()) -> Api:
    options = ServerOptions(users=tuple(users))
    return Api(create_app(world.services, options, middleware=middleware))


def errors_of(world: World) -> Sequence[Sample]:
    families = {each.name: each for each in world.services.meter.collect()}
    return families["tasques_middleware_errors_total"].samples


def test_it_sees_a_request_and_its_answer(world: World) -> None:
    """And may add headers to it; the request's id is the one of log and answer."""
    curious = Curious()
    api = api_with(world, plugged(curious.on_request))
    answer = api.call(
        "GET", "/tasques/mail/none?a=b", headers={"X-Request-Id": "r1", "Traceparent": "00-1"}
    )
    (seen,) = curious.requests
    assert (seen.method, seen.path, seen.query) == ("GET", "/tasques/mail/none", "a=b")
    assert (seen.id, seen.headers["traceparent"], seen.remote) == ("r1", "00-1", "127.0.0.1")
    (told,) = curious.answers
    assert (told.status, told.route, told.bytes) == (
        404,
        "/tasques/{queue}/{id}",
        len(answer.content),
    )
    assert told.seconds >= 0
    assert answer.headers["x-seen"] == "1"
    assert "00-1" not in repr(seen)
    with pytest.raises(TypeError):
        seen.headers["traceparent"] = "mine"  # type: ignore[index]


def test_it_is_outside_of_the_credentials(world: World) -> None:
    """So it sees those who are not let in, and paths that there are not."""
    curious = Curious()
    api = api_with(world, plugged(curious.on_request), users=[User(name="ann", password="secret")])
    assert api.call("GET", "/tasques/mail/x").status_code == 401
    assert api.call("GET", "/nowhere").status_code == 404
    assert [(each.status, each.route) for each in curious.answers] == [
        (401, None),
        (404, None),
    ]


def test_the_size_is_that_of_what_is_sent(world: World) -> None:
    """Compressed, if it is."""
    curious = Curious()
    api = api_with(world, plugged(curious.on_request))
    answer = api.call("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(answer.content)[:1] == b"{"
    assert curious.answers[0].bytes == len(answer.content)


def test_it_may_refuse(world: World) -> None:
    """Those inside are not asked, those outside hear of it."""
    outer, inner = Curious(), Curious()
    refusal = Refusal(status=429, message="slowly", headers={"Retry-After": "7"})
    api = api_with(
        world, plugged(outer.on_request), plugged(lambda _: refusal), plugged(inner.on_request)
    )
    answer = api.call("POST", "/tasques", {"queue": "mail", "kind": "send", "id": "x"})
    assert (answer.status_code, answer.json["message"]) == (429, "slowly")
    assert (answer.headers["retry-after"], answer.headers["x-seen"]) == ("7", "1")
    assert answer.headers["x-request-id"]
    assert [each.status for each in outer.answers] == [429]
    assert inner.requests == []
    assert api_with(world).call("GET", "/tasques/mail/x").status_code == 404


def fail(_: object) -> None:
    raise RuntimeError("broken")


def no_answer(request: HttpRequest) -> Any:
    """What cannot be told an answer."""
    return 7


@pytest.mark.parametrize("broken", [fail, no_answer])
def test_one_that_fails_open_is_passed_over(
    world: World, broken: OnRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted each time, logged once a minute; the others are asked all the same."""
    curious = Curious()
    api = api_with(world, plugged(broken), plugged(curious.on_request))
    with caplog.at_level(logging.ERROR):
        assert [api.call("GET", "/health/live").status_code for _ in range(3)] == [200] * 3
    assert len(curious.answers) == 3
    assert [each.value for each in errors_of(world)] == [3]
    lines = [each for each in caplog.records if "the middleware mine failed" in each.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info


@pytest.mark.parametrize("broken", [fail, no_answer])
def test_one_that_fails_closed_lets_nothing_pass(world: World, broken: OnRequest) -> None:
    """503, as a filter; those outside of it hear of that."""
    curious = Curious()
    api = api_with(world, plugged(curious.on_request), plugged(broken, Failing.CLOSED))
    answer = api.call("GET", "/health/live")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json["message"] == "The middleware [mine] cannot be asked"
    assert [each.status for each in curious.answers] == [503]


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nY: b"}, {"a b": "c"}, {"Content-Length": "1"}, {"connection": "close"}, {"x": 1}],
)
@pytest.mark.parametrize("failing", Failing)
def test_what_fails_at_the_answer_changes_nothing(
    world: World, headers: Mapping[str, str], failing: Failing
) -> None:
    """Closed or not: what was asked for has been done. Headers are none, or not its own."""
    curious = Curious()
    api = api_with(
        world,
        plugged(curious.on_request),
        plugged(lambda _: lambda _: headers, failing),
        plugged(lambda _: fail, failing),
    )
    answer = api.call("GET", "/health/live")
    assert (answer.status_code, answer.json) == (200, {"status": "live"})
    assert len(curious.answers) == 1
    assert [each.value for each in errors_of(world)] == [2]


@pytest.mark.parametrize("status", [200, 302, 399, 600])
def test_a_refusal_has_the_status_of_one(status: int) -> None:
    """Else a client would take it for success."""
    with pytest.raises(ValueError, match="from 400 to 599"):
        Refusal(status=status, message="no")


def test_a_refusal_has_headers_that_can_be_sent() -> None:
    """An error of the middleware's, at the place where it is."""
    with pytest.raises(ValueError, match="is no header"):
        Refusal(status=400, message="no", headers={"X": "a\nb"})


@pytest.mark.parametrize("wrong", [None, lambda: None, lambda a, b: None])
def test_a_signature_that_does_not_fit_is_refused_at_the_start(wrong: Any) -> None:
    """As that of a hook."""
    with pytest.raises(InvalidInput, match="middleware mine"):
        plugged(wrong)


Serve = Callable[..., Front]


def test_a_claim_that_waits_is_seen_once(world: World, serve: Serve) -> None:
    """It is served in two halves; the second brings the answer of the one request."""
    curious, claims = Curious(), Claims()
    services = attrs.evolve(world.services, claims=claims)  # type: ignore[arg-type]
    options = ServerOptions()
    front = serve(create_app(services, options, middleware=[plugged(curious.on_request)]))
    with ExitStack() as stack:
        worker, other = (stack.enter_context(Wire(front)) for _ in range(2))
        worker.request("POST", "/tasques/claims", ANY)
        claims.until_waiting(1)
        other.call("GET", "/health/live")
        assert [each.path for each in curious.requests] == ["/tasques/claims", "/health/live"]
        assert [each.route for each in curious.answers] == ["/health/live"]
        claims.waiting[0][0](())
        answer = worker.answer()
    assert (answer.status, answer.headers["x-seen"]) == (200, "2")
    assert [each.path for each in curious.requests] == ["/tasques/claims", "/health/live"]
    assert [each.route for each in curious.answers] == ["/health/live", "/tasques/claims"]


def test_a_claim_whose_worker_went_away_is_seen_to_its_end(world: World, serve: Serve) -> None:
    """What a middleware holds for a request, it can let go of."""
    curious, claims = Curious(), Claims()
    services = attrs.evolve(world.services, claims=claims)  # type: ignore[arg-type]
    options = ServerOptions()
    front = serve(create_app(services, options, middleware=[plugged(curious.on_request)]))
    worker = Wire(front)
    worker.request("POST", "/tasques/claims", ANY)
    claims.until_waiting(1)
    worker.close()
    deliver, is_connected = claims.waiting[0]
    until(lambda: not is_connected())
    deliver(())
    until(lambda: len(curious.answers) == 1)
    assert len(curious.requests) == 1
