"""What the server says of recurring tasks; written like what it says of tasks."""

from __future__ import annotations

import attrs

from tasques.core.json_object import JsonObject
from tasques.core.recurring import (
    CatchUp,
    Slot,
    SlotOutcome,
    StoredRecurringTask,
    TaskDefinition,
)
from tasques.core.values import Duration, Instant
from tasques.schemas.answers import MetadataAnswer, VersionAnswer
from tasques.schemas.fields import ABOUT, About

_TIME = "2026-11-22T04:02:10.241240951Z"
_SLOT = "2026-11-22T04:03:08Z"


@attrs.frozen(kw_only=True)
class TaskDefinitionAnswer:
    """What the tasks of a recurring task are made from."""

    queue: str = attrs.field(
        metadata={ABOUT: About("The queue that they go into.", example="run-later")}
    )
    retry_times: int = attrs.field(
        metadata={
            ABOUT: About(
                "How often each is tried again after it has failed.",
                format="int64",
                minimum=0,
                example=25,
            )
        }
    )
    kind: str = attrs.field(metadata={ABOUT: About("What kind of work it is.", example="sayHello")})
    priority: int = attrs.field(
        metadata={ABOUT: About("The higher, the sooner it is claimed.", format="int64", example=0)}
    )
    processing_timeout: Duration = attrs.field(
        metadata={
            ABOUT: About(
                "How long a worker has, from its claim or its last report.",
                format="duration",
                example="30m0s",
            )
        }
    )
    args: JsonObject | None = attrs.field(
        default=None,
        metadata={ABOUT: About("What each is to work on, if given.", example={"name": "Ann"})},
    )
    context: JsonObject | None = attrs.field(
        default=None,
        metadata={ABOUT: About("What else goes with each, if given.", example={"trace": "7f"})},
    )


@attrs.frozen(kw_only=True)
class SlotAnswer:
    """A time at which a recurring task was due, and what became of it."""

    at: Instant = attrs.field(
        metadata={ABOUT: About("When it was due.", format="date-time", example=_SLOT)}
    )
    outcome: SlotOutcome = attrs.field(
        metadata={
            ABOUT: About(
                "`fired`: a task was made; `outstanding`: one made before was not finished;"
                " `missed`: it came too late; `paused`: the recurring task was paused; `refused`:"
                " the store does not take such a task.",
                example="fired",
            )
        }
    )
    task_id: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "The task, if one was made.",
                example="rec-0d2d4534deac4ea2b6c67150f2dbf834-1795320188",
            )
        },
    )
    left_out: int | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "So many slots right before it came to nothing, if any did; 1000 for as many or"
                " more.",
                format="int64",
                minimum=1,
                example=3,
            )
        },
    )


@attrs.frozen(kw_only=True)
class RecurringTaskAnswer:
    """A schedule, and what to make when it is due."""

    id: str = attrs.field(metadata={ABOUT: About("What names it.", example="repeat-every-minute")})
    schedule_expression: str = attrs.field(
        metadata={ABOUT: About("When its tasks are due, as it was given.", example="@every 1m")}
    )
    skip_if_outstanding_tasks_exist: bool = attrs.field(
        metadata={
            ABOUT: About(
                "Whether a slot is left out while a task that was made before is not finished.",
                example=False,
            )
        }
    )
    task_definition: TaskDefinitionAnswer = attrs.field(
        metadata={ABOUT: About("What its tasks are made from.")}
    )
    loaded_at: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "When the leading server took up the latest change; absent until it has.",
                format="date-time",
                example=_TIME,
            )
        },
    )
    metadata: MetadataAnswer = attrs.field(metadata={ABOUT: About("About the document itself.")})
    catch_up: CatchUp | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Which of the slots that came while no server led are made up for; absent where it"
                " is `last`.",
                example="all",
            )
        },
    )
    paused_at: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Since when no slot is fired; absent if it is not paused.",
                format="date-time",
                example=_TIME,
            )
        },
    )
    last_slot: SlotAnswer | None = attrs.field(
        default=None, metadata={ABOUT: About("The latest slot that is over, once one is.")}
    )


@attrs.frozen(kw_only=True)
class PreviewAnswer:
    """When a recurring task is due next."""

    slots: tuple[Instant, ...] = attrs.field(
        metadata={
            ABOUT: About(
                "The next times, the first one first; fewer than asked for if the schedule ends.",
                example=[_SLOT, "2026-11-22T04:04:08Z"],
            )
        }
    )


def recurring_task_answer(stored: StoredRecurringTask) -> RecurringTaskAnswer:
    """The recurring task in the form of wire contract, section 4, and what the original lacks."""
    task, recurrence = stored.document, stored.document.recurrence
    return RecurringTaskAnswer(
        id=task.id,
        schedule_expression=task.schedule_expression,
        skip_if_outstanding_tasks_exist=task.skip_if_outstanding_tasks_exist,
        task_definition=_definition_answer(task.definition),
        loaded_at=task.loaded_at,
        metadata=MetadataAnswer(
            created_at=task.created_at,
            modified_at=task.modified_at,
            version=VersionAnswer(
                seq_num=stored.version.seq_no, primary_term=stored.version.primary_term
            ),
        ),
        catch_up=None if recurrence.catch_up is CatchUp.LAST else recurrence.catch_up,
        paused_at=recurrence.paused_at,
        last_slot=None if recurrence.last_slot is None else _slot_answer(recurrence.last_slot),
    )


def _definition_answer(definition: TaskDefinition) -> TaskDefinitionAnswer:
    return TaskDefinitionAnswer(
        queue=definition.queue,
        retry_times=definition.retry_times,
        kind=definition.kind,
        priority=definition.priority,
        processing_timeout=definition.processing_timeout,
        args=definition.args,
        context=definition.context,
    )


def _slot_answer(slot: Slot) -> SlotAnswer:
    return SlotAnswer(
        at=slot.at, outcome=slot.outcome, task_id=slot.task_id, left_out=slot.left_out or None
    )
