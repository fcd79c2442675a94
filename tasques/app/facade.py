"""The application: one object over a server, a cluster, or memory of its own."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack

import attrs

from tasques.app.declarations import Blueprint, Declarations
from tasques.app.declared import Prepared, handle_of
from tasques.app.handles import Handle
from tasques.app.middleware import Middleware, Surrounded
from tasques.app.options import (
    DEFAULT_TASK_TIMEOUT,
    DEFAULT_THREADS,
    Background,
    EnqueueOptions,
    task_options,
)
from tasques.app.periodic import (
    Origin,
    Periodic,
    Synced,
    prune_async,
    sync,
    sync_async,
)
from tasques.app.periodic import prune as prune_periodic
from tasques.client import times
from tasques.client.commands.base import Command
from tasques.client.commands.tasks import CreateTask
from tasques.client.options import DEFAULT_PATIENCE, DEFAULT_TIMEOUT
from tasques.client.port import Operations
from tasques.client.queue_verbs import QueueVerbs
from tasques.client.recurring_verbs import RecurringVerbs
from tasques.client.task_verbs import TaskVerbs
from tasques.client.times import DurationLike
from tasques.client.values import Object
from tasques.core.errors import TasquesError
from tasques.core.values import Duration

if TYPE_CHECKING:
    import ssl

    from tasques.settings import Settings
    from tasques.worker import Worker
    from tasques.worker.options import WorkerSettings

Answer = TypeVar("Answer")

_HTTP: Final = ("http", "https")


class NobodyReaps(UserWarning):
    """
    An application holds a durable backend, and does none of a server's work in the background.

    Claims that run out of time are not ended, nothing is archived, and no recurring task fires,
    unless a server does it on the same backend. Say ``background="all"`` to do it here, or
    ``background="none"`` if others do.
    """


class Tasques(Declarations, TaskVerbs, RecurringVerbs, QueueVerbs):
    """
    Tasques for a program: the plain calls, and tasks that are declared.

    The same object, with the same results and errors, whatever *url* names. Every call has a
    synchronous and an asynchronous twin. It may be used from several threads and after a fork: what
    is open belongs to the process that opened it. It is a context manager, closed at its end.

    Attributes:
        url: Without credentials.

    Args:
        url: ``memory:`` for a new private backend; ``http://host:8080`` for a server;
            ``elasticsearch://…``, or any scheme that a plugin brings, for a backend held here.
        background: For a backend held here, whether to do a server's work in the background;
            ``none`` if nothing is said, with a warning where the backend is durable.
        name: Of the application: the same in all of its processes, and no other's. It marks the
            periodic tasks that are declared here, so that they can be pruned.
        release: Of the application: a number that grows with each release, or 0. Periodic tasks
            that a newer release has declared are left as they are.
        queue: Where tasks go that do not say.
        task_timeout: How long a worker has for a task that is declared here, from its claim or its
            last report, where neither its kind nor its enqueue says so; None for the server's
            default. A worker of this package reports by itself.
        settings: Of the services, for a backend held here; its own ``backend`` does not count.
        threads: For asynchronous calls on a backend held here.
        timeout: How long a server may be silent, beyond what it is asked to wait.
        patience: How long trouble with a server is met by trying again.
        repeat_creates, ssl_context: For a server; see :class:`tasques.client.Client`.

    Raises:
        InvalidInput: If no plugin knows the scheme, or the rest of *url* makes no sense.
    """

    def __init__(
        self,
        url: str = "memory:",
        *,
        background: Background | None = None,
        name: str | None = None,
        release: int = 0,
        queue: str | None = None,
        task_timeout: DurationLike | None = DEFAULT_TASK_TIMEOUT,
        settings: Settings | None = None,
        threads: int = DEFAULT_THREADS,
        timeout: DurationLike = DEFAULT_TIMEOUT,
        patience: DurationLike = DEFAULT_PATIENCE,
        repeat_creates: bool = True,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(queue=queue)
        self._task_timeout = times.optional_duration(task_timeout, "task_timeout")
        self._middleware: tuple[Middleware, ...] = ()
        self.name = name
        self.release = release
        self.url = _without_credentials(url)
        self._operations: Operations
        if url.partition(":")[0].lower() in _HTTP:
            # With all of HTTP, which is not wanted by those who have no server.
            from tasques.client.client import Client

            self._operations = Client(
                url,
                timeout=timeout,
                patience=patience,
                repeat_creates=repeat_creates,
                ssl_context=ssl_context,
            )
            return
        # With all the services, which are not wanted by those who have a server.
        from tasques.app.embedded import Embedded

        embedded = Embedded(
            _with_backend(settings, url), background=background or "none", threads=threads
        )
        if background is None and embedded.is_durable:
            warnings.warn(str(NobodyReaps.__doc__).strip(), NobodyReaps, stacklevel=2)
        self._operations = embedded

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close_async()

    # ------------------------------------------------------------------------ the port

    @property
    def operations(self) -> Operations:
        """What carries commands out."""
        return self._operations

    @property
    def producing(self) -> Operations:
        """:attr:`operations`, with the middleware around what is enqueued."""
        if not self._middleware:
            return self._operations
        return Surrounded(self._operations, self._middleware)

    @property
    def middleware(self) -> Sequence[Middleware]:
        return self._middleware

    @property
    def task_timeout(self) -> Duration | None:
        return self._task_timeout

    def use(self, middleware: Middleware) -> None:
        """
        Have *middleware* around every enqueue from here, and every attempt of a task of this application.

        Within what was installed before. Not to be done while other threads use the application.
        """
        self._middleware = (*self._middleware, middleware)

    @contextlib.contextmanager
    def replaced(self, operations: Operations) -> Iterator[None]:
        """
        Have *operations* carry out everything meanwhile, as tests want it.

        Not to be done while other threads use the application.
        """
        before, self._operations = self._operations, operations
        try:
            yield
        finally:
            self._operations = before

    def do(self, command: Command[Answer]) -> Answer:
        return self.producing.do(command)

    async def do_async(self, command: Command[Answer]) -> Answer:
        return await self.producing.do_async(command)

    def do_many(self, commands: Sequence[Command[Answer]]) -> list[Answer | TasquesError]:
        return self.producing.do_many(commands)

    async def do_many_async(
        self, commands: Sequence[Command[Answer]]
    ) -> list[Answer | TasquesError]:
        return await self.producing.do_many_async(commands)

    def close(self) -> None:
        """Let go of connections and threads; tasks in memory are gone."""
        self._operations.close()

    async def close_async(self) -> None:
        """As :meth:`close`, for connections of this event loop too."""
        await self._operations.close_async()

    # ------------------------------------------------------------------- declared tasks

    def include(self, blueprint: Blueprint) -> None:
        """
        Have the tasks of *blueprint* among these, those that it will declare too.

        Raises:
            ValueError: If another application has included it, or a kind or id is declared twice.
        """
        blueprint.include_in(self)

    def enqueue(
        self,
        kind: str,
        *,
        args: Object | None = None,
        **options: Unpack[EnqueueOptions],
    ) -> Handle[Any]:
        """
        Have a task done by the name of its kind; its function need not be known here.

        Where the kind is declared here after all, what is said of it counts.

        Args:
            args: As JSON has them; nothing checks them against the worker's function.
            options: See :class:`~tasques.app.options.EnqueueOptions`.

        Raises:
            ValueError: If no queue is said, and the application has none.
            InvalidInput, TaskAlreadyExists, Unavailable: As their names say.
        """
        command = self._by_name(kind, args, options)
        return handle_of(self.do(command), self._operations)

    async def enqueue_async(
        self,
        kind: str,
        *,
        args: Object | None = None,
        **options: Unpack[EnqueueOptions],
    ) -> Handle[Any]:
        """As :meth:`enqueue`."""
        command = self._by_name(kind, args, options)
        return handle_of(await self.do_async(command), self._operations)

    def enqueue_many(self, prepared: Sequence[Prepared[Any]]) -> list[Handle[Any] | TasquesError]:
        """
        Have many done, with one call where the server can: ``app.enqueue_many([send.prepare(…), …])``.

        One outcome each, in their order; an error concerns its task alone, and is not raised.
        """
        outcomes = self.do_many([each.command for each in prepared])
        return self._handles(prepared, outcomes)

    async def enqueue_many_async(
        self, prepared: Sequence[Prepared[Any]]
    ) -> list[Handle[Any] | TasquesError]:
        """As :meth:`enqueue_many`."""
        outcomes = await self.do_many_async([each.command for each in prepared])
        return self._handles(prepared, outcomes)

    def handle(self, queue: str, id: str, returned: Any = object) -> Handle[Any]:
        """
        The handle of a task by its name; nothing is asked yet.

        Args:
            returned: The type of its result.
        """
        return Handle(queue=queue, id=id, operations=self._operations, returned=returned)

    def worker(self, *queues: str, **settings: Unpack[WorkerSettings]) -> Worker:
        """
        A worker of these tasks within this process: ``with app.worker("mail"): ...``, or
        ``app.worker(burst=True).run()`` to have done what there is.

        Args:
            queues: From which it takes tasks; none named means every queue.
            settings: See :class:`tasques.worker.WorkerOptions`.

        Raises:
            InvalidInput: If a value makes no sense.
        """
        # Slow to import, and not wanted by those who only enqueue.
        from tasques.worker import Worker, WorkerOptions

        return Worker(self, WorkerOptions(queues=queues, **settings))

    def sync_periodic(self, *, prune: bool = False) -> dict[str, Synced]:
        """
        Have every declared periodic task on the server, once, whoever else does so too.

        A worker does this when it starts, and prunes nothing. See :mod:`tasques.app.periodic` for what
        becomes of those that are there already.

        Args:
            prune: Whether to delete what an application of this name has declared, in this release or
                an older one, and is not declared here any more.

        Returns:
            What became of each, by id.

        Raises:
            InvalidInput: If a schedule is none.
            ValueError: If it is to be pruned, and the application has no name.
            Unavailable, RecurringTaskConflict: As their names say.
        """
        origin, declared = self._origin(prune), self._periodic_with_timeouts()
        done = {id: sync(self._operations, each, origin) for id, each in declared.items()}
        return done | prune_periodic(self._operations, declared, origin) if prune else done

    async def sync_periodic_async(self, *, prune: bool = False) -> dict[str, Synced]:
        """As :meth:`sync_periodic`."""
        import asyncio  # slow to load; whoever awaits has it already

        origin, declared = self._origin(prune), self._periodic_with_timeouts()
        outcomes = await asyncio.gather(
            *(sync_async(self._operations, each, origin) for each in declared.values())
        )
        done = dict(zip(declared, outcomes, strict=True))
        return done | await prune_async(self._operations, declared, origin) if prune else done

    def _origin(self, prune: bool) -> Origin:
        if prune and self.name is None:
            raise ValueError("give the application a name, that it can tell what is its own")
        return Origin(app=self.name, release=self.release)

    def _periodic_with_timeouts(self) -> dict[str, Periodic]:
        # One of a blueprint was declared before it was known whose application includes it.
        return {
            id: declared.with_timeout(self.task_timeout)
            for id, declared in self.periodic_tasks.items()
        }

    def _by_name(self, kind: str, args: Object | None, options: EnqueueOptions) -> CreateTask:
        known = self.tasks.get(kind)
        where = options.get("queue", self._queue if known is None else known.queue)
        if where is None:
            raise ValueError(f"say in which queue the task [{kind}] goes")
        said = task_options(options) if known is None else known.task_options(options)
        return CreateTask.of(where, kind, args, said)

    def _handles(
        self, prepared: Sequence[Prepared[Any]], outcomes: Sequence[Any]
    ) -> list[Handle[Any] | TasquesError]:
        return [
            outcome
            if isinstance(outcome, TasquesError)
            else handle_of(outcome, self._operations, each.returned)
            for each, outcome in zip(prepared, outcomes, strict=True)
        ]


def _with_backend(settings: Settings | None, url: str) -> Settings:
    from tasques.settings import Settings

    return attrs.evolve(settings or Settings(), backend=url)


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
