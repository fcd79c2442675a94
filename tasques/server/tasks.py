"""The resources of single tasks."""

from __future__ import annotations

import falcon

from tasques.core.queues import queue_name, task_id
from tasques.core.service.defaults import Defaults
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import StoredTask, TaskKey
from tasques.schemas.defaulted import new_task
from tasques.schemas.requests import FailureBody, NewTaskBody, ReportBody, SuccessBody
from tasques.schemas.task_json import encode_task
from tasques.server import query, reading


def _answer(response: falcon.Response, stored: StoredTask) -> None:
    response.data = encode_task(stored)


class TasksResource:
    """``/tasques``: creation."""

    def __init__(self, tasks: TaskService, defaults: Defaults) -> None:
        self._tasks = tasks
        self._defaults = defaults

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Create a task."""
        body = reading.body(request, NewTaskBody)
        key = reading.idempotency_key(request)
        response.status = falcon.HTTP_201
        new = new_task(body, self._defaults)
        _answer(response, self._tasks.create(new, idempotency_key=key))


class TaskResource:
    """``/tasques/{queue}/{id}``: a task as it is."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_get(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Show the task."""
        key = reading.task_key(queue, id)
        found = self._tasks.find(key, archived=query.archived(request))
        response.data = encode_task(found.stored, is_archived=found.is_archived)


class ReportResource:
    """``/tasques/reports/{queue}/{id}``: signs of life."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record one."""
        said = reading.attempt(request, queue, id, ReportBody)
        stored = self._tasks.report(
            said.key, worker=said.worker, data=said.body.data, claim_id=said.claim_id
        )
        _answer(response, stored)


class DoneResource:
    """``/tasques/done/{queue}/{id}``: success."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record it."""
        said = reading.attempt(request, queue, id, SuccessBody)
        stored = self._tasks.complete(
            said.key, worker=said.worker, data=said.body.data, claim_id=said.claim_id
        )
        _answer(response, stored)


class FailedResource:
    """``/tasques/failed/{queue}/{id}``: failure."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record it."""
        said = reading.attempt(request, queue, id, FailureBody)
        failed = self._tasks.fail(
            said.key,
            worker=said.worker,
            data=said.body.data,
            retry_in=said.body.retry_in,
            give_up=said.body.give_up or False,
            claim_id=said.claim_id,
        )
        _answer(response, failed)


class ClaimResource:
    """``/tasques/claims/{queue}/{id}``: a claim that ends without a result."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_delete(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Give the task back."""
        name = queue_name(queue)
        worker, claim_id = reading.worker_id(request), reading.claim_id(request)
        run_in = query.run_in(request)
        key = TaskKey(name, task_id(id))
        stored = self._tasks.unclaim(key, worker=worker, run_in=run_in, claim_id=claim_id)
        _answer(response, stored)
