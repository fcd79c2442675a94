"""What neighbours would like to hear of, as far as they said so lately."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

import attrs

from tasques.core.ports import Appetite, Neighbour
from tasques.core.queues import QueueName

#: An appetite is said anew each second; who has not done so for so long is gone, or served.
KEPT_SECONDS: Final = 3.0
#: More than so many are not remembered; who is forgotten finds the task by a search.
_MOST: Final = 10_000
#: How often to look for old ones among so many.
_SWEPT_EVERY_SECONDS: Final = 1.0


@attrs.define(eq=False)
class _Left:
    """So many tasks more, until then."""

    tasks: int
    until: float


_ByNeighbour: TypeAlias = dict[Neighbour, _Left]


class Appetites:
    """Not safe between threads, save for its truth: whether there may be any."""

    def __init__(self) -> None:
        self._of: dict[QueueName | None, _ByNeighbour] = {}
        self._count = 0
        self._swept_at = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._of)

    def note(self, neighbour: Neighbour, said: Iterable[Appetite], *, at: float) -> None:
        """Know what *neighbour* has *said*, in the place of what it said of these queues before."""
        for appetite in said:
            self._forget(appetite.queue, neighbour)
            if self._count >= _MOST and at >= self._swept_at + _SWEPT_EVERY_SECONDS:
                self._sweep(at)
            if appetite.tasks > 0 and self._count < _MOST:
                left = _Left(appetite.tasks, at + KEPT_SECONDS)
                self._of.setdefault(appetite.queue, {})[neighbour] = left
                self._count += 1

    def take(self, queue: QueueName, *, at: float) -> Neighbour | None:
        """
        Whom to tell of one more task of *queue*; None if nobody wants to hear of it.

        One only, and each in turn: of several who are told, all but one would come in vain.
        """
        for name in (queue, None):
            for neighbour, left in list(self._of.get(name, {}).items()):
                self._forget(name, neighbour)
                if left.until < at:
                    continue
                left.tasks -= 1
                if left.tasks:  # at the end of the row
                    self._of.setdefault(name, {})[neighbour] = left
                    self._count += 1
                return neighbour
        return None

    def _forget(self, queue: QueueName | None, neighbour: Neighbour) -> None:
        hungry = self._of.get(queue)
        if hungry is not None and hungry.pop(neighbour, None) is not None:
            self._count -= 1
            if not hungry:
                del self._of[queue]

    def _sweep(self, at: float) -> None:
        self._swept_at = at
        for queue, hungry in list(self._of.items()):
            for neighbour, left in list(hungry.items()):
                if left.until < at:
                    self._forget(queue, neighbour)
