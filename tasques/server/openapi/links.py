"""What one does with the answer to a request: which operation comes next, with what from where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from tasques.schemas.queue_answers import QueuesAnswer, TasksAnswer
from tasques.server.routes import WORKER_ID_HEADER, Route

_HOLDER_MAY: Final = (
    "report-on-claimed-task",
    "mark-claimed-task-done",
    "mark-claimed-task-failed",
    "unclaim-existing-task",
)

_OWNER_MAY: Final = (
    "get-existing-recurring-task",
    "update-existing-recurring-task",
    "pause-recurring-task",
    "resume-recurring-task",
    "run-recurring-task",
    "preview-recurring-task",
    "delete-existing-recurring-task",
)

_OPERATORS_MAY: Final = (
    "get-existing-task",
    "cancel-task",
    "retry-task",
    "expire-task",
    "delay-task",
    "reprioritise-task",
)

#: By operation id, the operations that its success leads to.
NEXT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "create-task": _OPERATORS_MAY,
        "claim-tasks": _HOLDER_MAY,
        "report-on-claimed-task": _HOLDER_MAY,
        "mark-claimed-task-done": ("get-existing-task",),
        "mark-claimed-task-failed": ("get-existing-task",),
        "unclaim-existing-task": ("get-existing-task",),
        "create-recurring-task": _OWNER_MAY,
        "list-existing-recurring-tasks": _OWNER_MAY,
        "run-recurring-task": ("get-existing-task",),
        "list-queues": ("list-tasks", "pause-queue", "resume-queue"),
        "list-tasks": _OPERATORS_MAY,
        "pause-queue": ("resume-queue", "list-tasks"),
        "resume-queue": ("list-tasks",),
        "cancel-task": ("get-existing-task", "retry-task"),
        "retry-task": ("get-existing-task",),
        "expire-task": ("get-existing-task", "retry-task"),
        "delay-task": ("get-existing-task",),
        "reprioritise-task": ("get-existing-task",),
    }
)


def links(route: Route, routes: Iterable[Route]) -> dict[str, Any]:
    """The links of a success of *route* to those of *routes* that come next, by operation id."""
    known = {each.operation_id: each for each in routes}
    return {
        name: {
            "operationId": name,
            "parameters": {
                parameter.name: _source(parameter.name, route)
                for parameter in known[name].parameters
                if parameter.required
            },
        }
        for name in NEXT.get(route.operation_id, ())
        if name in known
    }


def _source(parameter: str, route: Route) -> str:
    if parameter == WORKER_ID_HEADER:
        return f"$request.header.{WORKER_ID_HEADER}"
    # Of several the first; where there is none, nothing comes next.
    first = "0/" if route.many else _FIRST.get(route.response, "")
    return f"$response.body#/{first}{parameter}"


#: Where in an answer that is an object of several things the first of them is.
_FIRST: Final[Mapping[type, str]] = MappingProxyType(
    {QueuesAnswer: "queues/0/", TasksAnswer: "tasks/0/"}
)
