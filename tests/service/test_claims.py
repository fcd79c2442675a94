"""The dispatcher: one search for all who wait, no task held while waiting, nobody forgotten."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

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
from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import State, StoredTask, Task
from tasques.core.values import ZERO, Duration
from tests.service.conftest import MINUTE, START, QuickRuntime, ScriptedStore, make_task

LONG = Duration.of_seconds(30)
HOUR = Duration.of_seconds(3600)


def request(*queues: str, **more: Any) -> ClaimRequest:
    wanted: dict[str, Any] = {"amount": 1, "min_amount": 1, "block_for": ZERO, **more}
    names = [QueueName(queue) for queue in queues or ("mail",)]
    return ClaimRequest(worker=WorkerId("w"), queues=names, **wanted)


def ids(claimed: Sequence[StoredTask]) -> list[str]:
    return [stored.document.id for stored in claimed]


@pytest.fixture
def dispatcher(store: ScriptedStore, runtime: QuickRuntime) -> ClaimDispatcher:
    return ClaimDispatcher(store, runtime)


def fill(store: ScriptedStore, *names: str, **more: Any) -> None:
    store.ready += [store.put(make_task(name, **more)).stored for name in names]


def test_a_claim_takes_what_is_ready_in_claim_order(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """Highest priority first; each comes claimed, by an acknowledged compare-and-set."""
    fill(store, "low", priority=1)
    fill(store, "high", priority=9)
    fill(store, "middle", priority=5)

    claimed = dispatcher.claim(request(amount=2))

    assert ids(claimed) == ["high", "middle"]
    for stored in claimed:
        assert stored.document.state is State.CLAIMED
        assert stored.document.attempted == 1
        assert store.stored[stored.document.key] == stored


def test_each_claim_has_an_id_of_its_own(store: ScriptedStore, dispatcher: ClaimDispatcher) -> None:
    """By which its worker can tell it from its other claims; another try of a claim is another."""
    fill(store, "a", "b")
    claimed = [stored.document for stored in dispatcher.claim(request(amount=2))]
    claim_ids = [task.extensions.claim_id for task in claimed]
    assert len(set(claim_ids)) == 2
    assert claim_ids == [task.operation and task.operation.token for task in claimed]


def test_a_claim_that_does_not_wait_looks_once(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """One search, and an empty answer is a true one."""
    assert list(dispatcher.claim(request())) == []
    assert len(store.queries) == 1


def test_an_amount_of_zero_asks_nobody(store: ScriptedStore, dispatcher: ClaimDispatcher) -> None:
    """It is answered at once."""
    assert list(dispatcher.claim(request(amount=0, block_for=LONG))) == []
    assert store.queries == []


def test_what_is_left_of_a_search_serves_the_next_claim(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """The window of a search is not raced for: ten claims of a waiting kind, one search."""
    fill(store, *(f"t{n}" for n in range(10)))
    claimed = [ids(dispatcher.claim(request(block_for=LONG))) for _ in range(10)]
    assert sorted(claimed) == [[f"t{n}"] for n in range(10)]
    assert len(store.queries) == 1


def test_all_who_wait_for_the_same_queues_share_a_search(
    store: ScriptedStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """One query for each distinct set of queues, however many wait and in which order they ask."""
    answers: list[object] = []
    for queues in (("a", "b"), ("b", "a"), ("a", "b", "a"), ("c",)):
        dispatcher.register(request(*queues, block_for=LONG), answers.append)
    dispatcher.step()
    assert sorted(query.queues for query in store.queries) == [("a", "b"), ("c",)]
    dispatcher.close()
    assert answers == [(), (), (), ()]


def test_the_oldest_waiter_is_served_first(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """Of three who wait and two tasks, the last who came goes on waiting."""
    answers: list[str] = []

    def answer(name: str) -> Callable[[object], None]:
        return lambda _: answers.append(name)

    for name in ("first", "second", "third"):
        dispatcher.register(request(block_for=LONG), answer(name))
    fill(store, "t1", "t2")
    dispatcher.step()
    assert answers == ["first", "second"]
    assert dispatcher.waiting == 1
    dispatcher.close()


def test_while_it_waits_for_more_a_claim_holds_nothing(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Two are ready, three are wanted: both stay claimable, and another worker may have them."""
    dispatcher = ClaimDispatcher(store, runtime)
    answers: list[object] = []
    dispatcher.register(request(amount=3, min_amount=3, block_for=LONG), answers.append)
    fill(store, "t1", "t2")
    dispatcher.step()
    assert answers == []
    assert store.batches == []

    assert sorted(ids(dispatcher.claim(request(amount=2, block_for=LONG)))) == ["t1", "t2"]
    dispatcher.close()


def test_at_the_end_of_its_time_a_claim_takes_what_there_is(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """Fewer than the minimum are better than none once the waiting is over."""
    fill(store, "t1", "t2")
    assert ids(dispatcher.claim(request(amount=3, min_amount=3, block_for=ZERO))) == ["t1", "t2"]


def test_who_loses_a_race_gets_the_next_candidate(runtime: QuickRuntime) -> None:
    """Tasks that another server took are replaced from the rest, in the same claim."""

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        return Conflict() if write.document.key.id in ("t0", "t1") else None

    store = ScriptedStore(script)
    fill(store, "t0", "t1", "t2", "t3")
    claimed = ClaimDispatcher(store, runtime).claim(request(amount=1))
    assert ids(claimed) == ["t2"]


def test_a_version_that_is_known_to_be_over_is_not_tried_again(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """A search shows claimed tasks as claimable until the store refreshes; they cost no write."""
    fill(store, "t1")
    assert ids(dispatcher.claim(request())) == ["t1"]
    writes = len(store.batches)
    assert list(dispatcher.claim(request())) == []
    assert len(store.queries) == 2
    assert len(store.batches) == writes


def test_a_task_made_here_is_handed_out_without_a_search_for_it(
    store: ScriptedStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """Who waits gets a new task at once, long before a search could show it."""
    runtime.spawns = True
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[Sequence[StoredTask]] = pool.submit(
            dispatcher.claim, request(block_for=LONG)
        )
        while not dispatcher.waiting:
            pass
        dispatcher.offer(store.put(make_task("new")).stored)
        assert ids(waiting.result(timeout=60)) == ["new"]
    assert store.ready == []


def test_a_task_made_here_shortly_before_is_found_too(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """The store does not show it yet, and this server knows of it."""
    dispatcher.offer(store.put(make_task("new")).stored)
    assert ids(dispatcher.claim(request())) == ["new"]


def test_a_task_for_later_waits_for_its_time(
    store: ScriptedStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """A task made here for the future is handed out when its time has come."""
    dispatcher.offer(store.put(make_task("later", run_at=START.plus(MINUTE))).stored)
    assert list(dispatcher.claim(request())) == []
    runtime.now = START.plus(MINUTE)
    assert ids(dispatcher.claim(request())) == ["later"]


def test_what_a_search_shows_too_early_is_not_handed_out(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """The core decides what is due, not the store."""
    fill(store, "early", run_at=START.plus(Duration(1)))
    assert list(dispatcher.claim(request())) == []
    assert store.batches == []


def test_nothing_comes_out_of_a_paused_queue(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """Its tasks are passed over, and those of other queues come."""
    paused = {QueueName("mail"): QueuePolicy(queue=QueueName("mail"), paused_at=START)}
    dispatcher = ClaimDispatcher(store, runtime, policies=lambda: paused)
    fill(store, "t1", priority=9)
    fill(store, "t2", queue="sms")
    assert ids(dispatcher.claim(request("mail", "sms", amount=5))) == ["t2"]


def test_a_task_past_its_time_ends_dead_instead(
    store: ScriptedStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """Who claims does not get it, and it does not wait for ever."""
    fill(store, "stale", expires_at=START)
    assert list(dispatcher.claim(request())) == []
    stored = store.stored[make_task("stale").key]
    assert stored.document.state is State.DEAD


def test_a_waiter_that_is_gone_is_dropped_before_the_compare_and_set(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """Its task goes to the next, and costs no attempt."""
    answers: list[object] = []
    dispatcher.register(request(block_for=LONG), answers.append, lambda: False)
    fill(store, "t1")
    dispatcher.step()
    assert answers == [()], "whoever waits on its behalf is let go"
    assert store.batches == []
    assert dispatcher.waiting == 0


def test_an_unknown_claim_is_handed_out_once_it_is_known(runtime: QuickRuntime) -> None:
    """The write took place and its answer was lost: the worker gets the task all the same."""
    store = ScriptedStore()
    fill(store, "t1")

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number == 1:
            store.put(write.document)
            return Unknown("timeout")
        return None

    store._script = script
    assert ids(ClaimDispatcher(store, runtime).claim(request())) == ["t1"]


def test_a_store_that_cannot_be_searched_is_no_empty_queue(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """Nobody could look: the worker is told so, and not that there is nothing."""

    def down(queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        raise errors.StoreUnavailable("down")

    store.find_claimable = down  # type: ignore[method-assign]
    with pytest.raises(errors.StoreUnavailable):
        dispatcher.claim(request())


def test_who_could_be_looked_for_before_the_outage_is_answered_with_nothing(
    store: ScriptedStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """A waiting claim outlives an outage, and ends as any other that found nothing."""
    answers: list[object] = []
    dispatcher.register(request(block_for=MINUTE), answers.append)
    dispatcher.step()

    def down(queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        raise errors.StoreUnavailable("down")

    store.find_claimable = down  # type: ignore[method-assign]
    runtime.sleep(10)
    dispatcher.step()
    assert answers == []
    runtime.sleep(60)
    dispatcher.step()
    assert answers == [()]


def test_after_a_refusal_the_store_is_left_alone_for_a_while(runtime: QuickRuntime) -> None:
    """A store that has too much to do gets no further claim at once, and the claim waits on."""
    store = ScriptedStore(lambda write, n: Rejected("busy") if n == 1 else None)
    fill(store, "t1")
    dispatcher = ClaimDispatcher(store, runtime)
    runtime.random = lambda: 0.99  # type: ignore[method-assign]
    answers: list[Sequence[StoredTask]] = []
    dispatcher.register(request(block_for=MINUTE), answers.append)  # type: ignore[arg-type]
    dispatcher.step()
    assert len(store.batches) == 1
    runtime.sleep(5)
    dispatcher.step()
    assert [ids(answer) for answer in answers] == [["t1"]]


def test_a_shut_gate_keeps_claims_out_and_hands_out_nothing(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """A server that cannot trust its clock decides nothing by it."""
    shut = False

    def gate() -> None:
        if shut:
            raise errors.ClockUntrusted("hours off")

    dispatcher = ClaimDispatcher(store, runtime, gate=gate)
    dispatcher.register(request(block_for=LONG), lambda answer: None)
    shut = True
    fill(store, "t1")
    dispatcher.step()
    assert store.batches == []
    with pytest.raises(errors.ClockUntrusted):
        dispatcher.claim(request())


def test_closing_answers_everybody(dispatcher: ClaimDispatcher, runtime: QuickRuntime) -> None:
    """Those who wait get nothing, at once; those who come are sent away."""
    runtime.spawns = True
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(dispatcher.claim, request(block_for=LONG)) for _ in range(3)]
        while dispatcher.waiting < 3:
            pass
        dispatcher.close()
        assert [list(future.result(timeout=60)) for future in waiting] == [[], [], []]
    with pytest.raises(errors.ShuttingDown):
        dispatcher.claim(request())


def test_who_closes_claims_no_more(store: ScriptedStore, dispatcher: ClaimDispatcher) -> None:
    """What is known, or could be found, is left to others."""
    answers: list[object] = []
    dispatcher.register(request(block_for=LONG), answers.append)
    fill(store, "t1")
    dispatcher.offer(store.put(make_task("t2")).stored)
    dispatcher.close()
    assert answers == [()]
    assert store.batches == []


def test_what_could_not_be_delivered_goes_back_at_no_cost(
    store: ScriptedStore, dispatcher: ClaimDispatcher
) -> None:
    """Queued again with its attempt, and at once for somebody else."""
    fill(store, "t1")
    claimed = dispatcher.claim(request())
    dispatcher.give_back(claimed)
    stored = store.stored[make_task("t1").key]
    assert stored.document.state is State.QUEUED
    assert stored.document.attempted == 0
    assert ids(dispatcher.claim(request(block_for=LONG))) == ["t1"]


def test_what_its_worker_has_reported_on_is_not_taken_back(runtime: QuickRuntime) -> None:
    """The worker got it after all: the claim's version has moved, and it keeps the task."""
    store = ScriptedStore()
    fill(store, "t1")
    dispatcher = ClaimDispatcher(store, runtime)
    claimed = dispatcher.claim(request())
    store._script = lambda write, n: Conflict()
    dispatcher.give_back(claimed)
    assert store.stored[make_task("t1").key].document.state is State.CLAIMED


def test_many_claims_and_offers_at_once_hand_out_each_task_once(runtime: QuickRuntime) -> None:
    """Whatever the threads do, no task goes to two workers and none is forgotten."""
    runtime.spawns = True
    store = ScriptedStore()

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        known = store.stored.get(write.document.key)
        expected = getattr(write, "expected", None)
        return Conflict() if known is not None and known.version != expected else None

    store._script = script
    # This store's searches show nothing, ever. It says that it lags far behind, so that nothing that
    # was offered is forgotten in favour of a search, and that no round comes but by a call for one.
    store.traits = StoreTraits(visibility_lag=HOUR)
    dispatcher = ClaimDispatcher(store, runtime)
    got: list[str] = []
    news = threading.Condition()

    def work() -> None:
        # Until the dispatcher closes; who is between two claims then may enter no other.
        with contextlib.suppress(errors.ShuttingDown):
            while claimed := dispatcher.claim(request(amount=3, block_for=HOUR)):
                with news:
                    got.extend(ids(claimed))
                    news.notify()

    def offer(numbers: range) -> bool:
        """Offer them at once; whether all that was offered so far is handed out then."""
        for number in numbers:
            dispatcher.offer(store.put(make_task(f"t{number}")).stored)
        with news:
            return news.wait_for(lambda: len(got) >= numbers.stop, timeout=60)

    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(work) for _ in range(8)]
        # Now and then nothing is left, and all come to wait: who is not called then never comes back.
        bursts = (range(begin, begin + 10) for begin in range(0, 500, 10))
        all(offer(burst) for burst in bursts)
        dispatcher.close()
        for worker in workers:
            worker.result(timeout=60)

    assert sorted(got) == sorted(f"t{number}" for number in range(500))


def test_a_round_that_fails_unexpectedly_strands_nobody(
    store: ScriptedStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """A bug in one round is logged, and the next one serves those who wait."""
    runtime.spawns = True
    search = store.find_claimable
    failures = iter([RuntimeError("a bug")])
    calls = 0

    def failing(queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        nonlocal calls
        calls += 1
        if calls == 2:
            for failure in failures:
                raise failure
        return search(queries)

    store.find_claimable = failing  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(dispatcher.claim, request(block_for=LONG))
        while calls < 2:
            pass
        dispatcher.offer(store.put(make_task("new")).stored)
        assert ids(waiting.result(timeout=60)) == ["new"]
    dispatcher.close()


def test_the_loop_sleeps_by_what_is_so_when_it_lies_down(
    store: ScriptedStore, dispatcher: ClaimDispatcher, runtime: QuickRuntime
) -> None:
    """
    Not by what was so after its own round: who has come since, and had a round of its own, is
    searched for again when that is due.
    """
    runtime.spawns = True
    step = dispatcher.step
    has_stepped, may_lie_down, has_come = threading.Event(), threading.Event(), threading.Event()

    def dawdling_step() -> None:
        step()
        if threading.current_thread().name == "claims" and not dispatcher.waiting:
            has_stepped.set()
            assert may_lie_down.wait(60)

    dispatcher.step = dawdling_step  # type: ignore[method-assign]
    # Somebody who is answered by the loop: it is there then, and nobody is left.
    assert list(dispatcher.claim(request(block_for=Duration.of_seconds(0.1)))) == []
    assert has_stepped.wait(60)
    dispatcher.register(request(block_for=HOUR), lambda answer: has_come.set())
    step()
    assert dispatcher.waiting == 1
    fill(store, "t1")
    may_lie_down.set()
    # The next search is due in a quarter of a second; nobody sleeps longer than a minute.
    assert has_come.wait(30)
    dispatcher.close()
