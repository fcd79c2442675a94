"""How descriptions, pages and their files are served."""

from __future__ import annotations

import re

import pytest

from tasques.server.app import create_app
from tasques.server.documentation.assets import MEDIA_TYPES
from tasques.server.documentation.resources import ASSETS
from tasques.server.openapi.document import openapi_document
from tasques.server.openapi.pages import PAGES
from tasques.server.openapi.swagger import swagger_document
from tasques.server.options import ServerOptions
from tasques.settings.kinds import User
from tests.server.conftest import Api, World

FILES = [f"{ASSETS}/{name}" for name in MEDIA_TYPES]


@pytest.fixture
def closed(world: World) -> Api:
    """The API where users are configured, without credentials."""
    users = (User(name="ann", password="secret"),)
    return Api(create_app(world.services, ServerOptions(users=users)))


def test_the_descriptions_are_served_as_generated(api: Api, closed: Api) -> None:
    """What a client reads is what the table says, with users or without."""
    for client, credentials in ((api, False), (closed, True)):
        openapi = client.call("GET", "/openapi.json")
        assert openapi.json == openapi_document(credentials=credentials)
        swagger = client.call("GET", "/swagger/doc.json")
        assert swagger.json == swagger_document(credentials=credentials)
        assert openapi.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("path", [*(page.path for page in PAGES), *FILES, "/docs/"])
def test_everything_about_the_api_is_open_to_strangers(path: str, closed: Api) -> None:
    """Reading how to talk to the server takes no credentials."""
    assert closed.call("GET", path).status_code == 200


@pytest.mark.parametrize("path", [*(page.path for page in PAGES), *FILES])
def test_what_has_not_changed_is_not_sent_again(path: str, api: Api) -> None:
    """A browser keeps what it has, and asks each time, so an upgrade is seen at once."""
    first = api.call("GET", path)
    tag = first.headers["ETag"]
    assert "no-cache" in first.headers["Cache-Control"]
    again = api.call("GET", path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == tag
    assert api.call("GET", path, headers={"If-None-Match": 'W/"other"'}).status_code == 200
    assert api.call("GET", path, headers={"If-None-Match": "*"}).status_code == 304


def test_files_have_their_types(api: Api) -> None:
    """A browser that trusts only declared types runs and shows them."""
    for name, media_type in MEDIA_TYPES.items():
        answer = api.call("GET", f"{ASSETS}/{name}")
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.content


@pytest.mark.parametrize(
    "name",
    [
        "page.html",
        "resources.py",
        "index.html",
        "..",
        "../start.js",
        "%2e%2e%2fstart.js",
        "",
        "%00",
    ],
)
def test_no_other_file_can_be_had(name: str, api: Api) -> None:
    """Names are looked up in a list, so none leads out of it."""
    answer = api.call("GET", f"{ASSETS}/{name}")
    assert answer.status_code == 404
    assert answer.json == {"message": "No such route."}


@pytest.mark.parametrize("path", ["/docs", "/swagger/index.html"])
def test_a_page_names_nothing_outside_the_server(path: str, api: Api) -> None:
    """Scripts and styles come from the server itself, and the policy allows nothing else."""
    answer = api.call("GET", path)
    addresses = re.findall(r'(?:src|href|data-description)="([^"]*)"', answer.text)
    assert len(addresses) == 7
    for address in addresses:
        assert api.call("GET", address).status_code == 200
    policy = dict(
        directive.split(" ", 1)
        for directive in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert {s for sources in policy.values() for s in sources.split()} == {
        "'none'",
        "'self'",
        "data:",
    }


def test_large_files_are_compressed(api: Api) -> None:
    """The page is of use on a slow line too."""
    answer = api.call("GET", f"{ASSETS}/swagger-ui-bundle.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.content) < 500_000
