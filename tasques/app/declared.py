"""Functions that can be enqueued."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

import attrs

from tasques.app import conversion
from tasques.app.context import Context, current_context, running_in
from tasques.app.handles import Handle
from tasques.app.middleware import Middleware, around_attempt
from tasques.app.options import EnqueueOptions, KindOptions
from tasques.app.outcomes import outcome_of_error, outcome_of_return
from tasques.app.parameters import Parameters
from tasques.app.periodic import Periodic, PeriodicOptions
from tasques.client.commands.tasks import CreateTask
from tasques.client.port import Operations
from tasques.client.values import Ending, Task, TaskOptions
from tasques.core.json_object import JsonObject
from tasques.core.values import Duration

P = ParamSpec("P")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class NotIncluded(RuntimeError):
    """A task of a blueprint was enqueued before any application included the blueprint."""


class Home(Protocol):
    """Where tasks are declared: an application, or a blueprint that one has included."""

    @property
    def operations(self) -> Operations:
        """
        What carries commands out.

        Raises:
            NotIncluded: If no application has included the blueprint.
        """
        ...

    @property
    def producing(self) -> Operations:
        """
        :attr:`operations`, with the middleware around what is enqueued.

        Raises:
            NotIncluded: If no application has included the blueprint.
        """
        ...

    @property
    def middleware(self) -> Sequence[Middleware]:
        """What happens around enqueues and attempts, the outermost first."""
        ...

    @property
    def task_timeout(self) -> Duration | None:
        """How long a worker has for a task of which nobody says it; None for the server's default."""
        ...

    def declare_periodic(self, periodic: Periodic) -> None:
        """Have *periodic* synchronised with the others; refuses a second one of the same id."""
        ...


@attrs.frozen(kw_only=True)
class Prepared(Generic[Result_co]):
    """
    A task to be enqueued together with others.

    Attributes:
        returned: The type of its result.
    """

    command: CreateTask
    returned: Any = object


class DeclaredTask(Generic[P, Result]):
    """
    A function that can be enqueued, and that a worker runs by its kind.

    Made by ``@app.task(...)``. Attributes of the function show through.

    Attributes:
        settings: What is said of every task of the kind.
        parameters: What the function takes and returns.
        is_async: Whether it is to be awaited.
    """

    is_async = False

    def __init__(
        self,
        function: Callable[..., Any],
        settings: KindOptions,
        *,
        pass_context: bool,
        home: Home,
    ) -> None:
        self.function = function
        self.settings = settings
        self.parameters = Parameters.of(function, pass_context=pass_context)
        self._passes_context = pass_context
        self._home = home
        wrapper: Any = self  # subclasses can be called
        functools.update_wrapper(wrapper, function)

    @property
    def kind(self) -> str:
        """By what workers know it."""
        return self.settings.kind

    @property
    def queue(self) -> str:
        """Where its tasks go, if nothing else is said."""
        return self.settings.queue

    def __repr__(self) -> str:
        return f"<task [{self.kind}] for [{self.queue}]>"

    # ---------------------------------------------------------------------- for producers

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[Result]:
        """
        Have it done by a worker.

        Raises:
            InvalidInput: With every argument that is not of its declared type.
            TypeError: If an argument is missing, or one too many.
            Unavailable: If it could not be created, or not be known to be.
        """
        return self._customised({}).enqueue(*args, **kwargs)

    async def enqueue_async(self, *args: P.args, **kwargs: P.kwargs) -> Handle[Result]:
        """As :meth:`enqueue`."""
        return await self._customised({}).enqueue_async(*args, **kwargs)

    def prepare(self, *args: P.args, **kwargs: P.kwargs) -> Prepared[Result]:
        """The task that :meth:`enqueue` would create, for ``app.enqueue_many``."""
        return self._customised({}).prepare(*args, **kwargs)

    def options(self, **options: Unpack[EnqueueOptions]) -> Customised[P, Result]:
        """The same, with something said of this one: ``send.options(priority=5).enqueue(...)``."""
        return self._customised(options)

    def periodic(
        self, schedule: str, *, id: str | None = None, **options: Unpack[PeriodicOptions]
    ) -> Scheduled[P]:
        """
        Have it done by a schedule: ``digest.periodic("@daily", id="digest-de").call(country="de")``.

        The application synchronises it to the server, see :meth:`tasques.app.Tasques.sync_periodic`.

        Args:
            schedule: Five fields, ``@daily`` or ``@every 5m``; UTC unless a zone comes first.
            id: Names the recurring task; the kind if not given.
        """
        return Scheduled(self, schedule, id or self.kind, options)

    def _customised(self, options: EnqueueOptions) -> Customised[P, Result]:
        return Customised(self, options)

    def task_options(self, said: EnqueueOptions) -> TaskOptions:
        """The options of one of its tasks, of which *said* is said in particular."""
        return self.settings.of_task(said, timeout=self._home.task_timeout)

    @property
    def operations(self) -> Operations:
        """What carries its commands out."""
        return self._home.operations

    @property
    def producing(self) -> Operations:
        """What enqueues it."""
        return self._home.producing

    # ------------------------------------------------------------------------ for workers

    def invoke(self, context: Context, args: JsonObject | None) -> Any:
        """
        Run the function on what a task has; for an asynchronous one this gives a coroutine.

        ``current_context()`` is *context* within.

        Raises:
            InvalidInput: If *args* do not fit the function.
            Exception: Whatever the function raises.
        """
        with running_in(context), around_attempt(self._home.middleware, context.task):
            return self._call(context, (), self.parameters.load(args))

    def ending(self, result: object) -> Ending:
        """
        The end of an attempt in which the function returned *result*.

        One that is not of the declared type makes the attempt a failure.
        """
        try:
            plain = conversion.dump(result, self.parameters.returned, "result")
        except Exception as error:  # noqa: BLE001 - whatever somebody's class does while it is read
            return self.ending_of_error(error, attempt=1)
        return outcome_of_return(plain)

    def ending_of_error(self, error: BaseException, *, attempt: int) -> Ending:
        """The end of an attempt in which the function raised *error*."""
        return outcome_of_error(error, attempt=attempt, policy=self.settings.retry)

    def _call(self, context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leading = (context,) if self._passes_context else ()
        return self.function(*leading, *args, **kwargs)


class SyncTask(DeclaredTask[P, Result]):
    """A function that can be enqueued; a worker runs it in a thread."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result:
        """Run it here and now."""
        return cast("Result", self._call(current_context(), args, kwargs))


class AsyncTask(DeclaredTask[P, Result]):
    """An asynchronous function that can be enqueued; a worker awaits it."""

    is_async = True

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Result]:
        """Run it here and now, once it is awaited."""
        return cast("Coroutine[Any, Any, Result]", self._call(current_context(), args, kwargs))

    def invoke(self, context: Context, args: JsonObject | None) -> Coroutine[Any, Any, Result]:
        return self._within(context, args)

    async def _within(self, context: Context, args: JsonObject | None) -> Result:
        with running_in(context), around_attempt(self._home.middleware, context.task):
            return cast("Result", await self._call(context, (), self.parameters.load(args)))


class Customised(Generic[P, Result]):
    """A declared task with something said of the one that is to be enqueued."""

    def __init__(self, declared: DeclaredTask[P, Result], options: EnqueueOptions) -> None:
        self._declared = declared
        self._options = options

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[Result]:
        """
        Have it done by a worker.

        Raises:
            InvalidInput, TypeError, Unavailable: As of :meth:`DeclaredTask.enqueue`.
            TaskAlreadyExists: If the queue has a task of the given id.
        """
        prepared = self.prepare(*args, **kwargs)
        return self._handle(self._declared.producing.do(prepared.command))

    async def enqueue_async(self, *args: P.args, **kwargs: P.kwargs) -> Handle[Result]:
        """As :meth:`enqueue`."""
        prepared = self.prepare(*args, **kwargs)
        return self._handle(await self._declared.producing.do_async(prepared.command))

    def prepare(self, *args: P.args, **kwargs: P.kwargs) -> Prepared[Result]:
        """The task that :meth:`enqueue` would create, for ``app.enqueue_many``."""
        declared = self._declared
        command = CreateTask.of(
            self._options.get("queue", declared.queue),
            declared.kind,
            declared.parameters.dump(args, kwargs),
            declared.task_options(self._options),
        )
        return Prepared(command=command, returned=declared.parameters.returned)

    def _handle(self, task: Task) -> Handle[Result]:
        return handle_of(task, self._declared.operations, self._declared.parameters.returned)


class Scheduled(Generic[P]):
    """A declared task and a schedule, still without arguments."""

    def __init__(
        self, declared: DeclaredTask[P, Any], schedule: str, id: str, options: PeriodicOptions
    ) -> None:
        self._declared = declared
        self._schedule = schedule
        self._id = id
        self._options = options

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Periodic:
        """
        Declare it, with these arguments for every slot.

        Raises:
            InvalidInput: If an argument is not of its declared type.
            ValueError: If another is declared under the same id.
        """
        declared = self._declared
        periodic = Periodic.of(
            self._id,
            self._schedule,
            declared.settings,
            declared.parameters.dump(args, kwargs),
            self._options,
        )
        declared._home.declare_periodic(periodic)
        return periodic


def handle_of(task: Task, operations: Operations, returned: Any = object) -> Handle[Any]:
    """The handle of *task*, whose body returns a *returned*."""
    return Handle(
        queue=task.queue,
        id=task.id,
        enqueued=task,
        operations=operations,
        returned=returned,
    )


class Declare(Protocol):
    """Makes a declared task of a function."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # an async function is a function too
        self, function: Callable[P, Coroutine[Any, Any, Result]], /
    ) -> AsyncTask[P, Result]: ...

    @overload
    def __call__(self, function: Callable[P, Result], /) -> SyncTask[P, Result]: ...


def is_async(function: Callable[..., object]) -> bool:
    """Whether *function* is to be awaited."""
    return inspect.iscoroutinefunction(inspect.unwrap(function))
