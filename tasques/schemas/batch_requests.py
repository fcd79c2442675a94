"""
The bodies that ask for many things at once.

As a whole they are read as an :class:`~tasques.schemas.envelope.Envelope`, so that one malformed item
does not spoil the others; these models say what the items should be.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import attrs

from tasques.core.json_object import JsonObject
from tasques.core.queues import MAX_ID_BYTES, QueueName, TaskId
from tasques.core.tasks import ClaimId
from tasques.core.values import Duration
from tasques.schemas.envelope import MAX_ITEMS, MINIMAL
from tasques.schemas.fields import ABOUT, About
from tasques.schemas.requests import NewTaskBody

#: The longest idempotency key, in characters.
MAX_IDEMPOTENCY_KEY: Final = 255


@attrs.frozen(kw_only=True)
class NewTaskItem(NewTaskBody):
    """A task to create among others."""

    idempotency_key: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "As the header `Idempotency-Key` of a single creation; not together with an `id`.",
                example="order-4711-mail",
                min_length=1,
                max_length=MAX_IDEMPOTENCY_KEY,
            )
        },
    )


@attrs.frozen(kw_only=True)
class NewTasksBody:
    """Tasks to create; an item that is malformed is refused at its place, and no other."""

    items: tuple[NewTaskItem, ...] = attrs.field(
        metadata={
            ABOUT: About(
                "The tasks, in any order.",
                example=[{"queue": "run-later", "kind": "sayHello"}],
                max_length=MAX_ITEMS,
            )
        }
    )
    minimal: bool | None = attrs.field(default=None, metadata={ABOUT: MINIMAL})


class FinishAction(StrEnum):
    """What a worker says of a task that it holds, or does with it."""

    DONE = "done"
    FAILED = "failed"
    REPORT = "report"
    UNCLAIM = "unclaim"


@attrs.frozen(kw_only=True)
class FinishItem:
    """What a worker says of one task; fields that its action has no use for are of no effect."""

    queue: QueueName = attrs.field(
        metadata={
            ABOUT: About(
                "The queue of the task.", format="queue-name", example="run-later", min_length=1
            )
        }
    )
    id: TaskId = attrs.field(
        metadata={
            ABOUT: About(
                "The id of the task.",
                format="task-id",
                example="invoice-4711",
                min_length=1,
                max_length=MAX_ID_BYTES,
            )
        }
    )
    action: FinishAction = attrs.field(
        metadata={
            ABOUT: About(
                "`done`: it succeeded; `failed`: it did not; `report`: a sign of life; `unclaim`: it is"
                " given back.",
                example="done",
            )
        }
    )
    claim_id: ClaimId | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "As the header `X-TASQUES-CLAIM-ID` of a single request.",
                format="claim-id",
                example="7f0c2d4534deac4ea2b6c67150f2dbf8",
                min_length=1,
            )
        },
    )
    data: JsonObject | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Of `done`, `failed`, `report`: what came of it, what went wrong, how far it is.",
                example={"ok": True},
            )
        },
    )
    retry_in: Duration | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Of `failed`: try again after so long, instead of the usual backoff.",
                format="duration",
                minimum=0,
                example="5m",
            )
        },
    )
    give_up: bool | None = attrs.field(
        default=None,
        metadata={ABOUT: About("Of `failed`: do not try again.", example=False)},
    )
    run_in: Duration | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Of `unclaim`: not to be claimed again before so long.",
                format="duration",
                minimum=0,
                example="90s",
            )
        },
    )


@attrs.frozen(kw_only=True)
class FinishTasksBody:
    """What a worker says of tasks that it holds; a malformed item is refused at its place."""

    items: tuple[FinishItem, ...] = attrs.field(
        metadata={
            ABOUT: About(
                "What is to be done, in this order where it is about one task.",
                example=[{"queue": "run-later", "id": "invoice-4711", "action": "done"}],
                max_length=MAX_ITEMS,
            )
        }
    )
    minimal: bool | None = attrs.field(default=None, metadata={ABOUT: MINIMAL})
