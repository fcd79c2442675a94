"""Parameters that several routes have, and the names of the headers."""

from __future__ import annotations

from typing import Final

from tasques.core.queues import QueueName, TaskId
from tasques.schemas.fields import About
from tasques.server.routes.model import Parameter

WORKER_ID_HEADER: Final = "X-TASQUES-WORKER-ID"
CLAIM_ID_HEADER: Final = "X-TASQUES-CLAIM-ID"
IDEMPOTENCY_KEY_HEADER: Final = "Idempotency-Key"
REQUEST_ID_HEADER: Final = "X-Request-Id"

QUEUE: Final = Parameter(
    name="queue",
    place="path",
    type=QueueName,
    about=About("The queue of the task.", format="queue-name", example="run-later"),
)
TASK_ID: Final = Parameter(
    name="id",
    place="path",
    type=TaskId,
    about=About("The id of the task.", format="task-id", example="invoice-4711"),
)
