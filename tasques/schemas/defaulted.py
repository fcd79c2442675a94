"""
What a body asks for, with the defaults for what it does not say.

A server and an application that holds its backend do this alike, so it is done here for both.
"""

from __future__ import annotations

from tasques.core.errors import Fault, InvalidInput
from tasques.core.queues import WorkerId
from tasques.core.recurring import TaskDefinition
from tasques.core.service.defaults import Defaults
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask
from tasques.core.values import Duration
from tasques.schemas.requests import ClaimBody, NewTaskBody, TaskDefinitionBody


def new_task(asked: NewTaskBody, defaults: Defaults) -> NewTask:
    """The task to create."""
    return NewTask(
        queue=asked.queue,
        kind=asked.kind,
        id=asked.id,
        retry_times=_retry_times(asked, defaults),
        priority=asked.priority or 0,
        processing_timeout=_processing_timeout(asked, defaults),
        run_at=asked.run_at,
        expires_at=asked.expires_at,
        args=asked.args,
        context=asked.context,
    )


def definition(asked: TaskDefinitionBody, defaults: Defaults) -> TaskDefinition:
    """What a recurring task makes."""
    return TaskDefinition(
        queue=asked.queue,
        kind=asked.kind,
        retry_times=_retry_times(asked, defaults),
        priority=asked.priority or 0,
        processing_timeout=_processing_timeout(asked, defaults),
        args=asked.args,
        context=asked.context,
    )


def claim_request(worker: WorkerId, asked: ClaimBody, defaults: Defaults) -> ClaimRequest:
    """
    What a worker wants.

    Raises:
        InvalidInput: If it waits for more than it wants.
    """
    amount = defaults.claim_amount if asked.amount is None else asked.amount
    default = amount if defaults.min_amount is None else defaults.min_amount
    if asked.min_amount is not None and asked.min_amount > amount:
        message = f"must not be more than the amount, {amount}"
        raise InvalidInput(
            [Fault("min_amount", "maximum", message)], f"min_amount: {message} (maximum)"
        )
    return ClaimRequest(
        worker=worker,
        queues=asked.queues,
        amount=amount,
        min_amount=asked.min_amount or min(default, amount),
        block_for=defaults.block_for if asked.block_for is None else asked.block_for,
    )


def _retry_times(asked: NewTaskBody | TaskDefinitionBody, defaults: Defaults) -> int:
    return defaults.retry_times if asked.retry_times is None else asked.retry_times


def _processing_timeout(asked: NewTaskBody | TaskDefinitionBody, defaults: Defaults) -> Duration:
    return (
        defaults.processing_timeout
        if asked.processing_timeout is None
        else asked.processing_timeout
    )
