"""The resources of recurring tasks."""

from __future__ import annotations

import falcon

from tasques.core.recurring import CatchUp, StoredRecurringTask
from tasques.core.service.defaults import Defaults
from tasques.core.service.recurring_service import (
    NewRecurringTask,
    RecurringService,
    RecurringTaskChanges,
)
from tasques.schemas import defaulted
from tasques.schemas.converter import encode, unstructure
from tasques.schemas.recurring_answers import PreviewAnswer, recurring_task_answer
from tasques.schemas.recurring_requests import NewRecurringTaskBody, RecurringTaskUpdateBody
from tasques.schemas.task_json import encode_task
from tasques.server import query, reading


def _answer(response: falcon.Response, stored: StoredRecurringTask) -> None:
    response.data = encode(unstructure(recurring_task_answer(stored)))


class RecurringTasksResource:
    """``/recurring_tasques``: all of them."""

    def __init__(self, recurring: RecurringService, defaults: Defaults) -> None:
        self._recurring = recurring
        self._defaults = defaults

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Create one."""
        body = reading.body(request, NewRecurringTaskBody)
        created = self._recurring.create(
            NewRecurringTask(
                id=body.id,
                schedule_expression=body.schedule_expression,
                definition=defaulted.definition(body.task_definition, self._defaults),
                skip_if_outstanding_tasks_exist=body.skip_if_outstanding_tasks_exist or False,
                catch_up=body.catch_up or CatchUp.LAST,
            )
        )
        response.status = falcon.HTTP_201
        _answer(response, created)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """List them."""
        listed = self._recurring.list()
        response.data = encode([unstructure(recurring_task_answer(each)) for each in listed])


class RecurringTaskResource:
    """``/recurring_tasques/{id}``: one of them."""

    def __init__(self, recurring: RecurringService, defaults: Defaults) -> None:
        self._recurring = recurring
        self._defaults = defaults

    def on_get(self, request: falcon.Request, response: falcon.Response, id: str) -> None:
        """Show it."""
        _answer(response, self._recurring.get(reading.recurring_task_id(id)))

    def on_put(self, request: falcon.Request, response: falcon.Response, id: str) -> None:
        """Change it."""
        body = reading.body(request, RecurringTaskUpdateBody)
        definition = body.task_definition
        changes = RecurringTaskChanges(
            schedule_expression=body.schedule_expression,
            definition=None
            if definition is None
            else defaulted.definition(definition, self._defaults),
            skip_if_outstanding_tasks_exist=body.skip_if_outstanding_tasks_exist,
            catch_up=body.catch_up,
        )
        _answer(response, self._recurring.update(reading.recurring_task_id(id), changes))

    def on_delete(self, request: falcon.Request, response: falcon.Response, id: str) -> None:
        """Delete it."""
        _answer(response, self._recurring.delete(reading.recurring_task_id(id)))


class PauseResource:
    """``/recurring_tasques/{id}/pause``."""

    def __init__(self, recurring: RecurringService) -> None:
        self._recurring = recurring

    def on_post(self, request: falcon.Request, response: falcon.Response, id: str) -> None:
        """Have no slot fired."""
        _answer(response, self._recurring.pause(reading.recurring_task_id(id)))


class ResumeResource:
    """``/recurring_tasques/{id}/resume``."""

    def __init__(self, recurring: RecurringService) -> None:
        self._recurring = recurring

    def on_post(self, request: falcon.Request, response: falcon.Response, id: str) -> None:
        """Have slots fired again."""
        _answer(response, self._recurring.resume(reading.recurring_task_id(id)))


class RunResource:
    """``/recurring_tasques/{id}/run``."""

    def __init__(self, recurring: RecurringService) -> None:
        self._recurring = recurring

    def on_post(self, request: falcon.Request, response: falcon.Response, id: str) -> None:
        """Make a task now."""
        response.data = encode_task(self._recurring.run_now(reading.recurring_task_id(id)))
        response.status = falcon.HTTP_201


class PreviewResource:
    """``/recurring_tasques/{id}/preview``."""

    def __init__(self, recurring: RecurringService) -> None:
        self._recurring = recurring

    def on_get(self, request: falcon.Request, response: falcon.Response, id: str) -> None:
        """Tell the next slots."""
        name, count = reading.recurring_task_id(id), query.count(request)
        slots = tuple(self._recurring.preview(name, count))
        response.data = encode(unstructure(PreviewAnswer(slots=slots)))
