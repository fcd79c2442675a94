"""
The doors for plugins, as pluggy specifications.

A distribution brings a plugin by an entry point of the group ``tasques``; the built-in backends come
in by the same door. Types only: what the hooks do is said by the ports that they hand out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from wsgiref.types import WSGIApplication

import pluggy

from tasques.core.events import TaskEvent
from tasques.core.metrics import MetricFamily
from tasques.core.ports import Backend, Runtime
from tasques.core.service.election import Leadership
from tasques.core.service.filters import Filter
from tasques.http_middleware import HttpMiddleware

#: The version of what this file promises: the first number changes when a plugin may have to, the
#: second when something is added (1.1: ``tasques_http_middleware``). A plugin that needs more than the
#: first version says which in an attribute ``TASQUES_API = (1, 0)``, and is refused at the start where
#: that is not to be had.
API_VERSION = (1, 1)

#: The name under which pluggy and the entry points know this project.
PROJECT = "tasques"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def tasques_backend(url: str, options: Mapping[str, object], runtime: Runtime) -> Backend | None:
    """
    Open the backend that *url* names, or give None if its scheme is not yours.

    Nothing is sent or started yet: a backend out of reach says so in ``check``.

    Args:
        url: ``scheme:`` with whatever the scheme needs after it, as in ``memory:`` and
            ``elasticsearch+https://user:password@a:9200,b:9200/?prefix=.tasques_``.
        options: The effective settings by dotted name, without the leading ``tasques.server.``, as in
            ``elasticsearch.addresses``; for schemes that take more than a URL can say.
        runtime: Time and concurrency; use nothing else for them.

    Raises:
        InvalidInput: If the scheme is yours and the rest of *url* or the options make no sense.
    """


@hookspec
def tasques_metrics(collect: Callable[[], Sequence[MetricFamily]]) -> None:
    """
    Take the source of this server's measurements; called once, before it takes requests.

    Args:
        collect: Gives all families as of now, by name. May be called at any time, from any thread;
            neither blocks nor raises. The names, labels and units of families are in
            ``docs/reference/metrics.md``.
    """


@hookspec
def tasques_wsgi() -> Mapping[str, WSGIApplication] | None:
    """
    Give WSGI applications to serve beside the API, by the path of each: ``{"/metrics": app}``.

    None for none.

    Asked for once, before requests are taken, and after ``tasques_metrics``. Each answers GET at
    exactly its path, behind the same credentials as the API, with the same request ids and log.
    A path that the server or another plugin has is an error at the start.
    """


@hookspec
def tasques_http_middleware() -> Sequence[HttpMiddleware] | None:
    """
    Give middleware, which is asked about each request and told its answer; None for none.

    Asked for once, before requests are taken. Middleware runs inline, in the order of installation,
    outside of the check of credentials and of everything that plugins serve; see
    :mod:`tasques.http_middleware` for what it sees, and for what its failure means. What is given and
    is none is an error at the start.
    """


@hookspec
def tasques_leader_changed(leadership: Leadership) -> None:
    """
    Learn who leads, as far as this server knows, whenever that changes.

    Best effort: told on a thread of its own, after the fact, perhaps in another order than it
    happened, and not at all when the server stops before. An error is logged and concerns nobody
    else.

    Args:
        leadership: Who leads, whether it is this server, since when and in which term.
    """


@hookspec
def tasques_task_event(event: TaskEvent) -> None:
    """
    Learn what happened to a task: created, claimed, reported on, done, failed, dead, archived …

    Best effort, per server, after the acknowledgement and beside the request; may be told twice, or be
    lost; see :mod:`tasques.core.events` for what an observer can rely on. Observers are called one
    after another on one thread. Those that take too long lose events, which
    ``tasques_events_dropped_total`` counts; what they raise is logged and counted, and concerns nobody
    else.

    Args:
        event: What happened, when, and the task as it is since then. Frozen.
    """


@hookspec
def tasques_filters() -> Sequence[Filter] | None:
    """
    Give filters, which may change or refuse what producers and workers ask for; None for none.

    Asked for once, before requests are taken. Filters run inline, one after another, each with what
    the one before it made; see :mod:`tasques.core.service.filters` for their budget of time and for
    what their failure means.
    """
