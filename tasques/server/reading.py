"""Reading what a request brings beside its route and its query: names, headers, body."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs
import falcon

from tasques.core.errors import Fault, InvalidInput
from tasques.core.queues import WorkerId, queue_name, task_id
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import ClaimId, TaskKey
from tasques.schemas.batch_requests import MAX_IDEMPOTENCY_KEY
from tasques.schemas.converter import read
from tasques.server.routes import (
    CLAIM_ID_HEADER,
    IDEMPOTENCY_KEY_HEADER,
    WORKER_ID_HEADER,
)

Model = TypeVar("Model")


def task_key(queue: str, id: str) -> TaskKey:
    """
    The task that a path names.

    Raises:
        InvalidInput: If no queue, or no task, can have that name.
    """
    return TaskKey(queue_name(queue), task_id(id))


def recurring_task_id(text: str) -> RecurringTaskId:
    """
    The recurring task that a path names; the same texts as for tasks can.

    Raises:
        InvalidInput: If none can have that name.
    """
    try:
        return RecurringTaskId(task_id(text))
    except InvalidInput as error:
        (fault,) = error.faults
        raise InvalidInput([fault], f"Illegal Recurring Task id: {fault.message}") from error


def worker_id(request: falcon.Request) -> WorkerId:
    """
    Who asks, without the white space around it.

    Raises:
        InvalidInput: If the header is missing or empty.
    """
    text = _utf8(request.get_header(WORKER_ID_HEADER) or "").strip()
    if not text:
        message = f"Worker Id header [{WORKER_ID_HEADER}] not sent"
        raise InvalidInput([Fault(WORKER_ID_HEADER, "required", "is required")], message)
    return WorkerId(text)


def claim_id(request: falcon.Request) -> ClaimId | None:
    """
    Which of its claims the worker means, if it says so.

    Raises:
        InvalidInput: If the header is empty: it would protect from nothing.
    """
    sent = request.get_header(CLAIM_ID_HEADER)
    if sent is None:
        return None
    text = _utf8(sent).strip()
    if not text:
        raise InvalidInput([Fault(CLAIM_ID_HEADER, "required", "must not be empty")])
    return ClaimId(text)


def _utf8(header: str) -> str:
    """A header's value, which WSGI hands over as Latin-1, as the UTF-8 that it most likely is."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def body(request: falcon.Request, model: type[Model]) -> Model:
    """
    The body as *model*; its content type is not looked at.

    Raises:
        InvalidInput: With every fault of it.
    """
    return read(model, request.bounded_stream.read())


@attrs.frozen(kw_only=True)
class Attempt(Generic[Model]):
    """What a worker says about a task that it holds."""

    key: TaskKey
    worker: WorkerId
    claim_id: ClaimId | None
    body: Model


def attempt(request: falcon.Request, queue: str, id: str, model: type[Model]) -> Attempt[Model]:
    """
    What the worker of a task says about it.

    Faults are found in the order of wire contract, section 1: the queue's name in the path, the
    body, the worker, the task.

    Raises:
        InvalidInput: At the first of these that is wrong.
    """
    name = queue_name(queue)
    content = body(request, model)
    worker, claim = worker_id(request), claim_id(request)
    return Attempt(key=TaskKey(name, task_id(id)), worker=worker, claim_id=claim, body=content)


def idempotency_key(request: falcon.Request) -> str | None:
    """
    The key that makes a repeated creation recognisable, if there is one.

    Raises:
        InvalidInput: If it is empty or too long.
    """
    key = request.get_header(IDEMPOTENCY_KEY_HEADER)
    if key is not None and not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY:
        message = f"must have 1 to {MAX_IDEMPOTENCY_KEY} characters"
        raise InvalidInput([Fault(IDEMPOTENCY_KEY_HEADER, "length", message)])
    return key
