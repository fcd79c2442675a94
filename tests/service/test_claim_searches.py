"""When the dispatcher searches, for how much, and when it demands to see everything."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import attrs
import pytest

from tasques.core.documents import Stored, Version
from tasques.core.ports import ClaimableQuery, Conflict, Rejected, StoreTraits, Write, WriteOutcome
from tasques.core.queues import QueueName
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.search_schedule import News
from tasques.core.tasks import StoredTask, Task
from tasques.core.values import ZERO
from tests.service.conftest import ScriptedStore, make_task
from tests.service.test_claim_pace import Still
from tests.service.test_claims import LONG, fill, ids, request

MAIL = QueueName("mail")
PERIOD = 0.25


class LaggingStore(ScriptedStore):
    """
    Shows what is ready as of a refresh, which takes place only if it is demanded.

    Attributes:
        shown: What a search that demands nothing sees.
    """

    def __init__(self) -> None:
        super().__init__(self._refuse_old)
        self.shown: list[StoredTask] = []

    def _refuse_old(self, write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        known = self.stored.get(write.document.key)
        expected = getattr(write, "expected", None)
        return Conflict() if known is not None and known.version != expected else None

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        self.queries += queries
        if any(query.fresh for query in queries):
            self.refresh()
        return [self.shown[: query.limit] for query in queries]

    def refresh(self) -> None:
        """Show what there is."""
        ready = [s for s in self.stored.values() if s.document.state.is_claimable]
        self.shown = sorted(ready, key=lambda stored: stored.document.claim_order)


@pytest.fixture
def runtime() -> Still:
    return Still()


@pytest.fixture
def lagging() -> LaggingStore:
    return LaggingStore()


def take(dispatcher: ClaimDispatcher, queue: str = "mail") -> list[str]:
    """What a waiting claim gets at once."""
    answers: list[Sequence[StoredTask]] = []
    dispatcher.register(request(queue, block_for=LONG), answers.append)  # type: ignore[arg-type]
    dispatcher.step()
    return [id for answer in answers for id in ids(answer)]


def drain(dispatcher: ClaimDispatcher, runtime: Still, seconds: float, amount: int = 5) -> int:
    """How many tasks one worker gets that asks again and again, for so long."""
    got = 0
    until = runtime.monotonic() + seconds
    answers: list[Sequence[StoredTask]] = []
    while runtime.monotonic() < until:
        if not dispatcher.waiting:
            dispatcher.register(request(amount=amount, block_for=LONG), answers.append)  # type: ignore[arg-type]
        dispatcher.step()
        runtime.sleep(0.01)
        got += sum(len(answer) for answer in answers)
        answers.clear()
    return got


def test_a_search_asks_for_little_where_little_is_wanted(
    store: ScriptedStore, runtime: Still
) -> None:
    """Fetching is what a search costs."""
    dispatcher = ClaimDispatcher(store, runtime)
    dispatcher.register(request(block_for=LONG), lambda answer: None)
    dispatcher.step()
    assert [query.limit for query in store.queries] == [50]


def test_a_search_asks_for_what_all_who_wait_want_and_more(
    store: ScriptedStore, runtime: Still
) -> None:
    """What is left serves those who come before the next one."""
    dispatcher = ClaimDispatcher(store, runtime)
    for _ in range(10):
        dispatcher.register(request(amount=100, block_for=LONG), lambda answer: None)
    dispatcher.register(request("sms", amount=60_000, block_for=LONG), lambda answer: None)
    dispatcher.step()
    assert sorted(query.limit for query in store.queries) == [2000, 10_000]


@pytest.mark.parametrize(
    ("size", "wanted", "limit"),
    [
        pytest.param(2**20, 1000, 16, id="sixteen MiB"),
        pytest.param(2**16, 1000, 256, id="sixteen MiB of smaller ones"),
        pytest.param(2**16, 100, 100, id="what is wanted, and nothing for later claims"),
        pytest.param(2**13, 200, 256, id="what is wanted, and some"),
        pytest.param(2**13, 100, 200, id="as much again"),
    ],
)
def test_an_answer_is_bounded_in_bytes(
    store: ScriptedStore, runtime: Still, size: int, wanted: int, limit: int
) -> None:
    """Where tasks are large, a search asks for fewer, above all for the sake of later claims."""
    fill(store, "t")
    large = attrs.evolve(store.ready[0].document, args=None, context=None)
    store.ready[0] = Stored(document=large, version=store.ready[0].version)
    dispatcher = ClaimDispatcher(store, runtime)
    dispatcher.register(
        request(amount=wanted, min_amount=2, block_for=LONG),
        lambda answer: None,
    )
    dispatcher._schedule.answered(
        [ClaimableQuery(queues=(MAIL,), now=runtime.wall(), limit=1)],
        [[_Sized(store.ready[0], size)]],  # type: ignore[list-item]
        [News(new=1, over=0)],
        0.0,
    )
    runtime.sleep(1)
    dispatcher.step()
    assert [query.limit for query in store.queries] == [limit]


def test_what_is_taken_and_shown_still_hides_nothing(store: ScriptedStore, runtime: Still) -> None:
    """A search asks for so many more, beyond any bound of what it shows for later claims."""
    dispatcher = ClaimDispatcher(store, runtime)
    dispatcher.register(request(amount=2000, min_amount=2, block_for=LONG), lambda answer: None)
    dispatcher._schedule.answered(
        [ClaimableQuery(queues=(MAIL,), now=runtime.wall(), limit=1)],
        [[]],
        [News(new=0, over=700)],
        0.0,
    )
    dispatcher._schedule.note_taken((MAIL,), 1500)
    runtime.sleep(1)
    dispatcher.step()
    (query,) = store.queries
    assert query.limit == 2 * 2**20 // 1000 + 700 + 1500


class _Sized:
    """A stored task that says to be larger than it is."""

    def __init__(self, stored: StoredTask, size: int) -> None:
        self.document = _SizedTask(stored.document.queue, size)


class _SizedTask:
    def __init__(self, queue: QueueName, size: int) -> None:
        self.queue = queue
        self.approximate_bytes = size


def test_nothing_is_demanded_while_nobody_finds_anything(
    lagging: LaggingStore, runtime: Still
) -> None:
    """An idle worker costs a search now and then, and no refresh."""
    dispatcher = ClaimDispatcher(lagging, runtime)
    assert drain(dispatcher, runtime, 10.0) == 0
    assert 30 <= len(lagging.queries) <= 41
    assert not any(query.fresh for query in lagging.queries)


def test_nothing_is_demanded_while_there_is_something_left(
    lagging: LaggingStore, runtime: Still
) -> None:
    """What was found serves those who come, and searches go on at their pace."""
    for number in range(40):
        lagging.put(make_task(f"t{number}"))
    lagging.refresh()
    dispatcher = ClaimDispatcher(lagging, runtime)
    for _ in range(39):
        assert len(take(dispatcher)) == 1
    assert len(lagging.queries) == 1


def test_tasks_of_other_servers_are_found_without_waiting_for_the_store(
    lagging: LaggingStore, runtime: Still
) -> None:
    """All that was shown is taken: the next search demands everything, of these queues alone."""
    lagging.put(make_task("shown"))
    lagging.refresh()
    lagging.put(make_task("not-shown"))
    dispatcher = ClaimDispatcher(lagging, runtime)
    assert drain(dispatcher, runtime, PERIOD - 0.05) == 2
    assert [query.fresh for query in lagging.queries][:2] == [(), (MAIL,)]


def test_a_deep_queue_of_another_server_is_drained_at_the_pace_of_its_workers(
    lagging: LaggingStore, runtime: Still
) -> None:
    """Far more than one window for each second in which the store would show another."""
    for number in range(3000):
        lagging.put(make_task(f"t{number:04}"))
    lagging.refresh()
    dispatcher = ClaimDispatcher(lagging, runtime)
    assert drain(dispatcher, runtime, 5.0) >= 1000
    assert sum(bool(query.fresh) for query in lagging.queries) <= 51


def test_demands_keep_within_their_budget(lagging: LaggingStore, runtime: Still) -> None:
    """A twentieth of the time; here each takes a tenth of a second."""
    for number in range(3000):
        lagging.put(make_task(f"t{number:04}"))
    lagging.refresh()
    spent = 0.0
    search = lagging.find_claimable

    def slow(queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        nonlocal spent
        if any(query.fresh for query in queries):
            runtime.sleep(0.1)
            spent += 0.1
        return search(queries)

    lagging.find_claimable = slow  # type: ignore[method-assign]
    drain(ClaimDispatcher(lagging, runtime), runtime, 20.0)
    assert 0.3 <= spent <= 1.1


def test_what_is_handed_in_hides_nothing_from_a_search(
    lagging: LaggingStore, runtime: Still
) -> None:
    """However many hot tasks are made here, an older one of higher priority elsewhere is found."""
    dispatcher = ClaimDispatcher(lagging, runtime)
    answers: list[str] = []

    def deliver(answer: object) -> None:
        answers.extend(ids(answer))  # type: ignore[arg-type]

    number = 0
    lagging.put(make_task("warm"))
    lagging.refresh()
    for step in range(200):
        if step == 100:
            lagging.put(make_task("high", priority=9))
            lagging.refresh()
            before = len(answers)
        for _ in range(3):
            number += 1
            dispatcher.offer(lagging.put(make_task(f"hot{number:04}")).stored)
        dispatcher.register(request(block_for=LONG), deliver)
        dispatcher.step()
        runtime.sleep(0.01)
    assert "high" in answers
    overtaken_for = (answers.index("high") - before) * 0.01
    assert overtaken_for <= 2 * PERIOD


def test_a_full_buffer_of_low_priority_hides_nothing(lagging: LaggingStore, runtime: Still) -> None:
    """What was handed in gives way to what comes first."""
    dispatcher = ClaimDispatcher(lagging, runtime)
    for number in range(25_000):
        task = make_task(f"low{number}")
        dispatcher.offer(Stored(document=task, version=Version(1, 1)))
    lagging.put(make_task("high", priority=9))
    lagging.refresh()
    assert ids(dispatcher.claim(request())) == ["high"]


def test_an_offer_outlives_the_waiter_that_it_was_meant_for(
    lagging: LaggingStore, runtime: Still
) -> None:
    """It is no waiter's own: who is gone leaves it to the next, without a search for it."""
    is_there = True
    dispatcher = ClaimDispatcher(lagging, runtime)
    dispatcher.register(request(block_for=LONG), lambda answer: None, lambda: is_there)
    dispatcher.step()
    is_there = False
    dispatcher.offer(lagging.put(make_task("new")).stored)
    dispatcher.step()
    assert lagging.batches == []
    assert take(dispatcher) == ["new"]


def test_a_claim_that_looks_once_is_served_from_what_is_known_without_a_search(
    lagging: LaggingStore, runtime: Still
) -> None:
    """Unless it wants more: a search may show that."""
    for number in range(30):
        lagging.put(make_task(f"t{number:02}"))
    lagging.refresh()
    dispatcher = ClaimDispatcher(lagging, runtime)
    assert len(dispatcher.claim(request(amount=10))) == 10
    assert len(dispatcher.claim(request(amount=10))) == 10
    assert len(lagging.queries) == 1
    assert len(dispatcher.claim(request(amount=20))) == 10
    assert len(lagging.queries) == 2


def test_a_store_that_shows_everything_is_never_asked_to(
    lagging: LaggingStore, runtime: Still
) -> None:
    """Memory sees every write."""
    lagging.traits = StoreTraits(visibility_lag=ZERO)
    lagging.put(make_task("t1"))
    lagging.refresh()
    drain(ClaimDispatcher(lagging, runtime), runtime, 3.0)
    assert not any(query.fresh for query in lagging.queries)


def test_a_store_in_trouble_is_asked_less_often_until_it_has_recovered(
    lagging: LaggingStore, runtime: Still
) -> None:
    """And as often as before in the end."""
    dispatcher = ClaimDispatcher(lagging, runtime)
    for _ in range(5):
        dispatcher._schedule.back_off()

    def searches(seconds: float) -> int:
        before = len(lagging.queries)
        drain(dispatcher, runtime, seconds)
        return len(lagging.queries) - before

    runtime.sleep(3)
    assert searches(5.0) < 10
    searches(60.0)
    assert searches(5.0) >= 15


def test_a_queue_in_trouble_keeps_no_other_from_its_tasks(
    store: ScriptedStore, runtime: Still
) -> None:
    """What is refused on its account alone says nothing of the store; it is tried again later."""
    is_troubled = True

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if is_troubled and write.document.queue == "sick":
            return Rejected("its shard is missing", is_local=True)
        return None

    store._script = script
    fill(store, "t1", queue="sick")
    fill(store, "t2", queue="well")
    dispatcher = ClaimDispatcher(store, runtime)
    answers: list[Sequence[StoredTask]] = []
    dispatcher.register(request("sick", block_for=LONG), answers.append)  # type: ignore[arg-type]
    dispatcher.step()
    store.ready = store.ready[1:]
    assert take(dispatcher, "well") == ["t2"]
    is_troubled = False
    store.ready = [store.stored[make_task("t1", queue="sick").key]]
    runtime.sleep(1)
    dispatcher.step()
    assert [ids(answer) for answer in answers] == [["t1"]]


def test_two_dispatchers_on_one_queue_soon_keep_out_of_each_others_way(
    lagging: LaggingStore, runtime: Still
) -> None:
    """Few claims are lost, and none is handed out twice."""
    for number in range(6000):
        lagging.put(make_task(f"t{number:04}"))
    lagging.refresh()
    runtime.random = Random(1).random  # type: ignore[method-assign]
    taken: list[str] = []
    servers = [ClaimDispatcher(lagging, runtime) for _ in range(2)]

    def deliver(answer: object) -> None:
        taken.extend(ids(answer))  # type: ignore[arg-type]

    lost_late = tried_late = 0
    for step in range(400):
        if step % 100 == 99:
            lagging.refresh()  # as by itself, each second
        for server in servers:
            if not server.waiting:
                server.register(request(amount=5, block_for=LONG), deliver)
            before = len(lagging.batches), len(taken)
            server.step()
            if step >= 100:
                tried = sum(len(batch) for batch in lagging.batches[before[0] :])
                tried_late += tried
                lost_late += tried - (len(taken) - before[1])
        runtime.sleep(0.01)
    assert len(taken) == len(set(taken)) >= 3000
    assert lost_late <= 0.05 * tried_late
