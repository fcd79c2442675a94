"""
The recurring tasks as the leader knows them, with their next slots, and its writes to them.

What is known is what was last written or read here. A write that was overtaken, or whose outcome
nobody knows, leaves its recurring task *doubtful*: it is not known any more, and has to be read
again before anything is decided about it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Final, TypeVar

import attrs

from tasques.core import cron, errors
from tasques.core.cron import Schedule
from tasques.core.documents import D, Operation, Stored, Version
from tasques.core.ports import (
    Invalid,
    RecurringTaskStore,
    Replace,
    Runtime,
    WriteOutcome,
    Written,
    seen,
)
from tasques.core.ports.documents import K
from tasques.core.recurring import (
    Pending,
    RecurringTask,
    RecurringTaskId,
    StoredRecurringTask,
    next_slot,
)
from tasques.core.service.election import Election
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settleable, Settled, Settlement, Tried
from tasques.core.values import Duration, Instant

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: So many recurring tasks are advanced together.
_BATCH: Final = 100


@attrs.frozen(kw_only=True)
class Known:
    """
    A recurring task as this leader last wrote or read it.

    Attributes:
        schedule: None if its expression is none.
        next_at: When to look at it again; None if no slot will come.
    """

    stored: StoredRecurringTask
    schedule: Schedule | None
    next_at: Instant | None

    @property
    def task(self) -> RecurringTask:
        """The recurring task itself."""
        return self.stored.document

    @property
    def pending(self) -> Pending | None:
        """The slot under way."""
        return self.task.recurrence.pending

    def is_due(self, now: Instant) -> bool:
        """Whether there is a slot to decide, or to go on with."""
        return self.pending is not None or (self.next_at is not None and self.next_at <= now)


class LeaderWrites:
    """
    Writes that are sent only while this server leads, and followed up no longer than it surely does.

    Args:
        patience: How long a batch is followed up while the store is in trouble.
    """

    def __init__(self, election: Election, runtime: Runtime, patience: Duration) -> None:
        self._election = election
        self._runtime = runtime
        self._patience = patience

    def operation(self, verb: str) -> Operation:
        """The mark of a new write."""
        return Operation(token=self._runtime.new_id(), verb=verb)

    def settle(
        self,
        writes: Sequence[Settleable[D]],
        send: Callable[[Sequence[Settleable[D]]], Sequence[WriteOutcome[D]]],
        settlement: Settlement[K, D],
        term: Version,
    ) -> Iterator[Settled[D] | errors.TasquesError]:
        """
        Send *writes*, and give what became of each, in order; an error where that is not known.

        Raises:
            NotLeading: If this server does not lead in *term*; nothing was sent.
        """
        leads_until = self._election.ensure_leading(term)
        since = self._runtime.monotonic()
        outcomes = send(writes)
        deadline = min(self._runtime.monotonic() + self._patience.seconds, leads_until)
        for write, outcome in zip(writes, outcomes, strict=True):
            is_over = self._runtime.monotonic() >= deadline
            if is_over and not isinstance(outcome, Written | Invalid):
                # Each look may take as long as the store lets it; a hundred of them would be no
                # patience but a standstill.
                yield errors.OutcomeUnknown(f"there was no time to look what became of: {outcome}")
                continue
            try:
                yield settlement.settle(write, deadline=deadline, first=Tried(outcome, since))
            except (errors.Unavailable, errors.InvalidInput) as error:
                yield error


class Agenda:
    """
    What the leader knows; for one thread.

    Args:
        local: What the time zone ``Local`` means in an expression; None for UTC.
    """

    def __init__(
        self,
        store: RecurringTaskStore,
        writes: LeaderWrites,
        runtime: Runtime,
        *,
        local: tzinfo | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._store = store
        self._writes = writes
        self._settlement = Settlement(store, runtime, meter)
        self._local = local
        self._known: dict[RecurringTaskId, Known] = {}
        self._doubtful: dict[RecurringTaskId, None] = {}

    # ------------------------------------------------------------------------- what is known

    def forget(self) -> None:
        """Know nothing."""
        self._known.clear()
        self._doubtful.clear()

    def keep_only(self, ids: Collection[RecurringTaskId]) -> None:
        """Forget those that are not among *ids*."""
        for id in [id for id in self._known if id not in ids]:
            del self._known[id]

    def learn(self, stored: StoredRecurringTask) -> None:
        """Know *stored*, which was just written or read, or that it is deleted."""
        task = stored.document
        if task.is_deleted:
            self._known.pop(task.id, None)
            return
        known = self._known.get(task.id)
        if known is not None and known.task.schedule_expression == task.schedule_expression:
            schedule = known.schedule
        else:
            schedule = self._parsed(task)
        next_at = None if schedule is None else next_slot(task, schedule)
        self._known[task.id] = Known(stored=stored, schedule=schedule, next_at=next_at)

    def is_news(self, stored: StoredRecurringTask) -> bool:
        """Whether *stored* is later than what is known; a search may show what was before."""
        known = self._known.get(stored.document.id)
        return known is None or known.stored.version < stored.version

    def get(self, id: RecurringTaskId) -> Known | None:
        """What is known of it."""
        return self._known.get(id)

    def due(self, now: Instant) -> list[Known]:
        """Those with a slot to decide, or to go on with."""
        return [known for known in self._known.values() if known.is_due(now)]

    def next_at(self, latest: Instant) -> Instant:
        """When the next slot comes, or *latest* if none comes before."""
        slots = (known.next_at for known in self._known.values() if known.next_at is not None)
        return min([latest, *slots])

    # ------------------------------------------------------------------------- what is doubtful

    def doubt(self, id: RecurringTaskId) -> None:
        """Know it no more until it was read again."""
        self._known.pop(id, None)
        self._doubtful[id] = None

    def read_doubtful(self) -> Iterator[list[StoredRecurringTask]]:
        """
        Read those in doubt, in batches; they are in doubt no more, and known when they are learnt.

        Raises:
            StoreUnavailable: If they cannot be read; they stay in doubt.
        """
        for ids in batches(list(self._doubtful)):
            found = seen(self._store.get(ids))
            for id in ids:
                del self._doubtful[id]
            yield [current for current in found if isinstance(current, Stored)]

    # ----------------------------------------------------------------------------- writing

    def replace(
        self, changes: Iterable[tuple[StoredRecurringTask, RecurringTask]], verb: str, term: Version
    ) -> list[RecurringTask]:
        """
        Write *changes*, and know what came of them; returns those that were written.

        Raises:
            NotLeading: If this server does not lead in *term*; nothing was sent.
        """
        writes = [
            Replace(document=changed.stamped(self._writes.operation(verb)), expected=stored.version)
            for stored, changed in changes
        ]
        if not writes:
            return []
        written = []
        settling = self._writes.settle(writes, self._store.write, self._settlement, term)
        for write, settled in zip(writes, settling, strict=True):
            id = write.document.id
            if isinstance(settled, Stored):
                written.append(settled.document)
                self.learn(settled)
                continue
            # Overtaken by its owner, as a rule: then it is read again, and decided on anew.
            if not isinstance(settled, Overtaken):
                _log.warning("the recurring task [%s] could not be written: %s", id, settled)
            self.doubt(id)
        return written

    def _parsed(self, task: RecurringTask) -> Schedule | None:
        try:
            return cron.parse(task.schedule_expression, local=self._local)
        except cron.InvalidSchedule as error:
            _log.error("the recurring task [%s] never fires: %s", task.id, error)
            return None


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """*items*, so many at a time as are advanced together."""
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
