"""
The bodies that clients send.

A field that has a default may be left out or be ``null``, which mean the same: not given. Fields
that a model does not name are ignored, as the wire contract wants it.
"""

from __future__ import annotations

from typing import Final

import attrs

from tasques.core.json_object import JsonObject
from tasques.core.queues import MAX_ID_BYTES, QueueName, TaskId
from tasques.core.tasks import MAX_PRIORITY, MAX_RETRY_TIMES, MIN_PRIORITY
from tasques.core.values import Duration, Instant
from tasques.schemas.fields import ABOUT, About

#: The greatest ``amount``: an unsigned 64-bit integer, as in the original.
MAX_AMOUNT: Final = 2**64 - 1


@attrs.frozen(kw_only=True)
class TaskDefinitionBody:
    """What tasks are made from."""

    queue: QueueName = attrs.field(
        metadata={
            ABOUT: About(
                "The queue that the task goes into; made by its first task.",
                format="queue-name",
                example="run-later",
                min_length=1,
            )
        }
    )
    kind: str = attrs.field(
        metadata={
            ABOUT: About(
                "What kind of work it is; by this a worker chooses what to do.",
                example="sayHello",
                min_length=1,
            )
        }
    )
    retry_times: int | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "How often it is tried again after a failure; the server's default if not given.",
                format="int64",
                minimum=0,
                maximum=MAX_RETRY_TIMES,
                example=25,
            )
        },
    )
    priority: int | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "The higher, the sooner it is claimed; 0 if not given.",
                format="int64",
                minimum=MIN_PRIORITY,
                maximum=MAX_PRIORITY,
                example=0,
            )
        },
    )
    processing_timeout: Duration | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "How long a worker has, from its claim or its last report, before the attempt"
                " counts as failed; the server's default if not given.",
                format="duration",
                minimum=0,
                example="30m",
            )
        },
    )
    args: JsonObject | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "What the task is to work on; handed to the worker.", example={"name": "A"}
            )
        },
    )
    context: JsonObject | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About("What else goes with the task, such as a trace.", example={"trace": "7f"})
        },
    )


@attrs.frozen(kw_only=True)
class NewTaskBody(TaskDefinitionBody):
    """A task to create."""

    id: TaskId | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "The task's id, unique within its queue; a random UUID if not given or empty."
                " Of any number of requests with one id, exactly one creates.",
                format="task-id",
                example="invoice-4711",
                max_length=MAX_ID_BYTES,
            )
        },
    )
    run_at: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Not to be claimed before; now if not given, or if 0001-01-01T00:00:00Z.",
                format="date-time",
                example="2026-11-22T04:00:10Z",
            )
        },
    )
    expires_at: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Not worth starting any more from then on: if it waits still, it ends dead; never if"
                " not given, or if 0001-01-01T00:00:00Z.",
                format="date-time",
                example="9999-12-31T00:00:00Z",
            )
        },
    )


@attrs.frozen(kw_only=True)
class ClaimBody:
    """What a worker would take."""

    queues: tuple[QueueName, ...] = attrs.field(
        metadata={
            ABOUT: About(
                "The queues to claim from; none named means every queue.",
                format="queue-name",
                example=["run-later", "resize-images"],
            )
        }
    )
    amount: int | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "At most so many tasks; the server's default if not given.",
                format="uint64",
                minimum=0,
                maximum=MAX_AMOUNT,
                example=5,
            )
        },
    )
    min_amount: int | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Answer as soon as there are so many, at most `amount`; the server's default,"
                " cut to `amount`, if not given.",
                format="uint64",
                minimum=1,
                maximum=MAX_AMOUNT,
                example=1,
            )
        },
    )
    block_for: Duration | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "How long to wait for `min_amount` tasks; zero or less looks once. The server's"
                " default if not given.",
                format="duration",
                example="10s",
            )
        },
    )


@attrs.frozen(kw_only=True)
class ReportBody:
    """A sign of life from the worker that holds the task."""

    data: JsonObject | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About("How far it is, in the worker's own terms.", example={"progress": 0.5})
        },
    )


@attrs.frozen(kw_only=True)
class SuccessBody:
    """The end of an attempt that succeeded."""

    data: JsonObject | None = attrs.field(
        default=None, metadata={ABOUT: About("What came of it.", example={"ok": True})}
    )


@attrs.frozen(kw_only=True)
class FailureBody:
    """The end of an attempt that failed."""

    data: JsonObject | None = attrs.field(
        default=None, metadata={ABOUT: About("What went wrong.", example={"error": "no answer"})}
    )
    retry_in: Duration | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Try again after so long, instead of the usual backoff; of no effect when no"
                " attempt is left.",
                format="duration",
                minimum=0,
                example="5m",
            )
        },
    )
    give_up: bool | None = attrs.field(
        default=None,
        metadata={ABOUT: About("Do not try again, however many attempts are left.", example=False)},
    )
