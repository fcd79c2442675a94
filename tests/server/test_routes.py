"""The table of routes says what is served, and nothing else is."""

from __future__ import annotations

import pytest

from tasques.server.app import create_app
from tasques.server.credentials import is_open
from tasques.server.options import ServerOptions
from tasques.server.routes import ROUTES, Route
from tests.server.conftest import Api, World

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")

# Wire contract, section 1; operation ids from its section 11.
CONTRACT = {
    ("POST", "/tasques", "create-task", 201),
    ("GET", "/tasques/{queue}/{id}", "get-existing-task", 200),
    ("POST", "/tasques/claims", "claim-tasks", 200),
    ("DELETE", "/tasques/claims/{queue}/{id}", "unclaim-existing-task", 200),
    ("PUT", "/tasques/reports/{queue}/{id}", "report-on-claimed-task", 200),
    ("PUT", "/tasques/done/{queue}/{id}", "mark-claimed-task-done", 200),
    ("PUT", "/tasques/failed/{queue}/{id}", "mark-claimed-task-failed", 200),
    ("POST", "/recurring_tasques", "create-recurring-task", 201),
    ("GET", "/recurring_tasques", "list-existing-recurring-tasks", 200),
    ("GET", "/recurring_tasques/{id}", "get-existing-recurring-task", 200),
    ("PUT", "/recurring_tasques/{id}", "update-existing-recurring-task", 200),
    ("DELETE", "/recurring_tasques/{id}", "delete-existing-recurring-task", 200),
}


def test_the_original_routes_are_those_of_the_contract() -> None:
    """Methods, paths, operation ids and statuses are what generated clients rely on."""
    original = {(r.method, r.path, r.operation_id, r.status) for r in ROUTES if r.from_original}
    assert original == CONTRACT


def test_operation_ids_are_unique() -> None:
    """A generated client has a method for each operation."""
    ids = [route.operation_id for route in ROUTES]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_every_route_of_the_table_is_served(api: Api, route: Route) -> None:
    """What is described exists: it answers, and not that there is no such route."""
    path = route.path.format(queue="mail", id="x")
    answer = api.call(route.method, path, raw=b"{}", worker="w1")
    assert answer.status_code in {route.status, *route.all_errors}
    assert "No such route." not in answer.text


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_no_other_method_is_served(api: Api, path: str) -> None:
    """Methods that the table lacks are 405 with the JSON body, and name those there are."""
    allowed = sorted(route.method for route in ROUTES if route.path == path)
    for method in sorted(set(METHODS) - set(allowed)):
        answer = api.call(method, path.format(queue="mail", id="x"), worker="w1")
        # GET /tasques/claims/x and its like name a task of a queue that is called like a route.
        assert answer.status_code == 405, method
        assert answer.json == {"message": "No such route."}
        assert answer.headers["Allow"] == ", ".join(allowed)


def test_unknown_routes_are_404(api: Api) -> None:
    """There is no landing page, and nothing beside the table."""
    for path in ("/", "/tasques/mail", "/tasques/a/b/c/d", "/nowhere", "/tasques/claims/a/b/c"):
        answer = api.call("GET", path)
        assert answer.status_code == 404
        assert answer.json == {"message": "No such route."}


def test_a_path_has_one_resource(world: World) -> None:
    """The application is built of the table alone: a path that lacks its resource fails early."""
    create_app(world.services, ServerOptions())


def test_open_routes_are_those_outside_of_authentication() -> None:
    """The table and the paths that are open to strangers say the same."""
    for route in ROUTES:
        assert route.wants_credentials != is_open(route.path)


@pytest.mark.parametrize("name", ["claims", "done", "reports", "health", "create-many"])
def test_a_queue_may_be_called_like_a_route(api: Api, name: str) -> None:
    """Its tasks are found, claimed and finished like all others."""
    api.create(queue=name, id="x")
    assert api.call("GET", f"/tasques/{name}/x").json["queue"] == name
    api.claim(queues=[name])
    assert api.call("PUT", f"/tasques/done/{name}/x", {}, worker="w1").json["state"] == "done"
