"""A task that was enqueued, and waiting for what comes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

import attrs

from tasques.app import conversion
from tasques.app.failures import TaskFailed
from tasques.app.outcomes import RESULT
from tasques.client import times
from tasques.client.commands.queues import ChangeTask
from tasques.client.commands.tasks import GetTask
from tasques.client.port import Operations
from tasques.client.times import DurationLike
from tasques.client.values import Task
from tasques.core.operations import Cancel, Retry, TaskOperation
from tasques.core.tasks import State

Result = TypeVar("Result")

_FIRST_LOOK_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 1.0


class StillUnfinished(TimeoutError):
    """
    The time for waiting is over, and the task is not finished. It goes on all the same.

    Attributes:
        task: As it was last seen.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(f"the task [{task.id}] is still {task.state}")
        self.task = task


@attrs.frozen(kw_only=True)
class Handle(Generic[Result]):
    """
    A task by its name, with the type of its result.

    Attributes:
        enqueued: As it was when it was enqueued; None for a handle made by name.
    """

    queue: str
    id: str
    enqueued: Task | None = attrs.field(default=None, repr=False, eq=False)
    _operations: Operations = attrs.field(repr=False, eq=False)
    _returned: Any = attrs.field(default=object, repr=False, eq=False)

    def get(self) -> Task:
        """
        The task as of the last write, be it archived.

        Raises:
            TaskNotFound: If there is none.
        """
        return self._operations.do(self._look)

    async def get_async(self) -> Task:
        """As :meth:`get`."""
        return await self._operations.do_async(self._look)

    def wait(self, timeout: DurationLike | None = None) -> Task:
        """
        The task once it is done or dead, by looking again and again, at least once a second.

        Args:
            timeout: Wait so long at most; None for as long as it takes.

        Raises:
            StillUnfinished: If it is neither by then.
            TaskNotFound: If there is none.
        """
        for pause in _pauses(timeout):
            task = self.get()
            if task.state.is_final:
                return task
            if pause is None:
                raise StillUnfinished(task)
            time.sleep(pause)
        raise AssertionError("the pauses end with None")

    async def wait_async(self, timeout: DurationLike | None = None) -> Task:
        """As :meth:`wait`."""
        import asyncio  # slow to load; whoever awaits has it already

        for pause in _pauses(timeout):
            task = await self.get_async()
            if task.state.is_final:
                return task
            if pause is None:
                raise StillUnfinished(task)
            await asyncio.sleep(pause)
        raise AssertionError("the pauses end with None")

    def result(self, timeout: DurationLike | None = None) -> Result:
        """
        What the body of the task returned, as its declared type.

        Raises:
            TaskFailed: If the task is dead, with the type, message and traceback of its last failure.
            StillUnfinished: If it is not finished by then.
            InvalidInput: If what is stored is nothing of the declared type.
        """
        return self._result_of(self.wait(timeout))

    async def result_async(self, timeout: DurationLike | None = None) -> Result:
        """As :meth:`result`."""
        return self._result_of(await self.wait_async(timeout))

    def cancel(self) -> Task:
        """
        End the task if it waits, else ask its worker to end it.

        Raises:
            TaskNotFound, IllegalTransition, VersionConflict: As their names say.
        """
        return self._operations.do(self._change(Cancel()))

    async def cancel_async(self) -> Task:
        """As :meth:`cancel`."""
        return await self._operations.do_async(self._change(Cancel()))

    def retry(self) -> Task:
        """
        Queue the dead task again, with all its attempts.

        Raises:
            TaskNotFound, IllegalTransition, VersionConflict: As their names say.
        """
        return self._operations.do(self._change(Retry()))

    async def retry_async(self) -> Task:
        """As :meth:`retry`."""
        return await self._operations.do_async(self._change(Retry()))

    @property
    def _look(self) -> GetTask:
        return GetTask(queue=self.queue, id=self.id, archived=True)

    def _change(self, operation: TaskOperation) -> ChangeTask:
        return ChangeTask(queue=self.queue, id=self.id, operation=operation)

    def _result_of(self, task: Task) -> Result:
        if task.state is not State.DONE:
            raise TaskFailed(task)
        claim = task.last_claimed
        data = None if claim is None or claim.result is None else claim.result.success
        stored = {} if data is None else data.value()
        # Another worker than ours may have said something else: then all of it is the result.
        plain = stored.get(RESULT) if RESULT in stored or not stored else stored
        result: Result = conversion.load(plain, self._returned, RESULT)
        return result


def _pauses(timeout: DurationLike | None) -> Iterator[float | None]:
    """Pauses between looks; None for the last look, once the time is over."""
    limit = None if timeout is None else times.duration(timeout, "timeout").seconds
    give_up_at = None if limit is None else time.monotonic() + limit
    pause = _FIRST_LOOK_SECONDS
    while True:
        left = pause if give_up_at is None else give_up_at - time.monotonic()
        if left <= 0:
            yield None
            return
        yield min(pause, left)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
