"""
Which queues take writes, as far as this server has seen.

On Elasticsearch a queue is an index. A bulk that touches one whose primary is missing answers for
*all* its items only when its time is over, and a first write to a new index takes some 150 ms. So
it matters to everybody else whose writes go together with whose.

A queue is *new* until a write to it was answered, and *troubled* from an answer that only its place
is to blame for until the next write that is answered well. One that is troubled again and again is
closed for a while: whoever wants to write there is told so at once, until one write may try again.

Source: the circuit breaker of Michael Nygard, "Release It!" (2007), chapter 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

import attrs

from tasques.core.documents import D
from tasques.core.ports import Rejected, Unknown, WriteOutcome
from tasques.core.queues import QueueName

#: Names of queues that are remembered; one that was forgotten is new again, which costs little.
_REMEMBERED: Final = 10_000

#: The second failure in a row closes a queue for so long, each further one for twice as long. Those
#: who hold a completion try for ten seconds, and the longest leaves them more than one try.
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 4.0


class Standing(Enum):
    """What is known of a queue."""

    NEW = auto()
    WELL = auto()
    TROUBLED = auto()


class Verdict(Enum):
    """What the outcomes of a batch say of a queue."""

    WELL = auto()
    TROUBLED = auto()
    #: Nothing: the whole store was out of reach or too busy.
    SILENT = auto()


def verdict(outcomes: Iterable[WriteOutcome[D]]) -> Verdict:
    """What the *outcomes* of writes to one queue say of it."""
    said = Verdict.SILENT
    for outcome in outcomes:
        if not isinstance(outcome, (Rejected, Unknown)):
            said = Verdict.WELL
        elif outcome.is_local:
            return Verdict.TROUBLED
    return said


@attrs.frozen
class _Trouble:
    failures: int
    closed_until: float


class QueueHealth:
    """Remembers how queues stand; its owner has to lock."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._well: dict[QueueName, None] = {}
        self._troubled: dict[QueueName, _Trouble] = {}

    @property
    def troubled(self) -> int:
        """How many queues are in trouble."""
        return len(self._troubled)

    def standing(self, queue: QueueName) -> Standing:
        """How *queue* stands."""
        if queue in self._well:
            return Standing.WELL
        return Standing.TROUBLED if queue in self._troubled else Standing.NEW

    def is_closed(self, queue: QueueName, *, now: float) -> bool:
        """Whether nothing may be tried at *queue* yet."""
        trouble = self._troubled.get(queue)
        return trouble is not None and now < trouble.closed_until

    def note(self, queue: QueueName, said: Verdict, *, now: float) -> None:
        """Learn what a batch that came back *now* says of *queue*."""
        if said is Verdict.WELL:
            self._troubled.pop(queue, None)
            self._well[queue] = None
            _bound(self._well, self._remembered)
        elif said is Verdict.TROUBLED or queue in self._troubled:
            self._well.pop(queue, None)
            before = self._troubled.pop(queue, None)
            failures = before.failures + 1 if before is not None else 1
            self._troubled[queue] = _Trouble(failures, now + _pause(failures))
            _bound(self._troubled, self._remembered)


def _pause(failures: int) -> float:
    if failures < 2:
        # A shard that only moves is there again at the next try.
        return 0.0
    doublings = min(failures - 2, 10)
    return min(_FIRST_PAUSE_SECONDS * 2.0**doublings, _LONGEST_PAUSE_SECONDS)


def _bound(remembered: dict[QueueName, _Trouble] | dict[QueueName, None], most: int) -> None:
    if len(remembered) > most:
        del remembered[next(iter(remembered))]
