"""The routes of recurring tasks."""

from __future__ import annotations

from typing import Final

from tasques.core.recurring import RecurringTaskId
from tasques.core.service.recurring_service import MAX_PREVIEW
from tasques.schemas.answers import TaskAnswer
from tasques.schemas.fields import About
from tasques.schemas.recurring_answers import PreviewAnswer, RecurringTaskAnswer
from tasques.schemas.recurring_requests import NewRecurringTaskBody, RecurringTaskUpdateBody
from tasques.server.routes.model import Parameter, Route

#: So many slots are previewed where nobody says how many.
PREVIEWED: Final = 5

_RECURRING_ID: Final = Parameter(
    name="id",
    place="path",
    type=RecurringTaskId,
    about=About("The id of the recurring task.", format="task-id", example="repeat-every-minute"),
)
_COUNT: Final = Parameter(
    name="count",
    place="query",
    type=int,
    required=False,
    about=About(
        f"How many times are wanted; {PREVIEWED} if not given.",
        minimum=1,
        maximum=MAX_PREVIEW,
        example=10,
    ),
)

_NO_SUCH_RECURRING_TASK: Final = "There is no such recurring task, or it was deleted"
_CHANGED_BY_OTHERS: Final = "The recurring task was changed by others each time it was tried"

RECURRING_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST",
        path="/recurring_tasques",
        operation_id="create-recurring-task",
        tag="recurring-tasks",
        summary="Create a recurring task",
        description="Creates a recurring task; its first slot is the first one after now.",
        request=NewRecurringTaskBody,
        response=RecurringTaskAnswer,
        status=201,
        errors={
            400: "The request is malformed; every fault of the body is named",
            409: "The id is in use",
        },
    ),
    Route(
        method="GET",
        path="/recurring_tasques",
        operation_id="list-existing-recurring-tasks",
        tag="recurring-tasks",
        summary="List the recurring tasks",
        description="All that are not deleted, sorted by id; the last write is seen at once.",
        response=RecurringTaskAnswer,
        many=True,
    ),
    Route(
        method="GET",
        path="/recurring_tasques/{id}",
        operation_id="get-existing-recurring-task",
        tag="recurring-tasks",
        summary="Look at a recurring task",
        description="The recurring task as it is now: the last write is seen at once.",
        parameters=(_RECURRING_ID,),
        response=RecurringTaskAnswer,
        errors={400: "The request is malformed", 404: _NO_SUCH_RECURRING_TASK},
    ),
    Route(
        method="PUT",
        path="/recurring_tasques/{id}",
        operation_id="update-existing-recurring-task",
        tag="recurring-tasks",
        summary="Change a recurring task",
        description=(
            "Changes what is given and leaves the rest. A new schedule begins with the first slot"
            " after now."
        ),
        parameters=(_RECURRING_ID,),
        request=RecurringTaskUpdateBody,
        response=RecurringTaskAnswer,
        errors={
            400: "The request is malformed; every fault of the body is named",
            404: _NO_SUCH_RECURRING_TASK,
            409: _CHANGED_BY_OTHERS,
        },
    ),
    Route(
        method="DELETE",
        path="/recurring_tasques/{id}",
        operation_id="delete-existing-recurring-task",
        tag="recurring-tasks",
        summary="Delete a recurring task",
        description="Deletes a recurring task; the tasks that it made stay.",
        parameters=(_RECURRING_ID,),
        response=RecurringTaskAnswer,
        errors={
            400: "The request is malformed",
            404: _NO_SUCH_RECURRING_TASK,
            409: _CHANGED_BY_OTHERS,
        },
    ),
    Route(
        method="POST",
        path="/recurring_tasques/{id}/pause",
        operation_id="pause-recurring-task",
        tag="recurring-tasks",
        summary="Pause a recurring task",
        description=(
            "Has no slot fired until it is resumed; doing it twice is no fault. A body is not read."
        ),
        parameters=(_RECURRING_ID,),
        response=RecurringTaskAnswer,
        errors={
            400: "The request is malformed",
            404: _NO_SUCH_RECURRING_TASK,
            409: _CHANGED_BY_OTHERS,
        },
        from_original=False,
    ),
    Route(
        method="POST",
        path="/recurring_tasques/{id}/resume",
        operation_id="resume-recurring-task",
        tag="recurring-tasks",
        summary="Resume a recurring task",
        description=(
            "Has slots fired again, from the first one after now; doing it twice is no fault. A body"
            " is not read."
        ),
        parameters=(_RECURRING_ID,),
        response=RecurringTaskAnswer,
        errors={
            400: "The request is malformed",
            404: _NO_SUCH_RECURRING_TASK,
            409: _CHANGED_BY_OTHERS,
        },
        from_original=False,
    ),
    Route(
        method="POST",
        path="/recurring_tasques/{id}/run",
        operation_id="run-recurring-task",
        tag="recurring-tasks",
        summary="Run a recurring task now",
        description=(
            "Makes a task of the definition now, beside the schedule, also while it is paused; every"
            " request makes another. It counts as outstanding. A body is not read."
        ),
        parameters=(_RECURRING_ID,),
        response=TaskAnswer,
        status=201,
        errors={
            400: "The request is malformed",
            404: _NO_SUCH_RECURRING_TASK,
            409: _CHANGED_BY_OTHERS,
        },
        from_original=False,
    ),
    Route(
        method="GET",
        path="/recurring_tasques/{id}/preview",
        operation_id="preview-recurring-task",
        tag="recurring-tasks",
        summary="When is a recurring task due next?",
        description="Its next slots, as if it were not paused and nothing outstanding.",
        parameters=(_RECURRING_ID, _COUNT),
        response=PreviewAnswer,
        errors={400: "The request is malformed", 404: _NO_SUCH_RECURRING_TASK},
        from_original=False,
    ),
)
