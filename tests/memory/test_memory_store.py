"""
The in-memory store, beside the plainest one there could be.

What every store has to do is in tests/contract; here is what this one does on top, and that its
indexes find what a look at every document would find.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from tasques.adapters.memory.backend import MemoryBackend
from tasques.adapters.memory.waiting import WaitingTasks
from tasques.core import lifecycle
from tasques.core.archive import finished_at
from tasques.core.documents import Stored, Version
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    ClaimableQuery,
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    FinishedQuery,
    Invalid,
    Missing,
    Replace,
    TaskStore,
    Written,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import MAX_PRIORITY, MAX_RETRY_TIMES, NewTask, StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant
from tasques.testing import strategies
from tasques.testing.examples import NOW
from tasques.testing.fake_runtime import FakeRuntime

SECOND = Duration.of_seconds(1)
QUEUES = tuple(QueueName(name) for name in "abc")
RECURRING = tuple(RecurringTaskId(id) for id in ("hourly", "daily"))


@pytest.fixture
def store() -> TaskStore:
    return MemoryBackend(FakeRuntime()).tasks


def queued(id: str = "t", queue: str = "a", run_at: Instant = NOW, priority: int = 0) -> Task:
    """A waiting task."""
    new = NewTask(
        queue=QueueName(queue),
        kind="k",
        retry_times=3,
        processing_timeout=SECOND,
        run_at=run_at,
        priority=priority,
    )
    return lifecycle.create(new, id=TaskId(id), now=NOW)


def test_a_write_is_found_at_once(store: TaskStore) -> None:
    """There is nothing to wait for: it says so, and a search sees the last write."""
    assert store.traits.visibility_lag == Duration(0)
    assert not store.traits.is_remote
    [outcome] = store.write([Create(document=queued())])
    assert isinstance(outcome, Written)
    [[found]] = store.find_claimable([ClaimableQuery(queues=(), now=NOW, limit=10)])
    assert found == outcome.stored


def test_two_writes_of_one_key_in_one_call_go_one_after_the_other(store: TaskStore) -> None:
    """As in a bulk request of Elasticsearch: the second meets what the first has done."""
    first, second = store.write([Create(document=queued()), Create(document=queued(priority=1))])
    assert isinstance(first, Written)
    assert second == Exists()
    expected = first.stored.version
    third, fourth = store.write([Replace(document=queued(priority=2), expected=expected)] * 2)
    assert isinstance(third, Written)
    assert fourth == Conflict()
    assert store.get([TaskKey(QueueName("a"), TaskId("t"))]) == [third.stored]


@pytest.mark.parametrize(
    "task",
    [
        queued(id=""),
        queued(id="i" * 513),
        queued(id="é" * 257),
        queued(id="\ud800"),
        queued(queue=""),
        queued(queue="A"),
        queued(queue="a#b"),
        queued(queue="q" * 241),
        attrs.evolve(queued(), priority=MAX_PRIORITY + 1),
        attrs.evolve(queued(), retry_times=MAX_RETRY_TIMES + 1),
        attrs.evolve(queued(), retry_times=-1),
    ],
    ids=lambda task: f"{task.queue[:5]}-{task.id[:5]!r}-{task.priority}-{task.retry_times}",
)
def test_what_elasticsearch_would_refuse_is_refused(store: TaskStore, task: Task) -> None:
    """A store that takes more than the others would hide faults until production."""
    for write in (Create(document=task), Replace(document=task, expected=Version(1, 1))):
        outcomes = store.write([Create(document=queued(id="neighbour", queue="n")), write])
        assert isinstance(outcomes[1], Invalid)
    [neighbour] = store.get([TaskKey(QueueName("n"), TaskId("neighbour"))])
    assert isinstance(neighbour, Stored)


def test_the_first_of_many_queues_come_together(store: TaskStore) -> None:
    """Over all queues there is one order; in one place of it, queues go by their names."""
    tasks = [
        queued(id="x", queue="c", priority=1),
        queued(id="y", queue="a"),
        queued(id="y", queue="b"),
        queued(id="z", queue="a"),
    ]
    store.write([Create(document=task) for task in reversed(tasks)])
    [found] = store.find_claimable([ClaimableQuery(queues=(), now=NOW, limit=3)])
    assert [stored.document for stored in found] == tasks[:3]


def test_a_million_small_tasks_fit_into_two_gibibytes(store: TaskStore) -> None:
    """Of some thousand tasks each takes less than two kibibytes, with all that finds it."""
    amount = 4000
    tracemalloc.start()
    try:
        for number in range(amount):
            task = queued(id=f"{number:032x}", run_at=NOW.plus(Duration(number)))
            store.write(
                [Create(document=attrs.evolve(task, args=JsonObject(f'{{"n":"{number}"}}')))]
            )
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / amount < 2048


# ------------------------------------------------------------------------- the waiting tasks


def some_waiting() -> st.SearchStrategy[list[Task]]:
    """Waiting tasks of one queue, few enough different times and priorities to make ties."""
    times = st.integers(-3, 3).map(lambda seconds: NOW.plus(Duration.of_seconds(seconds)))
    tasks = st.builds(
        queued,
        id=st.text("abc", min_size=1, max_size=4),
        run_at=times,
        priority=st.integers(-1, 1),
    )
    return st.lists(tasks, unique_by=lambda task: task.id, max_size=20)


@given(some_waiting(), some_waiting(), st.lists(st.integers(-4, 4), max_size=6))
def test_those_due_come_in_the_order_of_claims(
    early: list[Task], late: list[Task], looks: Sequence[int]
) -> None:
    """Whenever one looks, forward or back in time, and whenever they were added."""
    waiting = WaitingTasks()
    for task in early:
        waiting.add(task)
    everything = {task.id: task for task in early}
    for seconds in looks:
        now = NOW.plus(Duration.of_seconds(seconds))
        due = [task for task in everything.values() if task.run_at <= now]
        expected = [task.id for task in sorted(due, key=lambda task: task.claim_order)]
        assert [id for _, id in waiting.due(now)] == expected
        assert len(waiting) == len(everything)
        if late:
            task = late.pop()
            if task.id in everything:
                waiting.remove(everything.pop(task.id))
            else:
                everything[task.id] = task
                waiting.add(task)


@pytest.mark.parametrize("behind", [1, 500_000_000, 1_000_000_000, 1_000_000_001])
def test_a_clock_a_little_behind_sees_nothing_too_early(behind: int) -> None:
    """However little, and whatever has ripened for others meanwhile."""
    waiting = WaitingTasks()
    waiting.add(queued(id="early", run_at=NOW.plus(Duration(-behind))))
    waiting.add(queued(id="late", run_at=NOW))
    assert [id for _, id in waiting.due(NOW)] == ["early", "late"]
    assert [id for _, id in waiting.due(NOW.plus(Duration(-behind)))] == ["early"]
    assert [id for _, id in waiting.due(NOW)] == ["early", "late"]


def test_what_does_not_wait_cannot_be_removed() -> None:
    """An index that lost something would rather fail than go on."""
    waiting = WaitingTasks()
    with pytest.raises(ValueError, match="not in list"):
        waiting.remove(queued(run_at=NOW))
    list(waiting.due(NOW))
    with pytest.raises(ValueError, match="not in list"):
        waiting.remove(queued(run_at=NOW))


# ------------------------------------------------------------------- beside a plain dictionary


TIMES = st.integers(-5, 5).map(lambda seconds: NOW.plus(Duration.of_seconds(seconds)))


@st.composite
def some_tasks(draw: st.DrawFn) -> Task:
    """Any legal task of few queues, ids, times and recurring tasks."""
    ids = st.sampled_from("xyz").map(TaskId)
    task = draw(strategies.tasks(queues=st.sampled_from(QUEUES), ids=ids, times=TIMES))
    recurring = draw(st.none() | st.sampled_from(RECURRING))
    return attrs.evolve(task, recurring_task_id=recurring)


class BesideADictionary(RuleBasedStateMachine):
    """Any legal documents in any order; every search is compared with a look at all of them."""

    keys: Bundle[TaskKey] = Bundle("keys")
    times = TIMES
    documents = some_tasks()

    @initialize()
    def begin(self) -> None:
        self.store = MemoryBackend(FakeRuntime()).tasks
        self.expected: dict[TaskKey, StoredTask] = {}
        self.latest = Version(0, 0)

    @rule(target=keys, task=documents)
    def create(self, task: Task) -> TaskKey:
        [outcome] = self.store.write([Create(document=task)])
        if task.key in self.expected:
            assert outcome == Exists()
        else:
            self.written(outcome, task)
        return task.key

    @rule(key=keys, task=documents, moved=st.integers(-1, 1))
    def replace(self, key: TaskKey, task: Task, moved: int) -> None:
        if key not in self.expected:
            return
        task = attrs.evolve(task, queue=key.queue, id=key.id)
        current = self.expected[key].version
        expected = Version(current.primary_term, current.seq_no + moved)
        [outcome] = self.store.write([Replace(document=task, expected=expected)])
        if moved:
            assert outcome == Conflict()
        else:
            self.written(outcome, task)

    @rule(task=documents)
    def replace_what_may_be_missing(self, task: Task) -> None:
        [outcome] = self.store.write([Replace(document=task, expected=Version(1, 0))])
        assert outcome == Conflict()

    @rule(key=consumes(keys), moved=st.integers(-1, 1))
    def delete(self, key: TaskKey, moved: int) -> None:
        if key not in self.expected:
            return
        current = self.expected[key]
        expected = Version(current.version.primary_term, current.version.seq_no + moved)
        [outcome] = self.store.write([Delete(document=current.document, expected=expected)])
        if moved:
            assert outcome == Conflict()
        else:
            assert outcome == Deleted()
            del self.expected[key]

    def written(self, outcome: object, task: Task) -> None:
        assert isinstance(outcome, Written)
        assert outcome.stored.document == task
        assert outcome.stored.version > self.latest
        self.latest = outcome.stored.version
        self.expected[task.key] = outcome.stored

    @rule(
        queues=st.lists(st.sampled_from(QUEUES), unique=True),
        now=times,
        limit=st.integers(0, 9),
    )
    def find_claimable(self, queues: list[QueueName], now: Instant, limit: int) -> None:
        query = ClaimableQuery(queues=tuple(sorted(queues)), now=now, limit=limit)
        [found] = self.store.find_claimable([query])
        fitting = [
            stored
            for stored in self.expected.values()
            if lifecycle.is_due(stored.document, now)
            and (not queues or stored.document.queue in queues)
        ]
        fitting.sort(key=lambda stored: (stored.document.claim_order, stored.document.queue))
        assert found == fitting[:limit]

    @rule(before=times, limit=st.integers(0, 9))
    def find_timed_out(self, before: Instant, limit: int) -> None:
        found = self.store.find_timed_out(before=before, limit=limit)
        over = [s for s in self.expected.values() if lifecycle.has_timed_out(s.document, before)]
        over.sort(key=_time_out_order)
        assert found == over[:limit]

    @rule(before=times, recurring_before=times, limit=st.integers(0, 9), data=st.data())
    def find_finished(
        self, before: Instant, recurring_before: Instant, limit: int, data: st.DataObject
    ) -> None:
        everything = list(self.expected.values())
        but = data.draw(st.lists(st.sampled_from(everything))) if everything else []
        query = FinishedQuery(
            before=before, recurring_before=recurring_before, limit=limit, but=tuple(but)
        )
        over = [
            stored
            for stored in everything
            if stored.document.state.is_final
            and finished_at(stored.document)
            <= (before if stored.document.recurring_task_id is None else recurring_before)
            and stored not in but
        ]
        over.sort(key=lambda s: (finished_at(s.document), s.document.id, s.document.queue))
        assert self.store.find_finished(query) == over[:limit]

    @rule(queue=st.sampled_from(QUEUES), id=st.sampled_from(RECURRING))
    def count_outstanding(self, queue: QueueName, id: RecurringTaskId) -> None:
        outstanding = [
            stored
            for stored in self.expected.values()
            if stored.document.queue == queue
            and stored.document.recurring_task_id == id
            and not stored.document.state.is_final
        ]
        assert self.store.count_outstanding(queue, id) == len(outstanding)

    @rule(key=consumes(keys))
    def get(self, key: TaskKey) -> None:
        assert self.store.get([key]) == [self.expected.get(key, Missing())]


def _time_out_order(stored: StoredTask) -> tuple[Instant, str, str]:
    assert stored.document.last_claim is not None
    return stored.document.last_claim.times_out_at, stored.document.id, stored.document.queue


TestBesideADictionary = BesideADictionary.TestCase
