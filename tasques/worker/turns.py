"""
From which queue a worker claims first; pure.

A claim names several queues, and the server answers by priority over all of them. Whoever wants something
else asks queues one by one, without waiting, and only then all of them, with a wait: so no slot is idle while
any queue has work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import attrs

from tasques.worker.options import WorkerOptions


@attrs.frozen
class Turn:
    """A queue to ask, and for how many tasks at most."""

    queue: str
    amount: int


class Turns(Protocol):
    """Whose turn it is."""

    def next(self, wanted: int) -> Iterable[Turn]:
        """
        The queues to ask by themselves, one after the other until one has something.

        Args:
            wanted: So many slots are free.
        """
        ...

    def taken(self, empty: Sequence[str], tasks: Mapping[str, int]) -> None:
        """What came of it: which queues were asked in vain, and how many tasks came from which."""
        ...


class Together:
    """All queues at once: the server's order."""

    def next(self, wanted: int) -> Iterable[Turn]:
        return ()

    def taken(self, empty: Sequence[str], tasks: Mapping[str, int]) -> None:
        pass


class Strict:
    """Nothing from a queue while one that is named before it has something."""

    def __init__(self, queues: Sequence[str]) -> None:
        self._queues = queues

    def next(self, wanted: int) -> Iterable[Turn]:
        return [Turn(queue, wanted) for queue in self._queues]

    def taken(self, empty: Sequence[str], tasks: Mapping[str, int]) -> None:
        pass


class Weighted:
    """
    Tasks of the queues that have some, in the proportion of their weights.

    Each queue has a clock, which a task moves on by one over the weight; it is the turn of the one whose
    clock is behind. The clock of a queue that was found empty is put to where the others are: what it
    did not have then, it does not get later.

    Source: the first half is stride scheduling (C. Waldspurger, W. Weihl, MIT/LCS/TM-528, 1995), the
    second is start-time fair queueing's (P. Goyal et al., SIGCOMM 1996).
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._strides: Final = {queue: 1 / weight for queue, weight in weights.items()}
        self._clocks = dict(self._strides)

    def next(self, wanted: int) -> Iterator[Turn]:
        # Sorting is stable: of two whose turn it is, the one that is named first.
        order = sorted(self._clocks, key=self._clocks.__getitem__)
        for place, queue in enumerate(order):
            yield Turn(queue, self._share(queue, order[place:], wanted))

    def taken(self, empty: Sequence[str], tasks: Mapping[str, int]) -> None:
        came = [queue for queue in tasks if queue in self._clocks]
        now = min((self._clocks[queue] for queue in came), default=None)
        for queue in came:
            self._clocks[queue] += tasks[queue] * self._strides[queue]
        if now is not None:
            for queue in empty:
                self._clocks[queue] = max(self._clocks[queue], now)

    def _share(self, queue: str, among: Sequence[str], wanted: int) -> int:
        """How many of the next *wanted* tasks are *queue*'s, if all of these have enough."""
        clocks = {each: self._clocks[each] for each in among}
        share = 0
        for _ in range(wanted):
            first = min(clocks, key=clocks.__getitem__)
            clocks[first] += self._strides[first]
            share += first == queue
        return share


def turns_of(options: WorkerOptions) -> Turns:
    """Those that *options* imply."""
    if len(options.queues) < 2:
        return Together()
    if options.strict:
        return Strict(options.queues)
    if options.weights:
        return Weighted({queue: options.weights.get(queue, 1) for queue in options.queues})
    return Together()
