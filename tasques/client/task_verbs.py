"""What producers and workers ask for, each as a call and its asynchronous twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from tasques.client import values
from tasques.client.commands.tasks import (
    ClaimTasks,
    CreateTask,
    GetTask,
    ReportOnTask,
    finish,
)
from tasques.client.port import Operations
from tasques.client.times import DurationLike
from tasques.client.values import (
    Done,
    Failed,
    Finish,
    Hold,
    NewTask,
    Object,
    Task,
    TaskOptions,
    Unclaim,
)
from tasques.core.errors import TasquesError


class TaskVerbs:
    """
    Tasks: create, get, claim, report, done, failed, unclaim.

    Every call raises an :class:`~tasques.core.errors.Unavailable` when it could not be done, or it
    is not known whether it was; other errors are named at each.
    """

    def create(
        self: Operations,
        queue: str,
        kind: str,
        args: Object | None = None,
        **options: Unpack[TaskOptions],
    ) -> Task:
        """
        Create a task.

        Args:
            options: See :class:`~tasques.client.values.TaskOptions`.

        Raises:
            InvalidInput: With every fault of what is asked for.
            TaskAlreadyExists: If the queue has a task of that id.
            IdempotencyKeyReused: If the key was used with another content.
        """
        return self.do(CreateTask.of(queue, kind, args, options))

    async def create_async(
        self: Operations,
        queue: str,
        kind: str,
        args: Object | None = None,
        **options: Unpack[TaskOptions],
    ) -> Task:
        """As :meth:`create`."""
        return await self.do_async(CreateTask.of(queue, kind, args, options))

    def create_many(self: Operations, tasks: Sequence[NewTask]) -> list[Task | TasquesError]:
        """
        Create tasks, together where the server can; one outcome each, in their order.

        Raises:
            InvalidInput: If a value of one is none of its type; nothing was sent then.
        """
        return self.do_many(_creations(tasks))

    async def create_many_async(
        self: Operations, tasks: Sequence[NewTask]
    ) -> list[Task | TasquesError]:
        """As :meth:`create_many`."""
        return await self.do_many_async(_creations(tasks))

    def get(self: Operations, queue: str, id: str, *, archived: bool = False) -> Task:
        """
        The task as of the last write.

        Args:
            archived: Look in the archive too, if the queue does not have it.

        Raises:
            TaskNotFound: If there is none.
            MalformedTask: If what is stored there is no task.
        """
        return self.do(GetTask(queue=queue, id=id, archived=archived))

    async def get_async(self: Operations, queue: str, id: str, *, archived: bool = False) -> Task:
        """As :meth:`get`."""
        return await self.do_async(GetTask(queue=queue, id=id, archived=archived))

    def claim(
        self: Operations,
        worker: str,
        queues: Sequence[str],
        *,
        amount: int | None = None,
        min_amount: int | None = None,
        block_for: DurationLike | None = None,
    ) -> tuple[Task, ...]:
        """
        Take tasks that are due, and wait for some if there are none; perhaps none.

        Args:
            worker: Who asks.
            queues: None named means every queue.
            amount: At most so many.
            min_amount: Answer as soon as there are so many.
            block_for: Wait so long at most.

        Raises:
            InvalidInput: With every fault of what is asked for.
        """
        return self.do(
            ClaimTasks.of(worker, queues, amount=amount, min_amount=min_amount, block_for=block_for)
        )

    async def claim_async(
        self: Operations,
        worker: str,
        queues: Sequence[str],
        *,
        amount: int | None = None,
        min_amount: int | None = None,
        block_for: DurationLike | None = None,
    ) -> tuple[Task, ...]:
        """As :meth:`claim`; no thread waits."""
        return await self.do_async(
            ClaimTasks.of(worker, queues, amount=amount, min_amount=min_amount, block_for=block_for)
        )

    def report(self: Operations, held: Hold | Task, data: Object | None = None) -> Task:
        """
        Give a sign of life; the time-out begins anew.

        Args:
            held: The task as it was claimed, or the hold on it.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, ReportFromThePast, VersionConflict: As their
            names say.
        """
        return self.do(ReportOnTask.of(values.hold(held), data))

    async def report_async(self: Operations, held: Hold | Task, data: Object | None = None) -> Task:
        """As :meth:`report`."""
        return await self.do_async(ReportOnTask.of(values.hold(held), data))

    def done(self: Operations, held: Hold | Task, data: Object | None = None) -> Task:
        """
        End the attempt with success; an identical repeat is no fault.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, VersionConflict: As their names say.
        """
        return self.do(finish(values.hold(held), Done(data=data)))

    async def done_async(self: Operations, held: Hold | Task, data: Object | None = None) -> Task:
        """As :meth:`done`."""
        return await self.do_async(finish(values.hold(held), Done(data=data)))

    def failed(
        self: Operations,
        held: Hold | Task,
        data: Object | None = None,
        *,
        retry_in: DurationLike | None = None,
        give_up: bool = False,
    ) -> Task:
        """
        End the attempt with failure; an identical repeat is no fault.

        Args:
            retry_in: Try again after so long, instead of the growing pause.
            give_up: Do not try again.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, VersionConflict: As their names say.
        """
        ending = Failed(data=data, retry_in=retry_in, give_up=give_up)
        return self.do(finish(values.hold(held), ending))

    async def failed_async(
        self: Operations,
        held: Hold | Task,
        data: Object | None = None,
        *,
        retry_in: DurationLike | None = None,
        give_up: bool = False,
    ) -> Task:
        """As :meth:`failed`."""
        ending = Failed(data=data, retry_in=retry_in, give_up=give_up)
        return await self.do_async(finish(values.hold(held), ending))

    def unclaim(self: Operations, held: Hold | Task, *, run_in: DurationLike | None = None) -> Task:
        """
        Give the task back; the attempt does not count.

        Args:
            run_in: Not to be claimed again before so long.

        Raises:
            TaskNotFound, TaskNotClaimed, TaskNotOwned, VersionConflict: As their names say.
        """
        return self.do(finish(values.hold(held), Unclaim(run_in=run_in)))

    async def unclaim_async(
        self: Operations, held: Hold | Task, *, run_in: DurationLike | None = None
    ) -> Task:
        """As :meth:`unclaim`."""
        return await self.do_async(finish(values.hold(held), Unclaim(run_in=run_in)))

    def finish_many(self: Operations, ends: Sequence[Finish]) -> list[Task | TasquesError]:
        """
        End attempts, together where the server can; one outcome each, in their order.

        Raises:
            InvalidInput: If the data of one is not what JSON can say; nothing was sent then.
        """
        return self.do_many([finish(each.held, each.ending) for each in ends])

    async def finish_many_async(
        self: Operations, ends: Sequence[Finish]
    ) -> list[Task | TasquesError]:
        """As :meth:`finish_many`."""
        return await self.do_many_async([finish(each.held, each.ending) for each in ends])


def _creations(tasks: Sequence[NewTask]) -> list[CreateTask]:
    return [CreateTask.of(new.queue, new.kind, new.args, new.options) for new in tasks]
