"""The bodies that the owners of recurring tasks send; read like those of tasks."""

from __future__ import annotations

from typing import NewType

import attrs

from tasques.core.queues import MAX_ID_BYTES
from tasques.core.recurring import CatchUp, RecurringTaskId
from tasques.schemas.fields import ABOUT, About
from tasques.schemas.requests import TaskDefinitionBody

#: A text that :func:`tasques.core.cron.parse` reads, as it was given.
ScheduleExpression = NewType("ScheduleExpression", str)


@attrs.frozen(kw_only=True)
class NewRecurringTaskBody:
    """A recurring task to create."""

    id: RecurringTaskId = attrs.field(
        metadata={
            ABOUT: About(
                "What names it; that of a deleted one can be used again.",
                format="task-id",
                example="repeat-every-minute",
                min_length=1,
                max_length=MAX_ID_BYTES,
            )
        }
    )
    schedule_expression: ScheduleExpression = attrs.field(
        metadata={
            ABOUT: About(
                "When its tasks are due.",
                format="schedule-expression",
                example="@every 1m",
            )
        }
    )
    task_definition: TaskDefinitionBody = attrs.field(
        metadata={
            ABOUT: About(
                "What its tasks are made from.", example={"queue": "run-later", "kind": "sayHello"}
            )
        }
    )
    skip_if_outstanding_tasks_exist: bool | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Whether a slot is left out while a task that was made before is not finished;"
                " false if not given.",
                example=False,
            )
        },
    )
    catch_up: CatchUp | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Which of the slots that came while no server led are made up for: none of them,"
                " the latest, or each (the latest hundred at most); `last` if not given.",
                example="last",
            )
        },
    )


@attrs.frozen(kw_only=True)
class RecurringTaskUpdateBody:
    """What is to be different about a recurring task; what is not given stays."""

    schedule_expression: ScheduleExpression | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "When its tasks are due, from now on.",
                format="schedule-expression",
                example="30 9 * * MON-FRI",
            )
        },
    )
    skip_if_outstanding_tasks_exist: bool | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Whether a slot is left out while a task that was made before is not finished.",
                example=True,
            )
        },
    )
    task_definition: TaskDefinitionBody | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "What its tasks are made from. The whole of it: what is not given within gets the"
                " defaults, whatever it was before.",
                example={"queue": "run-later", "kind": "sayHello", "priority": 5},
            )
        },
    )
    catch_up: CatchUp | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Which of the slots that came while no server led are made up for.", example="all"
            )
        },
    )
