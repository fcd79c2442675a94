"""Reads that go together: everybody's own answers, and nothing from before the question."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core.errors import StoreUnavailable
from tasques.core.ports import Missing, ReadOutcome, Replace, Unreadable
from tasques.core.queues import QueueName, TaskId
from tasques.core.service.group_commit import GroupCommit
from tasques.core.service.group_read import GroupRead
from tasques.core.tasks import Task, TaskKey
from tests.service.actors import ROUND_TRIP, SHARD_TIMEOUT, Actors, create

SEEDS = st.integers(0, 2**32)
SLACK = 0.1


def key(id: str, queue: str = "mail") -> TaskKey:
    return TaskKey(QueueName(queue), TaskId(id))


class World(Actors):
    """Readers on one node."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.reads = GroupRead(self.store, self.runtime)
        self.took: dict[str, float] = {}
        self.found: dict[str, Sequence[ReadOutcome[Task]]] = {}

    def read(self, at: float, name: str, keys: Sequence[TaskKey]) -> None:
        """Have an actor ask for *keys* at that time."""

        def run() -> None:
            began = self.now
            self.found[name] = self.reads.get(keys)
            self.took[name] = self.now - began

        self.start(at, run)


def test_a_lone_read_is_one_request() -> None:
    """It leaves at once, with its own keys."""
    world = World()
    world.read(0.0, "a", [key("a"), key("b")])
    world.run(until=5.0)
    assert world.store.reads == [[key("a"), key("b")]]
    assert world.found["a"] == [Missing(), Missing()]


def test_no_keys_are_no_request() -> None:
    """An empty call is answered without the store."""
    world = World()
    world.read(0.0, "a", [])
    world.run(until=5.0)
    assert world.store.reads == []


@settings(max_examples=25)
@given(seed=SEEDS, sizes=st.lists(st.integers(1, 90), min_size=3, max_size=30))
def test_each_reader_gets_its_own(seed: int, sizes: list[int]) -> None:
    """Whoever they went with, in whatever order; and they go together, within a bound."""
    world = World(seed)
    everybody = {
        str(number): [key(f"{number}-{n}") for n in range(size)]
        for number, size in enumerate(sizes)
    }
    for keys in everybody.values():
        for each in keys[::2]:
            world.store.put(create(each.id).document)
    for name, keys in everybody.items():
        world.read(0.0, name, keys)
    world.run(until=60.0)
    for name, keys in everybody.items():
        assert world.found[name] == [world.store.stored.get(each, Missing()) for each in keys]
    assert all(len(asked) <= 200 for asked in world.store.reads)
    if sum(sizes) <= 200:
        assert len(world.store.reads) <= 4


@settings(max_examples=25)
@given(seed=SEEDS)
def test_a_read_sees_what_was_written_before_it(seed: int) -> None:
    """G6, through group commit: it shares no answer to a request that had left."""
    world = World(seed)
    commit = GroupCommit(world.store, world.runtime)

    def run(name: str) -> None:
        [outcome] = commit.write([create(name)])
        for _ in range(20):
            stored = outcome.stored  # type: ignore[union-attr]
            [found] = commit.get([stored.document.key])
            assert found == stored
            [outcome] = commit.write([Replace(document=stored.document, expected=stored.version)])

    for number in range(6):
        world.start(0.0, run, f"t{number}")
    world.run(until=300.0)
    assert len(world.store.reads) < 6 * 20


@settings(max_examples=15)
@given(seed=SEEDS)
def test_what_cannot_be_read_keeps_nobody_else(seed: int) -> None:
    """Once a queue was unreadable, its reads go apart; until they are answered again."""
    world = World(seed)
    world.store.gone.add("lost")
    world.read(0.0, "first", [key("a", "lost"), key("b")])
    for number in range(40):
        at = 2.0 + number / 20
        world.read(at, f"lost{number}", [key("a", "lost")])
        world.read(at, f"mail{number}", [key(f"m{number}")])
    world.scheduler.at(10.0, world.store.gone.clear)
    world.read(12.0, "healed", [key("a", "lost")])
    world.read(13.0, "after", [key("a", "lost"), key("b")])
    world.run(until=60.0)
    assert world.found["first"] == [Unreadable("503"), Missing()]
    for number in range(40):
        assert world.found[f"lost{number}"] == [Unreadable("503")]
        assert world.found[f"mail{number}"] == [Missing()]
        assert world.took[f"mail{number}"] <= 3 * ROUND_TRIP + SLACK
        assert world.took[f"lost{number}"] <= 2 * (ROUND_TRIP + SHARD_TIMEOUT) + SLACK
    assert world.found["healed"] == [Missing()]
    assert world.reads._unreadable == {}


def test_a_store_that_cannot_be_read_is_everybodys_failure() -> None:
    """Each of those who asked together learns it; whoever asks later is answered."""
    world = World()
    failures: list[str] = []
    get = world.store.get

    def fail(keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        get(keys)
        raise StoreUnavailable("down")

    def run() -> None:
        try:
            world.reads.get([key("a")])
        except StoreUnavailable as error:
            failures.append(str(error))

    world.store.get = fail  # type: ignore[method-assign]
    for _ in range(10):
        world.start(0.0, run)
    world.scheduler.at(5.0, lambda: setattr(world.store, "get", get))
    world.read(6.0, "later", [key("a")])
    world.run(until=20.0)
    assert failures == ["down"] * 10
    assert world.found["later"] == [Missing()]


def test_a_store_that_fails_unexpectedly_leaves_nobody_waiting() -> None:
    """The one that asked for all sees the error itself, the others that nothing can be read."""
    world = World()
    failures: list[type[Exception]] = []

    def fail(keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        world.scheduler.block(ROUND_TRIP)
        raise RuntimeError("a bug")

    def run() -> None:
        try:
            world.reads.get([key("a")])
        except (StoreUnavailable, RuntimeError) as error:
            failures.append(type(error))

    world.store.get = fail  # type: ignore[method-assign]
    for _ in range(10):
        world.start(0.0, run)
    world.run(until=20.0)
    assert len(failures) == 10
    assert 0 < failures.count(RuntimeError) < 10


def test_so_many_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a read is refused at once; what comes when nothing waits is taken."""
    monkeypatch.setattr("tasques.core.service.group_read._WAITING_ITEMS", 3)
    world = World()
    refused: list[str] = []

    def run() -> None:
        try:
            world.reads.get([key("a"), key("b")])
        except StoreUnavailable as error:
            refused.append(str(error))

    for number in range(5):
        world.start(0.1 * ROUND_TRIP * number, run)
    world.run(until=20.0)
    assert refused
    assert set(refused) == {"too many reads wait in this server"}
    assert world.reads._waiting_items == 0
