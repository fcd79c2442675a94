"""
What the pages are made of: files of swagger-ui's, from the package that bundles them, and our own.

There is a list of what may be had, and names are looked up in it, so no name leads anywhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

import attrs
from swagger_ui_bundle import swagger_ui_path

JAVASCRIPT: Final = "text/javascript; charset=utf-8"
CSS: Final = "text/css; charset=utf-8"
PNG: Final = "image/png"

#: The media type of each file that can be had.
MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "swagger-ui-bundle.js": JAVASCRIPT,
        "swagger-ui.css": CSS,
        "index.css": CSS,
        "favicon-32x32.png": PNG,
        "start.js": JAVASCRIPT,
    }
)

_OURS: Final = ("start.js",)


@attrs.frozen
class Content:
    """
    Something to send.

    Attributes:
        tag: Changes with the content.
    """

    data: bytes
    media_type: str
    tag: str = attrs.field(init=False)

    @tag.default
    def _digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()[:32]


def asset(name: str) -> Content | None:
    """The file of that name, read once; None if it is not on the list."""
    # Looked up before anything is kept for it: names are for anybody to make up.
    return _read(name) if name in MEDIA_TYPES else None


@cache
def _read(name: str) -> Content:
    data = own_text(name).encode() if name in _OURS else (swagger_ui_path / name).read_bytes()
    return Content(data, MEDIA_TYPES[name])


def own_text(name: str) -> str:
    """A file that lies beside this module."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
