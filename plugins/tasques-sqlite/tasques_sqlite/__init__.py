"""
A plugin of Tasques that keeps tasks in a single file, with SQLite.

``sqlite:///tasques.db`` is a file in the current folder, ``sqlite:////var/lib/tasques.db`` one by its
whole path.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tasques.core.errors import Fault, InvalidInput
from tasques.core.ports import Backend, Runtime
from tasques.hookspecs import hookimpl
from tasques_sqlite.backend import SqliteBackend

__all__ = ["SqliteBackend", "SqlitePlugin", "plugin"]

_PREFIX: Final = "sqlite:///"


class SqlitePlugin:
    """The hooks of this plugin."""

    TASQUES_API = (1, 0)

    @hookimpl
    def tasques_backend(
        self, url: str, options: Mapping[str, object], runtime: Runtime
    ) -> Backend | None:
        """Open the file that *url* names."""
        if not url.startswith("sqlite:"):
            return None
        path = url.removeprefix(_PREFIX)
        if not url.startswith(_PREFIX) or not path or path.endswith("/"):
            raise InvalidInput(
                [Fault("backend", "backend", f"[{url}] does not name a file: sqlite:///tasques.db")]
            )
        return SqliteBackend(Path(path), runtime)


plugin: Final = SqlitePlugin()
