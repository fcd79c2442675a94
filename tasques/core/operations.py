"""
What operators may have done to tasks, and what became of it.

:mod:`~tasques.core.service.operator_service` carries it out; those who only ask for it need no more
than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TypeAlias

import attrs

from tasques.core.listing import Position, QueueSummary
from tasques.core.tasks import MAX_PRIORITY, MIN_PRIORITY, TaskKey
from tasques.core.values import Duration, Instant

#: Tasks that one call of an operation on many looks at, at most.
MAX_PAGE: Final = 1000


@attrs.frozen(kw_only=True)
class Cancel:
    """End tasks that wait, and ask the workers of claimed ones to end them."""


@attrs.frozen(kw_only=True)
class Retry:
    """Queue dead tasks again, with all their attempts."""


@attrs.frozen(kw_only=True)
class Expire:
    """End tasks that wait, because they are not worth starting any more."""


@attrs.frozen(kw_only=True)
class Delay:
    """
    Let waiting tasks wait until *run_at*, or for *run_in* from the moment in which it is decided.

    Raises:
        ValueError: If not exactly one is given.
    """

    run_at: Instant | None = None
    run_in: Duration | None = None

    def __attrs_post_init__(self) -> None:
        if (self.run_at is None) == (self.run_in is None):
            raise ValueError("either run_at or run_in must be given")

    def until(self, now: Instant) -> Instant:
        """When a task may be claimed again that is delayed *now*."""
        if self.run_at is not None:
            return self.run_at
        assert self.run_in is not None
        return now.plus(self.run_in)


@attrs.frozen(kw_only=True)
class Reprioritise:
    """
    Give waiting tasks another *priority*.

    Raises:
        ValueError: If it does not fit in 64 bits.
    """

    priority: int = attrs.field(
        validator=[
            attrs.validators.ge(MIN_PRIORITY),
            attrs.validators.le(MAX_PRIORITY),
        ]
    )


TaskOperation: TypeAlias = Cancel | Retry | Expire | Delay | Reprioritise


class Outcome(StrEnum):
    """What became of one task of many."""

    #: Changed; in a dry run: would be.
    CHANGED = "changed"
    #: Its state does not allow it.
    NOT_POSSIBLE = "not_possible"
    #: It is not there any more, or not among those that are meant.
    GONE = "gone"
    #: The store was in trouble, or the task kept changing; nobody knows.
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class TaskOutcome:
    """
    What became of one task.

    Attributes:
        reason: Why it was not changed.
    """

    key: TaskKey
    outcome: Outcome
    reason: str = ""


@attrs.frozen(kw_only=True)
class Swept:
    """
    What one call of an operation on many did.

    Attributes:
        outcomes: One for each task that was looked at, the oldest first.
        next: Where to go on; None if this was the end.
    """

    outcomes: tuple[TaskOutcome, ...]
    next: Position | None


@attrs.frozen(kw_only=True)
class Overview:
    """
    How the queues stand.

    Attributes:
        as_of: What was due by then is ready.
        queues: Every queue that has ever been used, by name.
    """

    as_of: Instant
    queues: Sequence[QueueSummary]
