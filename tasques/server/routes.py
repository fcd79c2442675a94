"""
Every route of the API, as one table.

The application is built from it and so are the API descriptions, so that what is served is what is
described. Operation ids, tags and names are those of the original's description, from which its
clients were generated (wire contract, sections 1 and 11).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import attrs

from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.recurring import RecurringTaskId
from tasques.core.service.recurring_service import MAX_PREVIEW
from tasques.core.tasks import ClaimId
from tasques.core.values import Duration
from tasques.schemas.answers import ErrorAnswer, LivenessAnswer, ReadinessAnswer, TaskAnswer
from tasques.schemas.fields import About
from tasques.schemas.recurring_answers import PreviewAnswer, RecurringTaskAnswer
from tasques.schemas.recurring_requests import NewRecurringTaskBody, RecurringTaskUpdateBody
from tasques.schemas.requests import ClaimBody, FailureBody, NewTaskBody, ReportBody, SuccessBody

WORKER_ID_HEADER: Final = "X-TASQUES-WORKER-ID"
CLAIM_ID_HEADER: Final = "X-TASQUES-CLAIM-ID"
IDEMPOTENCY_KEY_HEADER: Final = "Idempotency-Key"
REQUEST_ID_HEADER: Final = "X-Request-Id"

#: The longest idempotency key, in characters.
MAX_IDEMPOTENCY_KEY: Final = 255
#: So many slots are previewed where nobody says how many.
PREVIEWED: Final = 5


@attrs.frozen(kw_only=True)
class Parameter:
    """
    A part of a request beside its body.

    Attributes:
        name: As it is sent.
        place: Where it is sent.
        type: What it is read as.
        required: Whether a request without it is refused.
        about: Description, example, bounds.
    """

    name: str
    place: Literal["path", "query", "header"]
    type: type[object]
    about: About
    required: bool = True


@attrs.frozen(kw_only=True)
class Route:
    """
    A method on a path.

    Attributes:
        method: In upper case.
        path: A template; each ``{name}`` stands for one segment, percent-encoded.
        operation_id: Stable; generated clients name their methods after it.
        parameters: In the order in which they are looked at.
        request: The model of the body; None where no body is read.
        response: The model of the body of a success.
        many: Whether a success is an array of *response*.
        status: The status of a success.
        errors: What each further status means here, beyond :data:`COMMON_ERRORS`.
        error_responses: The models of the statuses whose body is not an :class:`ErrorAnswer`.
        wants_credentials: Whether it is closed to strangers where users are configured.
        from_original: Whether the original server has it too.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    operation_id: str
    tag: str
    summary: str
    description: str
    response: type[object]
    parameters: tuple[Parameter, ...] = ()
    request: type[object] | None = None
    many: bool = False
    status: int = 200
    errors: Mapping[int, str] = MappingProxyType({})
    error_responses: Mapping[int, type[object]] = MappingProxyType({})
    wants_credentials: bool = True
    from_original: bool = True

    @property
    def all_errors(self) -> dict[int, str]:
        """What every status but the success means, this route's own and the common ones."""
        common = COMMON_ERRORS if self.wants_credentials else OPEN_ERRORS
        return dict(sorted({**common, **self.errors}.items()))

    def error_response(self, status: int) -> type[object] | None:
        """The model of the body of an error; None where the body is empty."""
        if status in self.error_responses:
            return self.error_responses[status]
        return None if status == UNAUTHORIZED else ErrorAnswer


UNAUTHORIZED: Final = 401

#: What any request may meet, whatever its route.
OPEN_ERRORS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "The request is malformed",
        408: "The request did not arrive in time",
        413: "The body is larger than the server takes",
        431: "The headers are larger than the server takes",
        500: "A fault of the server's own",
        501: "The body comes in a transfer coding other than chunked",
        503: "Trouble behind the server, or more work than it can hold; see Retry-After",
    }
)

#: What a request for a closed route may meet.
COMMON_ERRORS: Final[Mapping[int, str]] = MappingProxyType(
    {**OPEN_ERRORS, UNAUTHORIZED: "No valid credentials, where the server wants them; empty body"}
)

_QUEUE: Final = Parameter(
    name="queue",
    place="path",
    type=QueueName,
    about=About("The queue of the task.", format="queue-name", example="run-later"),
)
_ID: Final = Parameter(
    name="id",
    place="path",
    type=TaskId,
    about=About("The id of the task.", format="task-id", example="invoice-4711"),
)
_WORKER: Final = Parameter(
    name=WORKER_ID_HEADER,
    place="header",
    type=WorkerId,
    about=About("The worker that asks; white space around it does not count.", example="worker-1"),
)
_CLAIM: Final = Parameter(
    name=CLAIM_ID_HEADER,
    place="header",
    type=ClaimId,
    required=False,
    about=About(
        "The `claim_id` of the claim that the worker means; what it says of an earlier claim of its"
        " own is then 403. Without it the worker alone decides.",
        example="7f0c2d4534deac4ea2b6c67150f2dbf8",
    ),
)
_IDEMPOTENCY_KEY: Final = Parameter(
    name=IDEMPOTENCY_KEY_HEADER,
    place="header",
    type=str,
    required=False,
    about=About(
        "Makes the id from the queue and this key, so that a repeated request creates nothing new"
        " and answers with the task as it is now. Not together with an `id`.",
        example="order-4711-mail",
        min_length=1,
        max_length=MAX_IDEMPOTENCY_KEY,
    ),
)
_RUN_IN: Final = Parameter(
    name="run_in",
    place="query",
    type=Duration,
    required=False,
    about=About(
        "Not to be claimed again before so long; without it the task keeps its `run_at`.",
        format="duration",
        minimum=0,
        example="90s",
    ),
)

_ARCHIVED: Final = Parameter(
    name="archived",
    place="query",
    type=bool,
    required=False,
    about=About(
        "Whether to look in the archive too, if the queue does not have the task.", example=True
    ),
)
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

_HELD_ERRORS: Final = MappingProxyType(
    {
        400: "The request is malformed, or the task is not claimed",
        403: "The task is claimed by another worker, or under another claim",
        404: "There is no such task",
        409: "The task was changed by others each time it was tried",
    }
)

_NO_SUCH_RECURRING_TASK: Final = "There is no such recurring task, or it was deleted"
_CHANGED_BY_OTHERS: Final = "The recurring task was changed by others each time it was tried"

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST",
        path="/tasques",
        operation_id="create-task",
        tag="tasks",
        summary="Create a task",
        description="Creates a task, queued. Of any number of requests with one id, one creates.",
        parameters=(_IDEMPOTENCY_KEY,),
        request=NewTaskBody,
        response=TaskAnswer,
        status=201,
        errors={
            400: "The request is malformed; every fault of the body is named",
            409: "The queue has a task of that id, or the key was used for a different task",
        },
    ),
    Route(
        method="GET",
        path="/tasques/{queue}/{id}",
        operation_id="get-existing-task",
        tag="tasks",
        summary="Look at a task",
        description=(
            "The task as it is now: the last write is seen at once. With `archived`, a task that is"
            " archived is found too, about a second after it was."
        ),
        parameters=(_QUEUE, _ID, _ARCHIVED),
        response=TaskAnswer,
        errors={400: "The request is malformed", 404: "There is no such task"},
    ),
    Route(
        method="POST",
        path="/tasques/claims",
        operation_id="claim-tasks",
        tag="tasks",
        summary="Claim tasks",
        description=(
            "Hands out tasks that are due: highest priority first, then the longest due, then the"
            " most attempts left. Waits up to `block_for` for `min_amount` of them, holding nothing"
            " meanwhile; an empty array means that there were none."
        ),
        parameters=(_WORKER,),
        request=ClaimBody,
        response=TaskAnswer,
        many=True,
        errors={400: "The request is malformed; every fault of the body is named"},
    ),
    Route(
        method="DELETE",
        path="/tasques/claims/{queue}/{id}",
        operation_id="unclaim-existing-task",
        tag="tasks",
        summary="Give a claimed task back",
        description="Gives a claimed task back to its queue; the attempt does not count.",
        parameters=(_QUEUE, _ID, _WORKER, _CLAIM, _RUN_IN),
        response=TaskAnswer,
        errors=_HELD_ERRORS,
    ),
    Route(
        method="PUT",
        path="/tasques/reports/{queue}/{id}",
        operation_id="report-on-claimed-task",
        tag="tasks",
        summary="Report on a claimed task",
        description="A sign of life: the time that the worker has begins anew.",
        parameters=(_QUEUE, _ID, _WORKER, _CLAIM),
        request=ReportBody,
        response=TaskAnswer,
        errors=_HELD_ERRORS,
    ),
    Route(
        method="PUT",
        path="/tasques/done/{queue}/{id}",
        operation_id="mark-claimed-task-done",
        tag="tasks",
        summary="Complete a claimed task",
        description="Ends the attempt, and the task, with success.",
        parameters=(_QUEUE, _ID, _WORKER, _CLAIM),
        request=SuccessBody,
        response=TaskAnswer,
        errors=_HELD_ERRORS,
    ),
    Route(
        method="PUT",
        path="/tasques/failed/{queue}/{id}",
        operation_id="mark-claimed-task-failed",
        tag="tasks",
        summary="Fail a claimed task",
        description=(
            "Ends the attempt with failure. With attempts left the task is tried again after a"
            " backoff, or after `retry_in`; without, or with `give_up`, it is dead."
        ),
        parameters=(_QUEUE, _ID, _WORKER, _CLAIM),
        request=FailureBody,
        response=TaskAnswer,
        errors=_HELD_ERRORS,
    ),
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
    Route(
        method="GET",
        path="/health/live",
        operation_id="get-liveness",
        tag="health",
        summary="Is the process alive?",
        description="200 as long as the server answers at all; for restarting it when it does not.",
        response=LivenessAnswer,
        wants_credentials=False,
        from_original=False,
    ),
    Route(
        method="GET",
        path="/health/ready",
        operation_id="get-readiness",
        tag="health",
        summary="Is the server to be sent requests?",
        description="200 when requests can be answered; for taking it out of a load balancer.",
        response=ReadinessAnswer,
        errors={503: "Not ready: the backend cannot be relied on, or the server is shutting down"},
        error_responses={503: ReadinessAnswer},
        wants_credentials=False,
        from_original=False,
    ),
)
