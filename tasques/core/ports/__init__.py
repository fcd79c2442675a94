"""
What the core asks of the world: stores of documents, and time and concurrency.

- :mod:`~tasques.core.ports.documents`: writes on condition, their outcomes, reads; the guarantees
  that every store gives.
- :mod:`~tasques.core.ports.stores`: the stores of tasks, recurring tasks, leaders' locks and
  finished tasks.
- :mod:`~tasques.core.ports.backend`: all stores of one place together.
- :mod:`~tasques.core.ports.runtime`: clocks, chance, threads and locks.
- :mod:`~tasques.core.ports.neighbours`: other servers on the same store.
"""

from tasques.core.ports.backend import Backend, Problem, SetupStep
from tasques.core.ports.documents import (
    Blocked,
    Conflict,
    Create,
    Delete,
    Deleted,
    DocumentStore,
    Exists,
    Failure,
    Invalid,
    Malformed,
    Missing,
    ReadOutcome,
    Rejected,
    Replace,
    Seen,
    StoreTraits,
    Unknown,
    Unreadable,
    Write,
    WriteOutcome,
    Written,
    seen,
)
from tasques.core.ports.neighbours import Appetite, Heard, Neighbour, Neighbours, Words
from tasques.core.ports.runtime import Condition, Runtime
from tasques.core.ports.stores import (
    ArchiveStore,
    ClaimableQuery,
    FinishedQuery,
    LeaderLockStore,
    PolicyStore,
    RecurringTaskStore,
    TaskStore,
)

__all__ = [
    "Appetite",
    "ArchiveStore",
    "Backend",
    "Blocked",
    "ClaimableQuery",
    "Condition",
    "Conflict",
    "Create",
    "Delete",
    "Deleted",
    "DocumentStore",
    "Exists",
    "Failure",
    "FinishedQuery",
    "Heard",
    "Invalid",
    "LeaderLockStore",
    "Malformed",
    "Missing",
    "Neighbour",
    "Neighbours",
    "PolicyStore",
    "Problem",
    "ReadOutcome",
    "RecurringTaskStore",
    "Rejected",
    "Replace",
    "Runtime",
    "Seen",
    "SetupStep",
    "StoreTraits",
    "TaskStore",
    "Unknown",
    "Unreadable",
    "Words",
    "Write",
    "WriteOutcome",
    "Written",
    "seen",
]
