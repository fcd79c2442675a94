"""
Task queues kept in Elasticsearch, served over HTTP, usable as a library.

::

    from tasques import Tasques

    app = Tasques("http://localhost:8080")

What is named here is loaded when it is asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasques.lazily import loading

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

__getattr__ = loading(
    __name__,
    {name: "tasques.app" for name in __all__ if name != "__version__"}
    | {"Client": "tasques.client"},
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
