"""
Plain tasks and what goes with them, for tests in which most of a task does not matter.

Each task was brought into its state by the lifecycle's own operations, at :data:`NOW`.
"""

from __future__ import annotations

from itertools import count
from typing import Final

import attrs

from tasques.core import lifecycle
from tasques.core.json_object import JsonObject
from tasques.core.leadership import LeaderLock
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.recurring import RecurringTask, RecurringTaskId, TaskDefinition
from tasques.core.tasks import NewTask, State, Task
from tasques.core.values import Duration, Instant

NOW: Final = Instant.parse("2026-01-01T00:00:00Z")
WORKER: Final = WorkerId("worker-1")
MINUTE: Final = Duration.of_seconds(60)

_numbers = count(1)


def fresh_id() -> TaskId:
    """An id that no other task of this process has; later ones sort after earlier ones."""
    return TaskId(f"t{next(_numbers):012d}")


def at(seconds: float) -> Instant:
    """So many seconds after :data:`NOW`, or before it."""
    return NOW.plus(Duration.of_seconds(seconds))


def new_task(
    queue: str = "q",
    *,
    id: TaskId | None = None,
    priority: int = 0,
    run_at: Instant | None = None,
    retry_times: int = 3,
    args: JsonObject | None = None,
) -> NewTask:
    """What a producer asks for; a worker has a minute for it."""
    return NewTask(
        queue=QueueName(queue),
        id=id,
        kind="sayHello",
        priority=priority,
        run_at=run_at,
        retry_times=retry_times,
        processing_timeout=MINUTE,
        args=args,
    )


def queued(
    queue: str = "q",
    *,
    id: TaskId | None = None,
    priority: int = 0,
    run_at: Instant = NOW,
    retry_times: int = 3,
    args: JsonObject | None = None,
) -> Task:
    """A task that waits; with an id of its own unless one is given."""
    new = new_task(queue, priority=priority, run_at=run_at, retry_times=retry_times, args=args)
    return lifecycle.create(new, id=id or fresh_id(), now=NOW)


def claimed(queue: str = "q", *, times_out_at: Instant = NOW) -> Task:
    """A task that :data:`WORKER` holds."""
    task = lifecycle.claim(queued(queue), worker=WORKER, now=NOW)
    assert task.last_claim is not None
    claim = attrs.evolve(task.last_claim, times_out_at=times_out_at)
    return attrs.evolve(task, last_claim=claim)


def in_state(state: State, queue: str = "q") -> Task:
    """A task in *state*; due, if it waits, and its time over, if it is claimed."""
    task = claimed(queue)
    match state:
        case State.QUEUED:
            return queued(queue)
        case State.CLAIMED:
            return task
        case State.FAILED:
            failed = lifecycle.fail(task, worker=WORKER, data=None, now=NOW, jitter=0)
            return attrs.evolve(failed, run_at=NOW)
        case State.DONE:
            return lifecycle.complete(task, worker=WORKER, data=None, now=NOW)
        case State.DEAD:
            return lifecycle.fail(task, worker=WORKER, data=None, now=NOW, jitter=0, give_up=True)


def recurring(id: str | None = None, queue: str = "q") -> RecurringTask:
    """A recurring task that no leader has taken up yet; with an id of its own unless one is given."""
    definition = TaskDefinition(
        queue=QueueName(queue), kind="sayHello", retry_times=3, processing_timeout=MINUTE
    )
    return RecurringTask.new(
        RecurringTaskId(id or fresh_id()),
        schedule_expression="@every 1m",
        definition=definition,
        now=NOW,
    )


def leader_lock(name: str | None = None) -> LeaderLock:
    """A lock just taken; with a name of its own unless one is given."""
    return LeaderLock(
        name=name or fresh_id(), leader_id="leader-1", at=NOW, lease=MINUTE, taken_at=NOW
    )
