"""What was claimed for somebody who has gone is returned, unless it is somebody's by now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tasques.core import errors, lifecycle
from tasques.core.json_object import JsonObject
from tasques.core.ports import Conflict, ReadOutcome, Write, WriteOutcome
from tasques.core.queues import WorkerId
from tasques.core.service.group_commit import HandIn
from tasques.core.service.returns import Returns
from tasques.core.tasks import State, StoredTask, Task, TaskKey
from tests.service.conftest import START, QuickRuntime, ScriptedStore, make_task

WORKER = WorkerId("w")


@pytest.fixture
def store() -> ScriptedStore:
    store = ScriptedStore()

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        expected = getattr(write, "expected", None)
        return None if store.stored[write.document.key].version == expected else Conflict()

    store._script = script
    return store


def claimed(store: ScriptedStore, id: str) -> StoredTask:
    return store.put(lifecycle.claim(make_task(id), worker=WORKER, now=START)).stored


def handing_in(store: ScriptedStore) -> HandIn:
    """Everything is done at once."""

    def hand_in(
        writes: Sequence[Write[Task]], tell: Callable[[Sequence[WriteOutcome[Task]]], None]
    ) -> None:
        tell(store.write(writes))

    return hand_in


@pytest.mark.parametrize("is_handed_in", [False, True], ids=["waits", "handed in"])
def test_what_was_written_over_itself_is_returned(
    is_handed_in: bool, store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """As by a producer who repeats a creation: its server confirms what it reads."""
    waiting: list[str] = []
    spawned: list[Callable[[], None]] = []
    runtime.spawn = lambda name, target: spawned.append(target)  # type: ignore[method-assign]
    returns = Returns(
        store,
        runtime,
        hand_in=handing_in(store) if is_handed_in else None,
        on_waiting=lambda stored: waiting.append(stored.document.id),
    )
    both = [claimed(store, "a"), claimed(store, "b")]
    store.put(both[1].document)
    returns.give_back(both)
    for target in spawned:
        target()
    assert len(spawned) == is_handed_in
    assert waiting == ["a", "b"]
    for each in both:
        now = store.stored[each.document.key].document
        assert (now.state, now.attempted) == (State.QUEUED, 0)


def test_what_its_worker_has_reported_on_stays_its_own(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """It got it after all."""
    returns = Returns(store, runtime, hand_in=None, on_waiting=lambda stored: None)
    stored = claimed(store, "a")
    store.put(lifecycle.report(stored.document, worker=WORKER, data=JsonObject.of({}), at=START))
    returns.give_back([stored])
    assert store.stored[stored.document.key].document.state is State.CLAIMED
    assert len(store.batches) == 1


def test_what_cannot_be_looked_at_is_left(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """Its time-out brings it back."""

    def get(keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        raise errors.StoreUnavailable("down")

    returns = Returns(store, runtime, hand_in=None, on_waiting=lambda stored: None)
    stored = claimed(store, "a")
    store.put(stored.document)
    store.get = get  # type: ignore[method-assign]
    returns.give_back([stored])
    assert store.stored[stored.document.key].document.state is State.CLAIMED


def test_nothing_is_nothing(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """No write at all."""
    Returns(store, runtime, hand_in=None, on_waiting=lambda stored: None).give_back([])
    assert store.batches == []
