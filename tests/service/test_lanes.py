"""Lanes: a queue that is gone, or new, keeps nobody else waiting (P21), and heals."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core.ports import Rejected, Unknown, Write, WriteOutcome, Written
from tasques.core.service.batch_limits import BatchLimits
from tasques.core.service.group_commit import GroupCommit
from tasques.core.service.queue_health import Standing
from tasques.core.tasks import Task
from tests.service.actors import CALL_TIMEOUT, ROUND_TRIP, SHARD_TIMEOUT, Actors, create

SEEDS = st.integers(0, 2**32)
#: Locks and wake-ups cost virtual time, too.
SLACK = 0.1


@attrs.define
class Call:
    """One call of ``write``, and what became of it."""

    queue: str
    began: float
    took: float
    outcomes: Sequence[WriteOutcome[Task]]


class World(Actors):
    """A group commit whose callers note what they got."""

    def __init__(self, seed: int, limits: BatchLimits | None = None) -> None:
        super().__init__(seed)
        self.commit = GroupCommit(self.store, self.runtime, limits or BatchLimits())
        self.calls: list[Call] = []
        self._ids = 0

    def call(self, queue: str, count: int = 1) -> Call:
        """Create so many tasks in *queue*."""
        self._ids += count
        return self.write([create(f"t{self._ids - n}", queue) for n in range(count)])

    def write(self, writes: Sequence[Write[Task]]) -> Call:
        began = self.now
        outcomes = self.commit.write(writes)
        call = Call(writes[0].document.queue, began, self.now - began, outcomes)
        self.calls.append(call)
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, Written):
                assert outcome.stored.document == write.document, "another's outcome"
        return call

    def callers(self, queue: str, count: int, *, every: float, until: float) -> None:
        """Have *count* actors create in *queue* again and again."""

        def run() -> None:
            while self.now < until:
                self.call(queue)
                self.scheduler.block(every * (0.5 + self.scheduler.random()))

        for _ in range(count):
            self.start(0.0, run)

    def of(self, queue: str, *, since: float = 0.0) -> list[Call]:
        """The calls that wrote to *queue*."""
        return [call for call in self.calls if call.queue == queue and call.began >= since]


@settings(max_examples=25)
@given(seed=SEEDS, gone_at=st.sampled_from([0.0, 2.0]), in_flight=st.sampled_from([1, 2, 3]))
def test_a_queue_that_is_gone_delays_others_once(seed: int, gone_at: float, in_flight: int) -> None:
    """
    P21: whoever was in a batch with it, or waited for that, is delayed; nobody is afterwards.

    And nobody waits longer than for one try at the queue that is gone, or twice where that one was
    in the main lane.
    """
    world = World(seed, BatchLimits(in_flight=in_flight))
    for queue in ("mail", "bills"):
        world.callers(queue, 4, every=0.02, until=8.0)
    world.callers("lost", 4, every=0.1, until=8.0)
    world.scheduler.at(gone_at, lambda: world.store.gone.add("lost"))
    world.run(until=60.0)
    one_try = ROUND_TRIP + SHARD_TIMEOUT
    for queue in ("mail", "bills"):
        assert all(isinstance(o, Written) for call in world.of(queue) for o in call.outcomes)
        assert max(call.took for call in world.of(queue)) <= 2 * one_try + SLACK
        late = world.of(queue, since=gone_at + 2 * one_try + SLACK)
        assert max(call.took for call in late) <= 4 * ROUND_TRIP + SLACK
    assert max(call.took for call in world.of("lost")) <= 2 * one_try + SLACK


@settings(max_examples=15)
@given(seed=SEEDS)
def test_a_queue_heals(seed: int) -> None:
    """It is tried again soon after it is there again, and is then as any other."""
    world = World(seed)
    world.store.gone.add("lost")
    world.callers("lost", 3, every=0.2, until=40.0)
    world.scheduler.at(20.0, world.store.gone.clear)
    world.run(until=90.0)
    before = [o for call in world.of("lost") if call.began < 18 for o in call.outcomes]
    assert {type(outcome) for outcome in before} == {Unknown, Rejected}
    # The longest pause, a try that was under way, and a caller that comes along.
    healed = world.of("lost", since=20.0 + 4.0 + SHARD_TIMEOUT + 0.5)
    assert all(isinstance(o, Written) for call in healed for o in call.outcomes)
    assert len(healed) > 50
    assert max(call.took for call in healed) <= 3 * ROUND_TRIP + SLACK
    assert world.commit._health.troubled == 0
    assert world.commit._lanes == {}


@settings(max_examples=15)
@given(seed=SEEDS)
def test_few_tries_are_made_at_what_is_gone(seed: int) -> None:
    """One write at a time and for each queue, few of all, with pauses; the others are definite."""
    world = World(seed)
    lost = ["lost0", "lost1"]
    world.store.gone.update(lost)
    for queue in lost:
        world.callers(queue, 3, every=0.1, until=20.0)
    seen = []

    def look() -> None:
        batches = world.store.batches_under_way
        seen.append(len(batches))
        for queue in lost:
            assert sum(queue in batch for batch in batches) <= 1
        assert all(len(batch) == 1 for batch in batches)

    for tenth in range(1, 200):
        world.scheduler.at(tenth / 10, look)
    world.run(until=60.0)
    assert max(seen) <= BatchLimits().new_in_flight + BatchLimits().troubled_in_flight
    for queue in lost:
        outcomes = [o for call in world.of(queue) for o in call.outcomes]
        unknown = sum(isinstance(outcome, Unknown) for outcome in outcomes)
        assert 1 <= unknown <= 10
        assert sum(isinstance(o, Rejected) for o in outcomes) == len(outcomes) - unknown


@settings(max_examples=15)
@given(seed=SEEDS)
def test_where_nothing_answers_lanes_make_it_no_worse(seed: int) -> None:
    """
    Nobody waits for more than two requests in vain, however many queues are new or in trouble.
    """
    world = World(seed)
    queues = [f"q{number}" for number in range(20)]
    for queue in queues[:5]:
        world.start(0.0, world.call, queue)
    world.scheduler.at(1.0, lambda: setattr(world.store, "is_silent", True))
    for number in range(100):
        queue = queues[number % 20]
        world.start(2.0 + number / 100, world.call, queue)
    world.run(until=120.0)
    late = [call for call in world.calls if call.began >= 2.0]
    assert len(late) == 100
    assert max(call.took for call in late) <= 2 * (CALL_TIMEOUT + ROUND_TRIP) + SLACK
    assert world.commit._waiting_items == world.commit._waiting_size == 0


@settings(max_examples=15)
@given(seed=SEEDS)
def test_a_new_queue_is_tried_by_one_write(seed: int) -> None:
    """One goes ahead, and those that came meanwhile go together afterwards, with all others."""
    world = World(seed)
    for number in range(30):
        world.start(number / 10_000, world.call, "fresh")
    world.run(until=10.0)
    assert len(world.store.batches[0]) == 1
    assert sum(len(batch) for batch in world.store.batches) == 30
    assert len(world.store.batches) <= 4
    assert world.commit._health.standing(world.store.batches[0][0].document.queue) is Standing.WELL


def test_a_call_over_several_queues_is_answered_for_each() -> None:
    """What is gone is its own failure; what is well is written, in the order asked for."""
    world = World(1)
    world.store.gone.add("lost")
    world.start(0.0, world.call, "mail")
    mixed = [create("a", "lost"), create("b"), create("c", "lost"), create("d")]
    world.start(1.0, world.write, mixed)
    world.run(until=20.0)
    outcomes = world.calls[-1].outcomes
    assert [type(outcome) for outcome in outcomes] == [Unknown, Written, Rejected, Written]


@settings(max_examples=20)
@given(seed=SEEDS)
def test_writes_of_one_document_keep_apart_in_every_lane(seed: int) -> None:
    """Also while its queue moves from the main lane to its own, and back."""
    world = World(seed, BatchLimits(items=3, in_flight=3))

    def run() -> None:
        for _ in range(30):
            ids = [f"t{int(world.scheduler.random() * 4)}" for _ in range(2)]
            world.write([create(id, "lost") for id in dict.fromkeys(ids)] + [create(ids[0])])
            world.scheduler.block(world.scheduler.random() * 0.2)

    for _ in range(6):
        world.start(0.0, run)
    for second in range(1, 12, 2):
        world.scheduler.at(float(second), lambda: world.store.gone.add("lost"))
        world.scheduler.at(second + 0.7, world.store.gone.clear)
    world.run(until=300.0)


@pytest.mark.parametrize("size", [1, 200])
def test_lanes_take_a_part_of_the_room(size: int) -> None:
    """However much is written to queues that are new, there is room for those that are well."""
    limits = BatchLimits(waiting_items=100, new_in_flight=1)
    world = World(3, limits)
    world.start(0.0, world.call, "mail")
    world.scheduler.at(0.5, lambda: world.store.gone.add("lost0"))
    for number in range(size):
        world.start(1.0 + number / 1000, world.call, f"lost{number}")
    world.start(1.5, world.call, "mail")
    most = []
    world.scheduler.at(1.4, lambda: most.append(world.commit._waiting_items))
    world.run(until=60.0)
    assert most[0] <= 25
    assert isinstance(world.of("mail")[-1].outcomes[0], Written)


def test_metrics_tell_of_queues_in_trouble() -> None:
    """How many there are, and how much waits."""
    world = World(1)
    world.store.gone.add("lost")
    world.start(0.0, world.call, "lost")
    world.run(until=5.0)
    values = {family.name: family.samples[0].value for family in world.commit.families()}
    assert values == {"tasques_troubled_queues": 1, "tasques_waiting_writes": 0}
