"""The routes by which operators change tasks, one or many."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from tasques.schemas.answers import TaskAnswer
from tasques.schemas.queue_answers import OutcomesAnswer
from tasques.schemas.queue_requests import (
    DelayBody,
    DelayManyBody,
    ManyTasksBody,
    ReprioritiseBody,
    ReprioritiseManyBody,
)
from tasques.server.routes.model import Route
from tasques.server.routes.parameters import QUEUE, TASK_ID

_NO_BODY: Final = " A body is not read."

_ONE_ERRORS: Final = MappingProxyType(
    {
        400: "The request is malformed, or the task is in a state that does not allow it",
        404: "There is no such task",
        409: "The task was changed by others each time it was tried",
    }
)


def _one(verb: str, summary: str, description: str, request: type[object] | None = None) -> Route:
    """The route that does it to one task."""
    return Route(
        method="POST",
        path=f"/queues/{{queue}}/tasks/{{id}}/{verb}",
        operation_id=f"{verb}-task",
        tag="operators",
        summary=summary,
        description=description if request is not None else description + _NO_BODY,
        parameters=(QUEUE, TASK_ID),
        request=request,
        response=TaskAnswer,
        errors=_ONE_ERRORS,
        from_original=False,
    )


def _many(verb: str, summary: str, request: type[object] = ManyTasksBody) -> Route:
    """The route that does it to all that a filter means."""
    return Route(
        method="POST",
        path=f"/queues/{{queue}}/tasks/{verb}",
        operation_id=f"{verb}-tasks",
        tag="operators",
        summary=summary,
        description=(
            "Does to each task that the filter means what is done to one, the oldest first, and says"
            " what became of each. One request looks at `limit` tasks at most: repeat it with the"
            " answer's `next` as `after`, until the answer has none."
        ),
        parameters=(QUEUE,),
        request=request,
        response=OutcomesAnswer,
        errors={400: "The request is malformed; every fault of the body is named"},
        from_original=False,
    )


OPERATION_ROUTES: Final[tuple[Route, ...]] = (
    _one(
        "cancel",
        "Cancel a task",
        "Ends a task that waits. If it is claimed, its worker is asked to end it"
        " (`cancel_requested`): its failure, time-out or return then ends it, its success still"
        " counts.",
    ),
    _one(
        "retry",
        "Queue a dead task again",
        "Queues a dead task again, due at once, with all its attempts and without its"
        " `expires_at`.",
    ),
    _one(
        "expire",
        "Expire a task",
        "Ends a task that waits, because it is not worth starting any more.",
    ),
    _one(
        "delay",
        "Delay a task",
        "Has a task that waits wait until `run_at`, or for `run_in`, be that later or earlier than"
        " it would.",
        DelayBody,
    ),
    _one(
        "reprioritise",
        "Give a task another priority",
        "Gives a task that waits another place in the order of claims.",
        ReprioritiseBody,
    ),
    _many("cancel", "Cancel many tasks"),
    _many("retry", "Queue many dead tasks again"),
    _many("expire", "Expire many tasks"),
    _many("delay", "Delay many tasks", DelayManyBody),
    _many("reprioritise", "Give many tasks another priority", ReprioritiseManyBody),
)
