"""The door by which this backend comes in; the client library is imported only behind it."""

from __future__ import annotations

from collections.abc import Mapping

from tasques.core.errors import Fault, InvalidInput
from tasques.core.ports import Backend, Runtime
from tasques.hookspecs import hookimpl


@hookimpl
def tasques_backend(url: str, options: Mapping[str, object], runtime: Runtime) -> Backend | None:
    """Open a backend for ``elasticsearch:``, ``elasticsearch+http:`` and ``elasticsearch+https:``."""
    from tasques.adapters.elasticsearch import settings

    if not settings.is_ours(url):
        return None
    parsed = settings.parse(url, options)
    try:
        from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed: pip install 'tasques[elasticsearch]'"
        raise InvalidInput([Fault("backend", "clientMissing", message)]) from error
    return ElasticsearchBackend.connect(parsed, runtime)
