"""The routes that show operators queues and their tasks, and that pause queues."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from tasques.core.listing import ListOrder, Position
from tasques.core.operations import MAX_PAGE
from tasques.core.tasks import State
from tasques.core.values import Instant
from tasques.schemas.fields import About
from tasques.schemas.queue_answers import QueuePolicyAnswer, QueuesAnswer, TasksAnswer
from tasques.server.routes.model import Parameter, Route
from tasques.server.routes.parameters import QUEUE

#: So many tasks are listed where nobody says how many.
LISTED: Final = 100

_STATE: Final = Parameter(
    name="state",
    place="query",
    type=tuple[State, ...],
    required=False,
    about=About("In one of these states, each with a `state` of its own; any if none is named."),
)
_KIND: Final = Parameter(
    name="kind",
    place="query",
    type=str,
    required=False,
    about=About("Of this kind.", min_length=1, example="sayHello"),
)
_WORKER: Final = Parameter(
    name="worker",
    place="query",
    type=str,
    required=False,
    about=About("Claimed, now or last, by this worker.", min_length=1, example="worker-1"),
)
_CREATED_FROM: Final = Parameter(
    name="created_from",
    place="query",
    type=Instant,
    required=False,
    about=About("Created then or later.", example="2026-11-22T04:00:00Z"),
)
_CREATED_BEFORE: Final = Parameter(
    name="created_before",
    place="query",
    type=Instant,
    required=False,
    about=About("Created before then.", example="2026-11-23T04:00:00Z"),
)
_ORDER: Final = Parameter(
    name="order",
    place="query",
    type=ListOrder,
    required=False,
    about=About("Which come first, by their creation; `newest` if not given.", example="oldest"),
)
_LIMIT: Final = Parameter(
    name="limit",
    place="query",
    type=int,
    required=False,
    about=About(
        f"At most so many; {LISTED} if not given.", minimum=1, maximum=MAX_PAGE, example=10
    ),
)
_AFTER: Final = Parameter(
    name="after",
    place="query",
    type=Position,
    required=False,
    about=About("Where to go on: the `next` of the last answer."),
)
_ARCHIVED: Final = Parameter(
    name="archived",
    place="query",
    type=bool,
    required=False,
    about=About("Whether to list the archive, and not the queue itself.", example=True),
)

_POLICY_ERRORS: Final = MappingProxyType(
    {
        400: "The request is malformed",
        409: "What is laid down for the queue was changed by others each time it was tried",
    }
)

QUEUE_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/queues",
        operation_id="list-queues",
        tag="operators",
        summary="How do the queues stand?",
        description=(
            "Every queue that has been used or paused, by name, with the number of its tasks. What"
            " was written within the last second or so may be missed."
        ),
        response=QueuesAnswer,
        from_original=False,
    ),
    Route(
        method="GET",
        path="/queues/{queue}/tasks",
        operation_id="list-tasks",
        tag="operators",
        summary="List the tasks of a queue",
        description=(
            "A page of those that the filter means, in the order of their creation. Each is met"
            " once, whatever is created or changed between two pages. What was written within the"
            " last second or so may be missed. A queue that there is not has no tasks."
        ),
        parameters=(
            QUEUE,
            _STATE,
            _KIND,
            _WORKER,
            _CREATED_FROM,
            _CREATED_BEFORE,
            _ORDER,
            _LIMIT,
            _AFTER,
            _ARCHIVED,
        ),
        response=TasksAnswer,
        errors={400: "The request is malformed; every fault of the query is named"},
        from_original=False,
    ),
    Route(
        method="POST",
        path="/queues/{queue}/pause",
        operation_id="pause-queue",
        tag="operators",
        summary="Pause a queue",
        description=(
            "Has nothing handed out from it until it is resumed, by this server at once and by the"
            " others within a second or two. What was handed out goes on. Doing it twice is no"
            " fault. A body is not read."
        ),
        parameters=(QUEUE,),
        response=QueuePolicyAnswer,
        errors=_POLICY_ERRORS,
        from_original=False,
    ),
    Route(
        method="POST",
        path="/queues/{queue}/resume",
        operation_id="resume-queue",
        tag="operators",
        summary="Resume a queue",
        description=(
            "Has tasks handed out from it again; doing it twice is no fault. A body is not read."
        ),
        parameters=(QUEUE,),
        response=QueuePolicyAnswer,
        errors=_POLICY_ERRORS,
        from_original=False,
    ),
)
