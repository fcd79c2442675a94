"""HTTP basic authentication: wire contract, section 1, "Authentication"."""

from __future__ import annotations

import base64
import hmac

import pytest

from tasques.server.app import create_app
from tasques.server.credentials import Users
from tasques.server.options import ServerOptions
from tasques.server.routes import ROUTES, Route
from tasques.settings.kinds import User
from tests.server.conftest import Api, World

USERS = (
    User(name="ann", password="correct:horse:battery"),
    User(name="bob", password="pässwörd"),
    User(name="cy", password=""),
)


def basic(text: str | bytes, scheme: str = "Basic") -> dict[str, str]:
    raw = text.encode() if isinstance(text, str) else text
    return {"Authorization": f"{scheme} {base64.b64encode(raw).decode()}"}


@pytest.fixture
def closed(world: World) -> Api:
    return Api(create_app(world.services, ServerOptions(users=USERS)))


CLOSED = [r for r in ROUTES if r.wants_credentials]
OPEN = [r for r in ROUTES if not r.wants_credentials]


@pytest.mark.parametrize("route", CLOSED, ids=lambda r: r.operation_id)
def test_every_route_of_tasks_wants_credentials(closed: Api, route: Route) -> None:
    """Before anything else is looked at: with nothing else right, it is still 401, empty."""
    path = route.path.format(queue="MAIL", id="x")
    answer = closed.call(route.method, path, raw=b"nonsense")
    assert answer.status_code == 401
    assert answer.content == b""
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Authorization Required"'


@pytest.mark.parametrize(
    "path", ["/tasques", "/tasques/a", "/recurring_tasques", "/recurring_tasques/x"]
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "OPTIONS"])
def test_so_does_everything_under_their_paths(closed: Api, path: str, method: str) -> None:
    """Whether or not there is such a route or method."""
    assert closed.call(method, path).status_code == 401


@pytest.mark.parametrize("route", OPEN, ids=lambda r: r.operation_id)
def test_health_is_for_everybody(closed: Api, route: Route) -> None:
    """Load balancers have no password."""
    assert closed.call(route.method, route.path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/docs", "/swagger/doc.json", "/swagger/index.html"]
)
def test_so_is_the_description(closed: Api, path: str) -> None:
    """It says nothing about tasks."""
    assert closed.call("GET", path).status_code == 200


def test_unknown_routes_are_404_for_everybody(closed: Api) -> None:
    """As in the original."""
    assert closed.call("GET", "/nowhere").status_code == 404


def test_a_route_added_later_is_closed_unless_it_is_listed(world: World) -> None:
    """A plugin's route that nobody thought about is not open to strangers."""

    class Secret:
        def on_get(self, request: object, response: object) -> None:
            raise AssertionError("a stranger got in")

    app = create_app(world.services, ServerOptions(users=USERS))
    for path in ("/plugin/secret", "/docsecret", "/healthy"):
        app.add_route(path, Secret())
        assert Api(app).call("GET", path).status_code == 401


@pytest.mark.parametrize("text", ["ann:correct:horse:battery", "bob:pässwörd", "cy:"])
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_each_user_gets_in(closed: Api, text: str, scheme: str) -> None:
    """A password may hold colons and any letters; the scheme goes by any case."""
    answer = closed.call("GET", "/tasques/mail/x", headers=basic(text, scheme))
    assert answer.status_code == 404


WRONG = [
    {},
    basic(""),
    basic(":"),
    basic("ann"),
    basic("ann:"),
    basic("ann:correct"),
    basic("ann:correct:horse:battery "),
    basic("Ann:correct:horse:battery"),
    basic("bob:correct:horse:battery"),
    basic("bob:pässwörd".encode("latin-1")),
    basic("cy"),
    basic(b"\xff\xfe"),
    basic("ann:correct:horse:battery", "Bearer"),
    {"Authorization": "Basic"},
    {"Authorization": "Basic !!!"},
    {"Authorization": "Basic " + "A" * 5000},
    {"Authorization": "YW5uOmNvcnJlY3Q6aG9yc2U6YmF0dGVyeQ=="},
]


@pytest.mark.parametrize("headers", WRONG)
def test_nobody_else_does(closed: Api, headers: dict[str, str]) -> None:
    """Whatever the header holds, it is 401 and no error of the server's."""
    assert closed.call("GET", "/tasques/mail/x", headers=headers).status_code == 401


def test_without_users_everybody_may(api: Api) -> None:
    """Authentication is optional."""
    assert api.call("GET", "/tasques/mail/x", headers=basic("no:body")).status_code == 404


@pytest.mark.parametrize("text", ["ann:correct:horse:battery", "cy:", "nobody:x"])
def test_all_users_are_compared_whoever_it_is(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Without early exit, and as digests of equal length: time tells nothing."""
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    Users(USERS).admit(basic(text)["Authorization"])
    assert compared == [(32, 32)] * len(USERS)


def test_passwords_do_not_show() -> None:
    """In the text of options, which may come into a log."""
    assert "horse" not in repr(ServerOptions(users=USERS))
