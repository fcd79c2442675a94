"""
New tasks as writes, and what an id that is in use means to whoever wanted it.

Pure functions: ids, tokens and the time are arguments.
"""

from __future__ import annotations

import hashlib
import json

import attrs

from tasques.core import errors, lifecycle
from tasques.core.documents import Operation, Stored
from tasques.core.evolving import evolve
from tasques.core.ports import Create
from tasques.core.queues import QueueName, TaskId
from tasques.core.service.settlement import Overtaken, digest, refusal
from tasques.core.tasks import NewTask, StoredTask, Task
from tasques.core.values import Instant


@attrs.frozen(kw_only=True)
class Creation:
    """
    A task that a producer wants.

    Attributes:
        idempotency_key: Makes the id; a repeat with the same content gets the task as it is then.
            Not together with an id.
    """

    new: NewTask
    idempotency_key: str | None = None


@attrs.frozen(kw_only=True)
class Creating:
    """
    A creation under way.

    Attributes:
        has_key: Whether an idempotency key made the id.
    """

    write: Create[Task]
    has_key: bool


def chosen_id(creation: Creation) -> TaskId | None:
    """
    The id that its producer has chosen, by a key or as such; None if any will do.

    Raises:
        InvalidInput: If there are both.
    """
    new, key = creation.new, creation.idempotency_key
    if key is None:
        return new.id
    if new.id is not None:
        raise errors.InvalidInput(
            [errors.Fault("id", "exclusive", "an id and an Idempotency-Key exclude each other")]
        )
    return _id_made_of(new.queue, key)


def _id_made_of(queue: QueueName, key: str) -> TaskId:
    named = json.dumps([queue, key]).encode()
    return TaskId(hashlib.sha256(named).hexdigest()[:32])


def begin(creation: Creation, *, id: TaskId, token: str, now: Instant) -> Creating:
    """
    The creation under way.

    Args:
        token: No other write has it.
    """
    has_key = creation.idempotency_key is not None
    task = lifecycle.create(creation.new, id=id, now=now)
    extensions = evolve(
        task.extensions,
        # What others make of the task keeps this, so that its author knows it again.
        created_digest=_content_digest(creation.new) if has_key else token,
        operation=Operation(token=token, verb="create"),
    )
    write = Create(document=evolve(task, extensions=extensions))
    return Creating(write=write, has_key=has_key)


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


def created_before(overtaken: Overtaken[Task], creating: Creating) -> StoredTask:
    """
    The answer to a creation whose id is in use: what a try of that creation made, or an earlier one
    with the same key.

    Raises:
        TaskAlreadyExists: If it is in use by another.
        IdempotencyKeyReused: If the key was used with another content.
        OutcomeUnknown: If nobody can tell.
    """
    task, has_key = creating.write.document, creating.has_key
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
