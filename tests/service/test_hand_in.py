"""Handing in: each caller that goes on is told once what became of its own writes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core.ports import Conflict, Create, Rejected, Unknown, Write, WriteOutcome, Written
from tasques.core.service import committers
from tasques.core.service.batch_limits import BatchLimits
from tasques.core.service.group_commit import GroupCommit
from tasques.core.tasks import Task
from tasques.core.values import ZERO, Duration
from tasques.runtime import ThreadRuntime
from tests.service.actors import CALL_TIMEOUT, ROUND_TRIP, SHARD_TIMEOUT, Actors, create
from tests.service.conftest import ScriptedStore
from tests.service.test_group_commit import Gate, wait_until

SEEDS = st.integers(0, 2**32)
#: Locks and wake-ups cost virtual time, too.
SLACK = 0.1
PATIENCE = 60.0

Outcomes = Sequence[WriteOutcome[Task]]


def conflicts_with_odd(write: Write[Task], number: int) -> Conflict | None:
    """Every task with an odd number is lost to another."""
    return Conflict() if int(write.document.id[1:]) % 2 else None


def are_its_own(writes: Sequence[Write[Task]], outcomes: Outcomes) -> bool:
    """Whether :func:`conflicts_with_odd` says *outcomes* of *writes*."""
    expected = [conflicts_with_odd(write, 0) for write in writes]
    return len(writes) == len(outcomes) and all(
        isinstance(outcome, Conflict)
        if lost
        else isinstance(outcome, Written) and outcome.stored.document == write.document
        for write, outcome, lost in zip(writes, outcomes, expected, strict=True)
    )


@attrs.define
class Call:
    """Writes that were handed in or waited for, and what was said of them."""

    queue: str
    writes: Sequence[Write[Task]]
    began: float
    ended: list[float] = attrs.Factory(list)
    outcomes: Outcomes = ()

    @property
    def took(self) -> float:
        """Seconds until it was told; there is one such time."""
        (ended,) = self.ended
        return ended - self.began


class World(Actors):
    """A group commit, some of whose callers hand in and go on."""

    def __init__(self, seed: int, limits: BatchLimits | None = None) -> None:
        super().__init__(seed)
        self.commit = GroupCommit(self.store, self.runtime, limits or BatchLimits())
        self.calls: list[Call] = []
        self._ids = 0

    def _new(self, queue: str, count: int) -> Call:
        self._ids += count
        writes = [create(f"t{self._ids - n}", queue) for n in range(count)]
        self.calls.append(Call(queue, writes, self.now))
        return self.calls[-1]

    def hand_in(self, queue: str = "mail", count: int = 1) -> Call:
        """Hand so many new tasks of *queue* in."""
        call = self._new(queue, count)

        def told(outcomes: Outcomes) -> None:
            call.ended.append(self.now)
            call.outcomes = outcomes

        self.commit.hand_in(call.writes, told)
        return call

    def write(self, queue: str = "mail", count: int = 1) -> Call:
        """Have so many new tasks of *queue* written, and wait."""
        call = self._new(queue, count)
        call.outcomes = self.commit.write(call.writes)
        call.ended.append(self.now)
        return call

    def callers(self, queue: str, count: int, *, every: float, until: float, waits: float) -> None:
        """Have *count* actors write again and again, and wait so often."""
        random = self.scheduler.random

        def run() -> None:
            while self.now < until:
                act = self.write if random() < waits else self.hand_in
                act(queue, 1 + int(random() * 3))
                self.scheduler.block(every * (0.5 + random()))

        for _ in range(count):
            self.start(0.0, run)

    def of(self, queue: str, *, since: float = 0.0) -> list[Call]:
        """The calls that wrote to *queue*."""
        return [call for call in self.calls if call.queue == queue and call.began >= since]


@settings(max_examples=10)
@given(
    seed=SEEDS,
    waits=st.sampled_from([0.0, 0.3, 0.9]),
    in_flight=st.sampled_from([1, 3]),
    items=st.sampled_from([2, 1000]),
    patience=st.sampled_from([0.003, 0.05, 60.0]),
)
def test_each_is_told_its_own_once(
    seed: int, waits: float, in_flight: int, items: int, patience: float
) -> None:
    """Whoever commits it, with whatever else; and however soon committers go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committers, "_PATIENCE_SECONDS", patience)
        world = World(seed, BatchLimits(in_flight=in_flight, items=items))
        world.store._script = conflicts_with_odd
        for queue in ("mail", "bills"):
            world.callers(queue, 3, every=0.02, until=0.5, waits=waits)
        world.run(until=30.0)
    assert len(world.calls) > 20
    assert [call for call in world.calls if len(call.ended) != 1] == []
    assert all(are_its_own(call.writes, call.outcomes) for call in world.calls)
    assert (world.commit._waiting_items, world.commit._flying) == (0, set())


@settings(max_examples=10)
@given(
    seed=SEEDS,
    gone_at=st.sampled_from([0.0, 1.0]),
    in_flight=st.sampled_from([1, 2, 3]),
    waits=st.sampled_from([0.0, 0.5, 0.9]),
)
def test_a_queue_that_is_gone_delays_others_once(
    seed: int, gone_at: float, in_flight: int, waits: float
) -> None:
    """P21, as for those who wait; what is known is not kept back for what is still under way."""
    world = World(seed, BatchLimits(in_flight=in_flight))
    for queue in ("mail", "bills"):
        world.callers(queue, 4, every=0.02, until=4.0, waits=waits)
    world.callers("lost", 4, every=0.1, until=4.0, waits=waits)
    world.scheduler.at(gone_at, lambda: world.store.gone.add("lost"))
    world.run(until=60.0)
    one_try = ROUND_TRIP + SHARD_TIMEOUT
    for queue in ("mail", "bills"):
        assert all(isinstance(o, Written) for call in world.of(queue) for o in call.outcomes)
        assert max(call.took for call in world.of(queue)) <= 2 * one_try + SLACK
        late = world.of(queue, since=gone_at + 2 * one_try + SLACK)
        assert max(call.took for call in late) <= 4 * ROUND_TRIP + SLACK
    assert max(call.took for call in world.of("lost")) <= 2 * one_try + SLACK


def test_what_is_known_is_told_before_what_takes_long_is_begun() -> None:
    """A caller that waits commits for one that went on; meanwhile a slow batch has gathered."""
    world = World(1)
    world.store.gone.add("lost")
    asked = world.commit._next_job
    told_first: list[bool] = []

    def next_job() -> Callable[[], None] | None:
        told_first.append(bool(world.commit._to_tell))
        return asked()

    world.commit._committers._next_job = next_job

    def both() -> None:
        world.write("mail")
        with world.commit._lock:
            # Settled by somebody who waits, as when both were in one batch ...
            world.commit._to_tell.append(lambda: known.ended.append(world.now))
            # ... and the first who comes hands in what is going to take long.
            world.commit._have_told()
        world.hand_in("lost")

    known = Call("mail", (), 0.0)
    world.start(0.0, both)
    world.run(until=60.0)
    assert told_first[0]
    assert known.took < SHARD_TIMEOUT


def test_refusals_are_told_too() -> None:
    """A queue that is shut, and too many that wait: a definite no, at once."""
    world = World(1)
    world.store.gone.add("lost")
    world.start(0.0, world.hand_in, "mail")
    world.start(1.0, world.hand_in, "lost")
    world.start(1.0 + 3 * SHARD_TIMEOUT, lambda: [world.hand_in("lost") for _ in range(3)])
    world.run(until=20.0)
    lost = [call for call in world.of("lost") if call.began > 1.0 + SHARD_TIMEOUT]
    refused = [o for call in lost for o in call.outcomes if isinstance(o, Rejected)]
    assert refused
    assert all(outcome.is_local for outcome in refused)

    world = World(1, BatchLimits(in_flight=1, waiting_items=2))
    world.start(0.0, world.write)
    world.start(1.0, lambda: [world.hand_in() for _ in range(4)])
    world.run(until=20.0)
    said = Counter(type(outcome) for call in world.calls for outcome in call.outcomes)
    assert said[Rejected] > 0
    assert said[Written] + said[Rejected] == 5
    turned_away = [call for call in world.calls if isinstance(call.outcomes[0], Rejected)]
    assert max(call.took for call in turned_away) < ROUND_TRIP


def test_a_silent_store_is_told_as_unknown() -> None:
    """After the time that a call takes, and to all who waited: nobody is kept for good."""
    world = World(1)
    world.start(0.0, world.hand_in)
    world.scheduler.at(1.0, lambda: setattr(world.store, "is_silent", True))
    for number in range(5):
        world.start(2.0 + number, world.hand_in)
    world.run(until=100.0)
    silent = world.calls[1:]
    assert {type(o) for call in silent for o in call.outcomes} <= {Unknown, Rejected}
    assert max(call.took for call in silent) <= 2 * (CALL_TIMEOUT + ROUND_TRIP) + SLACK


def test_who_is_told_may_hand_in_again() -> None:
    """A chain of writes, each begun when the one before is known, by whoever tells it."""
    world = World(1)
    told: list[str] = []

    def next_one(number: int) -> None:
        def on_told(outcomes: Outcomes) -> None:
            (outcome,) = outcomes
            assert isinstance(outcome, Written)
            told.append(outcome.stored.document.id)
            if number < 100:
                next_one(number + 1)

        world.commit.hand_in([create(f"t{number}")], on_told)

    world.start(0.0, next_one, 0)
    world.run(until=60.0)
    assert told == [f"t{number}" for number in range(101)]


def test_one_that_does_not_take_it_costs_nobody_else_anything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is noted, and the others of the same batch are told."""
    world = World(1, BatchLimits(in_flight=1))

    def broken(outcomes: Outcomes) -> None:
        raise ValueError("broken")

    def all_together() -> None:
        for _ in range(3):
            world.hand_in()
            world.commit.hand_in(world._new("mail", 1).writes, broken)
            world.calls.pop()

    world.start(0.0, all_together)
    world.run(until=20.0)
    assert [len(call.ended) for call in world.calls] == [1, 1, 1]
    assert caplog.text.count("broken") >= 3


# ------------------------------------------------------------------------------- real threads


class Threads:
    """A group commit of real threads, over a store that can be held up."""

    def __init__(self, limits: BatchLimits | None = None) -> None:
        self.store = ScriptedStore(conflicts_with_odd)
        self.commit = GroupCommit(self.store, ThreadRuntime(), limits or BatchLimits())
        # The queue is seen to be well.
        self.commit.write([create("t0")])

    def hand_in(self, writes: Sequence[Write[Task]]) -> Answered:
        answered = Answered()
        self.commit.hand_in(writes, answered)
        return answered


class Answered:
    """Takes outcomes, from whichever thread, and keeps all that it gets."""

    def __init__(self) -> None:
        self.all: list[Outcomes] = []
        self._came = threading.Semaphore(0)

    def __call__(self, outcomes: Outcomes) -> None:
        self.all.append(outcomes)
        self._came.release()

    def wait(self) -> Outcomes:
        assert self._came.acquire(timeout=PATIENCE)
        return self.all[0]


def test_to_hand_in_waits_for_nobody() -> None:
    """Not for a store that hangs, however many hand in; once it goes on, all are told."""
    threads = Threads(BatchLimits(in_flight=1))
    gate = Gate(threads.store)
    first = threads.hand_in([create("t2")])
    gate.wait_for_batch()
    others = [threads.hand_in([create(f"t{n}"), create(f"t{n + 1}")]) for n in range(10, 200, 2)]
    assert [answered.all for answered in (first, *others)] == [[]] * 96
    gate.let_through(2)
    assert isinstance(first.wait()[0], Written)
    for answered in others:
        assert [type(outcome) for outcome in answered.wait()] == [Written, Conflict]
    # In one batch, on one thread: that is what it is for.
    assert [len(batch) for batch in threads.store.batches] == [1, 1, 190]


def test_a_server_that_stops_waits_for_what_was_handed_in() -> None:
    """For a while: what hangs for longer may be cut off."""
    threads = Threads(BatchLimits(in_flight=1))
    assert threads.commit.come_to_rest(within=ZERO)
    gate = Gate(threads.store)
    answered = [threads.hand_in([create(id)]) for id in ("t2", "t4")]
    gate.wait_for_batch()
    assert not threads.commit.come_to_rest(within=ZERO)
    gate.let_through(2)
    assert threads.commit.come_to_rest(within=Duration.of_seconds(PATIENCE))
    assert [type(outcome) for each in answered for outcome in each.wait()] == [Written, Written]


def test_a_store_that_fails_unexpectedly_leaves_nobody_in_the_dark(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is known of these writes; later ones go."""
    threads = Threads()

    def fail(writes: Sequence[Write[Task]]) -> None:
        raise RuntimeError("a bug")

    threads.store.before_write = fail
    for answered in [threads.hand_in([create("t2"), create("t4")]) for _ in range(3)]:
        assert {type(outcome) for outcome in answered.wait()} == {Unknown}
    threads.store.before_write = lambda writes: None
    assert isinstance(threads.commit.write([create("t6")])[0], Written | Rejected | Unknown)
    wait_until(lambda: isinstance(threads.hand_in([create("t8")]).wait()[0], Written))
    # Whoever committed says so after its callers were told.
    wait_until(lambda: "a bug" in caplog.text)


@pytest.mark.parametrize("patience", [0.0, 0.0005, 60.0])
def test_thousands_from_several_threads(patience: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is lost, told twice, or told of another's, while committers come and go."""
    monkeypatch.setattr(committers, "_PATIENCE_SECONDS", patience)
    threads = Threads(BatchLimits(in_flight=2))
    told: dict[int, list[tuple[Sequence[Create[Task]], Answered]]] = {n: [] for n in range(4)}
    waited: list[bool] = []

    def hand_in_many(number: int) -> None:
        for n in range(300):
            first = 10_000 * (number + 1) + 3 * n
            writes = [create(f"t{first + m}") for m in range(1 + n % 3)]
            if n % 10 == 0:
                waited.append(are_its_own(writes, threads.commit.write(writes)))
                continue
            told[number].append((writes, threads.hand_in(writes)))
            if n % 7 == 0:
                # All before it are known then: committers have nothing to do, and may leave.
                told[number][-1][1].wait()

    started = [threading.Thread(target=hand_in_many, args=(n,)) for n in told]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    pairs = [pair for each in told.values() for pair in each]
    for writes, answered in pairs:
        wait_until(lambda answered=answered: bool(answered.all))  # type: ignore[misc]
        assert are_its_own(writes, answered.all[0])
    assert [answered for _, answered in pairs if len(answered.all) != 1] == []
    assert (len(pairs), len(waited), all(waited)) == (1080, 120, True)
