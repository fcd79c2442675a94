"""G8 and G9: what searches propose, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core import lifecycle
from tasques.core.ports import ClaimableQuery, Conflict, Create, Replace, TaskStore, Written
from tasques.core.queues import QueueName
from tasques.core.tasks import MAX_PRIORITY, MIN_PRIORITY, State, StoredTask, Task
from tasques.core.values import Duration, Instant
from tasques.testing.contract.store_fixtures import (
    SHARED_STORE,
    Settle,
    StoreFixtures,
    claimable,
    put_away,
    replaced,
    written,
)
from tasques.testing.examples import NOW, WORKER, at, claimed, in_state, queued

A, B, C = QueueName("a"), QueueName("b"), QueueName("c")


def _waiting_tasks() -> st.SearchStrategy[list[Task]]:
    """Tasks that wait, with ties in everything but the id, and priorities to both ends."""
    corners = [0, 1, -1, 2**15 - 1, 2**15, -(2**15), MAX_PRIORITY, MIN_PRIORITY]
    waiting = st.builds(
        lambda queue, priority, seconds, retries, tried: attrs.evolve(
            queued(queue, priority=priority, run_at=at(seconds), retry_times=retries),
            attempted=min(tried, retries),
        ),
        st.sampled_from([A, B, C]),
        st.sampled_from(corners),
        # Whole milliseconds, which every store can order by; before 1970 and far off, too.
        st.sampled_from([0, 0.001, -0.001, 1, -1, -60 * 366 * 86400, 200 * 366 * 86400]),
        st.integers(0, 3),
        st.integers(0, 2),
    )
    return st.lists(waiting, max_size=20)


class SearchingContract(StoreFixtures):
    """What can be claimed, and what has timed out."""

    def test_each_state_is_found_where_it_belongs(self, store: TaskStore, settle: Settle) -> None:
        """
        G8: once settled, due tasks that are queued or failed can be claimed, claims whose time is
        over have timed out; and nothing else, though an ended claim keeps its times.
        """
        stored = {state: written(store, in_state(state))[0] for state in State}
        settle()
        waiting = [stored[State.QUEUED], stored[State.FAILED]]
        waiting.sort(key=lambda one: one.document.claim_order)
        queue = waiting[0].document.queue
        assert list(claimable(store, now=NOW)) == waiting
        assert list(claimable(store, queue, now=NOW)) == waiting
        assert list(store.find_timed_out(before=at(10**9), limit=10)) == [stored[State.CLAIMED]]

    def test_a_task_can_be_claimed_from_its_moment_on(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """G8: to the nanosecond, whatever the store orders by."""
        [stored] = written(store, queued(run_at=NOW.plus(Duration(500_000))))
        settle()
        for early in (at(-1), NOW, NOW.plus(Duration(499_999))):
            assert list(claimable(store, now=early)) == []
        for late in (NOW.plus(Duration(500_000)), at(1), at(10**9)):
            assert list(claimable(store, now=late)) == [stored]

    def test_a_task_without_attempts_left_is_not_found(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """G8: whatever its state says."""
        written(store, attrs.evolve(in_state(State.FAILED), retry_times=0))
        settle()
        assert list(claimable(store, now=NOW)) == []

    def test_a_proposal_that_has_moved_conflicts(self, store: TaskStore, settle: Settle) -> None:
        """G8: whoever comes second with the version found is refused."""
        written(store, queued())
        settle()
        [found] = claimable(store, now=NOW)
        first = replaced(store, found, lifecycle.claim(found.document, worker=WORKER, now=NOW))
        second = lifecycle.claim(found.document, worker=WORKER, now=at(1))
        assert store.write([Replace(document=second, expected=found.version)]) == [Conflict()]
        settle()
        assert list(claimable(store, now=NOW)) == []
        assert list(store.get([found.document.key])) == [first]

    def test_a_search_shows_what_changed(self, store: TaskStore, settle: Settle) -> None:
        """G8: once settled, a task is found where its last version belongs, and only there."""
        [stored] = written(store, queued())
        held = replaced(
            store,
            stored,
            attrs.evolve(claimed(), id=stored.document.id, run_at=stored.document.run_at),
        )
        settle()
        assert list(claimable(store, now=NOW)) == []
        assert list(store.find_timed_out(before=NOW, limit=10)) == [held]
        back = replaced(store, held, lifecycle.unclaim(held.document, worker=WORKER, now=NOW))
        settle()
        assert list(claimable(store, now=NOW)) == [back]
        assert list(store.find_timed_out(before=NOW, limit=10)) == []
        later = replaced(store, back, lifecycle.delay(back.document, run_at=at(60), now=NOW))
        settle()
        assert list(claimable(store, now=at(59))) == []
        assert list(claimable(store, now=at(60))) == [later]
        first = replaced(store, later, lifecycle.reprioritise(later.document, priority=5, now=NOW))
        settle()
        assert list(claimable(store, now=at(60))) == [first]

    def test_queries_are_answered_in_order_each_for_its_own_queues(
        self, store: TaskStore, settle: Settle
    ) -> None:
        """G1, G8: a queue that does not exist holds nothing, and spoils nothing."""
        one, two, three = written(store, queued("a"), queued("b"), queued("c"))
        settle()
        never = QueueName("never-used")
        asked = [(B,), (never,), (A, never), (), (A, B, C), (A, C)]
        queries = [ClaimableQuery(queues=queues, now=NOW, limit=10) for queues in asked]
        found = [list(proposed) for proposed in store.find_claimable(queries)]
        assert found == [[two], [], [one], [one, two, three], [one, two, three], [one, three]]

    def test_a_fresh_search_sees_what_was_just_acknowledged(self, store: TaskStore) -> None:
        """G9: nobody has to wait for a store that shows things late; other queues may still."""
        one, two, other = written(store, queued("a"), queued("b"), queued("c"))
        never = QueueName("never-used")
        queries = [
            ClaimableQuery(queues=(A, never), now=NOW, limit=10, fresh=(A, never)),
            ClaimableQuery(queues=(), now=NOW, limit=10, fresh=(B,)),
        ]
        first, every = (list(proposed) for proposed in store.find_claimable(queries))
        assert first == [one]
        assert [found for found in every if found != other] == [one, two]

    def test_a_search_gives_no_more_than_asked_for(self, store: TaskStore, settle: Settle) -> None:
        """G8, G9: the first ones of the order, not just any."""
        stored = written(store, *(queued("ab"[n % 2], priority=n % 5) for n in range(30)))
        settle()
        ordered = sorted(stored, key=lambda one: one.document.claim_order)
        for limit in (0, 1, 7, 29, 30, 31):
            assert list(claimable(store, now=NOW, limit=limit)) == ordered[:limit]

    def test_nothing_is_found_in_an_empty_store(self, store: TaskStore) -> None:
        """G8: before anything was ever written, searches find nothing and do not fail."""
        assert list(claimable(store, now=NOW)) == []
        assert list(claimable(store, A, now=NOW)) == []
        assert list(store.find_timed_out(before=NOW, limit=10)) == []

    @settings(max_examples=15, suppress_health_check=SHARED_STORE)
    @given(
        tasks=_waiting_tasks(), limit=st.integers(1, 20), queues=st.sets(st.sampled_from([A, B]))
    )
    def test_candidates_come_in_claim_order(
        self,
        store: TaskStore,
        settle: Settle,
        tasks: Sequence[Task],
        limit: int,
        queues: set[QueueName],
    ) -> None:
        """
        G9: priority, then due time, then attempts left, then id; over all queues asked for, the
        first *limit* of them.
        """
        put_away(store, settle)
        outcomes = store.write([Create(document=task) for task in tasks])
        stored = [outcome.stored for outcome in outcomes if isinstance(outcome, Written)]
        assert len(stored) == len(tasks)
        settle()
        fitting = [
            one
            for one in stored
            if lifecycle.is_due(one.document, NOW) and (not queues or one.document.queue in queues)
        ]
        fitting.sort(key=lambda one: one.document.claim_order)
        assert list(claimable(store, *queues, now=NOW, limit=limit)) == fitting[:limit]

    def test_claims_time_out_to_the_nanosecond(self, store: TaskStore, settle: Settle) -> None:
        """G8: at its moment a claim is over, and not before."""
        over_at = NOW.plus(Duration(500_000))
        [stored] = written(store, claimed(times_out_at=over_at))
        settle()
        assert list(store.find_timed_out(before=over_at.plus(Duration(-1)), limit=10)) == []
        assert list(store.find_timed_out(before=over_at, limit=10)) == [stored]

    def test_claims_over_for_the_longest_come_first(self, store: TaskStore, settle: Settle) -> None:
        """G8: of all queues, so that none waits for ever behind a page of younger ones."""
        seconds = [5, 1, 4, 2, 3]
        stored = written(store, *(claimed("abcde"[s - 1], times_out_at=at(s)) for s in seconds))
        settle()
        ordered = sorted(stored, key=_over_at)
        for limit in (1, 2, 5, 6):
            assert list(store.find_timed_out(before=at(9), limit=limit)) == ordered[:limit]
        assert list(store.find_timed_out(before=at(3), limit=9)) == ordered[:3]

    def test_what_is_visible_at_once_says_so(self, store: TaskStore, settle: Settle) -> None:
        """G8: a store found by its lag: without one, nothing has to settle."""
        [stored] = written(store, queued())
        if store.traits.visibility_lag > Duration(0):
            settle()
        assert list(claimable(store, now=NOW)) == [stored]


def _over_at(stored: StoredTask) -> Instant:
    assert stored.document.last_claim is not None
    return stored.document.last_claim.times_out_at
