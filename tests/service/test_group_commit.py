"""Group commit: everybody's writes in few batches, everybody's own outcomes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from tasques.core.ports import Conflict, Create, Rejected, Unknown, Write, WriteOutcome, Written
from tasques.core.service.batch_limits import BatchLimits
from tasques.core.service.group_commit import GroupCommit
from tasques.core.tasks import Task, TaskKey
from tasques.runtime import ThreadRuntime
from tests.service.conftest import ScriptedStore, make_task


def create(id: str) -> Create[Task]:
    return Create(document=make_task(id))


def well(store: ScriptedStore, limits: BatchLimits | None = None) -> GroupCommit:
    """A group commit that has seen the queue of these tests take a write."""
    commit = GroupCommit(store, ThreadRuntime(), limits or BatchLimits())
    assert isinstance(commit.write([create("before")])[0], Written)
    store.batches.clear()
    return commit


class Gate:
    """Holds batches up at the store until the test lets them through."""

    def __init__(self, store: ScriptedStore) -> None:
        self.arrived = threading.Semaphore(0)
        self._open = threading.Semaphore(0)
        store.before_write = self._pass

    def _pass(self, writes: Sequence[Write[Task]]) -> None:
        self.arrived.release()
        assert self._open.acquire(timeout=60)

    def wait_for_batch(self) -> None:
        assert self.arrived.acquire(timeout=60)

    def let_through(self, batches: int) -> None:
        self._open.release(batches)


class Callers:
    """Threads that write, and what they got."""

    def __init__(self, commit: GroupCommit) -> None:
        self._commit = commit
        self._threads: list[threading.Thread] = []
        self.outcomes: dict[str, Sequence[WriteOutcome[Task]]] = {}

    def start(self, name: str, writes: Sequence[Write[Task]]) -> None:
        def run() -> None:
            self.outcomes[name] = self._commit.write(writes)

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    done = threading.Event()
    for _ in range(12_000):
        if condition():
            return
        done.wait(0.005)
    pytest.fail("it never came to be")


def test_a_lone_write_leaves_at_once_on_the_thread_of_its_caller(store: ScriptedStore) -> None:
    """Nobody lingers for company, and no thread is changed."""
    threads: list[threading.Thread] = []
    store.before_write = lambda writes: threads.append(threading.current_thread())

    outcomes = GroupCommit(store, ThreadRuntime()).write([create("a")])

    assert [type(outcome) for outcome in outcomes] == [Written]
    assert threads == [threading.current_thread()]


def test_no_writes_are_no_batch(store: ScriptedStore) -> None:
    """An empty call is answered without the store."""
    assert list(GroupCommit(store, ThreadRuntime()).write([])) == []
    assert store.batches == []


def test_what_gathers_while_batches_are_under_way_goes_together(store: ScriptedStore) -> None:
    """Two batches fly; ten more callers' writes make one third batch."""
    commit = well(store, BatchLimits(in_flight=2))
    gate = Gate(store)
    callers = Callers(commit)
    for name in ("first", "second"):
        callers.start(name, [create(name)])
        gate.wait_for_batch()
    for number in range(10):
        callers.start(f"w{number}", [create(f"w{number}")])
    wait_until(lambda: commit._waiting_items == 10)

    gate.let_through(3)
    callers.join()

    assert sorted(len(batch) for batch in store.batches) == [1, 1, 10]
    assert len(callers.outcomes) == 12


def test_a_second_batch_leaves_once_it_is_as_large_as_the_last(store: ScriptedStore) -> None:
    """Two small ones cost more than a larger one; but one that is large enough waits for nobody."""
    commit = well(store, BatchLimits(in_flight=2, enough=4))
    gate = Gate(store)
    callers = Callers(commit)
    callers.start("first", [create(f"f{n}") for n in range(3)])
    gate.wait_for_batch()
    for number in range(2):
        callers.start(f"w{number}", [create(f"w{number}")])
    wait_until(lambda: commit._waiting_items == 2)
    callers.start("last", [create("w2")])
    gate.wait_for_batch()
    assert commit._waiting_items == 0
    gate.let_through(2)
    callers.join()
    assert [len(batch) for batch in store.batches] == [3, 3]

    callers.start("large", [create(f"l{n}") for n in range(50)])
    gate.wait_for_batch()
    callers.start("enough", [create(f"e{n}") for n in range(4)])
    gate.wait_for_batch()
    gate.let_through(2)
    callers.join()


def test_each_caller_gets_the_outcomes_of_its_own_writes() -> None:
    """One item's failure is its own: neighbours in the same batch are not touched."""
    store = ScriptedStore(
        lambda write, _: Conflict() if write.document.key.id.startswith("bad") else None
    )
    commit = well(store, BatchLimits(in_flight=1))
    gate = Gate(store)
    callers = Callers(commit)
    callers.start("first", [create("x")])
    gate.wait_for_batch()
    callers.start("good", [create("good-1"), create("good-2")])
    callers.start("mixed", [create("bad-1"), create("good-3")])
    wait_until(lambda: commit._waiting_items == 4)

    gate.let_through(2)
    callers.join()

    assert [type(o) for o in callers.outcomes["good"]] == [Written, Written]
    assert [type(o) for o in callers.outcomes["mixed"]] == [Conflict, Written]
    assert [o.stored.document.id for o in callers.outcomes["good"] if isinstance(o, Written)] == [
        "good-1",
        "good-2",
    ]


def test_two_writes_of_one_document_are_never_under_way_together(store: ScriptedStore) -> None:
    """A bulk keeps its order only within itself, so the second write waits for the first."""
    flying: set[TaskKey] = set()
    lock = threading.Lock()

    def check(writes: Sequence[Write[Task]]) -> None:
        keys = [write.document.key for write in writes]
        with lock:
            assert len(set(keys)) == len(keys)
            assert not flying & set(keys)
            flying.update(keys)
        threading.Event().wait(0.001)
        with lock:
            flying.difference_update(keys)

    commit = well(store, BatchLimits(in_flight=3))
    store.before_write = check
    callers = Callers(commit)
    for number in range(16):
        callers.start(str(number), [create(f"t{n % 5}") for n in range(number, number + 12)])
    callers.join()

    assert sum(len(batch) for batch in store.batches) == 16 * 12
    assert all(isinstance(o, Written) for outs in callers.outcomes.values() for o in outs)


def test_a_batch_holds_so_many_items_and_so_many_bytes(store: ScriptedStore) -> None:
    """A call larger than a batch is cut up, and a write larger than one goes alone."""
    commit = well(store, BatchLimits(items=4))
    commit.write([create(str(n)) for n in range(10)])
    assert [len(batch) for batch in store.batches] == [4, 4, 2]

    store.batches.clear()
    size = make_task().approximate_bytes
    commit = well(store, BatchLimits(size=2 * size))
    commit.write([create(str(n)) for n in range(5)])
    assert [len(batch) for batch in store.batches] == [2, 2, 1]

    store.batches.clear()
    well(store, BatchLimits(size=1)).write([create("a"), create("b")])
    assert [len(batch) for batch in store.batches] == [1, 1]


def test_what_does_not_fit_is_rejected_whole_and_nothing_of_it_is_sent(
    store: ScriptedStore,
) -> None:
    """The queue is bounded: beyond it a call is refused at once, a definite no."""
    commit = well(store, BatchLimits(in_flight=1, waiting_items=2))
    gate = Gate(store)
    callers = Callers(commit)
    callers.start("first", [create("x")])
    gate.wait_for_batch()
    callers.start("waits", [create("y")])
    wait_until(lambda: commit._waiting_items == 1)

    refused = commit.write([create("a"), create("b")])

    assert [type(outcome) for outcome in refused] == [Rejected, Rejected]
    gate.let_through(2)
    callers.join()
    assert {write.document.key.id for batch in store.batches for write in batch} == {"x", "y"}


def test_a_store_that_fails_unexpectedly_leaves_nobody_waiting(store: ScriptedStore) -> None:
    """The others of the batch learn that nothing is known of their writes; the next batch goes."""
    commit = well(store, BatchLimits(in_flight=1))
    gate = Gate(store)
    callers = Callers(commit)
    callers.start("first", [create("x")])
    gate.wait_for_batch()

    def fail(writes: Sequence[Write[Task]]) -> None:
        raise RuntimeError("a bug")

    store.before_write = fail
    failures: list[BaseException] = []

    def run(id: str) -> None:
        try:
            callers.outcomes[id] = commit.write([create(id)])
        except RuntimeError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    wait_until(lambda: commit._waiting_items == 3)
    gate.let_through(1)
    callers.join()
    for thread in threads:
        thread.join(60)

    assert len(failures) == 1, "the caller that committed sees the error itself"
    others = [outs for name, outs in callers.outcomes.items() if name != "first"]
    assert [type(outs[0]) for outs in others] == [Unknown, Unknown]
    store.before_write = lambda writes: None
    assert isinstance(commit.write([create("later")])[0], Written)
