"""The rules of the wire for what is asked within the process, and the defaults for what is not said."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeVar

from tasques.client.commands.base import body
from tasques.core.errors import Fault, InvalidInput
from tasques.core.queues import QueueName, WorkerId, queue_name, task_id
from tasques.core.recurring import RecurringTaskId
from tasques.core.service.defaults import Defaults
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import MAX_PRIORITY, MAX_RETRY_TIMES, MIN_PRIORITY, NewTask, TaskKey
from tasques.core.values import Duration
from tasques.schemas import defaulted
from tasques.schemas.converter import read
from tasques.schemas.requests import ClaimBody, NewTaskBody

Model = TypeVar("Model")

_ZERO: Final = Duration(0)

#: Names come again and again.
_known_queue = lru_cache(maxsize=1024)(queue_name)


def checked(model: Model) -> Model:
    """
    *model* as a server would have read it.

    Raises:
        InvalidInput: With every fault, as a server would have found it.
    """
    return read(type(model), body(model))


def queue(text: str) -> QueueName:
    """
    *text* as a queue's name.

    Raises:
        InvalidInput: If no queue can have it.
    """
    if type(text) is not str:
        raise InvalidInput([Fault("queue", "queueName", f"[{text!r}] is no text")])
    return _known_queue(text)


def task_key(queue_text: str, id: str) -> TaskKey:
    """
    The task of these names.

    Raises:
        InvalidInput: If no queue, or no task, can have that name.
    """
    return TaskKey(queue(queue_text), task_id(id))


def recurring_id(text: str) -> RecurringTaskId:
    """
    The recurring task of that name.

    Raises:
        InvalidInput: If none can have it.
    """
    return RecurringTaskId(task_id(text))


def worker_id(text: str) -> WorkerId:
    """
    Who asks, without the white space around it.

    Raises:
        InvalidInput: If nothing is left.
    """
    stripped = text.strip()
    if not stripped:
        raise InvalidInput([Fault("X-TASQUES-WORKER-ID", "required", "is required")])
    return WorkerId(stripped)


def new_task(asked: NewTaskBody, defaults: Defaults) -> NewTask:
    """
    What is asked for, with the defaults for what is not said.

    Raises:
        InvalidInput: With every fault, as a server would have found it.
    """
    if not _is_plainly_right(asked):
        asked = checked(asked)
    return defaulted.new_task(asked, defaults)


def _is_plainly_right(asked: NewTaskBody) -> bool:
    """Whether no rule is broken, at a tenth of the cost of finding out which one is."""
    try:
        queue(asked.queue)
        if asked.id is not None:
            task_id(asked.id)
    except (InvalidInput, TypeError, AttributeError):
        return False
    retries, priority, timeout = asked.retry_times, asked.priority, asked.processing_timeout
    return (
        type(asked.kind) is str
        and bool(asked.kind)
        and (retries is None or (type(retries) is int and 0 <= retries <= MAX_RETRY_TIMES))
        and (
            priority is None or (type(priority) is int and MIN_PRIORITY <= priority <= MAX_PRIORITY)
        )
        and (timeout is None or timeout >= _ZERO)
    )


def claim_request(worker: str, asked: ClaimBody, defaults: Defaults) -> ClaimRequest:
    """
    What a worker wants, with the defaults for what is not said.

    Raises:
        InvalidInput: With every fault, as a server would have found it.
    """
    who = worker_id(worker)
    if not _is_plain_claim(asked):
        asked = checked(asked)
    return defaulted.claim_request(who, asked, defaults)


def _is_plain_claim(asked: ClaimBody) -> bool:
    try:
        for name in asked.queues:
            queue(name)
    except (InvalidInput, TypeError):
        return False
    amount, least = asked.amount, asked.min_amount
    return (amount is None or (type(amount) is int and amount >= 0)) and (
        least is None or (type(least) is int and least >= 1)
    )
