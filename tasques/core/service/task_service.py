"""
Create, get, report, done, failed, unclaim: one task at a time, by compare-and-set.

Each change reads the task, decides in the lifecycle, and writes on condition that the task has not
moved; when it has, everything is decided anew. A change that was made before, by the same worker
with the same content for the same claim, is answered with what it made then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Final

import attrs

from tasques.core import errors, lifecycle
from tasques.core.documents import Operation, Stored
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    ArchiveStore,
    Create,
    Missing,
    Replace,
    Runtime,
    Seen,
    TaskStore,
)
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settlement, digest, present, refusal
from tasques.core.tasks import ClaimId, NewTask, State, StoredTask, Task, TaskKey
from tasques.core.values import Duration

#: A creation is not held for long: its producer can repeat it, and held ones would take the places
#: of completions, whose workers cannot.
_CREATION_PATIENCE: Final = Duration.of_seconds(2)

#: In which states a repeated request finds what it made the first time.
_MADE_BY: Final = {
    "done": frozenset({State.DONE}),
    "failed": frozenset({State.FAILED, State.DEAD}),
    "unclaim": frozenset({State.QUEUED, State.DEAD}),
}


@attrs.frozen
class Asker:
    """Who wants a claimed task changed, and under which claim, if that is said."""

    worker: WorkerId
    claim_id: ClaimId | None


@attrs.frozen(kw_only=True)
class FoundTask:
    """A task, and where it was found."""

    stored: StoredTask
    is_archived: bool = False


def _nobody(stored: StoredTask) -> None:
    """Nobody wants to know."""


def _every_queue(queue: QueueName) -> None:
    """Any queue may come to be."""


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
        archive: ArchiveStore | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._runtime = runtime
        self._held = held or HeldTasks(runtime)
        self._archive = archive
        self._settlement = Settlement(store, runtime, meter)
        self._conflict_retries = conflict_retries
        self._patience = patience
        self._on_waiting = on_waiting
        self._ensure_allowed = ensure_allowed

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
            Unavailable: If it could not be done, or not be known to be done, in time.
        """
        if idempotency_key is not None and new.id is not None:
            raise errors.InvalidInput(
                [errors.Fault("id", "exclusive", "an id and an Idempotency-Key exclude each other")]
            )
        self._ensure_allowed(new.queue)
        id = new.id or TaskId(self._id_for(new.queue, idempotency_key))
        task = lifecycle.create(new, id=id, now=self._runtime.wall())
        operation = Operation(token=self._runtime.new_id(), verb="create")
        # What others make of the task keeps this, so that its author knows it again.
        mark = operation.token if idempotency_key is None else _content_digest(new)
        task = attrs.evolve(task, extensions=attrs.evolve(task.extensions, created_digest=mark))
        task = task.stamped(operation)
        deadline = self._deadline(min(self._patience, _CREATION_PATIENCE))
        settled = self._settlement.settle(Create(document=task), deadline=deadline)
        if not isinstance(settled, Overtaken):
            self._on_waiting(settled)
            return settled
        while isinstance(settled, Overtaken):
            if isinstance(settled.current, Missing):
                # What was read is gone: a failover has discarded it.
                settled = self._settlement.settle(Create(document=task), deadline=deadline)
            else:
                before = _created_before(settled, task, has_key=idempotency_key is not None)
                settled = self._settlement.confirm(before, deadline=deadline)
        return settled

    def _id_for(self, queue: QueueName, idempotency_key: str | None) -> str:
        if idempotency_key is None:
            return self._runtime.new_id()
        named = json.dumps([queue, idempotency_key]).encode()
        return hashlib.sha256(named).hexdigest()[:32]

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
        # Taken once: a report is as old as its request, however often the race is lost.
        at = self._runtime.wall()
        stored = self._change(
            key,
            lambda task: lifecycle.report(task, worker=worker, data=data, at=at, claim_id=claim_id),
            self._operation("report", worker, data),
            Asker(worker, claim_id),
        )
        self._held.keep(stored)
        return stored

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
        return self._change(
            key,
            lambda task: lifecycle.complete(
                task, worker=worker, data=data, now=self._runtime.wall(), claim_id=claim_id
            ),
            self._operation("done", worker, data),
            Asker(worker, claim_id),
        )

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
        jitter = self._runtime.random()
        stored = self._change(
            key,
            lambda task: lifecycle.fail(
                task,
                worker=worker,
                data=data,
                now=self._runtime.wall(),
                jitter=jitter,
                retry_in=retry_in,
                give_up=give_up,
                claim_id=claim_id,
            ),
            self._operation("failed", worker, data, retry_in, give_up),
            Asker(worker, claim_id),
        )
        self._announce(stored)
        return stored

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
        stored = self._change(
            key,
            lambda task: lifecycle.unclaim(
                task, worker=worker, now=self._runtime.wall(), run_in=run_in, claim_id=claim_id
            ),
            self._operation("unclaim", worker, None, run_in),
            Asker(worker, claim_id),
        )
        self._announce(stored)
        return stored

    def _announce(self, stored: StoredTask) -> None:
        if stored.document.state.is_claimable:
            self._on_waiting(stored)

    def _operation(
        self,
        verb: str,
        worker: WorkerId,
        data: JsonObject | None,
        *more: Duration | bool | None,
    ) -> Operation:
        return Operation(
            token=self._runtime.new_id(), verb=verb, digest=digest(verb, worker, data, *more)
        )

    def _deadline(self, patience: Duration) -> float:
        return self._runtime.monotonic() + patience.seconds

    def _change(
        self,
        key: TaskKey,
        decide: Callable[[Task], Task],
        operation: Operation,
        asker: Asker,
    ) -> StoredTask:
        deadline = self._deadline(self._patience)
        held = self._held.take(key)
        current = held or self._read(key, deadline)
        lost = 0
        doubtful = False
        while lost <= self._conflict_retries:
            try:
                decided = decide(current.document)
            except errors.TaskError as error:
                if current is held:
                    # Nobody is refused for what was true a while ago.
                    held, current = None, self._read(key, deadline)
                    continue
                if not isinstance(error, errors.TaskNotClaimed) or not _was_made_by(
                    operation, asker, current.document
                ):
                    raise refusal(error, doubtful=doubtful) from error
                settled = self._settlement.confirm(current, deadline=deadline)
            else:
                write = Replace(document=decided.stamped(operation), expected=current.version)
                settled = self._settlement.settle(write, deadline=deadline, hold=True)
            if not isinstance(settled, Overtaken):
                return settled
            doubtful = doubtful or settled.doubtful
            current = _present(settled.current, key, doubtful)
            lost += 1
            # A new decision is another write, and must not be taken for the one that lost.
            operation = attrs.evolve(operation, token=self._runtime.new_id())
        raise errors.VersionConflict(key.id)

    def _read(self, key: TaskKey, deadline: float) -> StoredTask:
        return present(self._settlement.read(key, deadline=deadline), key)


def _present(current: Seen[Task], key: TaskKey, doubtful: bool) -> StoredTask:
    try:
        return present(current, key)
    except errors.TaskError as error:
        raise refusal(error, doubtful=doubtful) from error


def _was_made_by(operation: Operation, asker: Asker, task: Task) -> bool:
    """Whether *task* is what an identical request of the same worker made of it before."""
    last = task.extensions.operation
    return (
        last is not None
        and (last.verb, last.digest) == (operation.verb, operation.digest)
        and task.state in _MADE_BY.get(operation.verb, ())
        and task.last_claim is not None
        and task.last_claim.worker_id == asker.worker
        and (asker.claim_id is None or lifecycle.is_last_claim(task, asker.claim_id))
    )


def _content_digest(new: NewTask) -> str:
    return digest(
        new.queue,
        new.kind,
        new.retry_times,
        new.processing_timeout,
        new.priority,
        None if new.run_at is None else str(new.run_at),
        new.args,
        new.context,
        None if new.expires_at is None else str(new.expires_at),
    )


def _created_before(overtaken: Overtaken[Task], task: Task, *, has_key: bool) -> StoredTask:
    """
    The answer to the create of *task*, whose id is in use: what a try of that create made, or an
    earlier one with the same key.
    """
    if not isinstance(overtaken.current, Stored):
        raise errors.TaskAlreadyExists(task.id)
    # An original server that rewrote the task dropped the mark: then the key alone decides.
    found = overtaken.current.document.extensions.created_digest
    if found == task.extensions.created_digest or (found is None and has_key):
        return overtaken.current
    if has_key:
        raise errors.IdempotencyKeyReused(task.id)
    error = errors.TaskAlreadyExists(task.id)
    raise refusal(error, doubtful=overtaken.doubtful and found is None)
