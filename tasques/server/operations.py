"""
The resources by which operators change tasks, one or many.

There is one for each verb and number; they differ in the body and in the operation made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

import attrs
import falcon

from tasques.core.errors import Fault, InvalidInput
from tasques.core.listing import TaskFilter
from tasques.core.operations import (
    MAX_PAGE,
    Cancel,
    Delay,
    Expire,
    Reprioritise,
    Retry,
    TaskOperation,
)
from tasques.core.queues import QueueName, WorkerId, queue_name, task_id
from tasques.core.service.operator_service import OperatorService
from tasques.core.tasks import TaskKey
from tasques.core.values import ZERO_INSTANT, Instant
from tasques.schemas.queue_answers import encode_outcomes
from tasques.schemas.queue_requests import (
    DelayBody,
    DelayManyBody,
    ManyTasksBody,
    ReprioritiseBody,
    ReprioritiseManyBody,
)
from tasques.schemas.task_json import encode_task
from tasques.server import reading

Many = TypeVar("Many", bound=ManyTasksBody)

#: What a request for an operation on one task asks for.
ReadOperation: TypeAlias = Callable[[falcon.Request], TaskOperation]


@attrs.frozen
class Asked:
    """An operation on many tasks: what is to be done, and to which."""

    operation: TaskOperation
    body: ManyTasksBody


#: What a request for an operation on many asks for.
ReadAsked: TypeAlias = Callable[[falcon.Request], Asked]


def _delay(body: DelayBody | DelayManyBody) -> Delay:
    """
    The delay that is asked for.

    Raises:
        InvalidInput: If not exactly one of its fields is given.
    """
    run_at = _given(body.run_at)
    if run_at is None and body.run_in is None:
        raise _invalid("run_at", "required", "is required, or else run_in")
    if run_at is not None and body.run_in is not None:
        raise _invalid("run_in", "exclusive", "must not be given together with run_at")
    return Delay(run_at=run_at, run_in=body.run_in)


def _given(time: Instant | None) -> Instant | None:
    # Clients in Go cannot leave a time out.
    return None if time == ZERO_INSTANT else time


def _invalid(path: str, rule: str, message: str) -> InvalidInput:
    return InvalidInput([Fault(path, rule, message)], f"{path}: {message} ({rule})")


def _reprioritise(body: ReprioritiseBody | ReprioritiseManyBody) -> Reprioritise:
    return Reprioritise(priority=body.priority)


#: By verb, what is done to one task.
ON_ONE: Final[Mapping[str, ReadOperation]] = MappingProxyType(
    {
        "cancel": lambda request: Cancel(),
        "retry": lambda request: Retry(),
        "expire": lambda request: Expire(),
        "delay": lambda request: _delay(reading.body(request, DelayBody)),
        "reprioritise": lambda request: _reprioritise(reading.body(request, ReprioritiseBody)),
    }
)


def _many(model: type[Many], operation: Callable[[Many], TaskOperation]) -> ReadAsked:
    def read(request: falcon.Request) -> Asked:
        body = reading.body(request, model)
        return Asked(operation(body), body)

    return read


#: By verb, what is done to many.
ON_MANY: Final[Mapping[str, ReadAsked]] = MappingProxyType(
    {
        "cancel": _many(ManyTasksBody, lambda body: Cancel()),
        "retry": _many(ManyTasksBody, lambda body: Retry()),
        "expire": _many(ManyTasksBody, lambda body: Expire()),
        "delay": _many(DelayManyBody, _delay),
        "reprioritise": _many(ReprioritiseManyBody, _reprioritise),
    }
)


class TaskOperationResource:
    """``/queues/{queue}/tasks/{id}/…``: an operation on one task."""

    def __init__(self, operators: OperatorService, read: ReadOperation) -> None:
        self._operators = operators
        self._read = read

    def on_post(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Do it."""
        name = queue_name(queue)
        operation = self._read(request)
        response.data = encode_task(self._operators.apply(operation, TaskKey(name, task_id(id))))


class TasksOperationResource:
    """``/queues/{queue}/tasks/…``: an operation on all that a filter means."""

    def __init__(self, operators: OperatorService, read: ReadAsked) -> None:
        self._operators = operators
        self._read = read

    def on_post(self, request: falcon.Request, response: falcon.Response, queue: str) -> None:
        """Do it to a page of them."""
        name = queue_name(queue)
        asked = self._read(request)
        body = asked.body
        swept = self._operators.sweep(
            asked.operation,
            _filter(name, body),
            after=body.after,
            limit=body.limit or MAX_PAGE,
            dry_run=body.dry_run or False,
        )
        response.data = encode_outcomes(swept)


def _filter(queue: QueueName, body: ManyTasksBody) -> TaskFilter:
    return TaskFilter(
        queue=queue,
        states=frozenset(body.states or ()),
        kind=body.kind,
        worker=None if body.worker is None else WorkerId(body.worker),
        created_from=_given(body.created_from),
        created_before=_given(body.created_before),
    )
