"""A worker of one turn, for tests: what is due is claimed, run and finished."""

from __future__ import annotations

import asyncio

from tasques.app import Context, Tasques
from tasques.client import Ending, Finish, Task


def work(app: Tasques, *queues: str) -> None:
    """Run everything that is due in *queues*, once."""
    tasks = app.claim("worker-1", queues, amount=100, block_for="0s")
    for outcome in app.finish_many([Finish(task, ending(app, task)) for task in tasks]):
        assert not isinstance(outcome, Exception), outcome


def ending(app: Tasques, task: Task) -> Ending:
    """Run *task*, and say how its attempt ends."""
    declared = app.tasks[task.kind]
    try:
        result = declared.invoke(Context(task=task), task.args)
        if declared.is_async:
            result = asyncio.run(result)
    except Exception as error:  # noqa: BLE001 - whatever a body raises
        return declared.ending_of_error(error, attempt=task.attempted)
    return declared.ending(result)
