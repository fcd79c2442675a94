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
from tasques.core.listing import ListOrder, Position, TaskQuery
from tasques.core.operations import Swept, TaskOperation
from tasques.core.ports import ClaimableQuery
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.service.changes import Change
from tasques.core.service.creations import Creation
from tasques.core.service.task_service import TaskService
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask, State, Task, TaskKey
from tasques.core.values import ZERO, ZERO_INSTANT, Duration
from tasques.testing import strategies
from tasques.testing.contract.store_fixtures import put_away
from tasques.testing.fake_runtime import FakeRuntime
from tasques.testing.lockstep_moves import (
    QUEUES,
    WORKERS,
    Meant,
    Wanted,
    Work,
    meant_tasks,
    milliseconds,
    operations,
    pieces_of_work,
    wanted_tasks,
)
from tasques.testing.lockstep_side import Open, Opened, Side

__all__ = ["LockstepMachine", "Open", "Opened"]

_examples = count(1)


class LockstepMachine(RuleBasedStateMachine):
    """
    Drives two stores through the services, and compares every answer.

    Run it with :func:`hypothesis.stateful.run_state_machine_as_test`::

        run_state_machine_as_test(lambda: LockstepMachine(open_one, open_other))

    Args:
        first: Opens a store for an example; it may be the one of the examples before.
        second: The same for the other one.
        interferes: Whether waiting tasks are changed by others than those who claim: by operators,
            and by sweeps that end what has expired. Not where one side alone remembers tasks because
            its searches lag behind: a claim may lose a race for what it remembers.
    """

    keys: Bundle[TaskKey] = Bundle("keys")

    def __init__(self, first: Open, second: Open, *, interferes: bool = True) -> None:
        super().__init__()
        self._interferes = interferes
        self._open = (first, second)
        self._sides: list[Side] = []
        self._known: dict[TaskKey, Task] = {}
        self._last: Callable[[Side], object] | None = None
        self._have_differed = False

    @initialize()
    def begin(self) -> None:
        """Open both, and let nothing of the examples before be found."""
        self._example = next(_examples)
        for open_store in self._open:
            self._sides.append(Side(open_store, self._example))
            put_away(self._sides[-1].store, self._sides[-1].opened.settle)

    # --------------------------------------------------------------------- creating and reading

    @rule(target=keys, wanted=st.lists(wanted_tasks(), min_size=1, max_size=3))
    def create(self, wanted: Sequence[Wanted]) -> MultipleResults[TaskKey]:
        """Tasks of any kind, with ids of their own or without."""
        return multiple(*(self._create(one) for one in wanted))

    def _create(self, wanted: Wanted) -> TaskKey:
        id = self._id(len(self._known), wanted)
        new = self._wanted(wanted).at(self._sides[0].runtime.wall(), id)
        [task] = _tasks_of(self._compare(lambda side: side.tasks.create(new)))
        return task.key

    def _id(self, number: int, wanted: Wanted) -> TaskId | None:
        return TaskId(f"{self._example:012x}-{number:04d}") if wanted.has_id else None

    def _wanted(self, wanted: Wanted) -> Wanted:
        return wanted if self._interferes else attrs.evolve(wanted, expires_in=None)

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

    @rule(target=keys, wanted=st.lists(wanted_tasks(), max_size=4), twice=st.booleans())
    def create_many(self, wanted: Sequence[Wanted], twice: bool) -> MultipleResults[TaskKey]:
        """Tasks of any kind with one write; those with ids may be among them twice."""
        now, first = self._sides[0].runtime.wall(), len(self._known)
        creations = [
            Creation(new=self._wanted(each).at(now, self._id(first + number, each)))
            for number, each in enumerate(wanted)
        ]
        again = [each for each in creations if twice and each.new.id is not None]
        answer = self._compare(lambda side: side.tasks.create_many([*creations, *again]))
        return multiple(*(task.key for task in _tasks_of(answer)))

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

    @rule(worker=st.sampled_from(WORKERS), works=st.lists(pieces_of_work(), min_size=1, max_size=3))
    def claim_and_work(self, worker: WorkerId, works: Sequence[Work]) -> None:
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

    def _do(self, work: Work, key: TaskKey, worker: WorkerId) -> None:
        self._last = partial(work, key=key, worker=worker)
        self._compare(self._last)

    @precondition(lambda self: self._claimed())
    @rule(which=st.integers(0, 99), work=pieces_of_work())
    def work(self, which: int, work: Work) -> None:
        """By the worker that holds a task."""
        claimed = self._claimed()
        task = claimed[which % len(claimed)]
        assert task.last_claim is not None
        self._do(work, task.key, task.last_claim.worker_id)

    @rule(key=keys, worker=st.sampled_from(WORKERS), work=pieces_of_work())
    def work_on_anything(self, key: TaskKey, worker: WorkerId, work: Work) -> None:
        """By whichever worker, on a task in whichever state."""
        self._compare(partial(work, key=key, worker=worker))

    @rule(
        asked=st.lists(
            st.tuples(keys, st.sampled_from(WORKERS), pieces_of_work()), min_size=1, max_size=4
        )
    )
    def work_on_many(self, asked: Sequence[tuple[TaskKey, WorkerId, Work]]) -> None:
        """The same to several with one write, and perhaps to one of them twice."""
        changes = [work.among_others(key, worker) for key, worker, work in asked]
        self._last = partial(_change_many, changes)
        self._compare(self._last)

    @precondition(lambda self: self._last is not None)
    @rule()
    def repeat(self) -> None:
        """The last piece of work once more, as a client does that got no answer."""
        assert self._last is not None
        self._compare(self._last)

    def _claimed(self) -> list[Task]:
        """The tasks that are claimed, as far as is known."""
        return [task for task in self._known.values() if task.state is State.CLAIMED]

    # ----------------------------------------------------------------------------- operating

    @precondition(lambda self: self._interferes)
    @rule(key=keys, operation=operations())
    def operate(self, key: TaskKey, operation: TaskOperation) -> None:
        """What an operator does to a task in whichever state."""
        self._compare(lambda side: side.operators.apply(operation, key))

    @precondition(lambda self: self._interferes)
    @rule(
        meant=meant_tasks(),
        operation=operations(),
        limit=st.sampled_from([1, 3, 1000]),
        dry_run=st.sampled_from([False, False, True]),
    )
    def operate_on_many(
        self, meant: Meant, operation: TaskOperation, limit: int, dry_run: bool
    ) -> None:
        """The same to all that are meant, page by page."""
        filter = meant.at(self._sides[0].runtime.wall())

        def page(after: Position | None, side: Side) -> Swept:
            return side.operators.sweep(
                operation, filter, after=after, limit=limit, dry_run=dry_run
            )

        swept = self._page(partial(page, None))
        while swept.next is not None:
            swept = self._page(partial(page, swept.next))
        self._look_at_all()

    def _page(self, page: Callable[[Side], Swept]) -> Swept:
        self._settle()
        swept = self._compare(page)
        assert isinstance(swept, Swept)
        return swept

    @rule(
        meant=meant_tasks(),
        order=st.sampled_from(ListOrder),
        limit=st.sampled_from([1, 3, 1000]),
    )
    def list_tasks(self, meant: Meant, order: ListOrder, limit: int) -> None:
        """Page by page to the end."""
        query = TaskQuery(filter=meant.at(self._sides[0].runtime.wall()), order=order, limit=limit)
        self._settle()
        while True:
            ask = partial(_find, query)
            found = _tasks_of(self._compare(ask))
            if len(found) < limit:
                break
            query = attrs.evolve(query, after=Position.of(found[-1]))

    @rule()
    def look_at_queues(self) -> None:
        """How they stand."""
        self._settle()
        self._compare(_overview)

    # ---------------------------------------------------------------------------------- time

    @rule(
        passing=st.sampled_from([1, 500, 1000, 10_000, 75_000, 86_400_000]).map(milliseconds),
        sweep=st.booleans(),
    )
    def wait(self, passing: Duration, sweep: bool) -> None:
        """Time passes on both sides alike, and claims and tasks whose time is over may be ended."""
        for side in self._sides:
            side.runtime.advance(passing)
        if sweep:
            self._settle()
            self._compare(lambda side: side.reaper.step())
            self._look_at_all()

    # ----------------------------------------------------------------------------- comparing

    def _look_at_all(self) -> None:
        self._compare(lambda side: side.store.get(list(self._known)))

    def _settle(self) -> None:
        for side in self._sides:
            side.opened.settle()

    def _compare(self, operation: Callable[[Side], object]) -> object:
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
        self._look_at_all()
        self._compare(_overview)
        every = ClaimableQuery(queues=(), now=strategies.LATEST, limit=1000)
        self._compare(lambda side: side.store.find_claimable([every]))
        self._compare(lambda side: side.store.find_timed_out(before=strategies.LATEST, limit=1000))
        self._compare(lambda side: side.store.find_expired(before=strategies.LATEST, limit=1000))
        self._compare(lambda side: side.runtime.new_id())


def _find(query: TaskQuery, side: Side) -> object:
    return side.operators.find(query)


def _change_many(changes: Sequence[Change], side: Side) -> object:
    return side.tasks.change_many(changes)


def _overview(side: Side) -> object:
    """How the queues stand that have tasks; others may be left over from the examples before."""
    overview = side.operators.queues()
    return overview.as_of, [queue for queue in overview.queues if queue.counts]


def _plain(queue: QueueName, kind: str) -> NewTask:
    return NewTask(
        queue=queue,
        kind=kind,
        retry_times=1,
        processing_timeout=milliseconds(1000),
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
