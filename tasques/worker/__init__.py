"""
The worker: takes tasks from a server, runs what is declared for them, and tells what came of it.

- :mod:`~tasques.worker.ledger`: every decision, without thread or clock; over
  :mod:`~tasques.worker.attempts`, by the numbers of :mod:`~tasques.worker.rules`;
  :mod:`~tasques.worker.readings` says what the server's answers mean.
- :mod:`~tasques.worker.worker`: :class:`Worker`, the threads around it; they meet at the
  :mod:`~tasques.worker.desk`. :mod:`~tasques.worker.telling` is the one that tells the server.
- :mod:`~tasques.worker.bodies`: what runs bodies: :mod:`~tasques.worker.threads` and
  :mod:`~tasques.worker.event_loop`; what ends them early is in :mod:`~tasques.worker.limits`.
- :mod:`~tasques.worker.turns`: from which queue it claims first.
- :mod:`~tasques.worker.supervisor`: several processes, each with a worker; :mod:`~tasques.worker.supervised`
  is what the two say to each other.
- :mod:`~tasques.worker.gate`: the server, as a worker sees it; :mod:`~tasques.worker.together` is the
  request for many.
- :mod:`~tasques.worker.snapshot`, :mod:`~tasques.worker.counters`, :mod:`~tasques.worker.log_fields`,
  :mod:`~tasques.worker.troubles`: what can be seen of it.
"""

from tasques.worker.limits import HardTimeLimitExceeded, SoftTimeLimitExceeded, TaskCancelled
from tasques.worker.log_fields import TaskFilter
from tasques.worker.options import WorkerOptions
from tasques.worker.worker import App, Worker

__all__ = [
    "App",
    "HardTimeLimitExceeded",
    "SoftTimeLimitExceeded",
    "TaskCancelled",
    "TaskFilter",
    "Worker",
    "WorkerOptions",
]
