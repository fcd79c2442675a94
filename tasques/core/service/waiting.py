"""What those who wait for work want, and what they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import attrs

from tasques.core import errors
from tasques.core.queues import QueueName, WorkerId
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration

ClaimAnswer: TypeAlias = Sequence[StoredTask] | errors.Unavailable


def _sorted_once(names: Iterable[QueueName]) -> tuple[QueueName, ...]:
    return tuple(sorted(set(names)))


@attrs.frozen(kw_only=True)
class ClaimRequest:
    """
    What a worker wants.

    Attributes:
        queues: Empty for every queue.
        amount: At most so many tasks; zero is answered at once.
        min_amount: Answer as soon as there are so many; 1 … amount.
        block_for: Wait so long at most; zero or less looks once.
    """

    worker: WorkerId
    queues: tuple[QueueName, ...] = attrs.field(converter=_sorted_once)
    amount: int
    min_amount: int = 1
    block_for: Duration

    def wants(self, queue: QueueName) -> bool:
        """Whether a task of *queue* would do."""
        return not self.queues or queue in self.queues


@attrs.define(eq=False, kw_only=True)
class Waiter:
    """
    One registered claim; what changes is guarded by the dispatcher's lock.

    Attributes:
        number: Registrations are numbered; the lowest is served first.
        deadline: On the runtime's monotonic clock.
        deliver: Takes the answer, exactly once.
        is_connected: Whether somebody is still there to take it.
        looked: A search since its registration was answered, so "nothing" is a true answer.
        closed: Answered, or gone: nothing is to be delivered any more.
    """

    number: int
    request: ClaimRequest
    deadline: float
    deliver: Callable[[ClaimAnswer], None]
    is_connected: Callable[[], bool]
    looked: bool = False
    closed: bool = False
