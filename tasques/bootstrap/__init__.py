"""
The one place where everything is put together.

- :mod:`~tasques.bootstrap.plugins`: who is installed, and the backend that the settings name.
- :mod:`~tasques.bootstrap.node`: one server's use cases and background work, built.
- :mod:`~tasques.bootstrap.measurements`: what can be read off them.
- :mod:`~tasques.bootstrap.neighbours`: other servers, told of tasks.
- :mod:`~tasques.bootstrap.garbage`: how often a server looks for garbage.
- :mod:`~tasques.bootstrap.serving`: all of it served over HTTP until a signal comes.

Adapters and fronts are imported only inside the functions that need them, so that a library with
the in-memory backend needs neither a web server nor a database client. For its sake, what plugins and
serving need is loaded when it is asked for, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasques.bootstrap.node import Node, build
from tasques.lazily import loading

if TYPE_CHECKING:
    from tasques.bootstrap.plugins import open_backend
    from tasques.bootstrap.serving import serve

__all__ = ["Node", "build", "open_backend", "serve"]

# A type checker is to find the names that there are, and no others.
if not TYPE_CHECKING:
    __getattr__ = loading(
        __name__, {"open_backend": f"{__name__}.plugins", "serve": f"{__name__}.serving"}
    )
