"""The routes of tasks: for those who create them, and for workers."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import attrs

from tasques.core.queues import WorkerId
from tasques.core.tasks import ClaimId
from tasques.core.values import Duration
from tasques.schemas.answers import TaskAnswer
from tasques.schemas.batch_answers import ItemsAnswer
from tasques.schemas.batch_requests import (
    MAX_IDEMPOTENCY_KEY,
    FinishTasksBody,
    NewTasksBody,
)
from tasques.schemas.envelope import MAX_ITEMS
from tasques.schemas.fields import About
from tasques.schemas.requests import ClaimBody, FailureBody, NewTaskBody, ReportBody, SuccessBody
from tasques.server.routes.model import Parameter, Route
from tasques.server.routes.parameters import (
    CLAIM_ID_HEADER,
    IDEMPOTENCY_KEY_HEADER,
    QUEUE,
    TASK_ID,
    WORKER_ID_HEADER,
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

_KEY_OF_MANY: Final = attrs.evolve(
    _IDEMPOTENCY_KEY,
    about=About(
        "For each item that has neither an `id` nor an `idempotency_key`, such a key is made of this"
        " and the item's place: a request that is repeated as it was creates nothing new.",
        example="import-2026-11-22-part-3",
        min_length=1,
        max_length=MAX_IDEMPOTENCY_KEY,
    ),
)

_MANY_ERRORS: Final = MappingProxyType(
    {
        400: (
            f"The request as a whole is malformed: no array of items, or more than {MAX_ITEMS}, or a"
            " header that is missing or wrong"
        )
    }
)

_HELD_ERRORS: Final = MappingProxyType(
    {
        400: "The request is malformed, or the task is not claimed",
        403: "The task is claimed by another worker, or under another claim",
        404: "There is no such task",
        409: "The task was changed by others each time it was tried",
    }
)

TASK_ROUTES: Final[tuple[Route, ...]] = (
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
            403: "A plugin refuses it",
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
        parameters=(QUEUE, TASK_ID, _ARCHIVED),
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
        errors={
            400: "The request is malformed; every fault of the body is named",
            403: "A plugin refuses it",
        },
    ),
    Route(
        method="DELETE",
        path="/tasques/claims/{queue}/{id}",
        operation_id="unclaim-existing-task",
        tag="tasks",
        summary="Give a claimed task back",
        description="Gives a claimed task back to its queue; the attempt does not count.",
        parameters=(QUEUE, TASK_ID, _WORKER, _CLAIM, _RUN_IN),
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
        parameters=(QUEUE, TASK_ID, _WORKER, _CLAIM),
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
        parameters=(QUEUE, TASK_ID, _WORKER, _CLAIM),
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
        parameters=(QUEUE, TASK_ID, _WORKER, _CLAIM),
        request=FailureBody,
        response=TaskAnswer,
        errors=_HELD_ERRORS,
    ),
    Route(
        method="POST",
        path="/tasques/create-many",
        operation_id="create-tasks",
        tag="tasks",
        summary="Create many tasks",
        description=(
            "Creates each task as a request of its own would, and says what became of each. One"
            " that cannot be created keeps no other from it; of two with one id the first is created."
        ),
        parameters=(_KEY_OF_MANY,),
        request=NewTasksBody,
        response=ItemsAnswer,
        errors=_MANY_ERRORS,
        from_original=False,
    ),
    Route(
        method="POST",
        path="/tasques/finish-many",
        operation_id="finish-tasks",
        tag="tasks",
        summary="Finish many tasks",
        description=(
            "Completes, fails, reports on, or gives back each task as a request of its own would, and"
            " says what became of each. Two items about one task are done in their order."
        ),
        parameters=(_WORKER,),
        request=FinishTasksBody,
        response=ItemsAnswer,
        errors=_MANY_ERRORS,
        from_original=False,
    ),
)
