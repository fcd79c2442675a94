"""Bodies in an event loop."""

from __future__ import annotations

import asyncio
import threading
import traceback
import types
from collections.abc import Coroutine, Generator, Mapping
from typing import Any

from tasques.worker.attempts import Attempt, Why
from tasques.worker.bodies import Bodies
from tasques.worker.limits import SoftTimeLimitExceeded


class LoopRunner:
    """
    Awaits bodies in one event loop, on a thread of its own that begins with the first body.

    What is done without awaiting holds up the others, but neither claims nor signs of life: these
    have their own threads.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[Attempt, asyncio.Task[None]] = {}
        self._awaited: dict[Attempt, Coroutine[Any, Any, Any]] = {}
        self._over_limit: set[Attempt] = set()

    def start(self, attempts: list[Attempt]) -> None:
        self._running_loop().call_soon_threadsafe(self._begin, attempts)

    def interrupt(self, attempt: Attempt, why: Why) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, attempt, why)

    def stacks(self) -> Mapping[Attempt, str]:
        # They belong to another thread: a copy of what is there, which may be over by now.
        return {attempt: _stack(body) for attempt, body in list(self._awaited.items())}

    def close(self) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._live, args=(self._loop,), name="tasques-event-loop", daemon=True
                ).start()
            return self._loop

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        # What runs on has been told to end; a turn for it to do so.
        for task in self._tasks.values():
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        if not self._tasks:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _begin(self, attempts: list[Attempt]) -> None:
        loop = asyncio.get_running_loop()
        for attempt in attempts:
            if self._bodies.begin(attempt):
                self._tasks[attempt] = loop.create_task(self._run(attempt))

    def _cancel(self, attempt: Attempt, why: Why) -> None:
        task = self._tasks.get(attempt)
        if task is not None:
            if why is Why.SOFT_LIMIT:
                self._over_limit.add(attempt)
            task.cancel()

    async def _run(self, attempt: Attempt) -> None:
        try:
            body = self._awaited[attempt] = self._bodies.call(attempt)
            self._bodies.returned(attempt, await self._limited(attempt, body))
        except BaseException as error:  # noqa: BLE001 - an attempt always ends
            self._bodies.raised(attempt, error)
        finally:
            self._tasks.pop(attempt, None)
            self._awaited.pop(attempt, None)
            self._over_limit.discard(attempt)

    @types.coroutine
    def _limited(
        self, attempt: Attempt, body: Coroutine[Any, Any, Any]
    ) -> Generator[Any, Any, Any]:
        """Await *body*; a cancellation for the soft limit arrives in it as that limit's exception."""
        error: BaseException | None = None
        while True:
            try:
                awaited = body.send(None) if error is None else body.throw(error)
            except StopIteration as stop:
                return stop.value
            try:
                yield awaited
            except GeneratorExit:
                body.close()
                raise
            except asyncio.CancelledError as cancelled:
                error = self._meant(attempt, cancelled)
            except BaseException as other:  # noqa: BLE001 - handed on to the body
                error = other
            else:
                error = None

    def _meant(self, attempt: Attempt, cancelled: asyncio.CancelledError) -> BaseException:
        if attempt not in self._over_limit:
            return cancelled
        self._over_limit.discard(attempt)
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return SoftTimeLimitExceeded("the soft time limit is over")


def _stack(body: object) -> str:
    """Where *body* is, through whatever it awaits."""
    frames = traceback.StackSummary()
    while True:
        frame = getattr(body, "cr_frame", None) or getattr(body, "gi_frame", None)
        if frame is None:
            return "".join(frames.format())
        frames.extend(traceback.extract_stack(frame, limit=1))
        body = getattr(body, "cr_await", None) or getattr(body, "gi_yieldfrom", None)
