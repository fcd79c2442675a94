"""
What happened to tasks, as facts for observers.

An event is made of an acknowledged write: of its verb and of the task as it is since then. So an
observer learns nothing that did not happen. What it can rely on, and what not:

- Events are told per server: each server tells what it wrote itself, nobody tells what an original
  server wrote.
- After the acknowledgement, beside the request: the request does not wait for observers.
- Best effort: an event may be lost (the server ends, or its observers cannot keep up), and may be
  told twice (a write whose answer was lost is confirmed by another). :attr:`TaskEvent.token` is the
  same in both.
- Events of one task mostly come in order; :attr:`TaskEvent.version` tells, since it grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from tasques.core.documents import Version
from tasques.core.tasks import State, Task
from tasques.core.values import Instant


class Happening(StrEnum):
    """
    What can happen to a task.

    ``failed`` and ``reaped`` are attempts that ended; ``dead`` is told besides where it was the last
    one, and alone where a task ended without having been attempted once more.
    """

    CREATED = "created"
    CLAIMED = "claimed"
    REPORTED = "reported"
    RETURNED = "returned"
    FAILED = "failed"
    REAPED = "reaped"
    DONE = "done"
    DEAD = "dead"
    RETRIED = "retried"
    CHANGED = "changed"
    ARCHIVED = "archived"


@attrs.frozen(kw_only=True)
class TaskEvent:
    """
    Something that happened to a task.

    Attributes:
        at: By the wall clock of the server, in nanoseconds UTC (:class:`~tasques.core.values.Instant`).
        task: As it is since then; of an archived one, as it was.
        token: The same for an event told twice, and for the two events of one write.
        version: Of the write; of a task's events the later has the greater.
    """

    what: Happening
    at: Instant
    task: Task
    token: str
    version: Version


#: By the verb of a write, what it was for.
_BY_VERB: Final[Mapping[str, Happening]] = MappingProxyType(
    {
        "create": Happening.CREATED,
        "claim": Happening.CLAIMED,
        "report": Happening.REPORTED,
        "unclaim": Happening.RETURNED,
        "give_back": Happening.RETURNED,
        "failed": Happening.FAILED,
        "time_out": Happening.REAPED,
        "done": Happening.DONE,
        "retry": Happening.RETRIED,
        "cancel": Happening.CHANGED,
        "delay": Happening.CHANGED,
        "reprioritise": Happening.CHANGED,
    }
)


def events_of(task: Task, version: Version, *, at: Instant) -> tuple[TaskEvent, ...]:
    """What the write that made *task* tells; nothing if it does not say what it was for."""
    operation = task.operation
    if operation is None:
        return ()
    found = _BY_VERB.get(operation.verb)
    is_end = task.state is State.DEAD
    happenings = [] if found is None or (is_end and found is Happening.CHANGED) else [found]
    if is_end:
        happenings.append(Happening.DEAD)
    return tuple(
        TaskEvent(what=what, at=at, task=task, token=operation.token, version=version)
        for what in happenings
    )


def archived(task: Task, version: Version, *, at: Instant) -> TaskEvent:
    """The event of a task that has left its queue for the archive."""
    token = task.operation.token if task.operation is not None else ""
    return TaskEvent(what=Happening.ARCHIVED, at=at, task=task, token=token, version=version)
