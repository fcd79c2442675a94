"""The resources of single tasks."""

from __future__ import annotations

import falcon

from tasques.core.queues import queue_name, task_id
from tasques.core.service.defaults import Defaults
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import NewTask, StoredTask, TaskKey
from tasques.schemas.requests import FailureBody, NewTaskBody, ReportBody, SuccessBody
from tasques.schemas.task_json import encode_task
from tasques.server import reading


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
        _answer(response, self._tasks.create(self._new_task(body), idempotency_key=key))

    def _new_task(self, body: NewTaskBody) -> NewTask:
        """What is asked for, with the server's defaults for what is not said."""
        defaults = self._defaults
        return NewTask(
            queue=body.queue,
            kind=body.kind,
            id=body.id,
            retry_times=defaults.retry_times if body.retry_times is None else body.retry_times,
            priority=body.priority or 0,
            processing_timeout=(
                defaults.processing_timeout
                if body.processing_timeout is None
                else body.processing_timeout
            ),
            run_at=body.run_at,
            args=body.args,
            context=body.context,
        )


class TaskResource:
    """``/tasques/{queue}/{id}``: a task as it is."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_get(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Show the task."""
        _answer(response, self._tasks.get(reading.task_key(queue, id)))


class ReportResource:
    """``/tasques/reports/{queue}/{id}``: signs of life."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record one."""
        key, worker, body = reading.attempt(request, queue, id, ReportBody)
        _answer(response, self._tasks.report(key, worker=worker, data=body.data))


class DoneResource:
    """``/tasques/done/{queue}/{id}``: success."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record it."""
        key, worker, body = reading.attempt(request, queue, id, SuccessBody)
        _answer(response, self._tasks.complete(key, worker=worker, data=body.data))


class FailedResource:
    """``/tasques/failed/{queue}/{id}``: failure."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record it."""
        key, worker, body = reading.attempt(request, queue, id, FailureBody)
        failed = self._tasks.fail(
            key,
            worker=worker,
            data=body.data,
            retry_in=body.retry_in,
            give_up=body.give_up or False,
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
        worker = reading.worker_id(request)
        run_in = reading.run_in(request)
        key = TaskKey(name, task_id(id))
        _answer(response, self._tasks.unclaim(key, worker=worker, run_in=run_in))
