"""
Decisions to claim are confirmed in one batch, and what becomes of them teaches.

A version that was written, or that somebody else was first to write, is over, and searches may show
it for a while yet; a store that refuses has too much to do; and lost races tell of other servers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from tasques.core import errors
from tasques.core.documents import Stored
from tasques.core.ports import (
    Blocked,
    Conflict,
    Rejected,
    Replace,
    Runtime,
    TaskStore,
    Unknown,
    WriteOutcome,
    Written,
)
from tasques.core.ports.runtime import Condition
from tasques.core.queues import QueueName, TaskId
from tasques.core.service.allotment import Allotment
from tasques.core.service.candidates import Candidates
from tasques.core.service.rivalry import Rivalries
from tasques.core.service.search_schedule import SearchSchedule
from tasques.core.service.settlement import Settlement, Tried
from tasques.core.service.waiting import Waiter
from tasques.core.tasks import StoredTask, Task, TaskKey

#: How long a claim whose outcome is unknown may keep the others waiting.
_RESOLVE_SECONDS: Final = 2.0


class Confirmation:
    """
    Has decisions written.

    Args:
        lock: Guards *candidates*, *schedule* and *rivalries*.
    """

    def __init__(
        self,
        store: TaskStore,
        runtime: Runtime,
        settlement: Settlement[TaskKey, Task],
        *,
        lock: Condition,
        candidates: Candidates,
        schedule: SearchSchedule,
        rivalries: Rivalries,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._settlement = settlement
        self._lock = lock
        self._candidates = candidates
        self._schedule = schedule
        self._rivalries = rivalries

    def confirm(self, allotment: Allotment) -> dict[Waiter, list[StoredTask]]:
        """Have it all written, in one batch; returns what was won, in claim order for each."""
        return self.conclude(allotment, self._store.write(allotment.writes))

    def conclude(
        self, allotment: Allotment, outcomes: Sequence[WriteOutcome[Task]]
    ) -> dict[Waiter, list[StoredTask]]:
        """What was won by writes with these *outcomes*, in claim order for each waiter."""
        writes = allotment.writes
        resolve_until = self._runtime.monotonic() + _RESOLVE_SECONDS
        won: dict[Waiter, list[StoredTask]] = {}
        for pick, outcome in zip(allotment.picks, outcomes, strict=False):
            stored = self._won(pick.write, outcome, resolve_until)
            if stored is not None:
                won.setdefault(pick.waiter, []).append(stored)
        with self._lock:
            for write, outcome in zip(writes, outcomes, strict=True):
                self._remember(write, outcome)
            self._learn(allotment, outcomes)
        return won

    def _won(
        self, write: Replace[Task], outcome: WriteOutcome[Task], until: float
    ) -> StoredTask | None:
        if isinstance(outcome, Written):
            return outcome.stored
        if not isinstance(outcome, Unknown):
            return None
        try:
            # Nobody knows what became of it, so it is all the same since when.
            first: Tried[Task] = Tried(outcome, self._runtime.monotonic())
            settled = self._settlement.settle(write, deadline=until, first=first)
        except errors.TasquesError:
            return None  # Should it have been ours after all, its time-out brings it back.
        return settled if isinstance(settled, Stored) else None

    def _remember(self, write: Replace[Task], outcome: WriteOutcome[Task]) -> None:
        at = self._runtime.monotonic()
        match outcome:
            case Rejected(is_local=True):
                pass  # its queue is in trouble, and no other; a search finds it again
            case Rejected() | Blocked():
                self._schedule.back_off()
            case Written(stored):
                self._candidates.settle(write.document.key, stored.version, at=at)
            case _:
                self._candidates.settle(write.document.key, write.expected, at=at)

    def _learn(self, allotment: Allotment, outcomes: Sequence[WriteOutcome[Task]]) -> None:
        """Note who took how much, and where others were first."""
        tried: defaultdict[QueueName, list[TaskId]] = defaultdict(list)
        lost: defaultdict[QueueName, set[TaskId]] = defaultdict(set)
        for pick, outcome in zip(allotment.picks, outcomes, strict=False):
            task = pick.write.document
            tried[task.queue].append(task.id)
            if isinstance(outcome, Conflict):
                lost[task.queue].add(task.id)
            self._schedule.note_taken(pick.waiter.request.queues, 1)
        for queue, ids in tried.items():
            if self._rivalries.note(queue, tried=ids, lost=lost[queue]):
                self._candidates.clear(queue)
                self._schedule.distrust(queue)
