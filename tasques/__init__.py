"""
Task queues kept in Elasticsearch, served over HTTP, usable as a library.

::

    from tasques import Tasques

    app = Tasques("http://localhost:8080")

What is named here is loaded when it is asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tasques.app import (
        Blueprint,
        Context,
        GiveUp,
        Handle,
        Retry,
        RetryOn,
        Snooze,
        TaskFailed,
        Tasques,
        current_context,
        exponential,
    )
    from tasques.client import Client

__version__ = "0.1.0"

__all__ = [
    "Blueprint",
    "Client",
    "Context",
    "GiveUp",
    "Handle",
    "Retry",
    "RetryOn",
    "Snooze",
    "TaskFailed",
    "Tasques",
    "__version__",
    "current_context",
    "exponential",
]

_FROM_CLIENT: Final = frozenset({"Client"})


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(
        import_module("tasques.client" if name in _FROM_CLIENT else "tasques.app"), name
    )
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
