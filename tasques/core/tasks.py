"""
A task and what belongs to it, as frozen values.

Nothing here changes: an operation of :mod:`tasques.core.lifecycle` takes a task and gives another.
What only Tasques for Python knows (:class:`Extensions`) is kept apart, since an original server
that rewrites a task's document drops it: no rule that keeps data safe may rest on it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple, NewType, Self, TypeAlias

import attrs

from tasques.core.documents import Operation, Stored
from tasques.core.evolving import evolve
from tasques.core.json_object import JsonObject
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.values import Duration, Instant

#: Tells a worker's claims of one task apart.
ClaimId = NewType("ClaimId", str)

#: An attempt more than this cannot be stored, and an attempt is one more than a retry.
MAX_RETRY_TIMES: Final = 2**63 - 2
MIN_PRIORITY: Final = -(2**63)
MAX_PRIORITY: Final = 2**63 - 1


class State(StrEnum):
    """Where a task stands; the rules between states are the lifecycle's."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    FAILED = "failed"
    DONE = "done"
    DEAD = "dead"

    @property
    def is_claimable(self) -> bool:
        """Whether a worker may claim a task in this state, once it is due."""
        return self in _CLAIMABLE

    @property
    def is_final(self) -> bool:
        """Whether nothing but an operator moves a task out of this state."""
        return self in _FINAL


_CLAIMABLE: Final = frozenset({State.QUEUED, State.FAILED})
_FINAL: Final = frozenset({State.DONE, State.DEAD})


class TaskKey(NamedTuple):
    """
    What names a task: ids are unique within their queue.

    A tuple, since whatever knows tasks knows them by this: one is made fifteen times in a task's life,
    and looked up thirty times.
    """

    queue: QueueName
    id: TaskId


@attrs.frozen(kw_only=True)
class Report:
    """A worker's sign of life."""

    at: Instant
    data: JsonObject | None = None


class Verdict(StrEnum):
    """How an attempt ended."""

    SUCCESS = "success"
    FAILURE = "failure"


@attrs.frozen(kw_only=True)
class Result:
    """
    The end of an attempt.

    Attributes:
        verdict: Not stored on its own: without *data* a stored result does not say which it was,
            and the task's state does.
    """

    at: Instant
    verdict: Verdict
    data: JsonObject | None = None


@attrs.frozen(kw_only=True, weakref_slot=False)
class Claim:
    """
    A worker's hold on a task, the current one or, once it has ended, the last.

    Attributes:
        times_out_at: When the hold ends by itself; a report moves it.
    """

    worker_id: WorkerId
    claimed_at: Instant
    times_out_at: Instant
    last_report: Report | None = None
    result: Result | None = None


class EndReason(StrEnum):
    """Why a task is dead, where it was not for want of attempts."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"
    GAVE_UP = "gave_up"


@attrs.frozen(kw_only=True)
class Ended:
    """An end other than by exhausting the attempts."""

    reason: EndReason
    at: Instant


@attrs.frozen(kw_only=True, weakref_slot=False)
class Extensions:
    """
    What the original does not know; kept under ``ext`` and lost when an original rewrites a task.

    Attributes:
        operation: The write that made this version.
        claim_id: The current claim's or, once it has ended, the last one's; None where it was made,
            or the document rewritten, by a server that knows of none.
        created_digest: Marks what one create made: its digest where it came with an idempotency key,
            else the token of its write.
        cancel_requested_at: Somebody wants this claimed task to end.
        expires_at: A task not started by then is not worth starting.
        ended: See :class:`Ended`.
    """

    operation: Operation | None = None
    claim_id: ClaimId | None = None
    created_digest: str | None = None
    cancel_requested_at: Instant | None = None
    expires_at: Instant | None = None
    ended: Ended | None = None


@attrs.frozen(kw_only=True, weakref_slot=False)
class Task:
    """
    A unit of work, in whatever state.

    Attributes:
        attempted: Claims so far, less those given back.
        run_at: Not to be claimed before.
        last_claim: The current claim, or the last one.
        last_enqueued_at: When it last became claimable.
    """

    id: TaskId
    queue: QueueName
    kind: str
    state: State
    priority: int
    retry_times: int
    attempted: int
    processing_timeout: Duration
    run_at: Instant
    last_enqueued_at: Instant
    created_at: Instant
    modified_at: Instant
    args: JsonObject | None = None
    context: JsonObject | None = None
    last_claim: Claim | None = None
    recurring_task_id: str | None = None
    extensions: Extensions = Extensions()

    @property
    def key(self) -> TaskKey:
        """What names this task."""
        return TaskKey(self.queue, self.id)

    @property
    def operation(self) -> Operation | None:
        """The write that made this version."""
        return self.extensions.operation

    def stamped(self, operation: Operation) -> Self:
        """This task with the mark of the write that is about to make it."""
        return evolve(self, extensions=evolve(self.extensions, operation=operation))

    @property
    def remaining_attempts(self) -> int:
        """How often it may still be claimed; never negative."""
        return self.retry_times + 1 - self.attempted

    @property
    def claim_order(self) -> tuple[int, int, int, str]:
        """
        Sorts tasks in the order in which they are to be claimed.

        Highest priority first, then the longest due, then the most attempts left; the id makes
        the order total.
        """
        return (-self.priority, self.run_at.nanoseconds, -self.remaining_attempts, self.id)

    @property
    def approximate_bytes(self) -> int:
        """About what its document takes in the store; for bounding batches and memories."""
        # Of the texts themselves: it is asked for seven times in a life.
        size = 900
        if self.args is not None:
            size += len(self.args.text)
        if self.context is not None:
            size += len(self.context.text)
        if self.last_claim is not None:
            for part in (self.last_claim.last_report, self.last_claim.result):
                size += 60 + len(part.data or ()) if part is not None else 0
        return size


#: A task as a store holds it.
StoredTask: TypeAlias = Stored[Task]


def _within(minimum: int, maximum: int) -> Callable[[object, attrs.Attribute[int], int], None]:
    """The validators ``ge`` and ``le`` of attrs, which take four calls to say that nothing is wrong."""
    at_least, at_most = attrs.validators.ge(minimum), attrs.validators.le(maximum)

    def check(instance: object, attribute: attrs.Attribute[int], number: int) -> None:
        if not minimum <= number <= maximum:
            at_least(instance, attribute, number)
            at_most(instance, attribute, number)

    return check


@attrs.frozen(kw_only=True)
class NewTask:
    """
    What a producer asks for; the lifecycle makes a task of it.

    Raises:
        ValueError: If a number is out of what documents can hold.
    """

    queue: QueueName
    kind: str = attrs.field(validator=attrs.validators.min_len(1))
    retry_times: int = attrs.field(validator=_within(0, MAX_RETRY_TIMES))
    processing_timeout: Duration
    id: TaskId | None = None
    priority: int = attrs.field(default=0, validator=_within(MIN_PRIORITY, MAX_PRIORITY))
    run_at: Instant | None = None
    args: JsonObject | None = None
    context: JsonObject | None = None
    recurring_task_id: str | None = None
    expires_at: Instant | None = None
