"""Telling the server many things about claimed tasks with one request."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, TypeAlias

import attrs
import msgspec

from tasques.client.commands.base import WORKER_ID_HEADER, Plain, Repeat, Request, body
from tasques.client.commands.tasks import CompleteTask, FailTask, ReportOnTask
from tasques.client.errors import NotUnderstood, Reply, refusal
from tasques.core.errors import TasquesError
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import ClaimId
from tasques.schemas.batch_requests import FinishAction, FinishItem, FinishTasksBody
from tasques.worker.attempts import Finishing
from tasques.worker.readings import Accepted

#: What a worker says of a task that it holds.
Saying: TypeAlias = Finishing | ReportOnTask


class _Error(msgspec.Struct):
    message: str = ""


class _Item(msgspec.Struct):
    status: int
    cancel_requested: bool = False
    error: _Error | None = None
    retry_after: int | None = None


class _Items(msgspec.Struct):
    items: list[_Item]


#: Leaves alone what it does not know, and is a tenth of the cost of the strict models.
_DECODER: Final = msgspec.json.Decoder(_Items)


@attrs.frozen
class SayTogether(Plain):
    """
    Say *sayings*, all of one worker, with one request; one outcome each, in their order.

    The server is asked to leave the tasks out of its answer.
    """

    worker: str
    sayings: Sequence[Saying]

    def request(self) -> Request[list[Accepted | TasquesError]]:
        said = FinishTasksBody(items=tuple(map(_item, self.sayings)), minimal=True)
        return Request(
            method="POST",
            path=("tasques", "finish-many"),
            headers={WORKER_ID_HEADER: self.worker},
            content=body(said),
            decode=self._read,
            repeat=Repeat.FREELY,
        )

    def _read(self, content: bytes) -> list[Accepted | TasquesError]:
        try:
            items = _DECODER.decode(content).items
        except msgspec.MsgspecError as error:
            raise NotUnderstood(f"this is no answer to many: {error}", status=200) from error
        if len(items) != len(self.sayings):
            raise NotUnderstood("there is not one answer for each", status=200)
        return [_outcome(*pair) for pair in zip(self.sayings, items, strict=True)]


def _item(saying: Saying) -> FinishItem:
    held, claim = saying.held, saying.held.claim_id
    claim_id = None if claim is None else ClaimId(claim)
    queue, id = QueueName(held.queue), TaskId(held.id)
    match saying:
        case CompleteTask(said=done):
            action = FinishAction.DONE
            return FinishItem(queue=queue, id=id, action=action, claim_id=claim_id, data=done.data)
        case FailTask(said=failed):
            return FinishItem(
                queue=queue,
                id=id,
                action=FinishAction.FAILED,
                claim_id=claim_id,
                data=failed.data,
                retry_in=failed.retry_in,
                give_up=failed.give_up,
            )
        case ReportOnTask(said=report):
            action = FinishAction.REPORT
            return FinishItem(
                queue=queue, id=id, action=action, claim_id=claim_id, data=report.data
            )
    return FinishItem(
        queue=queue,
        id=id,
        action=FinishAction.UNCLAIM,
        claim_id=claim_id,
        run_in=saying.run_in,
    )


def _outcome(saying: Saying, item: _Item) -> Accepted | TasquesError:
    if HTTPStatus.OK <= item.status < HTTPStatus.MULTIPLE_CHOICES:
        return Accepted(cancel_requested=item.cancel_requested)
    error = msgspec.json.encode(item.error or _Error())
    reply = Reply(status=item.status, content=error, retry_after=item.retry_after)
    return refusal(saying, reply)
