"""
The HTTP client of a Tasques server.

- :mod:`~tasques.client.client`: :class:`Client`, with a synchronous and an asynchronous twin of each
  call; the calls are in ``task_verbs``, ``recurring_verbs`` and ``queue_verbs``.
- :mod:`~tasques.client.commands`: what can be asked, each as a value that knows its form in HTTP.
- :mod:`~tasques.client.port`: what carries commands out; a backend within the process does so too.
- :mod:`~tasques.client.thread_transport`: the cheaper way there, for the threads of a worker.
- :mod:`~tasques.client.transport`, :mod:`~tasques.client.options`, :mod:`~tasques.client.retrying`,
  :mod:`~tasques.client.errors`: the way there, how to go it and when again, and what can go wrong.
- :mod:`~tasques.client.beside`: what is said in every request of a thread, such as its trace.

The library underneath is httpcore, the part of httpx that speaks HTTP: one library, well kept, with
a synchronous and an asynchronous form of the same pool, and no more on top than we need. CPU of a
POST with an answer of 700 bytes over a kept connection, as multiples of the standard library's
``http.client`` (150 µs on the machine where it was measured): urllib3 2.5 2.1, httpcore 1.0 1.9, httpx 0.28
3.4 to 4.8; asynchronous: aiohttp 3.14 1.2, httpcore 4.0, httpx 5.8. aiohttp is cheaper, but only
asynchronous, and brings eight packages; urllib3 is only synchronous; ``http.client`` has no pool.

What is named here is loaded when it is asked for: a command line needs the way to a server, and no verbs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tasques.lazily import loading

if TYPE_CHECKING:
    from tasques.client.client import Client
    from tasques.client.errors import (
        AnswerLost,
        NoSuchRoute,
        NotUnderstood,
        ServerError,
        ServerUnavailable,
        Unauthorized,
    )
    from tasques.client.port import Operations
    from tasques.client.queue_verbs import task_filter
    from tasques.client.values import (
        Done,
        Ending,
        Failed,
        Finish,
        Hold,
        NewTask,
        Task,
        TaskOptions,
        Unclaim,
    )

__all__ = [
    "AnswerLost",
    "Client",
    "Done",
    "Ending",
    "Failed",
    "Finish",
    "Hold",
    "NewTask",
    "NoSuchRoute",
    "NotUnderstood",
    "Operations",
    "ServerError",
    "ServerUnavailable",
    "Task",
    "TaskOptions",
    "Unauthorized",
    "Unclaim",
    "task_filter",
]

_NAMES: Final = {
    "client": ("Client",),
    "errors": (
        "AnswerLost",
        "NoSuchRoute",
        "NotUnderstood",
        "ServerError",
        "ServerUnavailable",
        "Unauthorized",
    ),
    "port": ("Operations",),
    "queue_verbs": ("task_filter",),
    "values": (
        "Done",
        "Ending",
        "Failed",
        "Finish",
        "Hold",
        "NewTask",
        "Task",
        "TaskOptions",
        "Unclaim",
    ),
}

# A type checker is to find the names that there are, and no others.
if not TYPE_CHECKING:
    __getattr__ = loading(
        __name__, {name: f"{__name__}.{home}" for home, names in _NAMES.items() for name in names}
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
