"""Which task a line of the log is about."""

from __future__ import annotations

import logging

from tasques.app.context import current_context
from tasques.client.values import Task


def fields(task: Task) -> dict[str, object]:
    """What a line about *task* is to have as ``extra``."""
    return {
        "task_id": str(task.id),
        "kind": str(task.kind),
        "queue": str(task.queue),
        "attempt": task.attempted,
    }


class TaskFilter(logging.Filter):
    """Adds which task it is to each record that is made while the body of one runs; refuses none."""

    def filter(self, record: logging.LogRecord) -> bool:
        task = current_context().task
        if task is not None:
            for name, value in fields(task).items():
                if not hasattr(record, name):
                    setattr(record, name, value)
        return True
