"""The plugin for the scheme ``memory:``; every URL of it opens a backend of its own."""

from __future__ import annotations

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.errors import Fault, InvalidInput
from tasques.core.ports import Backend, Runtime
from tasques.hookspecs import hookimpl


@hookimpl
def tasques_backend(url: str, runtime: Runtime) -> Backend | None:
    """
    A new, empty backend for ``memory:``; None for any other scheme.

    Raises:
        InvalidInput: If anything follows the colon: there is nothing to say about memory.
    """
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "memory":
        return None
    if rest:
        raise InvalidInput([Fault("backend", "url", "nothing may follow [memory:]")])
    return MemoryBackend(runtime)
