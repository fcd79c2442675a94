"""
An application on a memory of its own, with a clock that moves by hand: for tests of what is built on
Tasques.

Nothing is made simpler for tests. Tasks go through the same services, the same lifecycle and the same
JSON as on a server, so what passes here passes there; only time and chance are the test's own. Two runs
of a test see the same ids, the same order and the same jitter.

The fixture ``tasques_app`` of :mod:`tasques.testing.pytest_plugin` makes one for each test.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Final, Self

import attrs

from tasques.adapters.memory.backend import MemoryBackend
from tasques.app import Context, DeclaredTask, Tasques, conversion
from tasques.app.answers import task_answer
from tasques.app.embedded import Embedded
from tasques.app.outcomes import outcome_of_error
from tasques.client import times
from tasques.client.commands.tasks import finish
from tasques.client.times import DurationLike, InstantLike
from tasques.client.values import Done, Ending, Failed, Hold, Task, Unclaim
from tasques.core.documents import Stored
from tasques.core.events import Happening, TaskEvent
from tasques.core.json_object import JsonObject
from tasques.core.ports import Backend, Runtime, TaskStore
from tasques.core.service.observed_store import ObservedTaskStore
from tasques.core.values import NANOSECONDS_PER_SECOND, Duration, Instant
from tasques.settings import Settings
from tasques.testing.fake_runtime import NANOSECONDS_PER_MILLISECOND, FakeRuntime
from tasques.testing.history import told
from tasques.worker.limits import UnknownKind

WORKER: Final = "test-worker"
#: Nobody else stands for election here.
_LEASE: Final = Duration.parse("876000h")


class Clock:
    """The time of an application under test. It stands still unless it is moved."""

    def __init__(self, application: TestingApp, runtime: FakeRuntime) -> None:
        self._application = application
        self._runtime = runtime

    @property
    def now(self) -> Instant:
        """What it says."""
        return self._runtime.wall()

    def advance(self, by: DurationLike) -> None:
        """
        Let so much time pass, with what happens by itself meanwhile.

        Claims run out, tasks expire, recurring tasks fire each of their slots. What has become due waits
        to be claimed: :meth:`TestingApp.drain` does it.

        Raises:
            InvalidInput: If *by* is no duration.
            ValueError: If it is negative.
        """
        whole = times.duration(by, "by")
        if whole.nanoseconds < 0:
            raise ValueError("time does not go back")
        # In whole milliseconds, as everything here.
        rest = -whole.nanoseconds % NANOSECONDS_PER_MILLISECOND
        self._application._pass_until(self.now.plus(Duration(whole.nanoseconds + rest)))

    def advance_to(self, moment: InstantLike) -> None:
        """
        Let time pass until *moment*.

        Raises:
            ValueError: If it is past.
        """
        self.advance(times.instant(moment, "moment").since(self.now))


@attrs.frozen(kw_only=True)
class Drained:
    """
    What a drain has done, in order.

    Attributes:
        done: Tasks whose body returned.
        failed: Tasks whose attempt failed, dead ones among them.
        returned: Tasks that asked to be tried again later (``Snooze``).
        errors: What the bodies of failed ones raised.
    """

    done: tuple[Task, ...] = ()
    failed: tuple[Task, ...] = ()
    returned: tuple[Task, ...] = ()
    errors: tuple[BaseException, ...] = ()

    def __len__(self) -> int:
        """How many attempts there were."""
        return len(self.done) + len(self.failed) + len(self.returned)


class _Watched(MemoryBackend):
    """Memory that tells what was written."""

    def __init__(self, runtime: Runtime, tell: Callable[[Sequence[TaskEvent]], None]) -> None:
        super().__init__(runtime)
        self._watched = ObservedTaskStore(super().tasks, runtime, tell)

    @property
    def tasks(self) -> TaskStore:
        return self._watched


class TestingApp:
    """
    An application whose tasks go to a memory of the test's own, until the end of the context.

    Args:
        app: What is tested; a new, empty one if nothing is said.
        start: What the clock says at first; the present moment if nothing is said.
        seed: Decides ids and jitter.

    Attributes:
        app: What is tested.
        clock: Its time.
        events: What happened to tasks so far, in order.
    """

    # That it begins so does not make it a test.
    __test__ = False

    def __init__(
        self, app: Tasques | None = None, *, start: InstantLike | None = None, seed: int = 0
    ) -> None:
        self.app = Tasques("memory:") if app is None else app
        self.events: list[TaskEvent] = []
        began = _next_second() if start is None else times.instant(start, "start")
        self._runtime = FakeRuntime(now=began, seed=seed)
        self.clock = Clock(self, self._runtime)
        self._began = began
        self._embedded = Embedded(
            _settings(), runtime=self._runtime, open_backend=self._open_backend
        )
        self._stack = ExitStack()
        self._is_synced = False

    def _open_backend(self, settings: Settings, runtime: Runtime) -> Backend:
        return _Watched(runtime, self.events.extend)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.app.replaced(self._embedded))
        self._stack.enter_context(_telling_the_time(lambda: self.clock.now))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
        self._embedded.close()

    # ------------------------------------------------------------------------ what is there

    def enqueued(self, what: DeclaredTask[..., Any] | str | None = None, **args: Any) -> list[Task]:
        """
        The tasks that were enqueued so far, in order, as they were then.

        Args:
            what: Only those of a declared task, or of a kind.
            args: Only those with these arguments, whatever others they have.
        """
        kind = what.kind if isinstance(what, DeclaredTask) else what
        created = [event for event in self.events if event.what is Happening.CREATED]
        return [
            _answer(event)
            for event in created
            if (kind is None or event.task.kind == kind) and self._has(event, args)
        ]

    def assert_enqueued(self, what: DeclaredTask[..., Any] | str, **args: Any) -> Task:
        """
        The first such task that was enqueued; there must be one.

        Raises:
            AssertionError: If there is none; it lists what there is.
        """
        __tracebackhide__ = True
        if found := self.enqueued(what, **args):
            return found[0]
        raise AssertionError(f"no task {_named(what, args)} was enqueued, but {self._listed(what)}")

    def refute_enqueued(self, what: DeclaredTask[..., Any] | str, **args: Any) -> None:
        """
        Pass if no such task was enqueued.

        Raises:
            AssertionError: If one was.
        """
        __tracebackhide__ = True
        if found := self.enqueued(what, **args):
            raise AssertionError(f"{len(found)} of {_named(what, args)} were enqueued")

    def task(self, enqueued: Task) -> Task:
        """*enqueued* as it is now."""
        return self.app.get(enqueued.queue, enqueued.id)

    def history(self) -> str:
        """What happened to every task, for people; a failing test prints it."""
        return told(self.events, self._began)

    # --------------------------------------------------------------------------- doing tasks

    def drain(self, *queues: str, raises: bool = False, limit: int = 1_000) -> Drained:
        """
        Do what is ready, and what comes of it, until nothing is; on this thread, one by one.

        What waits for later stays: move the clock, and drain again.

        Args:
            queues: From these alone.
            raises: Raise what a body raises, once its attempt has failed.
            limit: More attempts than this are tasks that enqueue each other for ever.

        Raises:
            AssertionError: If there are more.
        """
        ends: list[tuple[Task, Ending, BaseException | None]] = []
        while claimed := self.app.claim(WORKER, queues, amount=1, block_for=Duration(0)):
            for task in claimed:
                ends.append(self._do(task))
                if raises and (error := ends[-1][2]) is not None:
                    raise error
            if len(ends) > limit:
                raise AssertionError(f"more than {limit} attempts, and still not empty")
        return Drained(
            done=tuple(task for task, ending, _ in ends if isinstance(ending, Done)),
            failed=tuple(task for task, ending, _ in ends if isinstance(ending, Failed)),
            returned=tuple(task for task, ending, _ in ends if isinstance(ending, Unclaim)),
            errors=tuple(
                error
                for _, ending, error in ends
                if error is not None and isinstance(ending, Failed)
            ),
        )

    def _do(self, task: Task) -> tuple[Task, Ending, BaseException | None]:
        hold = Hold.of(task)
        ending, error = self._attempt(task, hold)
        return self.app.do(finish(hold, ending)), ending, error

    def _attempt(self, task: Task, hold: Hold) -> tuple[Ending, BaseException | None]:
        declared = self.app.tasks.get(task.kind)
        if declared is None:
            unknown = UnknownKind(task.kind)
            return outcome_of_error(unknown, attempt=task.attempted), unknown
        try:
            result = declared.invoke(self._context(task, hold), task.args)
            if inspect.iscoroutine(result):
                result = _awaited(result)
        except Exception as error:  # noqa: BLE001 - whatever a body raises
            return declared.ending_of_error(error, attempt=task.attempted), error
        return declared.ending(result), None

    def _context(self, task: Task, hold: Hold) -> Context:
        return Context(
            task=task,
            take_report=lambda data: self._report(hold, data),
            is_cancelled=lambda: bool(self.task(task).cancel_requested),
        )

    def _report(self, hold: Hold, data: Mapping[str, object]) -> None:
        self.app.report(hold, data)

    def _has(self, event: TaskEvent, args: Mapping[str, Any]) -> bool:
        given = {} if event.task.args is None else event.task.args.value()
        declared = self.app.tasks.get(event.task.kind)
        types = {} if declared is None else declared.parameters.types
        wanted = {
            name: conversion.dump(value, types.get(name, object), name)
            for name, value in args.items()
        }
        plain = JsonObject.of(wanted).value()
        return all(name in given and given[name] == value for name, value in plain.items())

    def _listed(self, what: DeclaredTask[..., Any] | str) -> str:
        kind = what.kind if isinstance(what, DeclaredTask) else what
        tasks = self.enqueued(kind) or self.enqueued()
        return (
            ", ".join(
                f"[{task.kind}] with {'{}' if task.args is None else task.args.text}"
                for task in tasks
            )
            or "nothing was"
        )

    # ----------------------------------------------------------------------------- background

    def _pass_until(self, target: Instant) -> None:
        if not self._is_synced:
            self.app.sync_periodic()
            self._is_synced = True
        self._do_background_work()
        while (slot := self._next_slot()) is not None and slot <= target:
            self._runtime.advance(_whole_milliseconds(slot.since(self.clock.now)))
            self._do_background_work()
        self._runtime.advance(target.since(self.clock.now))
        self._do_background_work()

    def _next_slot(self) -> Instant | None:
        services = self._embedded.node.services
        following = [
            services.recurring.preview(stored.document.id, 1)
            for stored in services.recurring.list()
            if not stored.document.is_paused
        ]
        return min((slot for slots in following for slot in slots), default=None)

    def _do_background_work(self) -> None:
        for loop in self._embedded.node.loops:
            loop.run_once()


def _settings() -> Settings:
    """What a server does in the background is done whenever the clock moves, and at once."""
    settings = Settings(backend="memory:")
    background = settings.recurring
    return attrs.evolve(
        settings,
        recurring=attrs.evolve(
            background,
            leader_lock=attrs.evolve(background.leader_lock, leader_lock_lease=_LEASE),
            timed_out_tasks_reaper=attrs.evolve(
                background.timed_out_tasks_reaper, margin=Duration(0)
            ),
            recurring_tasks=attrs.evolve(
                background.recurring_tasks,
                sync_run_interval=Duration(0),
                enforce_sync_run_interval=Duration(0),
            ),
        ),
    )


def _next_second() -> Instant:
    # So that what a test says to be due now, by the machine's own clock, is.
    nanoseconds = times.now().nanoseconds
    return Instant(nanoseconds + -nanoseconds % NANOSECONDS_PER_SECOND)


def _whole_milliseconds(duration: Duration) -> Duration:
    nanoseconds = max(duration.nanoseconds, 0)
    return Duration(nanoseconds + -nanoseconds % NANOSECONDS_PER_MILLISECOND)


@contextmanager
def _telling_the_time(now: Callable[[], Instant]) -> Iterator[None]:
    """Have ``run_in`` and ``expires_in`` count from *now*."""
    before = times.now
    times.now = now
    try:
        yield
    finally:
        times.now = before


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # The test itself runs in a loop, and another one cannot run on its thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _answer(event: TaskEvent) -> Task:
    return task_answer(Stored(document=event.task, version=event.version))


def _named(what: DeclaredTask[..., Any] | str, args: dict[str, Any]) -> str:
    kind = what.kind if isinstance(what, DeclaredTask) else what
    return f"[{kind}] with {args}" if args else f"[{kind}]"
