"""Commands of operators: about queues, and about tasks whoever holds them."""

from __future__ import annotations

import attrs

from tasques.client.commands.base import Plain, Repeat, Request, body, reading
from tasques.client.commands.tasks import task_refusal
from tasques.core import errors
from tasques.core.listing import Position, TaskFilter, TaskQuery
from tasques.core.operations import Delay, Reprioritise, TaskOperation
from tasques.schemas.answers import TaskAnswer
from tasques.schemas.positions import position_text
from tasques.schemas.queue_answers import (
    OutcomesAnswer,
    QueuePolicyAnswer,
    QueuesAnswer,
    TasksAnswer,
)
from tasques.schemas.queue_requests import (
    DelayBody,
    DelayManyBody,
    ManyTasksBody,
    ReprioritiseBody,
    ReprioritiseManyBody,
)


@attrs.frozen
class ShowQueues(Plain):
    """Say how every queue stands."""

    def request(self) -> Request[QueuesAnswer]:
        return Request(
            method="GET", path=("queues",), decode=reading(QueuesAnswer), repeat=Repeat.FREELY
        )


@attrs.frozen(kw_only=True)
class ListTasks(Plain):
    """List tasks of a queue, a page of them."""

    query: TaskQuery
    archived: bool = False

    def request(self) -> Request[TasksAnswer]:
        wanted, meant = self.query, self.query.filter
        said = {
            "kind": meant.kind,
            "worker": meant.worker,
            "created_from": meant.created_from,
            "created_before": meant.created_before,
            "order": wanted.order,
            "limit": wanted.limit,
            "after": None if wanted.after is None else position_text(wanted.after),
            "archived": "true" if self.archived else None,
        }
        query = [("state", state.value) for state in sorted(meant.states)]
        query += [(name, str(value)) for name, value in said.items() if value is not None]
        return Request(
            method="GET",
            path=("queues", meant.queue, "tasks"),
            query=tuple(query),
            decode=reading(TasksAnswer),
            repeat=Repeat.FREELY,
        )


@attrs.frozen
class _OfQueue:
    """A command about one queue."""

    queue: str

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        return errors.VersionConflict(self.queue) if status == 409 else None


@attrs.frozen
class PauseQueue(_OfQueue):
    """Have nothing handed out from it."""

    def request(self) -> Request[QueuePolicyAnswer]:
        return Request(
            method="POST",
            path=("queues", self.queue, "pause"),
            content=b"{}",
            decode=reading(QueuePolicyAnswer),
            repeat=Repeat.FREELY,
        )


@attrs.frozen
class ResumeQueue(_OfQueue):
    """Have its tasks handed out again."""

    def request(self) -> Request[QueuePolicyAnswer]:
        return Request(
            method="POST",
            path=("queues", self.queue, "resume"),
            content=b"{}",
            decode=reading(QueuePolicyAnswer),
            repeat=Repeat.FREELY,
        )


@attrs.frozen(kw_only=True)
class ChangeTask:
    """Do an operation to one task."""

    queue: str
    id: str
    operation: TaskOperation

    def request(self) -> Request[TaskAnswer]:
        match self.operation:
            case Delay(run_at=run_at, run_in=run_in):
                content = body(DelayBody(run_at=run_at, run_in=run_in))
            case Reprioritise(priority=priority):
                content = body(ReprioritiseBody(priority=priority))
            case _:
                content = b"{}"
        is_same_twice = isinstance(self.operation, Delay | Reprioritise)
        return Request(
            method="POST",
            path=("queues", self.queue, "tasks", self.id, _verb(self.operation)),
            content=content,
            decode=reading(TaskAnswer),
            repeat=Repeat.FREELY if is_same_twice else Repeat.NEVER,
        )

    def refusal(self, status: int, message: str) -> errors.TasquesError | None:
        return task_refusal(status, message, queue=self.queue, id=self.id)


@attrs.frozen(kw_only=True)
class ChangeTasks(Plain):
    """Do an operation to a page of the tasks that a filter means."""

    operation: TaskOperation
    meant: TaskFilter
    dry_run: bool = False
    limit: int | None = None
    after: Position | None = None

    def request(self) -> Request[OutcomesAnswer]:
        return Request(
            method="POST",
            path=("queues", self.meant.queue, "tasks", _verb(self.operation)),
            content=body(self._body()),
            decode=reading(OutcomesAnswer),
            repeat=Repeat.FREELY,
        )

    def _body(self) -> ManyTasksBody:
        meant = self.meant
        many = ManyTasksBody(
            states=tuple(sorted(meant.states)) or None,
            kind=meant.kind,
            worker=meant.worker,
            created_from=meant.created_from,
            created_before=meant.created_before,
            dry_run=self.dry_run or None,
            limit=self.limit,
            after=self.after,
        )
        fields = attrs.asdict(many, recurse=False)
        match self.operation:
            case Delay(run_at=run_at, run_in=run_in):
                return DelayManyBody(**fields, run_at=run_at, run_in=run_in)
            case Reprioritise(priority=priority):
                return ReprioritiseManyBody(**fields, priority=priority)
        return many


def _verb(operation: TaskOperation) -> str:
    return type(operation).__name__.lower()
