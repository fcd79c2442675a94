"""
Tasques as a library: one object over a server, a cluster or memory, and tasks that are declared.

- :mod:`~tasques.app.facade`: :class:`Tasques`, the application.
- :mod:`~tasques.app.declarations`, :mod:`~tasques.app.declared`: ``@app.task(...)``, blueprints, and
  what comes of a function; :mod:`~tasques.app.parameters` and :mod:`~tasques.app.conversion` turn its
  arguments and results into JSON and back.
- :mod:`~tasques.app.handles`: what was enqueued, and waiting for its result.
- :mod:`~tasques.app.periodic`: what is declared to be done by a schedule, and synchronised.
- :mod:`~tasques.app.context`, :mod:`~tasques.app.signals`, :mod:`~tasques.app.retrying`: what a task
  knows and may say while it runs; :mod:`~tasques.app.outcomes` and :mod:`~tasques.app.failures` say how
  its attempt ends, purely, for the worker and for tests.
- :mod:`~tasques.app.middleware`: what is done around enqueues and attempts, such as tracing.
- :mod:`~tasques.app.embedded`: commands carried out on a backend of this process, by
  :mod:`~tasques.app.calls`, :mod:`~tasques.app.rules` and :mod:`~tasques.app.answers`. Over HTTP the same
  commands are carried out by :class:`tasques.client.Client`.
"""

from tasques.app.context import Context, current_context
from tasques.app.declarations import Blueprint
from tasques.app.declared import AsyncTask, DeclaredTask, NotIncluded, Prepared, SyncTask
from tasques.app.facade import NobodyReaps, Tasques
from tasques.app.failures import Failure, TaskFailed
from tasques.app.handles import Handle, StillUnfinished
from tasques.app.middleware import Enqueue, Middleware
from tasques.app.outcomes import for_original, outcome_of_error, outcome_of_return
from tasques.app.periodic import Periodic, Synced
from tasques.app.retrying import RetryOn, RetryPolicy, exponential
from tasques.app.signals import GiveUp, Retry, Snooze

__all__ = [
    "AsyncTask",
    "Blueprint",
    "Context",
    "DeclaredTask",
    "Enqueue",
    "Failure",
    "GiveUp",
    "Handle",
    "Middleware",
    "NobodyReaps",
    "NotIncluded",
    "Periodic",
    "Prepared",
    "Retry",
    "RetryOn",
    "RetryPolicy",
    "Snooze",
    "StillUnfinished",
    "SyncTask",
    "Synced",
    "TaskFailed",
    "Tasques",
    "current_context",
    "exponential",
    "for_original",
    "outcome_of_error",
    "outcome_of_return",
]
