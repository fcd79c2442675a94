"""Many commands with one request, for servers that know how; one outcome each, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import attrs

from tasques.client.commands.base import (
    WORKER_ID_HEADER,
    Command,
    Plain,
    Repeat,
    Request,
    body,
    reading,
)
from tasques.client.commands.tasks import (
    CompleteTask,
    CreateTask,
    FailTask,
    ReportOnTask,
    UnclaimTask,
)
from tasques.client.errors import NotUnderstood, Reply, refusal
from tasques.core.errors import TasquesError
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import ClaimId
from tasques.schemas.answers import ErrorAnswer, TaskAnswer
from tasques.schemas.batch_answers import ItemAnswer, ItemsAnswer
from tasques.schemas.batch_requests import (
    FinishAction,
    FinishItem,
    FinishTasksBody,
    NewTaskItem,
    NewTasksBody,
)
from tasques.schemas.envelope import MAX_ITEMS

#: What a worker says of a task that it holds.
Saying: TypeAlias = CompleteTask | FailTask | ReportOnTask | UnclaimTask
Outcomes: TypeAlias = list[TaskAnswer | TasquesError]

_OK = range(200, 300)


@attrs.frozen
class CreateTogether(Plain):
    """Create many tasks; every one has an id or a key, so a server that knows keys can be asked again."""

    creations: Sequence[CreateTask]

    def __len__(self) -> int:
        """So many tasks."""
        return len(self.creations)

    def request(self) -> Request[Outcomes]:
        items = tuple(
            NewTaskItem(**attrs.asdict(each.new, recurse=False), idempotency_key=each.sent_key())
            for each in self.creations
        )
        return Request(
            method="POST",
            path=("tasques", "create-many"),
            content=body(NewTasksBody(items=items)),
            decode=lambda content: _outcomes(self.creations, content),
            repeat=Repeat.KEYED,
        )


@attrs.frozen
class SayTogether(Plain):
    """Say many things about tasks that one worker holds."""

    sayings: Sequence[Saying]

    def __len__(self) -> int:
        """So many things."""
        return len(self.sayings)

    def request(self) -> Request[Outcomes]:
        sayings = self.sayings
        is_named = all(each.held.claim_id is not None for each in sayings)
        return Request(
            method="POST",
            path=("tasques", "finish-many"),
            headers={WORKER_ID_HEADER: sayings[0].held.worker},
            content=body(FinishTasksBody(items=tuple(map(_item, sayings)))),
            decode=lambda content: _outcomes(sayings, content),
            # As of one alone: without the claim's id, another claim of the worker's could be met.
            repeat=Repeat.FREELY if is_named else Repeat.NEVER,
        )


def together(commands: Sequence[Command[Any]]) -> list[CreateTogether | SayTogether]:
    """
    The requests that stand for *commands*, in their order; none if they are not all of one kind.
    """
    if all(isinstance(each, CreateTask) for each in commands):
        creations: Sequence[Any] = commands
        return [CreateTogether(part) for part in _parts(creations)]
    if not all(isinstance(each, Saying) for each in commands):
        return []
    sayings: Sequence[Any] = commands
    if len({each.held.worker for each in sayings}) > 1:
        return []
    return [SayTogether(part) for part in _parts(sayings)]


def _parts(commands: Sequence[Any]) -> list[Sequence[Any]]:
    return [commands[at : at + MAX_ITEMS] for at in range(0, len(commands), MAX_ITEMS)]


def _item(saying: Saying) -> FinishItem:
    held, claim = saying.held, saying.held.claim_id
    fields: dict[str, Any] = {
        "queue": QueueName(held.queue),
        "id": TaskId(held.id),
        "claim_id": None if claim is None else ClaimId(claim),
    }
    match saying:
        case CompleteTask(said=done):
            return FinishItem(action=FinishAction.DONE, data=done.data, **fields)
        case FailTask(said=failed):
            return FinishItem(
                action=FinishAction.FAILED,
                data=failed.data,
                retry_in=failed.retry_in,
                give_up=failed.give_up,
                **fields,
            )
        case ReportOnTask(said=report):
            return FinishItem(action=FinishAction.REPORT, data=report.data, **fields)
    return FinishItem(action=FinishAction.UNCLAIM, run_in=saying.run_in, **fields)


_read = reading(ItemsAnswer)


def _outcomes(commands: Sequence[Command[Any]], content: bytes) -> Outcomes:
    items = _read(content).items
    if len(items) != len(commands):
        raise NotUnderstood("there is not one answer for each", status=200)
    return [_outcome(*pair) for pair in zip(commands, items, strict=True)]


def _outcome(command: Command[Any], item: ItemAnswer) -> TaskAnswer | TasquesError:
    if item.status in _OK:
        if item.task is None:
            raise NotUnderstood("an answer lacks its task", status=item.status)
        return item.task
    said = item.error or ErrorAnswer(message="")
    reply = Reply(status=item.status, content=body(said), retry_after=item.retry_after)
    return refusal(command, reply)
