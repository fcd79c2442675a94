"""
Requests that write one task, and hold no thread while the write is under way.

The first time such a request is served it goes as far as its write, hands that in to go with those of
others (:meth:`~tasques.core.service.group_commit.GroupCommit.hand_in`), and is parked. When it is known
what became of the write, the request is served again: nearly always there is nothing left but to
make the answer, by the I/O thread. If there is, as after a conflict, or if the task has to be read first,
the request is given a thread and works as it would have from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import falcon

from tasques.core.ports import WriteOutcome, Written
from tasques.core.service.group_commit import HandIn
from tasques.core.service.task_service import Begun
from tasques.core.tasks import StoredTask, Task
from tasques.server.parking import By, Parking, begin_parking

#: In the environment of a request whose write was begun.
_HANDED_IN: Final = "tasques.handed_in"
#: A larger body is read, and a larger answer made, by a thread, beside all others: some 20 µs a KiB.
_QUICK_BYTES: Final = 16 * 1024
_QUICK_CHANGES: Final = (
    ("PUT", "/tasques/done/"),
    ("PUT", "/tasques/failed/"),
    ("PUT", "/tasques/reports/"),
    ("DELETE", "/tasques/claims/"),
)


def is_quick(method: str, path: str, size: int) -> bool:
    """Whether a request with a body of *size* bytes waits for nobody before it is parked."""
    if size > _QUICK_BYTES:
        return False
    if method == "POST":
        return path in ("/tasques", "/tasques/claims")
    return any(method == each and path.startswith(start) for each, start in _QUICK_CHANGES)


class HandingIn:
    """
    Carries writes out, for resources.

    Args:
        hand_in: None where each has to be waited for.
    """

    def __init__(self, hand_in: HandIn | None) -> None:
        self._hand_in = hand_in
        # Whose writes are under way.
        self._under_way: set[_HandedIn] = set()

    def carry_out(self, request: falcon.Request, begin: Callable[[], Begun]) -> StoredTask:
        """
        What becomes of the task.

        Args:
            begin: Called the first time only.

        Raises:
            TasquesError: Whatever the beginning or the end of it raises.
            Parked: If there is no answer yet.
        """
        handed_in: _HandedIn | None = request.env.get(_HANDED_IN)
        if handed_in is not None:
            return handed_in.begun.end(handed_in.outcome)
        begun = begin()
        parking = None if self._hand_in is None else begin_parking(request)
        if self._hand_in is None or parking is None:
            return begun.end(None)
        if begun.write is None and not parking.is_at_once:
            return begun.end(None)
        handed_in = request.env[_HANDED_IN] = _HandedIn(parking, begun, self._under_way)
        if begun.write is None:
            return parking.move_to_thread()
        self._under_way.add(handed_in)
        self._hand_in([begun.write], handed_in.take)
        return parking.park()


class _HandedIn:
    """
    A write that was begun, and what became of it once that is known.

    Attributes:
        outcome: Of its first try, if there was one.
    """

    def __init__(self, parking: Parking, begun: Begun, under_way: set[_HandedIn]) -> None:
        self.begun = begun
        self.outcome: WriteOutcome[Task] | None = None
        self._parking = parking
        self._under_way = under_way

    def take(self, outcomes: Sequence[WriteOutcome[Task]]) -> None:
        """Have the request served again."""
        (self.outcome,) = outcomes
        # To wake the I/O thread for one alone would cost more than to answer here.
        is_alone = len(self._under_way) == 1
        self._under_way.discard(self)
        if not _is_plain(self.outcome):
            self._parking.resume(By.A_THREAD)
        else:
            self._parking.resume(By.THIS_THREAD if is_alone else By.THE_IO_THREAD)


def _is_plain(outcome: WriteOutcome[Task]) -> bool:
    """Whether nothing is left but to say so, in few words."""
    return (
        isinstance(outcome, Written) and outcome.stored.document.approximate_bytes <= _QUICK_BYTES
    )
