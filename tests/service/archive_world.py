"""Finished tasks, and who archives them, for tests."""

from __future__ import annotations

from typing import Any

import attrs

from tasques.core import lifecycle
from tasques.core.archive import ArchivedTask, archive_key
from tasques.core.documents import Stored
from tasques.core.json_object import JsonObject
from tasques.core.ports import Create
from tasques.core.queues import TaskId
from tasques.core.service.archiver import Archiver, ArchiverOptions
from tasques.core.tasks import NewTask, Task, TaskKey
from tests.service.recurring_world import (
    QUEUE,
    WORKER,
    World,
    at,
    change_document,
    seconds,
)

DAY = 24 * 3600.0


def archiver(world: World, **options: Any) -> Archiver:
    return Archiver(
        world.tasks,
        world.archive,
        world.recurring,
        world.runtime,
        options=ArchiverOptions(**options),
    )


def add_done(world: World, id: str = "t1", **more: Any) -> TaskKey:
    """A task that is done now."""
    now = world.runtime.wall()
    new = NewTask(
        queue=more.pop("queue", QUEUE),
        kind="send",
        retry_times=2,
        processing_timeout=seconds(60),
        args=JsonObject.of({"id": id}),
        **more,
    )
    task = lifecycle.claim(lifecycle.create(new, id=TaskId(id), now=now), worker=WORKER, now=now)
    done = lifecycle.complete(task, worker=WORKER, data=None, now=now)
    world.tasks.store.write([Create(document=done)])
    return done.key


def retry_and_finish(world: World, key: TaskKey) -> None:
    """An operator wants it once more, and a worker does it: a later version of the same life."""
    later = at(1)
    change_document(
        world.tasks.store,
        key,
        lambda task: attrs.evolve(task, modified_at=later, context=JsonObject.of({"again": True})),
    )


def in_queue(world: World, key: TaskKey) -> Task | None:
    [current] = world.tasks.store.get([key])
    return current.document if isinstance(current, Stored) else None


def copies(world: World, task: Task) -> list[ArchivedTask]:
    [found] = world.archive.store.find_copies([archive_key(task)])
    return [copy.document for copy in found]


def original(world: World, key: TaskKey) -> Task:
    task = in_queue(world, key)
    assert task is not None
    return task
