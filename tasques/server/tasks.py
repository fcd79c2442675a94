"""The resources of single tasks."""

from __future__ import annotations

from collections.abc import Callable

import falcon

from tasques.core.queues import queue_name, task_id
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.service.defaults import Defaults
from tasques.core.service.task_service import Begun, TaskService
from tasques.core.tasks import StoredTask, TaskKey
from tasques.schemas.defaulted import new_task
from tasques.schemas.requests import FailureBody, NewTaskBody, ReportBody, SuccessBody
from tasques.schemas.task_json import encode_task
from tasques.server import query, reading
from tasques.server.handing_in import HandingIn


def _answer(response: falcon.Response, stored: StoredTask) -> None:
    response.data = encode_task(stored)


class TasksResource:
    """``/tasques``: creation."""

    def __init__(self, tasks: TaskService, defaults: Defaults, handing_in: HandingIn) -> None:
        self._tasks = tasks
        self._defaults = defaults
        self._handing_in = handing_in

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Create a task."""
        response.status = falcon.HTTP_201
        _answer(response, self._handing_in.carry_out(request, lambda: self._begin(request)))

    def _begin(self, request: falcon.Request) -> Begun:
        body = reading.body(request, NewTaskBody)
        key = reading.idempotency_key(request)
        return self._tasks.begin_create(new_task(body, self._defaults), idempotency_key=key)


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


class _Changing:
    """A resource by which a worker changes a task that it holds."""

    def __init__(self, tasks: TaskService, handing_in: HandingIn) -> None:
        self._tasks = tasks
        self._handing_in = handing_in

    def _change(
        self, request: falcon.Request, response: falcon.Response, read: Callable[[], Change]
    ) -> None:
        stored = self._handing_in.carry_out(request, lambda: self._tasks.begin_change(read()))
        _answer(response, stored)


class ReportResource(_Changing):
    """``/tasques/reports/{queue}/{id}``: signs of life."""

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record one."""

        def read() -> Change:
            said = reading.attempt(request, queue, id, ReportBody)
            return Report(
                key=said.key, worker=said.worker, data=said.body.data, claim_id=said.claim_id
            )

        self._change(request, response, read)


class DoneResource(_Changing):
    """``/tasques/done/{queue}/{id}``: success."""

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record it."""

        def read() -> Change:
            said = reading.attempt(request, queue, id, SuccessBody)
            return Complete(
                key=said.key, worker=said.worker, data=said.body.data, claim_id=said.claim_id
            )

        self._change(request, response, read)


class FailedResource(_Changing):
    """``/tasques/failed/{queue}/{id}``: failure."""

    def on_put(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Record it."""

        def read() -> Change:
            said = reading.attempt(request, queue, id, FailureBody)
            return Fail(
                key=said.key,
                worker=said.worker,
                data=said.body.data,
                retry_in=said.body.retry_in,
                give_up=said.body.give_up or False,
                claim_id=said.claim_id,
            )

        self._change(request, response, read)


class ClaimResource(_Changing):
    """``/tasques/claims/{queue}/{id}``: a claim that ends without a result."""

    def on_delete(
        self, request: falcon.Request, response: falcon.Response, queue: str, id: str
    ) -> None:
        """Give the task back."""

        def read() -> Change:
            name = queue_name(queue)
            worker, claim_id = reading.worker_id(request), reading.claim_id(request)
            run_in = query.run_in(request)
            key = TaskKey(name, task_id(id))
            return Unclaim(key=key, worker=worker, run_in=run_in, claim_id=claim_id)

        self._change(request, response, read)
