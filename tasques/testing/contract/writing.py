"""G1 to G5: what the outcome of a write means."""

from __future__ import annotations

import attrs

from tasques.core import queues
from tasques.core.documents import Version
from tasques.core.ports import (
    Conflict,
    Create,
    Exists,
    Invalid,
    Missing,
    Replace,
    TaskStore,
    Write,
    Written,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import State, Task, TaskKey
from tasques.testing.contract.store_fixtures import StoreFixtures, replaced, the_task, written
from tasques.testing.examples import in_state, queued


class WritingContract(StoreFixtures):
    """Creates, replaces, and batches of them."""

    def test_outcomes_come_in_the_order_of_the_writes(self, store: TaskStore) -> None:
        """G1: one outcome for each write, at its place, whatever kinds are mixed."""
        there, moved = written(store, queued("a"), queued("a"))
        fresh = replaced(store, moved, attrs.evolve(moved.document, priority=1))
        new_one, missing, other_queue = queued("a"), queued("a"), queued("b")
        writes: list[Write[Task]] = [
            Create(document=new_one),
            Create(document=there.document),
            Replace(document=moved.document, expected=moved.version),
            Replace(document=attrs.evolve(fresh.document, priority=2), expected=fresh.version),
            Replace(document=missing, expected=fresh.version),
            Create(document=other_queue),
        ]
        outcomes = store.write(writes)
        kinds = [Written, Exists, Conflict, Written, Conflict, Written]
        assert [type(outcome) for outcome in outcomes] == kinds
        done = [outcome.stored.document for outcome in outcomes if isinstance(outcome, Written)]
        assert done == [new_one, attrs.evolve(fresh.document, priority=2), other_queue]

    def test_nothing_asked_nothing_done(self, store: TaskStore) -> None:
        """G1: empty batches have no outcomes."""
        assert list(store.write([])) == []
        assert list(store.get([])) == []
        assert list(store.find_claimable([])) == []

    def test_a_large_batch_has_as_many_outcomes(self, store: TaskStore) -> None:
        """G1, G5: five hundred writes, every third of which fails, each with its own outcome."""
        tasks = [queued("a") for _ in range(500)]
        written(store, *tasks[::3])
        outcomes = store.write([Create(document=task) for task in tasks])
        assert len(outcomes) == 500
        for number, (task, outcome) in enumerate(zip(tasks, outcomes, strict=True)):
            if number % 3 == 0:
                assert outcome == Exists()
            else:
                assert isinstance(outcome, Written)
                assert outcome.stored.document == task

    def test_a_key_is_created_once(self, store: TaskStore) -> None:
        """G2: in whatever state the first one is, the second create changes nothing."""
        stored = written(store, *(in_state(state) for state in State))
        again = [attrs.evolve(first.document, priority=9, state=State.QUEUED) for first in stored]
        assert store.write([Create(document=task) for task in again]) == [Exists()] * len(State)
        assert list(store.get([task.key for task in again])) == stored

    def test_an_id_is_free_in_every_other_queue(self, store: TaskStore) -> None:
        """G2: ids are unique within their queue, not beyond."""
        [one] = written(store, queued("a"))
        [other] = written(store, queued("b", id=one.document.id))
        assert the_task(store, one.document) == one
        assert the_task(store, other.document) == other

    def test_a_replace_takes_the_place_of_the_version_expected(self, store: TaskStore) -> None:
        """G3: on the present version it is done, on any other it conflicts and changes nothing."""
        [first] = written(store, queued())
        second = replaced(store, first, attrs.evolve(first.document, priority=1))
        third = attrs.evolve(first.document, priority=2)
        term, number = second.version.primary_term, second.version.seq_no
        for wrong in (first.version, Version(term, number + 1), Version(term + 1, number)):
            assert store.write([Replace(document=third, expected=wrong)]) == [Conflict()]
            assert the_task(store, first.document) == second
        assert replaced(store, second, third).document == third

    def test_a_replace_of_what_is_not_there_conflicts(self, store: TaskStore) -> None:
        """G3: nothing is created by it, neither in a queue that is used nor in one that is not."""
        [stored] = written(store, queued("a"))
        for task in (queued("a"), queued("never-used")):
            assert store.write([Replace(document=task, expected=stored.version)]) == [Conflict()]
            assert store.get([task.key]) == [Missing()]

    def test_versions_grow(self, store: TaskStore) -> None:
        """G4: each write of a document has a greater version than the one before, as told and read."""
        [stored] = written(store, queued())
        for priority in range(5):
            after = replaced(store, stored, attrs.evolve(stored.document, priority=priority))
            assert after.version > stored.version
            assert the_task(store, stored.document).version == after.version
            stored = after

    def test_versions_tell_documents_apart_from_their_neighbours(self, store: TaskStore) -> None:
        """G4, G5: writes of one document leave the versions of the others alone."""
        one, other = written(store, queued(), queued())
        replaced(store, one, attrs.evolve(one.document, priority=1))
        assert the_task(store, other.document) == other

    def test_what_no_store_can_hold_is_invalid_and_hurts_nobody(self, store: TaskStore) -> None:
        """G5: a name that breaks the rules of all stores is refused for good, its neighbours not."""
        unfit = [
            queued(id=TaskId("i" * (queues.MAX_ID_BYTES + 1))),
            queued(id=TaskId("é" * (queues.MAX_ID_BYTES // 2 + 1))),
            queued("q" * (queues.MAX_QUEUE_BYTES + 1)),
            queued("Q"),
            queued("a#b"),
        ]
        one, other = queued("a"), queued("a")
        outcomes = store.write([Create(document=task) for task in (one, *unfit, other)])
        assert [type(outcome) for outcome in outcomes] == [Written, *[Invalid] * 5, Written]
        assert the_task(store, one).document == one
        assert the_task(store, other).document == other

    def test_the_same_write_twice_in_one_call_is_done_once(self, store: TaskStore) -> None:
        """G2, G3: a caller that breaks its promise gets one ``Written`` all the same."""
        task = queued()
        assert _written_of(store, [Create(document=task)] * 2) == 1
        stored = the_task(store, task)
        again = attrs.evolve(task, priority=1)
        assert _written_of(store, [Replace(document=again, expected=stored.version)] * 2) == 1
        assert the_task(store, task).document == again

    def test_the_same_write_after_the_other_is_no_news(self, store: TaskStore) -> None:
        """G2, G3: a repeated try meets its own first one, and never counts as a second."""
        task = queued()
        [first] = written(store, task)
        assert store.write([Create(document=task)]) == [Exists()]
        write = Replace(document=attrs.evolve(task, priority=1), expected=first.version)
        assert _written_of(store, [write]) == 1
        assert store.write([write]) == [Conflict()]

    def test_a_document_stays_in_its_queue(self, store: TaskStore) -> None:
        """G5: a key names one document; a queue whose name begins alike is another one."""
        [stored] = written(store, queued("jobs"))
        for name in ("jobs2", "job", "jobs-"):
            assert store.get([TaskKey(QueueName(name), stored.document.id)]) == [Missing()]
        assert the_task(store, stored.document) == stored


def _written_of(store: TaskStore, writes: list[Write[Task]]) -> int:
    outcomes = store.write(writes)
    assert len(outcomes) == len(writes)
    return sum(isinstance(outcome, Written) for outcome in outcomes)
