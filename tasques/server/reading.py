"""Reading what a request brings beside its route: names, headers, query, body."""

from __future__ import annotations

from typing import TypeVar

import falcon

from tasques.core.errors import Fault, InvalidInput
from tasques.core.queues import WorkerId, queue_name, task_id
from tasques.core.tasks import TaskKey
from tasques.core.values import ZERO, Duration
from tasques.schemas.converter import read
from tasques.server.routes import (
    IDEMPOTENCY_KEY_HEADER,
    MAX_IDEMPOTENCY_KEY,
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


def attempt(
    request: falcon.Request, queue: str, id: str, model: type[Model]
) -> tuple[TaskKey, WorkerId, Model]:
    """
    What a worker says about a task that it holds.

    Faults are found in the order of wire contract, section 1: the queue's name in the path, the
    body, the worker, the task.

    Raises:
        InvalidInput: At the first of these that is wrong.
    """
    name = queue_name(queue)
    content = body(request, model)
    worker = worker_id(request)
    return TaskKey(name, task_id(id)), worker, content


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


def run_in(request: falcon.Request) -> Duration | None:
    """
    How long a task that is given back is to rest, if that is said.

    Raises:
        InvalidInput: If it is not a duration, or negative.
    """
    text = request.get_param("run_in")
    if text is None:
        return None
    try:
        rest = Duration.parse(text)
    except ValueError as error:
        raise InvalidInput([Fault("run_in", "duration", str(error))]) from error
    if rest < ZERO:
        raise InvalidInput([Fault("run_in", "minimum", "must not be negative")])
    return rest
