"""What the auditor keeps in mind: requests, who made which token, and the lives of tasks."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from tasques.core import errors
from tasques.core.documents import Version
from tasques.core.json_object import JsonObject
from tasques.core.tasks import StoredTask, Task, TaskKey
from tests.simulation.runtime import Node


@attrs.define(eq=False)
class Request:
    """
    One request to one server.

    Attributes:
        patience: It must be answered within so many seconds, pauses of its server not counted.
        claim: The token of the claim that it is about, where it is about one.
        tokens: Of the writes that were decided on its behalf.
        refusal: The definite no that it was answered with.
        is_unstorable: It asks for what the store never takes, or may.
        mark: What it brings, and no other: the arguments of a new task, or data.
        items: Of a batch; each is looked at like a request of its own.
        found: The task when the request was begun.
        made: What was created on its behalf.
    """

    number: int
    verb: str
    node: Node
    started: float
    patience: float
    key: TaskKey | None = None
    worker: str = ""
    claim: str = ""
    tokens: list[str] = attrs.Factory(list)
    refusal: errors.TasquesError | None = None
    answered: bool = False
    paused_before: float = 0.0
    is_unstorable: bool = False
    mark: JsonObject | None = None
    items: tuple[Request, ...] = ()
    found: StoredTask | None = None
    made: TaskKey | None = None


@attrs.frozen(eq=False)
class Minted:
    """Who made a token, and when."""

    request: Request | None
    node: Node
    at: float
    skew: float
    steadied: float | None
    draining: bool


@attrs.define(eq=False)
class Life:
    """What is known of a task from its create to its deletion."""

    created: str
    versions: dict[Version, str] = attrs.Factory(dict)
    claim: str = ""
    acknowledged: bool = False
    recurring: bool = False


@attrs.frozen(eq=False)
class Standing:
    """
    What the auditor has to know of a server.

    Attributes:
        compared_skew: See :class:`~tests.simulation.stores.SimulatedBackend`.
        is_draining: Whether it has been told to claim no more.
    """

    compared_skew: Callable[[], float | None]
    is_draining: Callable[[], bool]


def asks_for(request: Request, task: Task) -> bool:
    """Whether *task* may be what *request* made."""
    return request.key in (None, task.key) and has_mark(task, request)


def has_mark(task: Task, request: Request) -> bool:
    """Whether *task* shows what *request* brought, if it brought anything."""
    if request.mark is None:
        return True
    if request.verb == "create":
        return task.args == request.mark
    claim = task.last_claim
    if claim is None:
        return False
    shown = claim.last_report if request.verb == "report" else claim.result
    return shown is not None and shown.data == request.mark
