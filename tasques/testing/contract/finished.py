"""G8 and G12: which finished tasks are proposed for the archive, and how many are not finished."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core import lifecycle
from tasques.core.archive import finished_at
from tasques.core.ports import Create, FinishedQuery, TaskStore, Written
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import State, StoredTask, Task
from tasques.core.values import Duration, Instant
from tasques.testing import strategies
from tasques.testing.contract.deleting import deletion
from tasques.testing.contract.racing import race
from tasques.testing.contract.store_fixtures import (
    SHARED_STORE,
    Settle,
    StoreFixtures,
    put_away,
    replaced,
    written,
)
from tasques.testing.examples import NOW, WORKER, at, claimed, in_state, queued

A, B = QueueName("a"), QueueName("b")
HOURLY, DAILY = RecurringTaskId("hourly"), RecurringTaskId("daily")


def done(seconds: float = 0, queue: str = "q", recurring_task_id: str | None = None) -> Task:
    """A task that was done so many seconds after ``NOW``."""
    task = attrs.evolve(claimed(queue), recurring_task_id=recurring_task_id)
    return lifecycle.complete(task, worker=WORKER, data=None, now=at(seconds))


def cancelled(seconds: float = 0, queue: str = "q") -> Task:
    """A task that was cancelled so many seconds after ``NOW``, before anybody claimed it."""
    return lifecycle.cancel(queued(queue), now=at(seconds))


def finished(
    store: TaskStore,
    *,
    before: Instant = NOW,
    recurring_before: Instant | None = None,
    limit: int = 100,
    but: Sequence[StoredTask] = (),
) -> list[StoredTask]:
    """What is proposed for the archive."""
    query = FinishedQuery(
        before=before,
        recurring_before=before if recurring_before is None else recurring_before,
        limit=limit,
        but=tuple(but),
    )
    return list(store.find_finished(query))


class FinishedContract(StoreFixtures):
    """Tasks to archive."""

    def test_what_is_done_or_dead_is_finished(self, store: TaskStore, settle: Settle) -> None:
        """G8: once settled, and nothing else."""
        stored = {state: written(store, in_state(state))[0] for state in State}
        settle()
        found = finished(store, before=at(10**9))
        expected = [stored[State.DONE], stored[State.DEAD]]
        assert sorted(found, key=_id) == sorted(expected, key=_id)

    def test_those_finished_for_the_longest_come_first(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """G8: of all queues, with a result and without, and no more than asked for."""
        seconds = [5, 1, 4, 2, 3, 0]
        made = [done(s, "abc"[s % 3]) if s % 2 else cancelled(s, "abc"[s % 3]) for s in seconds]
        stored = sorted(written(store, *made), key=_finish)
        settle()
        for limit in (1, 2, 6, 7):
            assert finished(store, before=at(9), limit=limit) == stored[:limit]
        assert finished(store, before=at(3)) == stored[:4]

    def test_a_task_is_finished_to_the_nanosecond(self, store: TaskStore, settle: Settle) -> None:
        """G8: at its moment it is proposed, and not before."""
        moment = NOW.plus(Duration(500_000))
        early, late = moment.plus(Duration(-1)), moment
        for task in (done(0.0005), cancelled(0.0005)):
            [stored] = written(store, task)
            settle()
            assert finished(store, before=early) == []
            assert finished(store, before=late) == [stored]
            store.write([deletion(stored)])

    def test_the_result_says_when_and_no_later_change(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """G8: the last change counts only where there is no result."""
        [stored] = written(store, attrs.evolve(done(0), modified_at=at(3600)))
        written(store, attrs.evolve(cancelled(0), created_at=at(-3600), modified_at=at(3600)))
        settle()
        assert finished(store, before=at(1800)) == [stored]

    def test_tasks_of_recurring_tasks_have_a_limit_of_their_own(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """G8: whichever of the two is earlier."""
        [plain] = written(store, done(1))
        [slot] = written(store, done(2, recurring_task_id=HOURLY))
        cancelled_slot = attrs.evolve(cancelled(3), recurring_task_id=HOURLY)
        [other] = written(store, cancelled_slot)
        settle()
        assert finished(store, before=at(9), recurring_before=at(0)) == [plain]
        assert finished(store, before=at(0), recurring_before=at(9)) == [slot, other]
        assert finished(store, before=at(9), recurring_before=at(2)) == [plain, slot]
        assert finished(store, before=at(9), recurring_before=at(9), limit=2) == [plain, slot]

    def test_versions_that_are_known_are_passed_over(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """G8: a thousand of them hide nothing; one that has moved is proposed again."""
        stored = sorted(written(store, *(done(n) for n in range(1003))), key=_finish)
        settle()
        known = stored[:1000]
        assert finished(store, before=at(9999), limit=2, but=known) == stored[1000:1002]
        moved = replaced(store, stored[0], attrs.evolve(stored[0].document, priority=1))
        settle()
        assert finished(store, before=at(9999), limit=2, but=known) == [moved, stored[1000]]

    def test_what_was_deleted_is_not_found(self, store: TaskStore, settle: Settle) -> None:
        """G8: once settled, by no search; its id may be used again."""
        tasks = [done(), queued(), claimed()]
        stored = written(store, *tasks)
        store.write([deletion(one) for one in stored])
        settle()
        assert finished(store) == []
        put_away(store, settle)
        [again] = written(store, attrs.evolve(tasks[0], priority=1))
        settle()
        assert finished(store) == [again]

    def test_nothing_is_finished_in_an_empty_store(self, store: TaskStore) -> None:
        """G8: before anything was ever written, nothing is found and nothing fails."""
        assert finished(store) == []

    @settings(max_examples=10, suppress_health_check=SHARED_STORE)
    @given(
        tasks=strategies.lists_of_distinct_tasks(
            strategies.tasks(
                queues=st.sampled_from([A, B]),
                times=st.integers(-3, 3).map(at),
            ),
            max_size=15,
        ),
        before=st.integers(-3, 3),
        recurring_before=st.integers(-3, 3),
    )
    def test_finished_tasks_are_those_a_look_at_all_would_find(
        self,
        store: TaskStore,
        settle: Settle,
        tasks: Sequence[Task],
        before: int,
        recurring_before: int,
    ) -> None:
        """G7, G8: whole, with their versions, whatever their history."""
        put_away(store, settle)
        outcomes = store.write([Create(document=task) for task in tasks])
        stored = [outcome.stored for outcome in outcomes if isinstance(outcome, Written)]
        assert len(stored) == len(tasks)
        settle()
        found = finished(store, before=at(before), recurring_before=at(recurring_before))
        expected = [
            one
            for one in stored
            if one.document.state.is_final
            and finished_at(one.document)
            <= at(before if one.document.recurring_task_id is None else recurring_before)
        ]
        assert [finished_at(one.document) for one in found] == sorted(
            finished_at(one.document) for one in expected
        )
        assert sorted(found, key=_key) == sorted(expected, key=_key)


class OutstandingContract(StoreFixtures):
    """Tasks that a recurring task made and that are not finished."""

    def test_what_is_not_finished_is_outstanding(self, store: TaskStore) -> None:
        """G12: queued, claimed and failed ones, right after the write, without settling."""
        for number, state in enumerate((State.QUEUED, State.CLAIMED, State.FAILED), 1):
            written(store, attrs.evolve(in_state(state), recurring_task_id=HOURLY))
            assert store.count_outstanding(QueueName("q"), HOURLY) == number
        for state in (State.DONE, State.DEAD):
            written(store, attrs.evolve(in_state(state), recurring_task_id=HOURLY))
            assert store.count_outstanding(QueueName("q"), HOURLY) == 3

    def test_each_recurring_task_and_each_queue_is_counted_apart(self, store: TaskStore) -> None:
        """G12: tasks of others, of nobody and elsewhere do not count."""
        made = [(HOURLY, A), (HOURLY, A), (HOURLY, B), (DAILY, A), (None, A), ("hourly2", A)]
        written(store, *(attrs.evolve(queued(q), recurring_task_id=id) for id, q in made))
        assert store.count_outstanding(A, HOURLY) == 2
        assert store.count_outstanding(B, HOURLY) == 1
        assert store.count_outstanding(A, DAILY) == 1
        assert store.count_outstanding(B, DAILY) == 0

    def test_nothing_is_outstanding_in_a_queue_that_was_never_used(self, store: TaskStore) -> None:
        """G12: neither in an empty store nor beside others."""
        assert store.count_outstanding(A, HOURLY) == 0
        written(store, attrs.evolve(queued("b"), recurring_task_id=HOURLY))
        assert store.count_outstanding(A, HOURLY) == 0

    def test_the_count_follows_every_write(self, store: TaskStore) -> None:
        """G12: a task that ends, is queued again or is deleted counts no more, or again, at once."""
        task = attrs.evolve(claimed(), recurring_task_id=HOURLY)
        queue = task.queue
        [stored] = written(store, task)
        assert store.count_outstanding(queue, HOURLY) == 1
        over = replaced(store, stored, lifecycle.complete(task, worker=WORKER, data=None, now=NOW))
        assert store.count_outstanding(queue, HOURLY) == 0
        again = replaced(store, over, task)
        assert store.count_outstanding(queue, HOURLY) == 1
        store.write([deletion(again)])
        assert store.count_outstanding(queue, HOURLY) == 0

    def test_ids_are_compared_as_they_are(self, store: TaskStore) -> None:
        """G12: no character means anything, and none is like another."""
        ids = ["a", "A", "a b", "a*", "é", "e\u0301", "i" * 512, "日本", '"', "\\"]
        written(store, *(attrs.evolve(queued(), recurring_task_id=id) for id in ids))
        for id in ids:
            assert store.count_outstanding(QueueName("q"), RecurringTaskId(id)) == 1, id
        assert store.count_outstanding(QueueName("q"), RecurringTaskId("i" * 511)) == 0

    def test_each_counts_its_own_writes_among_others(self, store: TaskStore) -> None:
        """G11, G12: while all write and count, nobody misses what it has just written."""

        def write_and_count(number: int) -> bool:
            mine = RecurringTaskId(f"recurring-{number}")
            for written_so_far in range(1, 6):
                written(store, attrs.evolve(queued(), recurring_task_id=mine))
                assert store.count_outstanding(QueueName("q"), mine) == written_so_far
            return True

        assert all(race(write_and_count, 4))


def _id(stored: StoredTask) -> str:
    return stored.document.id


def _key(stored: StoredTask) -> tuple[str, str]:
    return stored.document.queue, stored.document.id


def _finish(stored: StoredTask) -> Instant:
    return finished_at(stored.document)
