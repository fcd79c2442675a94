"""
Periodic tasks that are declared in code, and how they get to the server without doubles.

Each has an id, so of any number of processes that synchronise it one creates the recurring task and
the others find it. What was declared is marked in the context of the recurring task: a digest of the
declaration, and the release of the application that wrote it. From these follows what is done:

=============================================  ===========================================
on the server                                  what is done
=============================================  ===========================================
nothing of that id                             created
the same digest                                nothing: what operators changed since stays
another digest, by the same or an older        updated
release
another digest, by a newer release             nothing: an old process that starts late
                                               does not undo it
not made by a declaration                      updated
=============================================  ===========================================

Synchronising happens when it is asked for, as a worker does once at its start, and never in a loop:
two versions of an application that run side by side do not fight. Without releases, the one that
started last has its way. What is not declared any more stays; delete it by its id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypedDict

import attrs

from tasques.app.options import KindOptions
from tasques.client import values
from tasques.client.commands.recurring import (
    CreateRecurringTask,
    GetRecurringTask,
    UpdateRecurringTask,
    definition,
)
from tasques.client.port import Operations
from tasques.client.values import Object, TaskOptions
from tasques.core import errors
from tasques.core.recurring import CatchUp
from tasques.core.values import Duration
from tasques.schemas.recurring_answers import RecurringTaskAnswer
from tasques.schemas.recurring_requests import RecurringTaskUpdateBody, ScheduleExpression
from tasques.schemas.requests import TaskDefinitionBody

#: Under which name the context of a declared recurring task has its mark.
MARK: Final = "tasques_declared"


class PeriodicOptions(TypedDict, total=False):
    """
    What may be said of a periodic task.

    Attributes:
        queue: Another queue than its kind's.
        skip_if_outstanding: Leave out a slot while a task that was made before is not finished.
        catch_up: Which of the slots that came while no server led are made up for.
        context: What else goes with each task.
    """

    queue: str
    skip_if_outstanding: bool
    catch_up: CatchUp
    context: Object


class Synced(StrEnum):
    """What became of one declaration."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    #: A newer release has declared it differently.
    NEWER_THERE = "newer_there"


@attrs.frozen(kw_only=True)
class Periodic:
    """A periodic task as it is declared."""

    id: str
    schedule: str
    queue: str
    kind: str
    args: Mapping[str, object]
    options: TaskOptions
    context: Mapping[str, object] = attrs.field(factory=dict)
    skip_if_outstanding: bool = False
    catch_up: CatchUp = CatchUp.LAST

    @classmethod
    def of(
        cls,
        id: str,
        schedule: str,
        settings: KindOptions,
        args: Mapping[str, object],
        said: PeriodicOptions,
    ) -> Periodic:
        """
        The one that these describe.

        Raises:
            InvalidInput: If the context is not what JSON can say.
        """
        options = settings.of_task({})
        # A task of a slot is created anew each time; from when it would expire is not known here.
        options.pop("expires_in", None)
        context = values.json_object(said.get("context"), "context")
        return cls(
            id=id,
            schedule=schedule,
            queue=said.get("queue", settings.queue),
            kind=settings.kind,
            args=args,
            options=options,
            context={} if context is None else context.value(),
            skip_if_outstanding=said.get("skip_if_outstanding", False),
            catch_up=said.get("catch_up", CatchUp.LAST),
        )

    def with_timeout(self, timeout: Duration | None) -> Periodic:
        """The same, with *timeout* where its kind has none."""
        said = self.options.get("processing_timeout")
        options = TaskOptions(
            **{**self.options, "processing_timeout": timeout if said is None else said}
        )
        return attrs.evolve(self, options=options)

    @property
    def digest(self) -> str:
        """Tells declarations that differ apart."""
        said = attrs.asdict(self)
        text = json.dumps(said, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def definition(self, release: int) -> TaskDefinitionBody:
        """What its tasks are made from, with the mark."""
        options = TaskOptions(**self.options)
        options["context"] = {
            **self.context,
            MARK: {"digest": self.digest, "release": release},
        }
        return definition(self.queue, self.kind, self.args, options)

    def creation(self, release: int) -> CreateRecurringTask:
        """The command that creates it."""
        return CreateRecurringTask.of(
            self.id,
            self.schedule,
            self.definition(release),
            skip_if_outstanding_tasks_exist=self.skip_if_outstanding,
            # An original server does not know this; where it is the default, it need not.
            catch_up=None if self.catch_up is CatchUp.LAST else self.catch_up,
        )

    def update(self, release: int) -> UpdateRecurringTask:
        """The command that makes the recurring task be as declared."""
        changes = RecurringTaskUpdateBody(
            schedule_expression=ScheduleExpression(self.schedule),
            task_definition=self.definition(release),
            skip_if_outstanding_tasks_exist=self.skip_if_outstanding,
            catch_up=self.catch_up,
        )
        return UpdateRecurringTask(self.id, changes)


def wanted(declared: Periodic, stored: RecurringTaskAnswer, release: int) -> Synced:
    """What is to become of *stored*; see the table at the top."""
    context = stored.task_definition.context
    mark = {} if context is None else context.value().get(MARK)
    if not isinstance(mark, dict) or "digest" not in mark:
        return Synced.UPDATED
    if mark["digest"] == declared.digest:
        return Synced.UNCHANGED
    there = mark.get("release")
    if isinstance(there, int) and there > release:
        return Synced.NEWER_THERE
    return Synced.UPDATED


def sync(operations: Operations, declared: Periodic, release: int) -> Synced:
    """
    Have the server's recurring task be as *declared*, or leave it; see the table at the top.

    Raises:
        InvalidInput: If the schedule is none.
        Unavailable, RecurringTaskConflict: As their names say.
    """
    try:
        stored = operations.do(GetRecurringTask(declared.id))
    except errors.RecurringTaskNotFound:
        try:
            operations.do(declared.creation(release))
        except errors.RecurringTaskAlreadyExists:
            stored = operations.do(GetRecurringTask(declared.id))  # another process was faster
        else:
            return Synced.CREATED
    decided = wanted(declared, stored, release)
    if decided is Synced.UPDATED:
        operations.do(declared.update(release))
    return decided


async def sync_async(operations: Operations, declared: Periodic, release: int) -> Synced:
    """As :func:`sync`."""
    try:
        stored = await operations.do_async(GetRecurringTask(declared.id))
    except errors.RecurringTaskNotFound:
        try:
            await operations.do_async(declared.creation(release))
        except errors.RecurringTaskAlreadyExists:
            stored = await operations.do_async(GetRecurringTask(declared.id))
        else:
            return Synced.CREATED
    decided = wanted(declared, stored, release)
    if decided is Synced.UPDATED:
        await operations.do_async(declared.update(release))
    return decided
