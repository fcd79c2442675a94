"""
How much may wait and go together, and who is turned away first.

What waits in a server is bounded in number and in bytes. As the room fills, it turns away first what
costs least: a producer whose creation is refused still has its task and can come again; a claim that
is refused leaves the task for the next one; but a worker whose completion is refused has done its
work for nothing, and those of the original exit.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

import attrs

from tasques.core.ports import Create, Delete, Write
from tasques.core.service.queue_health import Standing
from tasques.core.tasks import Task


class Urgency(IntEnum):
    """Who is turned away last."""

    CREATION = 0
    #: And what comes again by itself: ends by the clock, archiving.
    CLAIM = 1
    #: Done, failed, reports, tasks given back; and what operators ask for.
    COMPLETION = 2


_REPEATED: Final = frozenset({"claim", "time_out", "expire"})


def urgency(writes: Iterable[Write[Task]]) -> Urgency:
    """That of the most urgent of *writes*, since those of one call share their fate."""
    return max(map(_urgency, writes), default=Urgency.CREATION)


def _urgency(write: Write[Task]) -> Urgency:
    if isinstance(write, Create):
        return Urgency.CREATION
    operation = write.document.operation
    if isinstance(write, Delete) or (operation is not None and operation.verb in _REPEATED):
        return Urgency.CLAIM
    return Urgency.COMPLETION


@attrs.frozen(kw_only=True)
class BatchLimits:
    """
    How much goes together, and how much may wait.

    Attributes:
        items: Writes in one batch, at most.
        size: About so many bytes in one batch, at most; a larger write goes alone.
        in_flight: Batches of the main lane under way at a time. Beside another one leaves only once
            as many writes wait as the last took, or *enough*. Measured with 32 threads that create,
            against one at a time: a second that leaves at once makes batches of 10 from those of 15,
            and a create costs Elasticsearch 22 % more CPU and this process 5 % more; one that waits
            for so much makes them 12, costs 3 % more there and 11 % less here. Three cost 47 % more
            and 16 % more. See ``docs/explanation/write-path.md``.
        enough: So many make a batch worth sending beside another.
        new_in_flight: The same of new queues, one for each. A first write may make an index, which
            a cluster does one after the other anyway.
        troubled_in_flight: The same of troubled queues. Each is a write that may take a second, and
            a thread of the store's that waits for it.
        waiting_items: Writes that may wait here; more are rejected at once.
        waiting_size: The same in bytes.
        creations: Up to which part of that room creations are taken, so that there is some left for
            those whose loss costs more.
        claims: The same for claims; completions may fill it.
        lanes: Which part of the room the lanes of new and troubled queues may take together; they
            must not take the room of those that are well.
        lane: And each of them alone.
    """

    items: int = 500
    size: int = 5 * 2**20
    in_flight: int = 2
    enough: int = 20
    new_in_flight: int = 4
    troubled_in_flight: int = 2
    waiting_items: int = 10_000
    waiting_size: int = 256 * 2**20
    creations: float = 0.5
    claims: float = 0.75
    lanes: float = 0.25
    lane: float = 0.1

    def places(self, standing: Standing) -> int:
        """How many batches of queues that stand so may be under way at a time."""
        if standing is Standing.WELL:
            return self.in_flight
        return self.new_in_flight if standing is Standing.NEW else self.troubled_in_flight

    def share(self, urgency: Urgency) -> float:
        """Up to which part of the room writes of that *urgency* are taken."""
        return (self.creations, self.claims, 1.0)[urgency]

    def fits(self, items: int, size: int, share: float) -> bool:
        """Whether so much is within that *share* of the room."""
        return items <= self.waiting_items * share and size <= self.waiting_size * share


DEFAULT_LIMITS: Final = BatchLimits()
