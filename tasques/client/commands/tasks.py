"""Commands about single tasks: those of producers and of workers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Final

import attrs

from tasques.client import times
from tasques.client.commands.base import (
    CLAIM_ID_HEADER,
    IDEMPOTENCY_KEY_HEADER,
    WORKER_ID_HEADER,
    Plain,
    Repeat,
    Request,
    body,
    reading,
    reading_all,
)
from tasques.client.times import DurationLike
from tasques.client.values import Done, Ending, Failed, Hold, Object, TaskOptions, json_object
from tasques.core import errors
from tasques.core.errors import Fault, InvalidInput
from tasques.core.queues import QueueName, TaskId
from tasques.core.values import Duration, Instant
from tasques.schemas.answers import TaskAnswer
from tasques.schemas.requests import (
    ClaimBody,
    FailureBody,
    NewTaskBody,
    ReportBody,
    SuccessBody,
)

_STATE_AND_ACTION: Final = re.compile(r"A task that is (\w+) cannot (\w+)")


@attrs.frozen
class CreateTask:
    """
    Create a task.

    Attributes:
        key: Makes repeats recognisable to the server; not together with an id.
    """

    new: NewTaskBody
    key: str | None = None

    @classmethod
    def of(cls, queue: str, kind: str, args: Object | None, options: TaskOptions) -> CreateTask:
        """
        The command that *options* describe.

        Raises:
            InvalidInput: If a value is none of its type, or two exclude each other.
        """
        id, key = options.get("id"), options.get("idempotency_key")
        new = NewTaskBody(
            queue=QueueName(queue),
            kind=kind,
            id=None if id is None else TaskId(id),
            retry_times=options.get("retry_times"),
            priority=options.get("priority"),
            processing_timeout=times.optional_duration(
                options.get("processing_timeout"), "processing_timeout"
            ),
            run_at=_moment(options, "run"),
            expires_at=_moment(options, "expires"),
            args=json_object(args, "args"),
            context=json_object(options.get("context"), "context"),
        )
        return cls(new, key)

    def request(self) -> Request[TaskAnswer]:
        key = self.sent_key()
        return Request(
            method="POST",
            path=("tasques",),
            headers={} if key is None else {IDEMPOTENCY_KEY_HEADER: key},
            content=body(self.new),
            decode=reading(TaskAnswer),
            repeat=Repeat.NAMED if key is None else Repeat.KEYED,
        )

    def sent_key(self) -> str | None:
        """The key that goes over the wire; a new one where nothing else names the task."""
        if self.key is None and self.new.id is None:
            return secrets.token_hex(16)
        return self.key

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        if status != 409:
            return None
        if "Idempotency-Key" in message:
            return errors.IdempotencyKeyReused(self.new.id or "")
        return errors.TaskAlreadyExists(self.new.id or "")


def _moment(options: TaskOptions, name: str) -> Instant | None:
    """What is said of a moment, be it as a time or as the time until then."""
    at = options.get(f"{name}_at")
    within = options.get(f"{name}_in")
    if at is not None and within is not None:
        message = f"must not be given together with {name}_at"
        raise InvalidInput([Fault(f"{name}_in", "exclusive", message)])
    if within is not None:
        return times.later(within, f"{name}_in")  # type: ignore[arg-type]
    return times.optional_instant(at, f"{name}_at")  # type: ignore[arg-type]


def task_refusal(
    status: int, message: str, *, queue: str, id: str, worker: str = "", claim_id: str | None = None
) -> errors.TasquesError | None:
    """The error about one task that a server's refusal stands for; None if it is another."""
    match status:
        # Said by a server of tasks: a proxy's 404 says nothing of the task. So it is with 403.
        case 404 if message.startswith("Could not find"):
            return errors.TaskNotFound(queue, id)
        case 403 if "under the claim" in message:
            return errors.ClaimNotCurrent(id, worker, claim_id=claim_id or "")
        case 403 if message:
            return errors.TaskNotOwned(id, worker)
        case 409:
            return errors.VersionConflict(id)
        case 400 if "not currently Claimed" in message:
            return errors.TaskNotClaimed(id)
        case 400 if "already reported on" in message:
            return errors.ReportFromThePast(id, last="", reported="")
        case 400 if found := _STATE_AND_ACTION.match(message):
            return errors.IllegalTransition(id, state=found[1], action=found[2])
        case 500 if "is not a valid task" in message:
            return errors.MalformedTask(queue, id, message.rpartition("task: ")[2])
    return None


@attrs.frozen(kw_only=True)
class GetTask:
    """
    Show a task as of the last write.

    Attributes:
        archived: Look in the archive too.
    """

    queue: str
    id: str
    archived: bool = False

    def request(self) -> Request[TaskAnswer]:
        return Request(
            method="GET",
            path=("tasques", self.queue, self.id),
            query=(("archived", "true"),) if self.archived else (),
            decode=reading(TaskAnswer),
            repeat=Repeat.FREELY,
        )

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        return task_refusal(status, message, queue=self.queue, id=self.id)


@attrs.frozen(kw_only=True)
class ClaimTasks(Plain):
    """Take tasks that are due, and wait for some if there are none."""

    worker: str
    wanted: ClaimBody

    @classmethod
    def of(
        cls,
        worker: str,
        queues: Sequence[str],
        *,
        amount: int | None = None,
        min_amount: int | None = None,
        block_for: DurationLike | None = None,
    ) -> ClaimTasks:
        """
        The command that these describe; what is None is the server's to choose.

        Raises:
            InvalidInput: If *block_for* is no duration.
        """
        wanted = ClaimBody(
            queues=tuple(QueueName(name) for name in queues),
            amount=amount,
            min_amount=min_amount,
            block_for=times.optional_duration(block_for, "block_for"),
        )
        return cls(worker=worker, wanted=wanted)

    def request(self) -> Request[tuple[TaskAnswer, ...]]:
        return Request(
            method="POST",
            path=("tasques", "claims"),
            headers={WORKER_ID_HEADER: self.worker},
            content=body(self.wanted),
            decode=reading_all(TaskAnswer),
            # A claim whose answer is lost has claimed: a repeat would claim more beside them.
            repeat=Repeat.IF_REFUSED,
            waits=self.wanted.block_for or _SERVERS_BLOCK_FOR,
        )


#: Longer than a server's default is set by anybody.
_SERVERS_BLOCK_FOR: Final = Duration.of_seconds(60)


def _of_worker(held: Hold) -> dict[str, str]:
    headers = {WORKER_ID_HEADER: held.worker}
    if held.claim_id is not None:
        headers[CLAIM_ID_HEADER] = held.claim_id
    return headers


def _repeat(held: Hold) -> Repeat:
    # Without the claim's id, what arrives late could meet another claim of the same worker.
    return Repeat.NEVER if held.claim_id is None else Repeat.FREELY


@attrs.frozen(kw_only=True)
class OfHold:
    """What the worker of a task says about it."""

    held: Hold

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        held = self.held
        return task_refusal(
            status,
            message,
            queue=held.queue,
            id=held.id,
            worker=held.worker,
            claim_id=held.claim_id,
        )


@attrs.frozen(kw_only=True)
class ReportOnTask(OfHold):
    """Give a sign of life; the time-out begins anew."""

    said: ReportBody

    @classmethod
    def of(cls, held: Hold, data: Object | None) -> ReportOnTask:
        """
        The command that these describe.

        Raises:
            InvalidInput: If *data* is not what JSON can say.
        """
        return cls(held=held, said=ReportBody(data=json_object(data)))

    def request(self) -> Request[TaskAnswer]:
        return Request(
            method="PUT",
            path=("tasques", "reports", self.held.queue, self.held.id),
            headers=_of_worker(self.held),
            content=body(self.said),
            decode=reading(TaskAnswer),
            repeat=_repeat(self.held),
        )


@attrs.frozen(kw_only=True)
class CompleteTask(OfHold):
    """End the attempt with success."""

    said: SuccessBody

    def request(self) -> Request[TaskAnswer]:
        return Request(
            method="PUT",
            path=("tasques", "done", self.held.queue, self.held.id),
            headers=_of_worker(self.held),
            content=body(self.said),
            decode=reading(TaskAnswer),
            repeat=_repeat(self.held),
        )


@attrs.frozen(kw_only=True)
class FailTask(OfHold):
    """End the attempt with failure."""

    said: FailureBody

    def request(self) -> Request[TaskAnswer]:
        return Request(
            method="PUT",
            path=("tasques", "failed", self.held.queue, self.held.id),
            headers=_of_worker(self.held),
            content=body(self.said),
            decode=reading(TaskAnswer),
            repeat=_repeat(self.held),
        )


@attrs.frozen(kw_only=True)
class UnclaimTask(OfHold):
    """Give the task back."""

    run_in: Duration | None = None

    def request(self) -> Request[TaskAnswer]:
        return Request(
            method="DELETE",
            path=("tasques", "claims", self.held.queue, self.held.id),
            query=() if self.run_in is None else (("run_in", str(self.run_in)),),
            headers=_of_worker(self.held),
            decode=reading(TaskAnswer),
            repeat=_repeat(self.held),
        )


def finish(held: Hold, ending: Ending) -> CompleteTask | FailTask | UnclaimTask:
    """
    The command that ends an attempt as *ending* says.

    Raises:
        InvalidInput: If its data is not what JSON can say, or its pause is no duration.
    """
    match ending:
        case Done():
            return CompleteTask(held=held, said=SuccessBody(data=json_object(ending.data)))
        case Failed():
            said = FailureBody(
                data=json_object(ending.data),
                retry_in=times.optional_duration(ending.retry_in, "retry_in"),
                give_up=ending.give_up or None,
            )
            return FailTask(held=held, said=said)
        case _:
            run_in = times.optional_duration(ending.run_in, "run_in")
            return UnclaimTask(held=held, run_in=run_in)
