"""
From a decision about one task to its end.

A write that lost its race is decided anew on what is there now; one that was done before is made sure
of. Whether a write went out alone or among many makes no difference: of many, each is followed with
the outcome of its first try.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from tasques.core import errors
from tasques.core.ports import Missing, Replace, Runtime, Seen, WriteOutcome
from tasques.core.queues import QueueName, TaskId
from tasques.core.service.changes import (
    Asked,
    Change,
    Decision,
    Fail,
    Repeated,
    Report,
    Unclaim,
    decide,
    mark,
)
from tasques.core.service.creations import (
    Creating,
    Creation,
    begin,
    chosen_id,
    created_before,
)
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.settlement import (
    Overtaken,
    Settled,
    Settlement,
    Tried,
    present,
    refusal,
)
from tasques.core.tasks import NewTask, StoredTask, Task, TaskKey


class TaskWriter:
    """
    Writes one task, or follows a write that was tried already.

    Deadlines are on the runtime's monotonic clock.

    Args:
        conflict_retries: How often a change is decided anew after losing a race.
        on_waiting: Told of every task that began to wait here: created, failed, given back.
        held: The versions that were handed out here.
        ensure_allowed: Raises :class:`~tasques.core.errors.InvalidInput` for a queue that may not
            come to be.
        let_pass: Gives a task that is to be created as plugins let it pass, or raises.
    """

    def __init__(
        self,
        settlement: Settlement[TaskKey, Task],
        runtime: Runtime,
        *,
        conflict_retries: int,
        on_waiting: Callable[[StoredTask], None],
        held: HeldTasks,
        ensure_allowed: Callable[[QueueName], None],
        let_pass: Callable[[NewTask], NewTask],
    ) -> None:
        self._settlement = settlement
        self._runtime = runtime
        self._conflict_retries = conflict_retries
        self._on_waiting = on_waiting
        self._held = held
        self._ensure_allowed = ensure_allowed
        self._let_pass = let_pass

    # -------------------------------------------------------------------------------- creations

    def begin(self, creation: Creation) -> Creating:
        """
        The creation under way.

        Raises:
            Vetoed: If a plugin's filter refuses it.
            InvalidInput: If there are both an id and a key, or the queue may not come to be.
            StoreUnavailable: If that cannot be found out.
        """
        new = self._let_pass(creation.new)
        if new is not creation.new:
            creation = attrs.evolve(creation, new=new)
        id = chosen_id(creation)
        self._ensure_allowed(creation.new.queue)
        return begin(
            creation,
            id=id or TaskId(self._runtime.new_id()),
            token=self._runtime.new_id(),
            now=self._runtime.wall(),
        )

    def create(
        self, creating: Creating, *, deadline: float, first: Tried[Task] | None = None
    ) -> StoredTask:
        """
        Follow a creation to its end.

        Args:
            first: A try already made.

        Raises:
            TaskAlreadyExists, IdempotencyKeyReused, InvalidInput, Unavailable: As their names say.
        """
        settled = self._settlement.settle(creating.write, deadline=deadline, first=first)
        if not isinstance(settled, Overtaken):
            self._on_waiting(settled)
            return settled
        return self._created(settled, creating, deadline)

    def confirm(
        self,
        before: StoredTask,
        creating: Creating,
        *,
        deadline: float,
        first: Tried[Task],
    ) -> StoredTask:
        """
        Follow a creation to its end that was made before, as *before*.

        Args:
            first: A try to confirm *before* already made.

        Raises:
            TaskAlreadyExists, IdempotencyKeyReused, InvalidInput, Unavailable: As their names say.
        """
        settled = self._settlement.confirm(before, deadline=deadline, first=first)
        return self._created(settled, creating, deadline)

    def _created(self, settled: Settled[Task], creating: Creating, deadline: float) -> StoredTask:
        while isinstance(settled, Overtaken):
            if isinstance(settled.current, Missing):
                # What was read is gone: a failover has discarded it.
                settled = self._settlement.settle(creating.write, deadline=deadline)
            else:
                before = created_before(settled, creating)
                settled = self._settlement.confirm(before, deadline=deadline)
        return settled

    # ---------------------------------------------------------------------------------- changes

    def asked(self, change: Change) -> Asked:
        """*change*, as of now."""
        return Asked(
            change=change,
            operation=mark(change, token=self._runtime.new_id()),
            at=self._runtime.wall(),
            jitter=self._runtime.random() if isinstance(change, Fail) else 0.0,
        )

    def decide(self, asked: Asked, current: StoredTask) -> Decision:
        """What becomes of *asked* now, if the task is *current*."""
        return decide(asked, current, now=self._runtime.wall())

    def decide_on_held(self, asked: Asked) -> Replace[Task] | None:
        """
        The write on the version that was handed out here.

        None if none is known, or another answer than a write would follow from it: nobody is refused
        for what was true a while ago.
        """
        held = self._held.take(asked.change.key)
        decision = None if held is None else self.decide(asked, held)
        return decision if isinstance(decision, Replace) else None

    def change(
        self,
        asked: Asked,
        decision: Decision,
        *,
        deadline: float,
        first: Tried[Task] | None = None,
    ) -> StoredTask:
        """
        Follow a change to its end.

        Args:
            first: A try of *decision* already made.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, ReportFromThePast, VersionConflict,
            MalformedTask, Unavailable: As their names say.
        """
        key = asked.change.key
        lost = 0
        doubtful = False
        while lost <= self._conflict_retries:
            if isinstance(decision, errors.TaskError):
                raise refusal(decision, doubtful=doubtful)
            if isinstance(decision, Repeated):
                settled = self._settlement.confirm(decision.stored, deadline=deadline, first=first)
            else:
                settled = self._settlement.settle(
                    decision, deadline=deadline, first=first, hold=True
                )
            if not isinstance(settled, Overtaken):
                self._note(asked.change, settled)
                return settled
            doubtful = doubtful or settled.doubtful
            lost += 1
            # A new decision is another write, and must not be taken for the one that lost.
            operation = attrs.evolve(asked.operation, token=self._runtime.new_id())
            asked, first = attrs.evolve(asked, operation=operation), None
            decision = self.decide(asked, _present(settled.current, key, doubtful))
        raise errors.VersionConflict(key.id)

    def give_up(self, first: WriteOutcome[Task]) -> errors.Unavailable:
        """What to answer if a write is not followed from a *first* outcome that leaves a doubt."""
        return self._settlement.give_up(first)

    def _note(self, change: Change, stored: StoredTask) -> None:
        if isinstance(change, Report):
            self._held.keep(stored)
        elif isinstance(change, Fail | Unclaim) and stored.document.state.is_claimable:
            self._on_waiting(stored)


def _present(current: Seen[Task], key: TaskKey, doubtful: bool) -> StoredTask:
    try:
        return present(current, key)
    except errors.TaskError as error:
        raise refusal(error, doubtful=doubtful) from error
