"""
The API descriptions and the pages that show them.

All of it is open to strangers, as it is with the original: it says nothing about tasks. The pages
work without any network but the server; their Content-Security-Policy has the browser see to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import falcon
import msgspec

from tasques.server.documentation.assets import Content, asset, own_text
from tasques.server.openapi import pages
from tasques.server.openapi.document import TITLE, openapi_document
from tasques.server.openapi.pages import Page
from tasques.server.openapi.swagger import swagger_document

App: TypeAlias = falcon.App[falcon.Request, falcon.Response]

ASSETS: Final = "/docs/assets"

#: ``data:`` is for the icons in swagger-ui's style sheet.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json; charset=utf-8"

#: The answer may be kept, and is asked for again every time: after an upgrade all is of a piece.
_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {"Cache-Control": "public, no-cache", "X-Content-Type-Options": "nosniff"}
)
_PAGE_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **_HEADERS,
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Referrer-Policy": "no-referrer",
    }
)


def add_documentation(app: App, *, credentials: bool) -> None:
    """
    Give *app* the routes of :data:`tasques.server.openapi.pages.PAGES` and what their pages need.

    Args:
        credentials: Whether users are configured, which the descriptions then say.
    """
    contents = {
        pages.OPENAPI: _json(openapi_document(credentials=credentials)),
        pages.SWAGGER: _json(swagger_document(credentials=credentials)),
        pages.DOCS: _page(pages.OPENAPI),
        pages.SWAGGER_DOCS: _page(pages.SWAGGER),
    }
    for page, content in contents.items():
        app.add_route(page.path, ContentResource(content))
    app.add_route(ASSETS + "/{name}", AssetsResource())


def _json(document: dict[str, Any]) -> Content:
    return Content(msgspec.json.encode(document) + b"\n", _JSON)


def _page(description: Page) -> Content:
    template = Template(own_text("page.html"))
    html = template.substitute(title=TITLE, assets=ASSETS, description=description.path)
    return Content(html.encode(), _HTML)


class ContentResource:
    """Something that stays the same as long as the server runs."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Send it."""
        _send(self._content, request, response)


class AssetsResource:
    """``/docs/assets/{name}``: what the pages are made of."""

    def on_get(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """
        Send the file of that name.

        Raises:
            falcon.HTTPNotFound: If there is none.
        """
        content = asset(name)
        if content is None:
            raise falcon.HTTPNotFound
        _send(content, request, response)


def _send(content: Content, request: falcon.Request, response: falcon.Response) -> None:
    for name, value in (_PAGE_HEADERS if content.media_type == _HTML else _HEADERS).items():
        response.set_header(name, value)
    # Weak, since it is the same for the compressed form.
    response.set_header("ETag", f'W/"{content.tag}"')
    if any(known in ("*", content.tag) for known in request.if_none_match or ()):
        response.status = falcon.HTTP_304
    else:
        response.content_type = content.media_type
        response.data = content.data
