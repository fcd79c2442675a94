"""What producers, workers and operators may do to tasks, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
from hypothesis import strategies as st

from tasques.core.json_object import JsonObject
from tasques.core.listing import TaskFilter
from tasques.core.operations import Cancel, Delay, Expire, Reprioritise, Retry, TaskOperation
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.tasks import NewTask, State, StoredTask, TaskKey
from tasques.core.values import Duration, Instant
from tasques.testing.lockstep_side import Side

#: Few, because in some stores a queue costs as much as a thousand tasks.
QUEUES: Final = tuple(QueueName(name) for name in ("mail", "mail2", "résumés"))
WORKERS: Final = (WorkerId("ann"), WorkerId("bob"))

_OBJECTS: Final[Sequence[JsonObject | None]] = (
    None,
    JsonObject("{}"),
    JsonObject.of({"large": 2**64, "text": "é\x00", "deep": [{"a": [None]}]}),
)

_PRIORITIES: Final = (0, 0, 1, -1, 32_767, 32_768, -(2**63), 2**63 - 1)


@attrs.frozen(kw_only=True)
class Wanted:
    """A task that somebody may want to create, its times in milliseconds from then on."""

    queue: QueueName
    has_id: bool
    priority: int
    due_in: int | None
    retry_times: int
    timeout: int
    content: JsonObject | None
    expires_in: int | None

    def at(self, now: Instant, id: TaskId | None) -> NewTask:
        """What is asked for at *now*."""

        def after(number: int | None) -> Instant | None:
            return None if number is None else now.plus(milliseconds(number))

        return NewTask(
            queue=self.queue,
            id=id,
            kind="sayHello",
            priority=self.priority,
            run_at=after(self.due_in),
            retry_times=self.retry_times,
            processing_timeout=milliseconds(self.timeout),
            args=self.content,
            context=self.content,
            expires_at=after(self.expires_in),
        )


def wanted_tasks() -> st.SearchStrategy[Wanted]:
    """A task of any kind."""
    return st.builds(
        Wanted,
        queue=st.sampled_from(QUEUES),
        has_id=st.booleans(),
        priority=st.sampled_from(_PRIORITIES),
        due_in=st.sampled_from([None, None, -86_400_000, -1000, 0, 1, 999, 1000, 60_000]),
        retry_times=st.integers(0, 2),
        timeout=st.sampled_from([60_000, 1000, 1, 0]),
        content=st.sampled_from(_OBJECTS),
        expires_in=st.sampled_from([None, None, None, 0, 1000, 86_400_000]),
    )


@attrs.frozen(kw_only=True)
class Work:
    """Something that a worker does to a task."""

    verb: str
    data: JsonObject | None
    wait: Duration | None
    give_up: bool

    def __call__(self, side: Side, *, key: TaskKey, worker: WorkerId) -> StoredTask:
        tasks = side.tasks
        match self.verb:
            case "report":
                return tasks.report(key, worker=worker, data=self.data)
            case "complete":
                return tasks.complete(key, worker=worker, data=self.data)
            case "unclaim":
                return tasks.unclaim(key, worker=worker, run_in=self.wait)
            case _:
                return tasks.fail(
                    key, worker=worker, data=self.data, retry_in=self.wait, give_up=self.give_up
                )

    def among_others(self, key: TaskKey, worker: WorkerId) -> Change:
        """The same as a part of a batch."""
        match self.verb:
            case "report":
                return Report(key=key, worker=worker, data=self.data)
            case "complete":
                return Complete(key=key, worker=worker, data=self.data)
            case "unclaim":
                return Unclaim(key=key, worker=worker, run_in=self.wait)
            case _:
                return Fail(
                    key=key,
                    worker=worker,
                    data=self.data,
                    retry_in=self.wait,
                    give_up=self.give_up,
                )


def pieces_of_work() -> st.SearchStrategy[Work]:
    """What a worker may do, with or without data."""
    return st.builds(
        Work,
        verb=st.sampled_from(["report", "fail", "unclaim", "complete"]),
        data=st.sampled_from(_OBJECTS),
        wait=st.sampled_from([None, None, -1, 0, 1000]).map(
            lambda wait: None if wait is None else milliseconds(wait)
        ),
        give_up=st.sampled_from([False, False, True]),
    )


def operations() -> st.SearchStrategy[TaskOperation]:
    """Something that an operator does to a task, or to many."""
    return st.one_of(
        st.sampled_from([Cancel(), Retry(), Expire()]),
        st.builds(
            Delay, run_in=st.sampled_from([-1000, 0, 1, 999, 1000, 60_000]).map(milliseconds)
        ),
        st.builds(Reprioritise, priority=st.sampled_from(_PRIORITIES)),
    )


@attrs.frozen(kw_only=True)
class Meant:
    """Which tasks somebody may mean, times in milliseconds before then."""

    filter: TaskFilter
    from_ago: int | None
    before_ago: int | None

    def at(self, now: Instant) -> TaskFilter:
        """What is meant at *now*."""

        def ago(number: int | None) -> Instant | None:
            return None if number is None else now.plus(milliseconds(-number))

        return attrs.evolve(
            self.filter, created_from=ago(self.from_ago), created_before=ago(self.before_ago)
        )


def meant_tasks() -> st.SearchStrategy[Meant]:
    """Tasks of a queue, all or some."""
    ago = st.sampled_from([None, None, None, 0, 1, 1000, 75_000])
    return st.builds(
        Meant,
        filter=st.builds(
            TaskFilter,
            queue=st.sampled_from([*QUEUES, QueueName("never-used")]),
            states=st.frozensets(st.sampled_from(State), max_size=2),
            kind=st.sampled_from([None, None, "sayHello", "else"]),
            worker=st.sampled_from([None, None, *WORKERS]),
        ),
        from_ago=ago,
        before_ago=ago,
    )


def milliseconds(number: int) -> Duration:
    """So many."""
    return Duration(number * 1_000_000)
