"""
The resources of many tasks at once.

The answer is 200 whenever the request as a whole could be read, and each item has the status that a
request of its own would have. Not 207: that is WebDAV's, whose clients expect XML with it, and tools
take it for anything between a success and an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TypeVar

import falcon

from tasques.core import errors
from tasques.core.errors import InvalidInput
from tasques.core.metrics import SIZES
from tasques.core.queues import WorkerId
from tasques.core.service.batches import Outcome
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.service.creations import Creation
from tasques.core.service.defaults import Defaults
from tasques.core.service.meter import Histogram, Meter
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import TaskKey
from tasques.schemas.batch_answers import Done, ItemAnswer, ItemOutcome, encode_items
from tasques.schemas.batch_requests import FinishAction, FinishItem, NewTaskItem
from tasques.schemas.converter import structure
from tasques.schemas.defaulted import new_task
from tasques.schemas.envelope import Envelope, Items
from tasques.server import reading
from tasques.server.errors import answer_to, status_of

_log = logging.getLogger(__name__)

Asked = TypeVar("Asked")
Item = TypeVar("Item")


class CreateManyResource:
    """``/tasques/create-many``."""

    def __init__(self, tasks: TaskService, defaults: Defaults, meter: Meter) -> None:
        self._tasks = tasks
        self._defaults = defaults
        self._sizes = _sizes(meter, "create-tasks")

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Create each."""
        envelope = reading.body(request, Envelope)
        key = reading.idempotency_key(request)

        def creation(item: NewTaskItem, place: int) -> Creation:
            return Creation(
                new=new_task(item, self._defaults), idempotency_key=_key(item, key, place)
            )

        self._sizes.observe(len(envelope.items))
        outcomes = _each(
            envelope.items, NewTaskItem, creation, self._tasks.create_many, HTTPStatus.CREATED
        )
        response.data = encode_items(outcomes, minimal=envelope.minimal or False)


class FinishManyResource:
    """``/tasques/finish-many``."""

    def __init__(self, tasks: TaskService, meter: Meter) -> None:
        self._tasks = tasks
        self._sizes = _sizes(meter, "finish-tasks")

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Do to each what its worker says."""
        envelope = reading.body(request, Envelope)
        worker = reading.worker_id(request)

        def change(item: FinishItem, place: int) -> Change:
            return _change(item, worker)

        self._sizes.observe(len(envelope.items))
        outcomes = _each(envelope.items, FinishItem, change, self._tasks.change_many, HTTPStatus.OK)
        response.data = encode_items(outcomes, minimal=envelope.minimal or False)


def _sizes(meter: Meter, operation: str) -> Histogram:
    return meter.histogram(
        "tasques_request_items",
        "Items that one request for many tasks had.",
        SIZES,
        operation=operation,
    )


def _key(item: NewTaskItem, key: str | None, place: int) -> str | None:
    """The key of *item*, which is at that *place* of a request with the header *key*, if any."""
    own = item.idempotency_key
    if own is not None:
        # As a header would bring it, so that one key means one task, whichever way it is sent.
        return own.encode().decode("latin-1")
    if item.id is not None or key is None:
        return None
    # A header holds no line break, so no request for a single task has such a key.
    return f"{key}\n{place}"


def _change(item: FinishItem, worker: WorkerId) -> Change:
    key, claim_id = TaskKey(item.queue, item.id), item.claim_id
    match item.action:
        case FinishAction.DONE:
            return Complete(key=key, worker=worker, claim_id=claim_id, data=item.data)
        case FinishAction.FAILED:
            return Fail(
                key=key,
                worker=worker,
                claim_id=claim_id,
                data=item.data,
                retry_in=item.retry_in,
                give_up=item.give_up or False,
            )
        case FinishAction.REPORT:
            return Report(key=key, worker=worker, claim_id=claim_id, data=item.data)
        case FinishAction.UNCLAIM:
            return Unclaim(key=key, worker=worker, claim_id=claim_id, run_in=item.run_in)


def _each(
    items: Items,
    model: type[Item],
    asked_by: Callable[[Item, int], Asked],
    do: Callable[[Sequence[Asked]], Sequence[Outcome]],
    status: HTTPStatus,
) -> list[ItemOutcome]:
    """Have all done that can be read, in one call, and say of each what became of it."""
    outcomes: dict[int, Outcome] = {}
    asked: dict[int, Asked] = {}
    for place, item in enumerate(items):
        try:
            asked[place] = asked_by(structure(model, item), place)
        except InvalidInput as error:
            outcomes[place] = error
    outcomes.update(zip(asked, do(list(asked.values())), strict=True))
    answered = [_answered(outcomes[place], status) for place in range(len(items))]
    _log_trouble(outcomes.values())
    return answered


def _answered(outcome: Outcome, status: HTTPStatus) -> ItemOutcome:
    if not isinstance(outcome, errors.TasquesError):
        return Done(status, outcome)
    failed = status_of(outcome)
    if failed is None:
        # A fault of ours, as it would be of a single request.
        raise outcome
    return ItemAnswer(
        status=failed.value,
        error=answer_to(outcome),
        retry_after=(
            outcome.retry_after_seconds if isinstance(outcome, errors.Unavailable) else None
        ),
    )


def _log_trouble(outcomes: Iterable[Outcome]) -> None:
    """One line for all that is no fault of the client's."""
    troubles = [
        outcome
        for outcome in outcomes
        if isinstance(outcome, errors.Unavailable | errors.MalformedTask)
    ]
    if troubles:
        first = troubles[0]
        _log.warning("%d items: %s: %s", len(troubles), type(first).__name__, first)
