"""
What servers on one store tell each other, as far as they know of each other.

Everything that decides lies in the store. What is said here only spares a server the wait until the
store shows it; so it may get lost, come twice, late, or in another order, and nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NewType, Protocol

import attrs

from tasques.core.metrics import MetricFamily
from tasques.core.queues import QueueName
from tasques.core.tasks import TaskKey
from tasques.core.values import Duration

#: Another server, for as long as it is known here.
Neighbour = NewType("Neighbour", str)


@attrs.frozen(kw_only=True)
class Appetite:
    """
    What a server would like to hear of.

    Attributes:
        queue: None for every queue.
        tasks: So many of them, and then no more until it says so again; 0 for none any more.
    """

    queue: QueueName | None
    tasks: int


@attrs.frozen(kw_only=True)
class Words:
    """
    What one server says to others.

    Attributes:
        appetites: What it would like to hear of; nothing is said about queues that are not named.
        waiting: Tasks that wait to be claimed, as it believes.
    """

    appetites: tuple[Appetite, ...] = ()
    waiting: tuple[TaskKey, ...] = ()


@attrs.frozen(kw_only=True)
class Heard:
    """Words, and whose."""

    neighbour: Neighbour
    words: Words


class Neighbours(Protocol):
    """
    Other servers on the same store.

    - N1. ``tell`` neither waits nor raises, whatever becomes of the words.
    - N2. What ``hear`` gives was said by a server that the operator let take part, perhaps long ago
      and perhaps in pieces.
    - N3. ``tell`` and ``hear`` may be called at once by two threads.
    """

    def tell(self, words: Words, to: Neighbour | None = None) -> None:
        """Say *words* to one of them, or to all."""

    def hear(self, seconds: float) -> Sequence[Heard]:
        """What was said to this server since; waits for it so long at most."""

    def look_up(self) -> Duration:
        """Find out where they are by now; returns when to do so again. May take long."""

    def measurements(self) -> Iterable[MetricFamily]:
        """What was counted so far; neither blocks nor raises."""

    def close(self) -> None:
        """Nothing will be said or heard any more."""
