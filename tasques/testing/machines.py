"""
Two stores in lockstep: whatever is asked of both, through the services, both give the same answer.

The model is not written down anywhere: each store is the other's. Both sides get a runtime that
shows the same times, gives the same ids and draws the same numbers, and before every search what was
written is made visible. So any difference is one between the stores, or between the ways in which a
service treats them. Versions are each store's own; all that is compared of them is whether they moved.

Source of the idea: Hypothesis, ``tests/nocover/test_database_agreement.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Final, TypeAlias

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
)

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core import errors
from tasques.core.documents import Stored, Version
from tasques.core.json_object import JsonObject
from tasques.core.ports import ClaimableQuery, Runtime, TaskStore
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.reaper import Reaper
from tasques.core.service.task_service import TaskService
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask, State, StoredTask, Task, TaskKey
from tasques.core.values import ZERO, ZERO_INSTANT, Duration, Instant
from tasques.testing import strategies
from tasques.testing.contract.store_fixtures import Settle, put_away
from tasques.testing.fake_runtime import FakeRuntime

#: Few, because in some stores a queue costs as much as a thousand tasks.
QUEUES: Final = tuple(QueueName(name) for name in ("mail", "mail2", "résumés"))
WORKERS: Final = (WorkerId("ann"), WorkerId("bob"))

_OBJECTS: Final[Sequence[JsonObject | None]] = (
    None,
    JsonObject("{}"),
    JsonObject.of({"large": 2**64, "text": "é\x00", "deep": [{"a": [None]}]}),
)

_examples = count(1)


@attrs.frozen(kw_only=True)
class Opened:
    """
    A store for one example.

    Attributes:
        settle: Makes what was written so far visible to searches.
        close: Called when the example is over.
    """

    store: TaskStore
    settle: Settle = lambda: None
    close: Callable[[], None] = lambda: None


Open: TypeAlias = Callable[[Runtime], Opened]


class _ExampleRuntime(FakeRuntime):
    """Gives ids that no other example has had, and that sort alike in each."""

    def __init__(self, example: int) -> None:
        super().__init__()
        self._example = example

    def new_id(self) -> str:
        return f"{self._example:012x}{super().new_id()[12:]}"


class _Side:
    """One store with the services of a server over it."""

    def __init__(self, open_store: Open, example: int) -> None:
        self.runtime = _ExampleRuntime(example)
        self.opened = open_store(self.runtime)
        self.store = self.opened.store
        self.claims = ClaimDispatcher(self.store, self.runtime)
        offer = self.claims.offer
        self.tasks = TaskService(self.store, self.runtime, on_waiting=offer)
        self.reaper = Reaper(self.store, self.runtime, on_waiting=offer)
        self._versions: dict[TaskKey, Version] = {}

    def answer(self, operation: Callable[[_Side], object]) -> object:
        """What *operation* gives here, in words that do not depend on the store."""
        try:
            return self._comparable(operation(self))
        except errors.TasquesError as error:
            return type(error), str(error)

    def _comparable(self, value: object) -> object:
        if isinstance(value, Stored):
            return value.document, self._has_moved(value)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self._comparable(item) for item in value]
        return value

    def _has_moved(self, stored: StoredTask) -> bool:
        before = self._versions.get(stored.document.key)
        self._versions[stored.document.key] = stored.version
        assert before is None or before <= stored.version
        return before != stored.version


@attrs.frozen(kw_only=True)
class _Wanted:
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

        def after(milliseconds: int | None) -> Instant | None:
            return None if milliseconds is None else now.plus(_milliseconds(milliseconds))

        return NewTask(
            queue=self.queue,
            id=id,
            kind="sayHello",
            priority=self.priority,
            run_at=after(self.due_in),
            retry_times=self.retry_times,
            processing_timeout=_milliseconds(self.timeout),
            args=self.content,
            context=self.content,
            expires_at=after(self.expires_in),
        )


def _wanted() -> st.SearchStrategy[_Wanted]:
    return st.builds(
        _Wanted,
        queue=st.sampled_from(QUEUES),
        has_id=st.booleans(),
        priority=st.sampled_from([0, 0, 1, -1, 32_767, 32_768, -(2**63), 2**63 - 1]),
        due_in=st.sampled_from([None, None, -86_400_000, -1000, 0, 1, 999, 1000, 60_000]),
        retry_times=st.integers(0, 2),
        timeout=st.sampled_from([60_000, 1000, 1, 0]),
        content=st.sampled_from(_OBJECTS),
        expires_in=st.sampled_from([None, None, None, 0, 1000, 86_400_000]),
    )


@attrs.frozen(kw_only=True)
class _Work:
    """Something that a worker does to a task."""

    verb: str
    data: JsonObject | None
    wait: Duration | None
    give_up: bool

    def __call__(self, side: _Side, *, key: TaskKey, worker: WorkerId) -> StoredTask:
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


def _work() -> st.SearchStrategy[_Work]:
    return st.builds(
        _Work,
        verb=st.sampled_from(["report", "fail", "unclaim", "complete"]),
        data=st.sampled_from(_OBJECTS),
        wait=st.sampled_from([None, None, -1, 0, 1000]).map(
            lambda wait: None if wait is None else _milliseconds(wait)
        ),
        give_up=st.sampled_from([False, False, True]),
    )


class LockstepMachine(RuleBasedStateMachine):
    """
    Drives two stores through the services, and compares every answer.

    Run it with :func:`hypothesis.stateful.run_state_machine_as_test`::

        run_state_machine_as_test(lambda: LockstepMachine(open_one, open_other))

    Args:
        first: Opens a store for an example; it may be the one of the examples before.
        second: The same for the other one.
    """

    keys: Bundle[TaskKey] = Bundle("keys")

    def __init__(self, first: Open, second: Open) -> None:
        super().__init__()
        self._open = (first, second)
        self._sides: list[_Side] = []
        self._known: dict[TaskKey, Task] = {}
        self._last: Callable[[_Side], object] | None = None
        self._have_differed = False

    @initialize()
    def begin(self) -> None:
        """Open both, and let nothing of the examples before be found."""
        self._example = next(_examples)
        for open_store in self._open:
            self._sides.append(_Side(open_store, self._example))
            put_away(self._sides[-1].store, self._sides[-1].opened.settle)

    # --------------------------------------------------------------------- creating and reading

    @rule(target=keys, wanted=st.lists(_wanted(), min_size=1, max_size=3))
    def create(self, wanted: Sequence[_Wanted]) -> MultipleResults[TaskKey]:
        """Tasks of any kind, with ids of their own or without."""
        return multiple(*(self._create(one) for one in wanted))

    def _create(self, wanted: _Wanted) -> TaskKey:
        id = TaskId(f"{self._example:012x}-{len(self._known):04d}") if wanted.has_id else None
        new = wanted.at(self._sides[0].runtime.wall(), id)
        [task] = _tasks_of(self._compare(lambda side: side.tasks.create(new)))
        return task.key

    @rule(
        target=keys,
        queue=st.sampled_from(QUEUES),
        number=st.integers(1, 2),
        kind=st.sampled_from(["sayHello", "else"]),
    )
    def create_with_key(self, queue: QueueName, number: int, kind: str) -> MultipleResults[TaskKey]:
        """An idempotency key, new or used before, with the same content or another."""
        new = _plain(queue, kind)
        first = f"{2 * QUEUES.index(queue) + number:x}"
        key = _idempotency_key(queue, f"{self._example}-{number}", first)
        answer = self._compare(lambda side: side.tasks.create(new, idempotency_key=key))
        return multiple(*(stored.key for stored in _tasks_of(answer)))

    @rule(key=keys, create=st.booleans())
    def meet(self, key: TaskKey, create: bool) -> None:
        """A task that is there: read, or about to be created once more."""
        again = attrs.evolve(_plain(key.queue, "else"), id=key.id)
        if create:
            self._compare(lambda side: side.tasks.create(again))
        else:
            self._compare(lambda side: side.tasks.get(key))

    @rule(queue=st.sampled_from(QUEUES), id=st.sampled_from(["never", "i" * 513, "a/b", "*"]))
    def miss(self, queue: QueueName, id: str) -> None:
        """A task that is not there."""
        self._compare(lambda side: side.tasks.get(TaskKey(queue, TaskId(id))))

    # ------------------------------------------------------------------------------- working

    @rule(
        worker=st.sampled_from(WORKERS),
        queues=st.just(frozenset())
        | st.frozensets(st.sampled_from([*QUEUES, QueueName("never-used")])),
        amount=st.sampled_from([1, 1, 2, 4, 0]),
        min_amount=st.integers(1, 4),
    )
    def claim(
        self, worker: WorkerId, queues: frozenset[QueueName], amount: int, min_amount: int
    ) -> None:
        """Look once, in some queues or in all, for several tasks or none."""
        self._claim(worker, tuple(queues), amount, min(min_amount, max(amount, 1)))

    @rule(worker=st.sampled_from(WORKERS), works=st.lists(_work(), min_size=1, max_size=3))
    def claim_and_work(self, worker: WorkerId, works: Sequence[_Work]) -> None:
        """As workers do: look for some tasks, and do something to each."""
        claimed = self._claim(worker, (), len(works), 1)
        for task, work in zip(claimed, works, strict=False):
            self._do(work, task.key, worker)

    def _claim(
        self, worker: WorkerId, queues: tuple[QueueName, ...], amount: int, min_amount: int
    ) -> list[Task]:
        request = ClaimRequest(
            worker=worker, queues=queues, amount=amount, min_amount=min_amount, block_for=ZERO
        )
        self._settle()
        return _tasks_of(self._compare(lambda side: side.claims.claim(request)))

    def _do(self, work: _Work, key: TaskKey, worker: WorkerId) -> None:
        self._last = partial(work, key=key, worker=worker)
        self._compare(self._last)

    @precondition(lambda self: self._claimed())
    @rule(which=st.integers(0, 99), work=_work())
    def work(self, which: int, work: _Work) -> None:
        """By the worker that holds a task."""
        claimed = self._claimed()
        task = claimed[which % len(claimed)]
        assert task.last_claim is not None
        self._do(work, task.key, task.last_claim.worker_id)

    @rule(key=keys, worker=st.sampled_from(WORKERS), work=_work())
    def work_on_anything(self, key: TaskKey, worker: WorkerId, work: _Work) -> None:
        """By whichever worker, on a task in whichever state."""
        self._compare(partial(work, key=key, worker=worker))

    @precondition(lambda self: self._last is not None)
    @rule()
    def repeat(self) -> None:
        """The last piece of work once more, as a client does that got no answer."""
        assert self._last is not None
        self._compare(self._last)

    def _claimed(self) -> list[Task]:
        """The tasks that are claimed, as far as is known."""
        return [task for task in self._known.values() if task.state is State.CLAIMED]

    # ---------------------------------------------------------------------------------- time

    @rule(
        milliseconds=st.sampled_from([1, 500, 1000, 10_000, 75_000, 86_400_000]),
        sweep=st.booleans(),
    )
    def wait(self, milliseconds: int, sweep: bool) -> None:
        """Time passes on both sides alike, and claims whose time is over may be ended."""
        for side in self._sides:
            side.runtime.advance(_milliseconds(milliseconds))
        if sweep:
            self._settle()
            self._compare(lambda side: side.reaper.step())
            claimed = [task.key for task in self._claimed()]
            self._compare(lambda side: side.store.get(claimed))

    # ----------------------------------------------------------------------------- comparing

    def _settle(self) -> None:
        for side in self._sides:
            side.opened.settle()

    def _compare(self, operation: Callable[[_Side], object]) -> object:
        first, second = (side.answer(operation) for side in self._sides)
        if first != second:
            self._have_differed = True
            raise AssertionError(f"the answers differ:\n  {first}\n  {second}")
        assert not any(side.runtime.holds_a_lock for side in self._sides)
        one, other = (side.runtime for side in self._sides)
        assert (one.wall(), one.monotonic()) == (other.wall(), other.monotonic())
        self._known |= {task.key: task for task in _tasks_of(first)}
        return first

    def teardown(self) -> None:
        """In the end both hold the same, find the same, and have drawn as many numbers."""
        try:
            if len(self._sides) == 2 and not self._have_differed:
                self._compare_everything()
        finally:
            for side in self._sides:
                side.opened.close()

    def _compare_everything(self) -> None:
        self._settle()
        self._compare(lambda side: side.store.get(list(self._known)))
        every = ClaimableQuery(queues=(), now=strategies.LATEST, limit=1000)
        self._compare(lambda side: side.store.find_claimable([every]))
        self._compare(lambda side: side.store.find_timed_out(before=strategies.LATEST, limit=1000))
        self._compare(lambda side: side.runtime.new_id())


def _milliseconds(number: int) -> Duration:
    return Duration(number * 1_000_000)


def _plain(queue: QueueName, kind: str) -> NewTask:
    return NewTask(
        queue=queue,
        kind=kind,
        retry_times=1,
        processing_timeout=_milliseconds(1000),
        run_at=ZERO_INSTANT,
    )


def _idempotency_key(queue: QueueName, name: str, first: str) -> str:
    """
    A key of that *name* whose task's id begins with *first*.

    An id made from a key is as good as random, and ids settle ties in the order of claims: so that
    an example can be repeated, it must not be left to chance how they sort.
    """
    runtime = FakeRuntime()
    tasks = TaskService(MemoryBackend(runtime).tasks, runtime)
    candidates = (f"{name}-{number}" for number in count())
    new = _plain(queue, "else")
    return next(
        key
        for key in candidates
        if tasks.create(new, idempotency_key=key).document.id.startswith(first)
    )


def _tasks_of(answer: object) -> list[Task]:
    """The tasks in a comparable answer."""
    if isinstance(answer, Task):
        return [answer]
    if isinstance(answer, list | tuple):
        return [task for part in answer for task in _tasks_of(part)]
    return []
