"""
Commands carried out on the services of this process, for an application that holds its backend.

What the server does around the call of a service is done in :mod:`tasques.app.calls` and
:mod:`tasques.app.rules`; here is who calls. What is open belongs to the process that opened it: after a
fork the child opens its own, and touches neither the connections nor the locks of its parent's.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

from tasques.adapters.memory.backend import MemoryBackend
from tasques.app import calls, rules
from tasques.app.answers import task_answer
from tasques.app.options import DEFAULT_THREADS, Background
from tasques.bootstrap.node import Node, build
from tasques.client.commands import tasks
from tasques.client.commands.base import Command
from tasques.client.values import Task
from tasques.core import errors
from tasques.core.errors import TasquesError
from tasques.core.ports import Backend, Runtime
from tasques.core.service.services import Services
from tasques.core.service.waiting import ClaimAnswer, ClaimRequest
from tasques.runtime import ThreadRuntime
from tasques.settings import Settings

Answer = TypeVar("Answer")
#: Opens a backend; nothing is sent to it yet.
Open: TypeAlias = Callable[[Settings, Runtime], Backend]
#: Puts services together over a backend that is opened; nothing is sent to it yet.
Assemble: TypeAlias = Callable[[Settings, Runtime], Node]

_log: Final = logging.getLogger(__name__)

#: How long past its end a claim is waited for.
_GRACE_SECONDS: Final = 10.0

_SAYING: Final = (tasks.CompleteTask, tasks.FailTask, tasks.UnclaimTask, tasks.ReportOnTask)


def _alone(opened_by: Open) -> Assemble:
    """Without plugins."""
    return lambda settings, runtime: build(settings, opened_by(settings, runtime), runtime)


def _memory(settings: Settings, runtime: Runtime) -> Backend:
    # Not by its plugin: looking for plugins takes longer than all the rest.
    return MemoryBackend(runtime)


def _by_plugin(settings: Settings, runtime: Runtime) -> Node:
    """As a server is put together, with what plugins bring."""
    # Not wanted by those who keep their tasks in memory.
    from tasques.bootstrap.plugins import (
        filters,
        observers,
        open_backend,
        plugins,
        telling_of_leaders,
    )

    backend = open_backend(settings, runtime)
    try:
        manager = plugins()
        return build(
            settings,
            backend,
            runtime,
            on_leadership=telling_of_leaders(manager, runtime),
            observers=observers(manager),
            filters=filters(manager),
        )
    except BaseException:
        backend.close()
        raise


class _Opened:
    """What one process has open."""

    def __init__(self, node: Node, threads: int) -> None:
        self.node = node
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix="tasques")
        self.is_durable = node.backend.is_durable
        self.is_checked = not self.is_durable

    def services(self, *, compares_clocks: bool) -> Services:
        """
        The services, once the backend has been found usable.

        Raises:
            StoreUnavailable: If it is not, as a server would refuse to start.
        """
        services = self.node.services
        if not self.is_checked:
            fatal = [problem for problem in self.node.backend.check() if problem.fatal]
            if fatal:
                told = "; ".join(f"{problem.code}: {problem.message}" for problem in fatal)
                raise errors.StoreUnavailable(told)
            self.is_checked = True
        if compares_clocks and self.is_durable:
            services.clock.step()
        return services

    def close(self) -> None:
        """Answer those who wait, end the work in the background, and let go of the backend."""
        self.node.services.claims.close()
        self.executor.shutdown(wait=True)
        self.node.stop()


class Embedded:
    """
    The :class:`~tasques.client.port.Operations` on a backend of one's own.

    Args:
        settings: As of a server; ``backend`` says what to open.
        background: ``all`` to do what a server does beside its requests: end what ran out of time,
            archive, fire recurring tasks when elected. ``none`` leaves that to others.
        threads: For asynchronous calls; a claim that waits takes none.
        open_backend: Opens the backend, and no plugin is asked for anything; if nothing is said,
            the plugin of its scheme does, and others observe and filter as on a server.

    Raises:
        InvalidInput: If no plugin knows the backend's scheme, or its URL makes no sense.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        background: Background = "none",
        threads: int = DEFAULT_THREADS,
        runtime: Runtime | None = None,
        open_backend: Open | None = None,
    ) -> None:
        self._settings = settings
        self._background = background
        self._threads = threads
        self._runtime = runtime or ThreadRuntime()
        is_memory = (settings.backend or "").lower() == "memory:"
        opened_by = open_backend or (_memory if is_memory else None)
        self._assemble: Assemble = _by_plugin if opened_by is None else _alone(opened_by)
        # By process: a lock could be found held after a fork, an entry cannot.
        self._opened: dict[int, _Opened] = {}
        self._closed = False
        self._home = os.getpid()
        self.is_durable = self._present().is_durable

    @property
    def node(self) -> Node:
        """What is open in this process, for what no command can say."""
        return self._present().node

    # ------------------------------------------------------------------------ the port

    def do(self, command: Command[Answer]) -> Answer:
        return cast("Answer", _carry_out(self._services(command), command))

    async def do_async(self, command: Command[Answer]) -> Answer:
        opened = self._present()
        asked: object = command
        if isinstance(asked, tasks.ClaimTasks):
            return cast("Answer", await self._claim(opened, asked))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(opened.executor, self.do, command)

    def do_many(self, commands: Sequence[Command[Answer]]) -> list[Answer | TasquesError]:
        if commands and all(isinstance(each, tasks.CreateTask) for each in commands):
            return self._together(commands, calls.creation, "create_many")
        if commands and all(isinstance(each, _SAYING) for each in commands):
            return self._together(commands, calls.change, "change_many")
        return [_outcome(self.do, command) for command in commands]

    async def do_many_async(
        self, commands: Sequence[Command[Answer]]
    ) -> list[Answer | TasquesError]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._present().executor, self.do_many, commands)

    def close(self) -> None:
        self._closed = True
        opened = self._opened.pop(os.getpid(), None)
        if opened is not None:
            opened.close()

    async def close_async(self) -> None:
        await asyncio.to_thread(self.close)

    # --------------------------------------------------------------------------- within

    def _services(self, command: Command[Any]) -> Services:
        return self._present().services(compares_clocks=isinstance(command, tasks.ClaimTasks))

    def _present(self) -> _Opened:
        """What this process has open."""
        opened = self._opened.get(os.getpid())
        return self._open() if opened is None else opened

    def _open(self) -> _Opened:
        if self._closed:
            raise errors.ShuttingDown("this application is closed")
        made = _Opened(self._assemble(self._settings, self._runtime), self._threads)
        opened = self._opened.setdefault(os.getpid(), made)
        if opened is not made:
            made.node.backend.close()
            return opened
        if os.getpid() != self._home and not made.is_durable:
            _log.warning("a forked process begins with an empty memory of its own")
        if self._background == "all":
            made.node.services.clock.step()
            made.node.services.health.step()
            made.node.start()
        return made

    def _together(
        self,
        commands: Sequence[Command[Any]],
        asked_by: Callable[[Services, Any], Any],
        method: Literal["create_many", "change_many"],
    ) -> list[Any]:
        """One call of the service for all whose command could be read."""
        services = self._services(commands[0])
        outcomes: dict[int, Any] = {}
        asked: dict[int, Any] = {}
        for place, command in enumerate(commands):
            found = _outcome(lambda each: asked_by(services, each), command)
            (outcomes if isinstance(found, TasquesError) else asked)[place] = found
        done = getattr(services.tasks, method)(list(asked.values()))
        for place, outcome in zip(asked, done, strict=True):
            outcomes[place] = outcome if isinstance(outcome, TasquesError) else task_answer(outcome)
        return [outcomes[place] for place in range(len(commands))]

    async def _claim(self, opened: _Opened, command: tasks.ClaimTasks) -> tuple[Task, ...]:
        services = self._services_of_claim(opened)
        wanted = rules.claim_request(command.worker, command.wanted, opened.node.services.defaults)
        if wanted.amount <= 0:
            return ()
        waiting = _AsyncClaim(opened, wanted)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(opened.executor, lambda: waiting.enter(services()))
            patience = max(wanted.block_for.seconds, 0.0) + _GRACE_SECONDS
            async with asyncio.timeout(patience):
                claimed = await waiting.answer
        except errors.ShuttingDown:
            return ()
        except TimeoutError as error:
            message = "the search for tasks does not come to an end"
            raise errors.StoreUnavailable(message) from error
        except asyncio.CancelledError:
            waiting.return_unread()
            raise
        finally:
            waiting.leave()
        return tuple(map(task_answer, claimed))

    def _services_of_claim(self, opened: _Opened) -> Callable[[], Services]:
        return lambda: opened.services(compares_clocks=True)


class _AsyncClaim:
    """A claim that waits without a thread; made in the event loop that waits for it."""

    def __init__(self, opened: _Opened, wanted: ClaimRequest) -> None:
        self._opened = opened
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()
        self._has_left = False
        self.answer: asyncio.Future[Sequence[Any]] = self._loop.create_future()

    def enter(self, services: Services) -> None:
        """
        Register the claim, and look once; blocks, so on a thread of the executor.

        Raises:
            Unavailable: If nothing may be claimed.
        """
        services.claims.register(self._wanted, self._deliver, lambda: not self._has_left)
        services.claims.step()

    def leave(self) -> None:
        """Nobody waits any more; what is delivered from now on goes back."""
        self._has_left = True

    def return_unread(self) -> None:
        """Give back what was delivered in the moment in which its reader was cancelled."""
        answer = self.answer
        if answer.done() and not answer.cancelled() and answer.exception() is None:
            self._opened.executor.submit(self._give_back, answer.result())

    def _deliver(self, answer: ClaimAnswer) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, answer)
        except RuntimeError:  # the loop is closed
            self._give_back(answer)

    def _settle(self, answer: ClaimAnswer) -> None:
        if self._has_left or self.answer.done():
            self._opened.executor.submit(self._give_back, answer)
        elif isinstance(answer, errors.Unavailable):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)

    def _give_back(self, answer: ClaimAnswer) -> None:
        if answer and not isinstance(answer, errors.Unavailable):
            self._opened.node.services.claims.give_back(answer)


def _carry_out(services: Services, command: Command[Any]) -> Any:
    call = calls.CALLS.get(type(command))
    if call is None:
        raise TypeError(f"no service carries out {command!r}")
    return call(services, command)


def _outcome(do: Callable[[Any], Any], command: Command[Any]) -> Any:
    try:
        return do(command)
    except TasquesError as error:
        return error
