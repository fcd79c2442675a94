"""
What workers want of the tasks that they hold, and what becomes of it: decided, not yet done.

A pure function turns a request and a task as it is now into a write, a repeat of what was done
before, or a refusal. One request at a time and many together are decided by the same.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from tasques.core import errors, lifecycle
from tasques.core.documents import Operation
from tasques.core.json_object import JsonObject
from tasques.core.ports import Replace
from tasques.core.queues import WorkerId
from tasques.core.service.settlement import digest
from tasques.core.tasks import ClaimId, State, StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant


@attrs.frozen(kw_only=True)
class _OfHeld:
    """
    About a task that is held.

    Attributes:
        claim_id: The claim that the worker means; None if it does not say.
    """

    key: TaskKey
    worker: WorkerId
    claim_id: ClaimId | None = None


@attrs.frozen(kw_only=True)
class Report(_OfHeld):
    """Record a sign of life; it moves the time-out."""

    data: JsonObject | None = None


@attrs.frozen(kw_only=True)
class Complete(_OfHeld):
    """Record success."""

    data: JsonObject | None = None


@attrs.frozen(kw_only=True)
class Fail(_OfHeld):
    """
    Record a failure.

    Attributes:
        retry_in: The wait for the next attempt, instead of the backoff.
        give_up: No further attempt.
    """

    data: JsonObject | None = None
    retry_in: Duration | None = None
    give_up: bool = False


@attrs.frozen(kw_only=True)
class Unclaim(_OfHeld):
    """
    Give the task back, at no cost of an attempt.

    Attributes:
        run_in: Not to be claimed again before so long.
    """

    run_in: Duration | None = None


Change: TypeAlias = Report | Complete | Fail | Unclaim


@attrs.frozen(kw_only=True)
class Asked:
    """
    A change that is being made.

    Attributes:
        operation: The mark of its write; each decision has another token.
        at: When it was asked for. A report is as old as its request, however often a race is lost.
        jitter: In ``[0, 1)``; see :func:`tasques.core.retry.delay`.
    """

    change: Change
    operation: Operation
    at: Instant
    jitter: float = 0.0


@attrs.frozen
class Repeated:
    """It was done before, and made *stored*; of that somebody has to make sure."""

    stored: StoredTask


#: What is to be done: write, make sure, or refuse.
Decision: TypeAlias = Replace[Task] | Repeated | errors.TaskError

#: In which states a repeated request finds what it made the first time.
_MADE_BY: Final = {
    "done": frozenset({State.DONE}),
    "failed": frozenset({State.FAILED, State.DEAD}),
    "unclaim": frozenset({State.QUEUED, State.DEAD}),
}


def mark(change: Change, *, token: str) -> Operation:
    """The mark of the write that makes *change*; its digest is the same for the same request."""
    worker = change.worker
    match change:
        case Report(data=data):
            verb, made_of = "report", digest("report", worker, data)
        case Complete(data=data):
            verb, made_of = "done", digest("done", worker, data)
        case Fail(data=data, retry_in=retry_in, give_up=give_up):
            verb, made_of = "failed", digest("failed", worker, data, retry_in, give_up)
        case Unclaim(run_in=run_in):
            verb, made_of = "unclaim", digest("unclaim", worker, None, run_in)
    return Operation(token=token, verb=verb, digest=made_of)


def decide(asked: Asked, stored: StoredTask, *, now: Instant) -> Decision:
    """What becomes of *asked*, if the task is *stored*; a refusal is returned, not raised."""
    try:
        decided = _changed(asked, stored.document, now)
    except errors.TaskError as error:
        if isinstance(error, errors.TaskNotClaimed) and was_made_by(asked, stored.document):
            return Repeated(stored)
        return error
    return Replace(document=decided.stamped(asked.operation), expected=stored.version)


def _changed(asked: Asked, task: Task, now: Instant) -> Task:
    change = asked.change
    worker, claim_id = change.worker, change.claim_id
    match change:
        case Report(data=data):
            return lifecycle.report(task, worker=worker, data=data, at=asked.at, claim_id=claim_id)
        case Complete(data=data):
            return lifecycle.complete(task, worker=worker, data=data, now=now, claim_id=claim_id)
        case Fail(data=data, retry_in=retry_in, give_up=give_up):
            return lifecycle.fail(
                task,
                worker=worker,
                data=data,
                now=now,
                jitter=asked.jitter,
                retry_in=retry_in,
                give_up=give_up,
                claim_id=claim_id,
            )
        case Unclaim(run_in=run_in):
            return lifecycle.unclaim(task, worker=worker, now=now, run_in=run_in, claim_id=claim_id)


def was_made_by(asked: Asked, task: Task) -> bool:
    """Whether *task* is what an identical request of the same worker made of it before."""
    last, operation, change = task.extensions.operation, asked.operation, asked.change
    return (
        last is not None
        and (last.verb, last.digest) == (operation.verb, operation.digest)
        and task.state in _MADE_BY.get(operation.verb, ())
        and task.last_claim is not None
        and task.last_claim.worker_id == change.worker
        and (change.claim_id is None or lifecycle.is_last_claim(task, change.claim_id))
    )
