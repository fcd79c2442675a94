"""
Everything that can go wrong, one class for each meaning.

::

    TasquesError
    ├── InvalidInput              what was asked for can never be done; every fault named
    ├── TaskError                 about one task
    │   ├── TaskNotFound
    │   ├── TaskAlreadyExists
    │   │   └── IdempotencyKeyReused
    │   ├── TaskNotClaimed
    │   ├── TaskNotOwned
    │   │   └── ClaimNotCurrent   by the worker that asks, but under another claim
    │   ├── ReportFromThePast
    │   ├── VersionConflict       lost every race for the document
    │   ├── IllegalTransition     no row of the lifecycle's table
    │   └── MalformedTask         stored, but not readable as a task
    ├── RecurringTaskError        about one recurring task
    │   ├── RecurringTaskNotFound
    │   ├── RecurringTaskAlreadyExists
    │   ├── RecurringTaskConflict lost every race for the document
    │   └── MalformedRecurringTask
    ├── Vetoed                    a filter of a plugin refuses it
    └── Unavailable               trouble behind us; the same request may work later
        ├── StoreUnavailable      the store did not answer, or refused the work for now
        ├── StoreBlocked          the store refuses writes until somebody acts (disk full)
        ├── OutcomeUnknown        a write was sent, and nobody knows whether it happened
        ├── Overloaded            this server has more than it can hold
        ├── FilterFailed          a plugin's filter that has to be asked cannot be
        ├── MiddlewareFailed      a plugin's middleware that has to be asked cannot be
        ├── ClockUntrusted        this server's clock is too far from the store's
        └── ShuttingDown

The texts of the task errors are the original server's, since its clients show them.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs


class TasquesError(Exception):
    """The base of every error that Tasques raises on purpose."""


@attrs.frozen
class Fault:
    """
    One thing that is wrong with an input.

    Attributes:
        path: Where, as a JSON path without the leading ``$.``: ``queues[1]``; empty for the whole.
        rule: The rule that was broken, one word: ``required``, ``queueName``, ``integer``.
        message: What is wrong, for a person.
    """

    path: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidInput(TasquesError, ValueError):
    """
    An input that breaks rules; carries every fault that was found, not only the first.

    Args:
        faults: At least one.
        message: A text that says it all; made of the faults where it is not given.
    """

    def __init__(self, faults: Sequence[Fault], message: str | None = None) -> None:
        super().__init__(message or "; ".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class TaskError(TasquesError):
    """The base of the errors about one task."""

    def __init__(self, message: str, *, task_id: str) -> None:
        super().__init__(message)
        self.task_id = task_id


class TaskNotFound(TaskError, LookupError):
    """The queue holds no task of that id; a queue that was never used holds none."""

    def __init__(self, queue: str, task_id: str) -> None:
        super().__init__(f"Could not find [{task_id}] in queue [{queue}]", task_id=task_id)
        self.queue = queue


class TaskAlreadyExists(TaskError):
    """The id is in use in its queue, in whatever state."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"Task with Id [{task_id}] already exists ", task_id=task_id)


class IdempotencyKeyReused(TaskAlreadyExists):
    """The idempotency key was used before, to create a different task."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id)
        self.args = ("The Idempotency-Key was used before, for a task with another content",)


class TaskNotClaimed(TaskError):
    """Only a claimed task can be reported on, finished, failed or given back."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"The Task is not currently Claimed so cannot be reported on: [{task_id}]",
            task_id=task_id,
        )


class TaskNotOwned(TaskError):
    """The task is claimed, by a worker other than the one that asks."""

    def __init__(self, task_id: str, worker_id: str) -> None:
        super().__init__(f"The Task was not owned by the worker [{worker_id}]", task_id=task_id)
        self.worker_id = worker_id


class ClaimNotCurrent(TaskNotOwned):
    """The worker names another claim than the one under which it holds the task: an earlier one."""

    def __init__(self, task_id: str, worker_id: str, *, claim_id: str) -> None:
        super().__init__(task_id, worker_id)
        self.args = (
            f"The Task was not owned under the claim [{claim_id}];"
            f" the worker [{worker_id}] holds it under another",
        )
        self.claim_id = claim_id


class ReportFromThePast(TaskError):
    """The report is older than the last one, by more than clocks may differ."""

    def __init__(self, task_id: str, *, last: object, reported: object) -> None:
        super().__init__(
            f"The Task [{task_id}] was already reported on at [{last}],"
            f" which overrides the current one reported at [{reported}]",
            task_id=task_id,
        )


class VersionConflict(TaskError):
    """Somebody else changed the document first, every time it was tried."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"Version provided did not match persisted version for [{task_id}]", task_id=task_id
        )


class IllegalTransition(TaskError):
    """The lifecycle's table has no such row."""

    def __init__(self, task_id: str, *, state: str, action: str) -> None:
        super().__init__(f"A task that is {state} cannot {action}: [{task_id}]", task_id=task_id)
        self.state = state
        self.action = action


class MalformedTask(TaskError):
    """A stored document that cannot be read as a task ("poison"); others are not affected."""

    def __init__(self, queue: str, task_id: str, reason: str) -> None:
        super().__init__(
            f"The document [{task_id}] in queue [{queue}] is not a valid task: {reason}",
            task_id=task_id,
        )
        self.queue = queue
        self.reason = reason


class RecurringTaskError(TasquesError):
    """The base of the errors about one recurring task."""

    def __init__(self, message: str, *, recurring_task_id: str) -> None:
        super().__init__(message)
        self.recurring_task_id = recurring_task_id


class RecurringTaskNotFound(RecurringTaskError, LookupError):
    """There is none of that id, or it was deleted."""

    def __init__(self, id: str) -> None:
        super().__init__(f"Could not find [{id}]", recurring_task_id=id)


class RecurringTaskAlreadyExists(RecurringTaskError):
    """The id is in use."""

    def __init__(self, id: str) -> None:
        super().__init__(f"Id already exists [{id}]", recurring_task_id=id)


class RecurringTaskConflict(RecurringTaskError):
    """Somebody else changed the document first, every time it was tried."""

    def __init__(self, id: str) -> None:
        super().__init__(
            f"Version provided did not match persisted version for [{id}]", recurring_task_id=id
        )


class MalformedRecurringTask(RecurringTaskError):
    """A stored document that cannot be read as a recurring task; others are not affected."""

    def __init__(self, id: str, reason: str) -> None:
        super().__init__(
            f"The document [{id}] is not a valid recurring task: {reason}", recurring_task_id=id
        )
        self.reason = reason


class Vetoed(TasquesError):
    """A filter of a plugin refuses what was asked for; it says why."""

    def __init__(self, filter: str, reason: str) -> None:
        super().__init__(f"Refused by [{filter}]: {reason}")
        self.filter = filter
        self.reason = reason


class Unavailable(TasquesError):
    """
    The base of the errors that are nobody's fault but ours; the same request may work later.

    Attributes:
        retry_after_seconds: When it is worth while to ask again.
    """

    retry_after_seconds = 1


class StoreUnavailable(Unavailable):
    """The store could not be reached, answered with trouble of its own, or had too much to do."""


class StoreBlocked(Unavailable):
    """The store refuses writes until somebody acts, as Elasticsearch does when a disk is full."""

    retry_after_seconds = 30


class OutcomeUnknown(Unavailable):
    """A write was sent, and whether it took place could not be found out in time."""


class Overloaded(Unavailable):
    """More work waits here than this server may hold."""


class FilterFailed(Unavailable):
    """A plugin's filter that has to be asked cannot be."""

    def __init__(self, filter: str) -> None:
        super().__init__(f"The filter [{filter}] cannot be asked")
        self.filter = filter


class MiddlewareFailed(Unavailable):
    """A plugin's middleware that has to be asked cannot be."""

    def __init__(self, middleware: str) -> None:
        super().__init__(f"The middleware [{middleware}] cannot be asked")
        self.middleware = middleware


class ClockUntrusted(Unavailable):
    """This server's clock is too far from the store's to decide what is due."""

    retry_after_seconds = 10


class ShuttingDown(Unavailable):
    """This server is stopping; another one, or this one after its start, takes the request."""
