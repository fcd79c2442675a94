"""What callers give: free-form objects, the options of a new task, and how an attempt ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, TypedDict, Unpack

import attrs

from tasques.client.times import DurationLike, InstantLike
from tasques.core.errors import Fault, InvalidInput
from tasques.core.json_object import JsonObject
from tasques.schemas.answers import TaskAnswer

#: A free-form object: what JSON can say, under names.
Object: TypeAlias = Mapping[str, object] | JsonObject

#: A task as every call shows it; the same over HTTP and within the process.
Task: TypeAlias = TaskAnswer


def json_object(value: Object | None, name: str = "data") -> JsonObject | None:
    """
    *value* as it is stored.

    Args:
        name: What it is for, as the path of the fault.

    Raises:
        InvalidInput: If it is not what JSON can say.
    """
    if value is None or isinstance(value, JsonObject):
        return value
    try:
        return JsonObject.of(value)
    except ValueError as error:
        raise InvalidInput([Fault(name, "object", str(error))]) from error


class TaskOptions(TypedDict, total=False):
    """
    What may be said of a new task beside its queue, kind and arguments.

    Attributes:
        id: Unique within the queue; made up if not given.
        retry_times: How often it is tried again after a failure.
        priority: The higher, the sooner it is claimed.
        processing_timeout: How long a worker has, from its claim or its last report.
        run_at: Not to be claimed before. Not together with *run_in*.
        run_in: Not to be claimed before so long from now, by this machine's clock.
        expires_at: Not worth starting from then on. Not together with *expires_in*.
        expires_in: The same from now, by this machine's clock.
        context: What else goes with it, such as a trace.
        idempotency_key: Repeats with the same key make one task. Not together with *id*.
    """

    id: str | None
    retry_times: int | None
    priority: int | None
    processing_timeout: DurationLike | None
    run_at: InstantLike | None
    run_in: DurationLike | None
    expires_at: InstantLike | None
    expires_in: DurationLike | None
    context: Object | None
    idempotency_key: str | None


@attrs.frozen(kw_only=True)
class Hold:
    """
    A worker's hold on a claimed task, as much of it as a server needs to know it by.

    Attributes:
        claim_id: None where an original server made the claim.
    """

    queue: str
    id: str
    worker: str
    claim_id: str | None = None

    @classmethod
    def of(cls, task: Task) -> Hold:
        """
        The hold that the answer to a claim shows.

        Raises:
            ValueError: If nobody has claimed *task*.
        """
        if task.last_claimed is None:
            raise ValueError(f"the task [{task.id}] was never claimed")
        return cls(
            queue=task.queue,
            id=task.id,
            worker=task.last_claimed.worker_id,
            claim_id=task.claim_id,
        )


def hold(held: Hold | Task) -> Hold:
    """*held*, or the hold that a claimed task shows."""
    return held if isinstance(held, Hold) else Hold.of(held)


@attrs.frozen(kw_only=True)
class Done:
    """
    The attempt succeeded.

    Attributes:
        data: What came of it.
    """

    data: Object | None = None


@attrs.frozen(kw_only=True)
class Failed:
    """
    The attempt failed.

    Attributes:
        data: What went wrong.
        retry_in: Try again after so long, instead of the server's growing pause.
        give_up: Do not try again, however many attempts are left. An original server does not know
            this, and tries again.
    """

    data: Object | None = None
    retry_in: DurationLike | None = None
    give_up: bool = False


@attrs.frozen(kw_only=True)
class Unclaim:
    """
    The attempt is given back, and does not count.

    Attributes:
        run_in: Not to be claimed again before so long. An original server does not know this, and
            hands it out at once.
    """

    run_in: DurationLike | None = None


#: How an attempt ends.
Ending: TypeAlias = Done | Failed | Unclaim


@attrs.frozen
class Finish:
    """The end of one attempt, for many together."""

    held: Hold = attrs.field(converter=hold)
    ending: Ending


@attrs.frozen
class NewTask:
    """
    A task to create, for many together.

    Attributes:
        options: See :class:`TaskOptions`.
    """

    queue: str
    kind: str
    args: Object | None = None
    options: TaskOptions = attrs.field(factory=TaskOptions)

    @classmethod
    def of(
        cls, queue: str, kind: str, args: Object | None = None, **options: Unpack[TaskOptions]
    ) -> NewTask:
        """The same, with the options by name."""
        return cls(queue, kind, args, options)
