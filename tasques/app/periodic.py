"""
Periodic tasks that are declared in code, and how they get to the server without doubles.

Each has an id, so of any number of processes that synchronise it one creates the recurring task and
the others find it. What was declared is marked in the context of the recurring task: a digest of the
declaration, the release of the application that wrote it, and the application's name, if it has one. From
these follows what is done:

=============================================  ===========================================
on the server                                  what is done
=============================================  ===========================================
nothing of that id                             created
the same digest                                nothing: what operators changed since stays
another digest, by the same or an older        updated
release
another digest, by a newer release             nothing: an old process that starts late
                                               does not undo it
the same digest, under another name than       updated: it is this application's now
this application has
not made by a declaration                      updated
=============================================  ===========================================

Synchronising happens when it is asked for, as a worker does once at its start, and never in a loop:
two versions of an application that run side by side do not fight. Without releases, the one that
started last has its way.

What is not declared any more stays, unless it is to be pruned. Then what bears the application's name, was
written by its own release or an older one, and is not declared, is deleted. So nothing is deleted that was
made by hand, or by another application beside, or by a newer release of this one. An application without a
name cannot prune, as it could not tell what is its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from enum import StrEnum
from typing import Final, TypedDict

import attrs

from tasques.app.options import KindOptions
from tasques.client import values
from tasques.client.commands.recurring import (
    CreateRecurringTask,
    DeleteRecurringTask,
    GetRecurringTask,
    ListRecurringTasks,
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


@attrs.frozen(kw_only=True)
class Origin:
    """
    Whose declarations they are.

    Attributes:
        app: The name of the application; None if it has none.
        release: Of the application; 0 if nobody counts them.
    """

    app: str | None = None
    release: int = 0


class Synced(StrEnum):
    """What became of one declaration."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    #: A newer release has declared it differently.
    NEWER_THERE = "newer_there"
    #: It is declared no more, and was deleted.
    PRUNED = "pruned"


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

    def definition(self, origin: Origin) -> TaskDefinitionBody:
        """What its tasks are made from, with the mark."""
        options = TaskOptions(**self.options)
        mark: dict[str, object] = {"digest": self.digest, "release": origin.release}
        if origin.app is not None:
            mark["app"] = origin.app
        options["context"] = {**self.context, MARK: mark}
        return definition(self.queue, self.kind, self.args, options)

    def creation(self, origin: Origin) -> CreateRecurringTask:
        """The command that creates it."""
        return CreateRecurringTask.of(
            self.id,
            self.schedule,
            self.definition(origin),
            skip_if_outstanding_tasks_exist=self.skip_if_outstanding,
            # An original server does not know this; where it is the default, it need not.
            catch_up=None if self.catch_up is CatchUp.LAST else self.catch_up,
        )

    def update(self, origin: Origin) -> UpdateRecurringTask:
        """The command that makes the recurring task be as declared."""
        changes = RecurringTaskUpdateBody(
            schedule_expression=ScheduleExpression(self.schedule),
            task_definition=self.definition(origin),
            skip_if_outstanding_tasks_exist=self.skip_if_outstanding,
            catch_up=self.catch_up,
        )
        return UpdateRecurringTask(self.id, changes)


def wanted(declared: Periodic, stored: RecurringTaskAnswer, origin: Origin) -> Synced:
    """What is to become of *stored*; see the table at the top."""
    mark = _mark(stored)
    if "digest" not in mark:
        return Synced.UPDATED
    is_ours = origin.app is None or mark.get("app") == origin.app
    if mark["digest"] == declared.digest and is_ours:
        return Synced.UNCHANGED
    return Synced.NEWER_THERE if _is_newer(mark, origin) else Synced.UPDATED


def undeclared(
    stored: Sequence[RecurringTaskAnswer], declared: Container[str], origin: Origin
) -> list[str]:
    """
    The ids of those of *stored* that are this application's, and not among its *declared* any more.

    Raises:
        ValueError: If the application has no name.
    """
    if origin.app is None:
        raise ValueError("an application without a name cannot tell what is its own: name it")
    marks = {each.id: _mark(each) for each in stored if each.id not in declared}
    return [
        id
        for id, mark in marks.items()
        if mark.get("app") == origin.app and not _is_newer(mark, origin)
    ]


def _mark(stored: RecurringTaskAnswer) -> Mapping[str, object]:
    """What a declaration has left in *stored*; nothing if it was made by hand."""
    context = stored.task_definition.context
    mark = None if context is None else context.value().get(MARK)
    return mark if isinstance(mark, dict) else {}


def _is_newer(mark: Mapping[str, object], origin: Origin) -> bool:
    there = mark.get("release")
    return isinstance(there, int) and there > origin.release


def sync(operations: Operations, declared: Periodic, origin: Origin) -> Synced:
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
            operations.do(declared.creation(origin))
        except errors.RecurringTaskAlreadyExists:
            stored = operations.do(GetRecurringTask(declared.id))  # another process was faster
        else:
            return Synced.CREATED
    decided = wanted(declared, stored, origin)
    if decided is Synced.UPDATED:
        operations.do(declared.update(origin))
    return decided


async def sync_async(operations: Operations, declared: Periodic, origin: Origin) -> Synced:
    """As :func:`sync`."""
    try:
        stored = await operations.do_async(GetRecurringTask(declared.id))
    except errors.RecurringTaskNotFound:
        try:
            await operations.do_async(declared.creation(origin))
        except errors.RecurringTaskAlreadyExists:
            stored = await operations.do_async(GetRecurringTask(declared.id))
        else:
            return Synced.CREATED
    decided = wanted(declared, stored, origin)
    if decided is Synced.UPDATED:
        await operations.do_async(declared.update(origin))
    return decided


def prune(operations: Operations, declared: Container[str], origin: Origin) -> dict[str, Synced]:
    """
    Delete what this application has declared, and declares no more.

    Returns:
        What became of each, by id; also of those that another process has just deleted.

    Raises:
        ValueError: If the application has no name.
        Unavailable, RecurringTaskConflict: As their names say; some may be deleted by then.
    """
    gone = undeclared(operations.do(ListRecurringTasks()), declared, origin)
    for id in gone:
        with contextlib.suppress(errors.RecurringTaskNotFound):
            operations.do(DeleteRecurringTask(id))
    return dict.fromkeys(gone, Synced.PRUNED)


async def prune_async(
    operations: Operations, declared: Container[str], origin: Origin
) -> dict[str, Synced]:
    """As :func:`prune`."""
    gone = undeclared(await operations.do_async(ListRecurringTasks()), declared, origin)
    for id in gone:
        with contextlib.suppress(errors.RecurringTaskNotFound):
            await operations.do_async(DeleteRecurringTask(id))
    return dict.fromkeys(gone, Synced.PRUNED)
