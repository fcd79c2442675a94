"""The addresses of the API descriptions and of the pages that show them."""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Page:
    """
    Something about the API, to be had with GET and without credentials.

    Attributes:
        media_type: What a success is.
    """

    path: str
    operation_id: str
    summary: str
    media_type: str


OPENAPI: Final = Page(
    path="/openapi.json",
    operation_id="get-openapi",
    summary="This description, as OpenAPI 3.0",
    media_type="application/json",
)
SWAGGER: Final = Page(
    path="/swagger/doc.json",
    operation_id="get-swagger",
    summary="The description as Swagger 2.0, for the tools of the original server's clients",
    media_type="application/json",
)
DOCS: Final = Page(
    path="/docs",
    operation_id="get-docs",
    summary="The OpenAPI 3.0 description as a page to try things out on",
    media_type="text/html",
)
SWAGGER_DOCS: Final = Page(
    path="/swagger/index.html",
    operation_id="get-swagger-docs",
    summary="The Swagger 2.0 description as a page to try things out on",
    media_type="text/html",
)

PAGES: Final = (OPENAPI, DOCS, SWAGGER, SWAGGER_DOCS)
