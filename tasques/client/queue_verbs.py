"""What operators ask for, each as a call and its asynchronous twin."""

from __future__ import annotations

from collections.abc import Iterable

from tasques.client.commands.queues import (
    ChangeTask,
    ChangeTasks,
    ListTasks,
    PauseQueue,
    ResumeQueue,
    ShowQueues,
)
from tasques.client.port import Operations
from tasques.client.times import InstantLike, optional_instant
from tasques.client.values import Task
from tasques.core.listing import ListOrder, Position, TaskFilter, TaskQuery
from tasques.core.operations import TaskOperation
from tasques.core.queues import QueueName, WorkerId
from tasques.core.tasks import State
from tasques.schemas.queue_answers import (
    OutcomesAnswer,
    QueuePolicyAnswer,
    QueuesAnswer,
    TasksAnswer,
)

#: Tasks of a page, where nothing is said.
DEFAULT_LIMIT = 100


def task_filter(
    queue: str,
    *,
    states: Iterable[State | str] = (),
    kind: str | None = None,
    worker: str | None = None,
    created_from: InstantLike | None = None,
    created_before: InstantLike | None = None,
) -> TaskFilter:
    """
    Which tasks of *queue* are meant; what is not given excludes nothing.

    Raises:
        ValueError: If a state is none.
        InvalidInput: If a time is none.
    """
    return TaskFilter(
        queue=QueueName(queue),
        states=frozenset(State(state) for state in states),
        kind=kind,
        worker=None if worker is None else WorkerId(worker),
        created_from=optional_instant(created_from, "created_from"),
        created_before=optional_instant(created_before, "created_before"),
    )


class QueueVerbs:
    """
    Queues and their tasks, for operators.

    What is done to tasks is an operation of :mod:`tasques.core.service.operator_service`: ``Cancel()``,
    ``Retry()``, ``Expire()``, ``Delay(run_in=…)``, ``Reprioritise(priority=…)``.
    """

    def queues(self: Operations) -> QueuesAnswer:
        """How every queue stands; what was written within the last second or so may be missed."""
        return self.do(ShowQueues())

    async def queues_async(self: Operations) -> QueuesAnswer:
        """As :meth:`queues`."""
        return await self.do_async(ShowQueues())

    def pause_queue(self: Operations, queue: str) -> QueuePolicyAnswer:
        """Have nothing handed out from *queue*; doing it twice is no fault."""
        return self.do(PauseQueue(queue))

    async def pause_queue_async(self: Operations, queue: str) -> QueuePolicyAnswer:
        """As :meth:`pause_queue`."""
        return await self.do_async(PauseQueue(queue))

    def resume_queue(self: Operations, queue: str) -> QueuePolicyAnswer:
        """Have tasks of *queue* handed out again; doing it twice is no fault."""
        return self.do(ResumeQueue(queue))

    async def resume_queue_async(self: Operations, queue: str) -> QueuePolicyAnswer:
        """As :meth:`resume_queue`."""
        return await self.do_async(ResumeQueue(queue))

    def list_tasks(
        self: Operations,
        meant: TaskFilter,
        *,
        order: ListOrder = ListOrder.NEWEST,
        limit: int = DEFAULT_LIMIT,
        after: Position | None = None,
        archived: bool = False,
    ) -> TasksAnswer:
        """
        A page of the tasks that *meant* means; go on with *after* the answer's ``next``.

        Raises:
            InvalidInput: If *limit* is not 1 … 1000, or no queue can have that name.
        """
        query = TaskQuery(filter=meant, order=order, after=after, limit=limit)
        return self.do(ListTasks(query=query, archived=archived))

    async def list_tasks_async(
        self: Operations,
        meant: TaskFilter,
        *,
        order: ListOrder = ListOrder.NEWEST,
        limit: int = DEFAULT_LIMIT,
        after: Position | None = None,
        archived: bool = False,
    ) -> TasksAnswer:
        """As :meth:`list_tasks`."""
        query = TaskQuery(filter=meant, order=order, after=after, limit=limit)
        return await self.do_async(ListTasks(query=query, archived=archived))

    def change(self: Operations, operation: TaskOperation, queue: str, id: str) -> Task:
        """
        Do *operation* to one task.

        Raises:
            TaskNotFound, IllegalTransition, VersionConflict: As their names say.
        """
        return self.do(ChangeTask(queue=queue, id=id, operation=operation))

    async def change_async(self: Operations, operation: TaskOperation, queue: str, id: str) -> Task:
        """As :meth:`change`."""
        return await self.do_async(ChangeTask(queue=queue, id=id, operation=operation))

    def change_many(
        self: Operations,
        operation: TaskOperation,
        meant: TaskFilter,
        *,
        dry_run: bool = False,
        limit: int | None = None,
        after: Position | None = None,
    ) -> OutcomesAnswer:
        """
        Do *operation* to a page of the tasks that *meant* means, the oldest first.

        Args:
            dry_run: Change nothing, only say what would become of each.
            after: The ``next`` of the last answer.
        """
        return self.do(
            ChangeTasks(operation=operation, meant=meant, dry_run=dry_run, limit=limit, after=after)
        )

    async def change_many_async(
        self: Operations,
        operation: TaskOperation,
        meant: TaskFilter,
        *,
        dry_run: bool = False,
        limit: int | None = None,
        after: Position | None = None,
    ) -> OutcomesAnswer:
        """As :meth:`change_many`."""
        return await self.do_async(
            ChangeTasks(operation=operation, meant=meant, dry_run=dry_run, limit=limit, after=after)
        )
