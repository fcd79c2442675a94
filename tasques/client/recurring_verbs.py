"""What the owners of recurring tasks ask for, each as a call and its asynchronous twin."""

from __future__ import annotations

from typing import Unpack

from tasques.client.commands.recurring import (
    CreateRecurringTask,
    DeleteRecurringTask,
    GetRecurringTask,
    ListRecurringTasks,
    PauseRecurringTask,
    PreviewRecurringTask,
    ResumeRecurringTask,
    RunRecurringTask,
    UpdateRecurringTask,
    definition,
)
from tasques.client.port import Operations
from tasques.client.values import Object, Task, TaskOptions
from tasques.core.recurring import CatchUp
from tasques.core.values import Instant
from tasques.schemas.recurring_answers import RecurringTaskAnswer
from tasques.schemas.recurring_requests import RecurringTaskUpdateBody, ScheduleExpression
from tasques.schemas.requests import TaskDefinitionBody

RecurringTask = RecurringTaskAnswer


class RecurringVerbs:
    """
    Recurring tasks: create, list, get, update, delete, pause, resume, run, preview.

    Those about one raise ``RecurringTaskNotFound`` if there is none, ``MalformedRecurringTask`` if
    what is stored is none, and changes ``RecurringTaskConflict`` when others were always faster.
    """

    @staticmethod
    def definition(
        queue: str, kind: str, args: Object | None = None, **options: Unpack[TaskOptions]
    ) -> TaskDefinitionBody:
        """
        What the tasks of a recurring task are made from.

        Of *options* those count that a task of every slot can have: no id, time or key.

        Raises:
            InvalidInput: If a value is none of its type.
        """
        return definition(queue, kind, args, options)

    def create_recurring(
        self: Operations,
        id: str,
        schedule: str,
        definition: TaskDefinitionBody,
        *,
        skip_if_outstanding_tasks_exist: bool = False,
        catch_up: CatchUp = CatchUp.LAST,
    ) -> RecurringTask:
        """
        Create a recurring task; its first slot is the first one after now.

        Raises:
            InvalidInput: With every fault of what is asked for.
            RecurringTaskAlreadyExists: If the id is in use.
        """
        return self.do(
            _creation(id, schedule, definition, skip_if_outstanding_tasks_exist, catch_up)
        )

    async def create_recurring_async(
        self: Operations,
        id: str,
        schedule: str,
        definition: TaskDefinitionBody,
        *,
        skip_if_outstanding_tasks_exist: bool = False,
        catch_up: CatchUp = CatchUp.LAST,
    ) -> RecurringTask:
        """As :meth:`create_recurring`."""
        return await self.do_async(
            _creation(id, schedule, definition, skip_if_outstanding_tasks_exist, catch_up)
        )

    def list_recurring(self: Operations) -> tuple[RecurringTask, ...]:
        """All that are not deleted, as of the last write, by id."""
        return self.do(ListRecurringTasks())

    async def list_recurring_async(self: Operations) -> tuple[RecurringTask, ...]:
        """As :meth:`list_recurring`."""
        return await self.do_async(ListRecurringTasks())

    def get_recurring(self: Operations, id: str) -> RecurringTask:
        """The recurring task as of the last write."""
        return self.do(GetRecurringTask(id))

    async def get_recurring_async(self: Operations, id: str) -> RecurringTask:
        """As :meth:`get_recurring`."""
        return await self.do_async(GetRecurringTask(id))

    def update_recurring(
        self: Operations,
        id: str,
        *,
        schedule: str | None = None,
        definition: TaskDefinitionBody | None = None,
        skip_if_outstanding_tasks_exist: bool | None = None,
        catch_up: CatchUp | None = None,
    ) -> RecurringTask:
        """
        Change what is given; a new schedule begins with the first slot after now.

        Raises:
            InvalidInput: With every fault of what is asked for.
        """
        return self.do(_update(id, schedule, definition, skip_if_outstanding_tasks_exist, catch_up))

    async def update_recurring_async(
        self: Operations,
        id: str,
        *,
        schedule: str | None = None,
        definition: TaskDefinitionBody | None = None,
        skip_if_outstanding_tasks_exist: bool | None = None,
        catch_up: CatchUp | None = None,
    ) -> RecurringTask:
        """As :meth:`update_recurring`."""
        return await self.do_async(
            _update(id, schedule, definition, skip_if_outstanding_tasks_exist, catch_up)
        )

    def delete_recurring(self: Operations, id: str) -> RecurringTask:
        """Delete it, and show it as it was."""
        return self.do(DeleteRecurringTask(id))

    async def delete_recurring_async(self: Operations, id: str) -> RecurringTask:
        """As :meth:`delete_recurring`."""
        return await self.do_async(DeleteRecurringTask(id))

    def pause_recurring(self: Operations, id: str) -> RecurringTask:
        """Have no slot fired until it is resumed; doing it twice is no fault."""
        return self.do(PauseRecurringTask(id))

    async def pause_recurring_async(self: Operations, id: str) -> RecurringTask:
        """As :meth:`pause_recurring`."""
        return await self.do_async(PauseRecurringTask(id))

    def resume_recurring(self: Operations, id: str) -> RecurringTask:
        """Have slots fired again; doing it twice is no fault."""
        return self.do(ResumeRecurringTask(id))

    async def resume_recurring_async(self: Operations, id: str) -> RecurringTask:
        """As :meth:`resume_recurring`."""
        return await self.do_async(ResumeRecurringTask(id))

    def run_recurring(self: Operations, id: str) -> Task:
        """Make a task of it now, beside the schedule; every call makes another."""
        return self.do(RunRecurringTask(id))

    async def run_recurring_async(self: Operations, id: str) -> Task:
        """As :meth:`run_recurring`."""
        return await self.do_async(RunRecurringTask(id))

    def preview_recurring(self: Operations, id: str, count: int = 5) -> tuple[Instant, ...]:
        """
        When it is due next, as if it were not paused.

        Args:
            count: 1 … 100.
        """
        return self.do(PreviewRecurringTask(id, count)).slots

    async def preview_recurring_async(
        self: Operations, id: str, count: int = 5
    ) -> tuple[Instant, ...]:
        """As :meth:`preview_recurring`."""
        return (await self.do_async(PreviewRecurringTask(id, count))).slots


def _creation(
    id: str, schedule: str, definition: TaskDefinitionBody, skip: bool, catch_up: CatchUp
) -> CreateRecurringTask:
    return CreateRecurringTask.of(
        id,
        schedule,
        definition,
        skip_if_outstanding_tasks_exist=skip,
        # An original server knows no other than its own, and none by name.
        catch_up=None if catch_up is CatchUp.LAST else catch_up,
    )


def _update(
    id: str,
    schedule: str | None,
    definition: TaskDefinitionBody | None,
    skip: bool | None,
    catch_up: CatchUp | None,
) -> UpdateRecurringTask:
    changes = RecurringTaskUpdateBody(
        schedule_expression=None if schedule is None else ScheduleExpression(schedule),
        task_definition=definition,
        skip_if_outstanding_tasks_exist=skip,
        catch_up=catch_up,
    )
    return UpdateRecurringTask(id, changes)
