"""
The one place where everything is put together.

- :mod:`~tasques.bootstrap.plugins`: who is installed, and the backend that the settings name.
- :mod:`~tasques.bootstrap.node`: one server's use cases and background work, built.
- :mod:`~tasques.bootstrap.measurements`: what can be read off them.
- :mod:`~tasques.bootstrap.neighbours`: other servers, told of tasks.
- :mod:`~tasques.bootstrap.serving`: all of it served over HTTP until a signal comes.

Adapters and fronts are imported only inside the functions that need them, so that a library with
the in-memory backend needs neither a web server nor a database client.
"""

from tasques.bootstrap.node import Node, build
from tasques.bootstrap.plugins import open_backend, plugins
from tasques.bootstrap.serving import serve

__all__ = ["Node", "build", "open_backend", "plugins", "serve"]
