"""
Create, get, report, done, failed, unclaim: one task at a time or many, by compare-and-set.

Each change reads the task, decides in the lifecycle, and writes on condition that the task has not
moved; when it has, everything is decided anew. A change that was made before, by the same worker
with the same content for the same claim, is answered with what it made then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from tasques.core import errors
from tasques.core.json_object import JsonObject
from tasques.core.ports import ArchiveStore, Runtime, TaskStore, Write, WriteOutcome
from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.batches import Batches, Outcome
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.service.creations import Creation
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Settlement, Tried, present
from tasques.core.service.task_writer import TaskWriter
from tasques.core.tasks import ClaimId, NewTask, StoredTask, Task, TaskKey
from tasques.core.values import Duration

#: A creation is not held for long: its producer can repeat it, and held ones would take the places
#: of completions, whose workers cannot.
_CREATION_PATIENCE: Final = Duration.of_seconds(2)


@attrs.frozen(kw_only=True)
class FoundTask:
    """A task, and where it was found."""

    stored: StoredTask
    is_archived: bool = False


@attrs.frozen(eq=False)
class Begun:
    """
    A creation or a change as far as it goes without waiting for anybody.

    Attributes:
        write: What is to be written; None if the task has to be read first.
        end: Follows it to its end, from the outcome of a first try if there was one, and gives or raises
            what the method does that it was begun for. Blocks, unless that outcome is ``Written``. To be
            called once.
    """

    write: Write[Task] | None
    end: Callable[[WriteOutcome[Task] | None], StoredTask]


def _tried(outcome: WriteOutcome[Task] | None, since: float) -> Tried[Task] | None:
    """The try with that *outcome*; None if there was none."""
    return None if outcome is None else Tried(outcome, since)


def _nobody(stored: StoredTask) -> None:
    """Nobody wants to know."""


def _every_queue(queue: QueueName) -> None:
    """Any queue may come to be."""


def _as_it_is(new: NewTask) -> NewTask:
    """No filter changes it."""
    return new


class TaskService:
    """
    The use cases of one task.

    Args:
        conflict_retries: How often a change is decided anew after losing a race.
        patience: How long a change is held and tried again while the store is in trouble; a creation
            two seconds at most.
        on_waiting: Told of every task that began to wait here: created, failed, given back.
        held: The versions that were handed out here.
        ensure_allowed: Raises :class:`~tasques.core.errors.InvalidInput` for a queue that may not
            come to be.
        let_pass: Gives a task that is to be created as plugins let it pass, or raises.
        archive: Where finished tasks go; None if nobody is to look there.
    """

    def __init__(
        self,
        store: TaskStore,
        runtime: Runtime,
        *,
        conflict_retries: int = 500,
        patience: Duration = Duration.of_seconds(10),
        on_waiting: Callable[[StoredTask], None] = _nobody,
        held: HeldTasks | None = None,
        ensure_allowed: Callable[[QueueName], None] = _every_queue,
        let_pass: Callable[[NewTask], NewTask] = _as_it_is,
        archive: ArchiveStore | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._runtime = runtime
        self._archive = archive
        self._patience = patience
        self._creation_patience = min(patience, _CREATION_PATIENCE)
        self._settlement = Settlement(store, runtime, meter)
        self._writer = TaskWriter(
            self._settlement,
            runtime,
            conflict_retries=conflict_retries,
            on_waiting=on_waiting,
            held=held or HeldTasks(runtime),
            ensure_allowed=ensure_allowed,
            let_pass=let_pass,
        )
        self._batches = Batches(store, runtime, self._writer)

    def create(self, new: NewTask, *, idempotency_key: str | None = None) -> StoredTask:
        """
        Store a new task; of racing creates of one id, exactly one succeeds.

        Args:
            idempotency_key: Makes the id; a repeat with the same content gets the task as it is
                now. Not together with an id.

        Raises:
            InvalidInput: If both an id and a key are given, the queue may not come to be, or the
                store cannot hold the task.
            TaskAlreadyExists: If the queue has the id.
            IdempotencyKeyReused: If the key was used with another content.
            Vetoed: If a plugin's filter refuses it.
            Unavailable: If it could not be done, or not be known to be done, in time.
        """
        return self.begin_create(new, idempotency_key=idempotency_key).end(None)

    def begin_create(self, new: NewTask, *, idempotency_key: str | None = None) -> Begun:
        """
        What :meth:`create` does, up to the write; does not block, save where a filter of a plugin does
        or queues are limited.

        Raises:
            InvalidInput, Vetoed, StoreUnavailable: As :meth:`create`.
        """
        creating = self._writer.begin(Creation(new=new, idempotency_key=idempotency_key))
        since = self._runtime.monotonic()
        deadline = since + self._creation_patience.seconds

        def end(outcome: WriteOutcome[Task] | None) -> StoredTask:
            first = _tried(outcome, since)
            return self._writer.create(creating, deadline=deadline, first=first)

        return Begun(creating.write, end)

    def create_many(self, creations: Sequence[Creation]) -> Sequence[Outcome]:
        """
        Store new tasks; what became of each, in order, is what :meth:`create` gives or raises.

        All are written together. Of two with one id, the first succeeds.
        """
        return self._batches.create(creations, deadline=self._deadline(self._creation_patience))

    def get(self, key: TaskKey, *, archived: bool = False) -> StoredTask:
        """
        The task as of the last write; see :meth:`find`.

        Raises:
            TaskNotFound, MalformedTask, StoreUnavailable: As in :meth:`find`.
        """
        return self.find(key, archived=archived).stored

    def find(self, key: TaskKey, *, archived: bool = False) -> FoundTask:
        """
        The task as of the last write, and whether it is archived.

        Args:
            archived: Whether to look in the archive too, if the queue does not have it; of several
                lives of a task the last one is shown. What was archived within the last second or so
                may be missed.

        Raises:
            TaskNotFound: If there is none.
            MalformedTask: If the document is not a task.
            StoreUnavailable: If the store is out of reach.
        """
        try:
            return FoundTask(stored=self._read(key, self._runtime.monotonic()))
        except errors.TaskNotFound:
            if not archived or self._archive is None:
                raise
        return FoundTask(stored=present(self._archive.find_task(key), key), is_archived=True)

    def report(
        self,
        key: TaskKey,
        *,
        worker: WorkerId,
        data: JsonObject | None,
        claim_id: ClaimId | None = None,
    ) -> StoredTask:
        """
        Record a sign of life; it moves the time-out.

        Args:
            claim_id: The claim that the worker means; None if it does not say.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, ReportFromThePast, VersionConflict,
            MalformedTask, Unavailable: As their names say.
        """
        return self.change(Report(key=key, worker=worker, data=data, claim_id=claim_id))

    def complete(
        self,
        key: TaskKey,
        *,
        worker: WorkerId,
        data: JsonObject | None,
        claim_id: ClaimId | None = None,
    ) -> StoredTask:
        """
        Record success.

        Args:
            claim_id: The claim that the worker means; None if it does not say.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, VersionConflict, MalformedTask, Unavailable:
            As their names say.
        """
        return self.change(Complete(key=key, worker=worker, data=data, claim_id=claim_id))

    def fail(
        self,
        key: TaskKey,
        *,
        worker: WorkerId,
        data: JsonObject | None,
        retry_in: Duration | None = None,
        give_up: bool = False,
        claim_id: ClaimId | None = None,
    ) -> StoredTask:
        """
        Record a failure; the task waits for its next attempt, or is dead.

        Args:
            retry_in: The wait for the next attempt, instead of the backoff.
            give_up: No further attempt.
            claim_id: The claim that the worker means; None if it does not say.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, VersionConflict, MalformedTask, Unavailable:
            As their names say.
        """
        return self.change(
            Fail(
                key=key,
                worker=worker,
                data=data,
                retry_in=retry_in,
                give_up=give_up,
                claim_id=claim_id,
            )
        )

    def unclaim(
        self,
        key: TaskKey,
        *,
        worker: WorkerId,
        run_in: Duration | None = None,
        claim_id: ClaimId | None = None,
    ) -> StoredTask:
        """
        Give a claimed task back, at no cost of an attempt.

        Args:
            run_in: Not to be claimed again before so long.
            claim_id: The claim that the worker means; None if it does not say.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, VersionConflict, MalformedTask, Unavailable:
            As their names say.
        """
        return self.change(Unclaim(key=key, worker=worker, run_in=run_in, claim_id=claim_id))

    def change_many(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """
        Make changes that workers ask for; what became of each, in order, is what :meth:`report`,
        :meth:`complete`, :meth:`fail` and :meth:`unclaim` give or raise.

        All are written together, save that two of one task happen one after the other.
        """
        return self._batches.change(changes, deadline=self._deadline(self._patience))

    def change(self, change: Change) -> StoredTask:
        """
        Make a change that a worker asks for, as the method of its name.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, ReportFromThePast, VersionConflict,
            MalformedTask, Unavailable: As their names say.
        """
        return self.begin_change(change).end(None)

    def begin_change(self, change: Change) -> Begun:
        """What :meth:`change` does, up to the write or to what has to be read; does not block."""
        since = self._runtime.monotonic()
        deadline = since + self._patience.seconds
        asked = self._writer.asked(change)
        write = self._writer.decide_on_held(asked)

        def end(outcome: WriteOutcome[Task] | None) -> StoredTask:
            first = _tried(outcome, since)
            decision = write or self._writer.decide(asked, self._read(change.key, deadline))
            return self._writer.change(asked, decision, deadline=deadline, first=first)

        return Begun(write, end)

    def _deadline(self, patience: Duration) -> float:
        return self._runtime.monotonic() + patience.seconds

    def _read(self, key: TaskKey, deadline: float) -> StoredTask:
        return present(self._settlement.read(key, deadline=deadline), key)
