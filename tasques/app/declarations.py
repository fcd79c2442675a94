"""Declaring tasks: what applications and blueprints have in common, and the blueprint."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from tasques.app.context import Context
from tasques.app.declared import (
    AsyncTask,
    Declare,
    DeclaredTask,
    NotIncluded,
    SyncTask,
    is_async,
)
from tasques.app.middleware import Middleware
from tasques.app.options import KindOptions
from tasques.app.periodic import Periodic
from tasques.app.retrying import RetryPolicy
from tasques.client.port import Operations
from tasques.client.times import DurationLike
from tasques.core.values import Duration

P = ParamSpec("P")
Result = TypeVar("Result")


class DeclareWithContext(Protocol):
    """Makes a declared task of a function that takes its context first."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # as in Declare
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, Result]], /
    ) -> AsyncTask[P, Result]: ...

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Result], /
    ) -> SyncTask[P, Result]: ...


class Declarations:
    """
    Tasks by kind, and periodic tasks by id.

    Args:
        queue: Where tasks go that do not say.
        prefix: What the names of kinds begin with, where they are not given.
    """

    def __init__(self, *, queue: str | None = None, prefix: str = "") -> None:
        self._queue = queue
        self._prefix = prefix
        self._tasks: dict[str, DeclaredTask[..., Any]] = {}
        self._periodic: dict[str, Periodic] = {}

    @property
    def operations(self) -> Operations:
        """
        What carries the commands of these tasks out.

        Raises:
            NotIncluded: If that is not known yet.
        """
        raise NotImplementedError

    @property
    def producing(self) -> Operations:
        """
        :attr:`operations`, with the middleware around what is enqueued.

        Raises:
            NotIncluded: If that is not known yet.
        """
        raise NotImplementedError

    @property
    def middleware(self) -> Sequence[Middleware]:
        """What happens around enqueues and attempts, the outermost first."""
        raise NotImplementedError

    @property
    def task_timeout(self) -> Duration | None:
        """How long a worker has for a task of which nobody says it; None for the server's default."""
        raise NotImplementedError

    @property
    def tasks(self) -> Mapping[str, DeclaredTask[..., Any]]:
        """What is declared, by kind; those of included blueprints among them."""
        return MappingProxyType(self._tasks)

    @property
    def periodic_tasks(self) -> Mapping[str, Periodic]:
        """What is declared to be done by a schedule, by id."""
        return MappingProxyType(self._periodic)

    @overload
    def task(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        retries: int | None = None,
        timeout: DurationLike | None = None,
        priority: int = 0,
        expires_in: DurationLike | None = None,
        retry: RetryPolicy | None = None,
        soft_limit: DurationLike | None = None,
        hard_limit: DurationLike | None = None,
        schedule: str | None = None,
        pass_context: Literal[False] = False,
    ) -> Declare: ...

    @overload
    def task(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        retries: int | None = None,
        timeout: DurationLike | None = None,
        priority: int = 0,
        expires_in: DurationLike | None = None,
        retry: RetryPolicy | None = None,
        soft_limit: DurationLike | None = None,
        hard_limit: DurationLike | None = None,
        schedule: str | None = None,
        pass_context: Literal[True],
    ) -> DeclareWithContext: ...

    def task(
        self,
        *,
        queue: str | None = None,
        kind: str | None = None,
        retries: int | None = None,
        timeout: DurationLike | None = None,
        priority: int = 0,
        expires_in: DurationLike | None = None,
        retry: RetryPolicy | None = None,
        soft_limit: DurationLike | None = None,
        hard_limit: DurationLike | None = None,
        schedule: str | None = None,
        pass_context: bool = False,
    ) -> Any:
        """
        Declare the function below to be a task.

        Args:
            queue: Where its tasks go; the application's, or the blueprint's, if not given.
            kind: By what workers know it; the function's name if not given. Moving the function
                does not change it, renaming does: tasks that wait under the old name are lost to it.
            retries: How often one is tried again after a failure; the server's default if not given.
            timeout: How long a worker has, from its claim or its last report, and so how soon
                another gets the task of one that was killed; the application's if not given.
            priority: The higher, the sooner one is claimed.
            expires_in: One that waits longer is not worth starting any more.
            retry: Decides what follows a failure, seeing the error; see
                :class:`~tasques.app.RetryOn`.
            soft_limit: A body that runs longer gets ``tasques.worker.SoftTimeLimitExceeded``, where
                it is; the worker's limit if not given.
            hard_limit: An attempt that takes longer has failed, whatever its body does; the worker's
                limit if not given.
            schedule: Have it done by a schedule besides, under the kind as its id; the function must
                then do without arguments. See :meth:`~tasques.app.declared.DeclaredTask.periodic`.
            pass_context: Hand the function its :class:`~tasques.app.Context` as its first argument,
                which callers leave out.

        Raises:
            ValueError: If the kind is declared already, or no queue is said.
            TypeError: If the function takes what has no name in a JSON object.
            InvalidInput: If no queue can have that name, or a duration is none.
        """

        def declare(function: Callable[..., Any]) -> DeclaredTask[..., Any]:
            name = kind or self._prefix + function.__name__
            where = queue or self._queue
            if where is None:
                raise ValueError(f"say in which queue the task [{name}] goes")
            settings = KindOptions(
                kind=name,
                queue=where,
                retries=retries,
                timeout=timeout,
                priority=priority,
                expires_in=expires_in,
                retry=retry,
                soft_limit=soft_limit,
                hard_limit=hard_limit,
            )
            made = AsyncTask if is_async(function) else SyncTask
            declared: DeclaredTask[..., Any] = made(
                function, settings, pass_context=pass_context, home=self
            )
            self.add_task(declared)
            if schedule is not None:
                declared.periodic(schedule).call()
            return declared

        return declare

    def add_task(self, declared: DeclaredTask[..., Any]) -> None:
        """
        Have *declared* among these.

        Raises:
            ValueError: If another has its kind.
        """
        if self._tasks.get(declared.kind, declared) is not declared:
            raise ValueError(f"two tasks are declared under the kind [{declared.kind}]")
        self._tasks[declared.kind] = declared

    def declare_periodic(self, periodic: Periodic) -> None:
        """
        Have *periodic* among these.

        Raises:
            ValueError: If another has its id.
        """
        if self._periodic.get(periodic.id, periodic) is not periodic:
            raise ValueError(f"two periodic tasks are declared under the id [{periodic.id}]")
        self._periodic[periodic.id] = periodic


class Blueprint(Declarations):
    """
    Tasks that are declared apart from the application, for it to include.

    So that modules with tasks need not import the application: ``app.include(mail.blueprint)``.

    Args:
        queue: Where tasks go that do not say.
        prefix: What the names of kinds begin with, where they are not given, such as ``mail.``.
    """

    def __init__(self, *, queue: str | None = None, prefix: str = "") -> None:
        super().__init__(queue=queue, prefix=prefix)
        self._home: Declarations | None = None

    @property
    def operations(self) -> Operations:
        return self._included.operations

    @property
    def producing(self) -> Operations:
        return self._included.producing

    @property
    def middleware(self) -> Sequence[Middleware]:
        return () if self._home is None else self._home.middleware

    @property
    def task_timeout(self) -> Duration | None:
        return None if self._home is None else self._home.task_timeout

    @property
    def _included(self) -> Declarations:
        if self._home is None:
            raise NotIncluded("no application has included the blueprint of this task")
        return self._home

    def include_in(self, home: Declarations) -> None:
        """
        Hand everything declared here to *home*, and whatever will be.

        Raises:
            ValueError: If another has included it, or has the same kinds or ids.
        """
        if self._home is not None and self._home is not home:
            raise ValueError("a blueprint belongs to one application, and another has this one")
        for declared in self._tasks.values():
            home.add_task(declared)
        for periodic in self._periodic.values():
            home.declare_periodic(periodic)
        self._home = home

    def add_task(self, declared: DeclaredTask[..., Any]) -> None:
        super().add_task(declared)
        if self._home is not None:
            self._home.add_task(declared)

    def declare_periodic(self, periodic: Periodic) -> None:
        super().declare_periodic(periodic)
        if self._home is not None:
            self._home.declare_periodic(periodic)
