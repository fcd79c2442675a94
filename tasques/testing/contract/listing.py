"""What operators ask of the store of tasks: listings, summaries, expiry; and the store of policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from tasques.core.documents import Version
from tasques.core.listing import ListOrder, Position, TaskFilter, TaskQuery
from tasques.core.policies import QueuePolicy
from tasques.core.ports import (
    Backend,
    ClaimableQuery,
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    Missing,
    PolicyStore,
    Replace,
    TaskStore,
    Written,
)
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.tasks import Extensions, State, StoredTask, Task
from tasques.core.values import Instant
from tasques.testing.contract.store_fixtures import Settle, StoreFixtures, replaced, written
from tasques.testing.examples import NOW, WORKER, at, in_state, queued

A, B = QueueName("a"), QueueName("b")


def listed(
    store: TaskStore,
    *,
    queue: QueueName = A,
    order: ListOrder = ListOrder.OLDEST,
    page: int = 100,
    **meant: Any,
) -> Sequence[str]:
    """The ids of a whole listing, read in pages of *page*."""
    query = TaskQuery(filter=TaskFilter(queue=queue), order=order, limit=page)
    query = attrs.evolve(query, filter=attrs.evolve(query.filter, **meant))
    ids: list[str] = []
    while True:
        found = store.find_tasks(query)
        ids += [stored.document.id for stored in found]
        if len(found) < page:
            return ids
        query = attrs.evolve(query, after=Position.of(found[-1].document))


def created(id: str, seconds: float, **changes: Any) -> Task:
    """A task of queue ``a`` that waits, created then."""
    task = attrs.evolve(queued("a"), id=TaskId(id), created_at=at(seconds))
    return attrs.evolve(task, **changes)


class ListingContract(StoreFixtures):
    """Listings, summaries, the names of queues, and what was not started in time."""

    def test_a_listing_goes_by_creation_then_id(self, store: TaskStore, settle: Settle) -> None:
        """To the millisecond; each task once, however small the pages, and either way round."""
        tasks = [created(f"t{n % 7}-{n}", (n % 5) * 0.001) for n in range(25)]
        written(store, *tasks)
        settle()
        expected = [task.id for task in sorted(tasks, key=Position.of)]
        for page in (1, 4, 25, 100):
            assert listed(store, page=page) == expected
        assert listed(store, order=ListOrder.NEWEST, page=3) == expected[::-1]

    def test_what_is_finer_than_a_millisecond_sorts_by_id(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """No store need know more; none is left out at the edge of a page for it."""
        start = NOW.nanoseconds
        tasks = [
            attrs.evolve(created(id, 0), created_at=Instant(start + offset))
            for id, offset in (("b", 1), ("a", 999_999), ("c", 0), ("d", 1_000_000))
        ]
        written(store, *tasks)
        settle()
        assert listed(store, page=1) == ["a", "b", "c", "d"]

    def test_a_listing_shows_whole_tasks_at_their_version(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """What is listed can be written over."""
        [stored] = written(store, created("t", 0))
        settle()
        [found] = store.find_tasks(TaskQuery(filter=TaskFilter(queue=A)))
        assert found == stored
        replaced(store, found, attrs.evolve(found.document, priority=3))

    def test_a_filter_is_exact(self, store: TaskStore, settle: Settle) -> None:
        """By state, kind, worker and creation; to the nanosecond; other queues are never meant."""
        tasks = [attrs.evolve(in_state(state, "a"), id=TaskId(state.value)) for state in State]
        long_kind = "k" * 600
        written(
            store,
            *tasks,
            created("kind", 0, kind=long_kind),
            created("later", 5),
            attrs.evolve(queued("b"), id=TaskId("elsewhere")),
        )
        settle()
        assert set(listed(store, states=frozenset({State.DEAD, State.QUEUED}))) == {
            "dead",
            "queued",
            "kind",
            "later",
        }
        assert listed(store, kind=long_kind) == ["kind"]
        assert set(listed(store, worker=WORKER)) >= {"claimed"}
        assert listed(store, worker=WorkerId("nobody")) == []
        assert listed(store, created_from=at(5)) == ["later"]
        just_after = Instant(at(5).nanoseconds + 1)
        assert listed(store, created_from=just_after) == []
        assert "later" in listed(store, created_before=just_after)
        assert "later" not in listed(store, created_before=at(5))

    def test_a_queue_that_was_never_used_lists_nothing(self, store: TaskStore) -> None:
        """It is no fault to ask."""
        assert listed(store, queue=QueueName("never-used")) == []

    def test_queues_are_summarised(self, store: TaskStore, settle: Settle) -> None:
        """Tasks by state, those ready, and since when the longest due of them."""
        for state in State:
            written(store, in_state(state, "a"))
        written(
            store,
            queued("a", run_at=at(-30)),
            queued("a", run_at=at(60)),
            attrs.evolve(queued("a", run_at=at(-90), retry_times=0), attempted=1),
            queued("b", run_at=at(60)),
        )
        settle()
        first, second = (s for s in store.summarise(now=NOW) if s.queue in (A, B))
        assert dict(first.counts) == {
            State.QUEUED: 4,
            State.CLAIMED: 1,
            State.FAILED: 1,
            State.DONE: 1,
            State.DEAD: 1,
        }
        assert first.ready == 3
        assert first.oldest_ready == at(-30)
        assert (second.queue, dict(second.counts)) == (B, {State.QUEUED: 1})
        assert (second.ready, second.oldest_ready) == (0, None)

    def test_what_is_due_within_the_second_is_not_ready_at_its_beginning(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """However a time is written that has no fraction of a second; nor is it over then."""
        second = Instant.parse("2026-01-01T00:00:05Z")
        later = Instant.parse("2026-01-01T00:00:05.5Z")
        [waiting] = written(
            store,
            attrs.evolve(queued("a", run_at=later), extensions=Extensions(expires_at=later)),
        )
        settle()

        def seen(now: Instant) -> tuple[int, int, int]:
            [summary] = [s for s in store.summarise(now=now) if s.queue == A]
            [due] = store.find_claimable([ClaimableQuery(queues=(A,), now=now, limit=1)])
            return summary.ready, len(due), len(store.find_expired(before=now, limit=1))

        assert waiting.document.run_at == later
        assert seen(second) == (0, 0, 0)
        assert seen(later) == (1, 1, 1)

    def test_a_queue_that_is_empty_by_now_has_a_name(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """At once when it comes to be, and still when its tasks are gone."""
        [stored] = written(store, in_state(State.DONE, "a"))
        assert A in store.queue_names()
        assert QueueName("never-used") not in store.queue_names()
        [gone] = store.write([Delete(document=stored.document, expected=stored.version)])
        assert isinstance(gone, Deleted)
        settle()
        assert A in store.queue_names()
        [summary] = [s for s in store.summarise(now=NOW) if s.queue == A]
        assert dict(summary.counts) == {}

    def test_what_was_not_started_in_time_is_proposed(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """Waiting tasks of all queues, the longest over first; claimed and ended ones never."""
        expiring = [
            attrs.evolve(in_state(state, queue), extensions=Extensions(expires_at=at(seconds)))
            for state, queue, seconds in (
                (State.QUEUED, "a", -1),
                (State.FAILED, "b", -2),
                (State.QUEUED, "a", 0),
                (State.QUEUED, "a", 0.001),
                (State.CLAIMED, "a", -3),
                (State.DEAD, "a", -3),
            )
        ]
        stored = written(store, *expiring, queued("a"))
        settle()
        over = [stored[1], stored[0], stored[2]]
        assert list(store.find_expired(before=NOW, limit=10)) == over
        assert list(store.find_expired(before=NOW, limit=2)) == over[:2]
        replaced(store, stored[1], attrs.evolve(stored[1].document, state=State.DEAD))
        settle()
        assert list(store.find_expired(before=NOW, limit=10)) == over[1:]

    def test_paused_queues_are_not_looked_at(self, store: TaskStore, settle: Settle) -> None:
        """Named or not; where all that are named are paused, nothing is found."""
        [in_a] = written(store, queued("a", priority=9))
        [in_b] = written(store, queued("b"))
        settle()

        def found(*queues: QueueName, paused: tuple[QueueName, ...]) -> Sequence[StoredTask]:
            query = ClaimableQuery(queues=queues, now=NOW, limit=1, paused=paused)
            [tasks] = store.find_claimable([query])
            return list(tasks)

        assert found(A, B, paused=()) == [in_a]
        assert found(A, B, paused=(A,)) == [in_b]
        assert found(paused=(A,)) == [in_b]
        assert found(A, paused=(A,)) == []
        assert found(paused=(A, B, QueueName("never-used"))) == []


class PolicyContract(StoreFixtures):
    """The store of policies; G1 to G7 and G11 of documents, and that all can be read."""

    @pytest.fixture
    def policies(self, backend: Backend) -> PolicyStore:
        """The backend's store of policies."""
        return backend.policies

    def test_there_are_none_at_first(self, policies: PolicyStore) -> None:
        """G6: and reading them is no fault."""
        assert list(policies.find_all()) == []
        assert list(policies.get([A])) == [Missing()]

    def test_a_policy_is_written_on_condition(self, policies: PolicyStore) -> None:
        """G2, G3, G6, G7: and seen at once by every read, without settling."""
        policy = QueuePolicy(queue=A, modified_at=NOW)
        [made] = policies.write([Create(document=policy)])
        assert isinstance(made, Written)
        assert list(policies.write([Create(document=policy)])) == [Exists()]
        paused = policy.paused(now=at(1))
        [changed] = policies.write([Replace(document=paused, expected=made.stored.version)])
        assert isinstance(changed, Written)
        assert changed.stored.version > made.stored.version
        assert list(policies.get([A])) == [changed.stored]
        assert list(policies.find_all()) == [changed.stored]
        stale = Replace(document=policy, expected=made.stored.version)
        assert list(policies.write([stale])) == [Conflict()]
        nowhere = Replace(document=QueuePolicy(queue=B), expected=Version(1, 1))
        assert list(policies.write([nowhere])) == [Conflict()]

    def test_all_are_found(self, policies: PolicyStore) -> None:
        """One for each queue, whatever it is called."""
        names = [QueueName(name) for name in ("a", "b.c", "日本", "a+b", "%41")]
        outcomes = policies.write([Create(document=QueuePolicy(queue=name)) for name in names])
        assert all(isinstance(outcome, Written) for outcome in outcomes)
        assert {stored.document.queue for stored in policies.find_all()} == set(names)
