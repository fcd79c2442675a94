"""G2, G3 and G6 again, with G11: the same under real threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from tasques.core.ports import (
    Conflict,
    Create,
    Exists,
    Missing,
    Replace,
    TaskStore,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.tasks import StoredTask, Task
from tasques.testing.contract.store_fixtures import (
    Settle,
    StoreFixtures,
    claimable,
    must,
    the_task,
    written,
)
from tasques.testing.examples import NOW, queued

_T = TypeVar("_T")

_THREADS = 8


def race(runner: Callable[[int], _T], runners: int = _THREADS) -> list[_T]:
    """What *runner* gives to each of as many threads, started together; its errors are raised."""
    start = threading.Barrier(runners)
    results: dict[int, _T] = {}
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait(timeout=60)
            results[number] = runner(number)
        except BaseException as error:  # noqa: BLE001 - whatever it was, the test shall show it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    if failures:
        raise failures[0]
    return [results[number] for number in range(runners)]


def _race_writes(store: TaskStore, writes: Sequence[Write[Task]]) -> list[WriteOutcome[Task]]:
    return race(lambda number: store.write([writes[number]])[0], len(writes))


class RacingContract(StoreFixtures):
    """Several threads on one store."""

    def test_of_racing_creates_one_wins(self, store: TaskStore) -> None:
        """G2, G11: one ``Written``, all others ``Exists``, and the winner's task is there."""
        for _ in range(5):
            task = queued()
            mine = [attrs.evolve(task, priority=number) for number in range(_THREADS)]
            outcomes = _race_writes(store, [Create(document=one) for one in mine])
            winners = [outcome for outcome in outcomes if isinstance(outcome, Written)]
            assert len(winners) == 1
            assert outcomes.count(Exists()) == _THREADS - 1
            assert the_task(store, task) == winners[0].stored

    def test_of_racing_replaces_one_wins(self, store: TaskStore) -> None:
        """G3, G11: one ``Written``, all others ``Conflict``, and the winner's task is there."""
        for _ in range(5):
            [stored] = written(store, queued())
            mine = [attrs.evolve(stored.document, priority=number) for number in range(_THREADS)]
            writes = [Replace(document=one, expected=stored.version) for one in mine]
            outcomes = _race_writes(store, writes)
            winners = [outcome for outcome in outcomes if isinstance(outcome, Written)]
            assert len(winners) == 1
            assert outcomes.count(Conflict()) == _THREADS - 1
            assert the_task(store, stored.document) == winners[0].stored

    def test_no_update_is_lost(self, store: TaskStore) -> None:
        """G3, G6, G11: threads that read, add one and replace until it works, count every one."""
        [stored] = written(store, queued())
        each = 10

        def count(_: int) -> Sequence[StoredTask]:
            won: list[StoredTask] = []
            while len(won) < each:
                now = the_task(store, stored.document)
                more = attrs.evolve(now.document, priority=now.document.priority + 1)
                [outcome] = store.write([Replace(document=more, expected=now.version)])
                won += [outcome.stored] if isinstance(outcome, Written) else []
            return won

        won = [one for each_won in race(count) for one in each_won]
        won.sort(key=lambda one: one.version)
        assert [one.document.priority for one in won] == list(range(1, _THREADS * each + 1))
        assert the_task(store, stored.document) == won[-1]

    def test_each_reads_its_own_writes_among_others(self, store: TaskStore) -> None:
        """G6, G11: while all write and read, each finds what it has just written."""

        def write_and_read(number: int) -> bool:
            for _ in range(10):
                task = queued("ab"[number % 2])
                assert store.get([task.key]) == [Missing()]
                [outcome] = store.write([Create(document=task)])
                assert the_task(store, task) == must(outcome)
            return True

        assert all(race(write_and_read))

    def test_a_task_is_claimed_by_one(self, store: TaskStore, settle: Settle) -> None:
        """G3, G8, G11: threads that search and replace what they find share it out, each to one."""
        tasks = [queued("ab"[number % 2]) for number in range(60)]
        written(store, *tasks)
        settle()

        def take(number: int) -> list[str]:
            mine: list[str] = []
            for found in claimable(store, now=NOW):
                task = attrs.evolve(found.document, run_at=NOW, priority=number + 1, attempted=4)
                [outcome] = store.write([Replace(document=task, expected=found.version)])
                mine += [task.id] if isinstance(outcome, Written) else []
            return mine

        taken = [id for mine in race(take) for id in mine]
        assert sorted(taken) == sorted(task.id for task in tasks)
