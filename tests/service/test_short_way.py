"""The short way of a lone claim: what a round would have given, for less; all else is left to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest

from tasques.core import errors
from tasques.core.policies import QueuePolicy
from tasques.core.ports import (
    ClaimableQuery,
    Conflict,
    Rejected,
    StoreTraits,
    Unknown,
    Write,
    WriteOutcome,
)
from tasques.core.queues import QueueName
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import State, StoredTask, Task
from tasques.core.values import ZERO, Duration, Instant
from tests.service.conftest import START, QuickRuntime, ScriptedStore, make_task
from tests.service.test_claims import LONG, fill, ids, request


class ShowingStore(ScriptedStore):
    """Shows every write at once: what waits, in claim order, and no more than is asked for."""

    def __init__(self, *script: Any) -> None:
        super().__init__(*script)
        self.traits = StoreTraits(visibility_lag=ZERO)
        self.before_search: Callable[[], None] = lambda: None

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        self.before_search()
        self.queries += queries
        return [self._found(query) for query in queries]

    def _found(self, query: ClaimableQuery) -> list[StoredTask]:
        waiting = [
            stored
            for stored in self.stored.values()
            if stored.document.state.is_claimable
            and (not query.queues or stored.document.queue in query.queues)
            and stored.document.queue not in query.paused
        ]
        return sorted(waiting, key=lambda stored: stored.document.claim_order)[: query.limit]


@pytest.fixture
def store() -> ShowingStore:
    return ShowingStore()


@pytest.fixture
def dispatcher(store: ShowingStore, runtime: QuickRuntime) -> ClaimDispatcher:
    return ClaimDispatcher(store, runtime)


def limits(store: ShowingStore) -> list[int]:
    """How much each search asked for: a round asks for fifty at least, the short way for no more."""
    return [query.limit for query in store.queries]


def test_a_lone_claim_asks_for_what_it_takes(
    store: ShowingStore, dispatcher: ClaimDispatcher
) -> None:
    """One search, one write, in claim order; nothing is found that is not taken."""
    fill(store, "low", priority=1)
    fill(store, "high", priority=9)
    fill(store, "middle", priority=5)
    claimed = dispatcher.claim(request(amount=2, block_for=LONG))
    assert ids(claimed) == ["high", "middle"]
    assert all(stored.document.state is State.CLAIMED for stored in claimed)
    assert [store.stored[stored.document.key] for stored in claimed] == list(claimed)
    assert limits(store) == [2]
    assert len(store.batches) == 1


def test_that_there_is_nothing_is_an_answer(
    store: ShowingStore, dispatcher: ClaimDispatcher
) -> None:
    """To one who does not wait."""
    assert list(dispatcher.claim(request())) == []
    assert limits(store) == [1]


def test_a_store_that_lags_is_searched_in_rounds(runtime: QuickRuntime) -> None:
    """What it shows is not all there is."""
    store = ShowingStore()
    store.traits = StoreTraits(visibility_lag=Duration.of_seconds(1))
    fill(store, "t1")
    assert ids(ClaimDispatcher(store, runtime).claim(request())) == ["t1"]
    assert limits(store) == [50]


def test_who_waits_comes_first(store: ShowingStore, dispatcher: ClaimDispatcher) -> None:
    """A claim that comes later takes nothing away from the one that has waited for longer."""
    answers: list[Sequence[StoredTask]] = []
    dispatcher.register(request(block_for=LONG), answers.append)  # type: ignore[arg-type]
    dispatcher.step()
    fill(store, "t1", "t2")
    assert ids(dispatcher.claim(request())) == ["t2"]
    assert [ids(answer) for answer in answers] == [["t1"]]


def test_who_comes_meanwhile_is_served_afterwards(
    store: ShowingStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """A claim that finds another under way waits for its turn, and for nothing else."""
    runtime.spawns = True
    fill(store, "t1", "t2")
    with ThreadPoolExecutor(1) as pool:
        later: list[Any] = []

        def another_comes() -> None:
            store.before_search = lambda: None
            later.append(pool.submit(dispatcher.claim, request(block_for=LONG)))
            while not dispatcher.waiting:
                pass

        store.before_search = another_comes
        assert ids(dispatcher.claim(request())) == ["t1"]
        assert ids(later[0].result(timeout=60)) == ["t2"]
    dispatcher.close()


def test_who_loses_a_race_gets_the_next_task(runtime: QuickRuntime) -> None:
    """By a round, which learns that there are others."""

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if write.document.key.id == "t0" and write.document.state is State.CLAIMED:
            return Conflict()
        return None

    store = ShowingStore(script)
    fill(store, "t0", "t1")
    dispatcher = ClaimDispatcher(store, runtime)
    assert ids(dispatcher.claim(request())) == ["t1"]
    assert limits(store) == [1, 50]
    # Another server is about, so from here on each claim is a round for a while.
    fill(store, "t2")
    assert ids(dispatcher.claim(request())) == ["t2"]
    assert limits(store)[2:] == [50]


def test_what_was_won_of_several_is_handed_out(runtime: QuickRuntime) -> None:
    """Fewer than wanted are better than keeping them from everybody."""

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        return Conflict() if write.document.key.id == "t0" and write.document.attempted else None

    store = ShowingStore(script)
    fill(store, "t0", "t1")
    claimed = ClaimDispatcher(store, runtime).claim(request(amount=2, min_amount=2))
    assert ids(claimed) == ["t1"]


def test_a_claim_in_doubt_is_followed_to_its_end(runtime: QuickRuntime) -> None:
    """The answer was lost, the write was not: the task is the caller's."""

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number == 1:
            doubted.put(write.document)
            return Unknown("the connection broke")
        return None

    doubted = ShowingStore(script)
    fill(doubted, "t1")
    [claimed] = ClaimDispatcher(doubted, runtime).claim(request())
    assert claimed == doubted.stored[claimed.document.key]
    assert claimed.document.state is State.CLAIMED


def test_a_store_that_refuses_is_tried_again_by_rounds(runtime: QuickRuntime) -> None:
    """After the pause that it is left alone for."""
    runtime.spawns = True
    refused: list[Write[Task]] = []

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if refused:
            return None
        refused.append(write)
        return Rejected("429")

    store = ShowingStore(script)
    fill(store, "t1")
    dispatcher = ClaimDispatcher(store, runtime)
    assert ids(dispatcher.claim(request())) == ["t1"]
    assert limits(store) == [1, 50]
    dispatcher.close()


def test_a_search_that_fails_is_told(store: ShowingStore, dispatcher: ClaimDispatcher) -> None:
    """Nobody is told that there is nothing where nobody could look."""

    def fail() -> None:
        raise errors.StoreUnavailable("away")

    store.before_search = fail
    with pytest.raises(errors.StoreUnavailable, match="away"):
        dispatcher.claim(request())


def test_what_has_expired_is_ended(store: ShowingStore, dispatcher: ClaimDispatcher) -> None:
    """By a round, which hands out the next."""
    fill(store, "late", priority=1, expires_at=START)
    fill(store, "t1")
    assert ids(dispatcher.claim(request())) == ["t1"]
    assert store.stored[make_task("late").key].document.state is State.DEAD


def test_nothing_comes_from_a_paused_queue(store: ShowingStore, runtime: QuickRuntime) -> None:
    """Nor does what waits there hide what waits elsewhere."""
    policy = QueuePolicy(queue=QueueName("mail")).paused(now=START)
    dispatcher = ClaimDispatcher(store, runtime, policies=lambda: {policy.queue: policy})
    fill(store, "t1", priority=5)
    fill(store, "t2", queue="bulk")
    assert ids(dispatcher.claim(request("mail", "bulk"))) == ["t2"]
    assert list(dispatcher.claim(request())) == []


def test_fewer_than_wanted_are_waited_for(
    store: ShowingStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """Who can wait for more holds nothing meanwhile, and takes what there is in the end."""
    fill(store, "t1")
    wanted = request(amount=3, min_amount=2)
    assert ids(dispatcher.claim(wanted)) == ["t1"]
    fill(store, "t2")
    runtime.spawns = True
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(dispatcher.claim, attrs.evolve(wanted, block_for=LONG))
        while not dispatcher.waiting:
            pass
        assert store.stored[make_task("t2").key].document.state is State.QUEUED
        dispatcher.offer(store.put(make_task("t3")).stored)
        assert sorted(ids(waiting.result(timeout=60))) == ["t2", "t3"]
    dispatcher.close()


def test_who_has_gone_takes_nothing(store: ShowingStore, dispatcher: ClaimDispatcher) -> None:
    """The task goes to somebody who can take it."""
    fill(store, "t1")
    assert list(dispatcher.claim(request(block_for=LONG), is_connected=lambda: False)) == []
    assert store.batches == []


def test_a_filter_sees_each_claim_once(store: ShowingStore, runtime: QuickRuntime) -> None:
    """Whichever way it goes; and what the filter makes of it counts."""
    seen: list[ClaimRequest] = []

    def let_pass(asked: ClaimRequest) -> ClaimRequest:
        seen.append(asked)
        return attrs.evolve(asked, queues=(QueueName("bulk"),))

    dispatcher = ClaimDispatcher(store, runtime, let_pass=let_pass)
    fill(store, "t1")
    fill(store, "t2", queue="bulk", expires_at=Instant(START.nanoseconds - 1))
    fill(store, "t3", queue="bulk")
    assert ids(dispatcher.claim(request())) == ["t3"]
    assert limits(store) == [1, 50]  # what has expired takes a round
    assert len(seen) == 1


def test_nothing_is_claimed_while_the_gate_is_shut(
    store: ShowingStore, runtime: QuickRuntime
) -> None:
    """Nor by a server that stops."""

    def shut() -> None:
        raise errors.ClockUntrusted("it is off")

    fill(store, "t1")
    with pytest.raises(errors.ClockUntrusted):
        ClaimDispatcher(store, runtime, gate=shut).claim(request())
    dispatcher = ClaimDispatcher(store, runtime)
    dispatcher.close()
    with pytest.raises(errors.ShuttingDown):
        dispatcher.claim(request())
    assert store.batches == []


def test_what_is_handed_out_is_remembered(store: ShowingStore, runtime: QuickRuntime) -> None:
    """So that its end needs no read."""
    held = HeldTasks(runtime)
    fill(store, "t1")
    [claimed] = ClaimDispatcher(store, runtime, held=held).claim(request())
    assert held.take(claimed.document.key) == claimed


def test_a_round_does_not_try_what_was_taken_since(
    store: ShowingStore, dispatcher: ClaimDispatcher
) -> None:
    """What an earlier round has found, and a lone claim took, would look like another's conquest."""
    fill(store, "t1", "t2", "t3")
    answers: list[Sequence[StoredTask]] = []
    dispatcher.register(request(block_for=LONG), answers.append)  # type: ignore[arg-type]
    dispatcher.step()
    assert [ids(answer) for answer in answers] == [["t1"]]
    assert ids(dispatcher.claim(request())) == ["t2"]
    dispatcher.register(request(block_for=LONG), answers.append)  # type: ignore[arg-type]
    dispatcher.step()
    assert ids(answers[1]) == ["t3"]
    assert [[write.document.id for write in batch] for batch in store.batches] == [
        ["t1"],
        ["t2"],
        ["t3"],
    ]
