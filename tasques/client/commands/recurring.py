"""Commands about recurring tasks."""

from __future__ import annotations

import attrs

from tasques.client import times
from tasques.client.commands.base import Repeat, Request, body, reading, reading_all
from tasques.client.values import Object, TaskOptions, json_object
from tasques.core import errors
from tasques.core.queues import QueueName
from tasques.core.recurring import CatchUp, RecurringTaskId
from tasques.schemas.answers import TaskAnswer
from tasques.schemas.recurring_answers import PreviewAnswer, RecurringTaskAnswer
from tasques.schemas.recurring_requests import (
    NewRecurringTaskBody,
    RecurringTaskUpdateBody,
    ScheduleExpression,
)
from tasques.schemas.requests import TaskDefinitionBody

_PATH = "recurring_tasques"


def definition(
    queue: str, kind: str, args: Object | None, options: TaskOptions
) -> TaskDefinitionBody:
    """
    What the tasks of a recurring task are made from.

    Of *options* those count that tasks made later can have: no id, time or key.

    Raises:
        InvalidInput: If a value is none of its type.
    """
    return TaskDefinitionBody(
        queue=QueueName(queue),
        kind=kind,
        retry_times=options.get("retry_times"),
        priority=options.get("priority"),
        processing_timeout=times.optional_duration(
            options.get("processing_timeout"), "processing_timeout"
        ),
        args=json_object(args, "args"),
        context=json_object(options.get("context"), "context"),
    )


def _refusal(id: str, status: int, message: str) -> errors.TasquesError | None:
    match status:
        # Said by a server of tasks: a proxy's 404 says nothing of the recurring task.
        case 404 if message.startswith("Could not find"):
            return errors.RecurringTaskNotFound(id)
        case 409 if message.startswith("Id already exists"):
            return errors.RecurringTaskAlreadyExists(id)
        case 409:
            return errors.RecurringTaskConflict(id)
        case 500 if "is not a valid recurring task" in message:
            return errors.MalformedRecurringTask(id, message.rpartition("task: ")[2])
    return None


@attrs.frozen
class CreateRecurringTask:
    """Create a recurring task."""

    new: NewRecurringTaskBody

    @classmethod
    def of(
        cls,
        id: str,
        schedule: str,
        definition: TaskDefinitionBody,
        *,
        skip_if_outstanding_tasks_exist: bool | None = None,
        catch_up: CatchUp | None = None,
    ) -> CreateRecurringTask:
        """The command that these describe."""
        new = NewRecurringTaskBody(
            id=RecurringTaskId(id),
            schedule_expression=ScheduleExpression(schedule),
            task_definition=definition,
            skip_if_outstanding_tasks_exist=skip_if_outstanding_tasks_exist,
            catch_up=catch_up,
        )
        return cls(new)

    def request(self) -> Request[RecurringTaskAnswer]:
        return Request(
            method="POST",
            path=(_PATH,),
            content=body(self.new),
            decode=reading(RecurringTaskAnswer),
            repeat=Repeat.NAMED,
        )

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        return _refusal(self.new.id, status, message)


@attrs.frozen
class ListRecurringTasks:
    """Show all of them."""

    def request(self) -> Request[tuple[RecurringTaskAnswer, ...]]:
        return Request(
            method="GET",
            path=(_PATH,),
            decode=reading_all(RecurringTaskAnswer),
            repeat=Repeat.FREELY,
        )

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        return None


@attrs.frozen
class OfRecurringTask:
    """A command about one recurring task."""

    id: str

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        return _refusal(self.id, status, message)


@attrs.frozen
class GetRecurringTask(OfRecurringTask):
    """Show it as of the last write."""

    def request(self) -> Request[RecurringTaskAnswer]:
        return Request(
            method="GET",
            path=(_PATH, self.id),
            decode=reading(RecurringTaskAnswer),
            repeat=Repeat.FREELY,
        )


@attrs.frozen
class UpdateRecurringTask(OfRecurringTask):
    """Change what is given."""

    changes: RecurringTaskUpdateBody

    def request(self) -> Request[RecurringTaskAnswer]:
        return Request(
            method="PUT",
            path=(_PATH, self.id),
            content=body(self.changes),
            decode=reading(RecurringTaskAnswer),
            repeat=Repeat.FREELY,
        )


@attrs.frozen
class DeleteRecurringTask(OfRecurringTask):
    """Delete it."""

    def request(self) -> Request[RecurringTaskAnswer]:
        return Request(
            method="DELETE",
            path=(_PATH, self.id),
            decode=reading(RecurringTaskAnswer),
            repeat=Repeat.NEVER,
        )


@attrs.frozen
class PauseRecurringTask(OfRecurringTask):
    """Fire no slot until it is resumed."""

    def request(self) -> Request[RecurringTaskAnswer]:
        return Request(
            method="POST",
            path=(_PATH, self.id, "pause"),
            content=b"{}",
            decode=reading(RecurringTaskAnswer),
            repeat=Repeat.FREELY,
        )


@attrs.frozen
class ResumeRecurringTask(OfRecurringTask):
    """Fire slots again."""

    def request(self) -> Request[RecurringTaskAnswer]:
        return Request(
            method="POST",
            path=(_PATH, self.id, "resume"),
            content=b"{}",
            decode=reading(RecurringTaskAnswer),
            repeat=Repeat.FREELY,
        )


@attrs.frozen
class RunRecurringTask(OfRecurringTask):
    """Make a task of it now."""

    def request(self) -> Request[TaskAnswer]:
        return Request(
            method="POST",
            path=(_PATH, self.id, "run"),
            content=b"{}",
            decode=reading(TaskAnswer),
            repeat=Repeat.NEVER,
        )


@attrs.frozen
class PreviewRecurringTask(OfRecurringTask):
    """Say when it is due next."""

    count: int = 5

    def request(self) -> Request[PreviewAnswer]:
        return Request(
            method="GET",
            path=(_PATH, self.id, "preview"),
            query=(("count", str(self.count)),),
            decode=reading(PreviewAnswer),
            repeat=Repeat.FREELY,
        )
