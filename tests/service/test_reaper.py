"""The reaper: ends what is over, by compare-and-set, and nothing that is not."""

from __future__ import annotations

import pytest

from tasques.core import errors, lifecycle
from tasques.core.ports import Conflict, Rejected
from tasques.core.queues import WorkerId
from tasques.core.service.reaper import Reaper, ReaperOptions
from tasques.core.tasks import State, StoredTask
from tasques.core.values import Duration
from tests.service.conftest import MINUTE, START, QuickRuntime, ScriptedStore, make_task

MARGIN = Duration.of_seconds(2)


def claimed(store: ScriptedStore, id: str) -> StoredTask:
    task = lifecycle.claim(make_task(id), worker=WorkerId("w"), now=START)
    return store.put(task).stored


def test_a_claim_is_ended_when_its_time_and_the_margin_are_over(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Failed with the original's result at the time of the sweep, and offered to who waits."""
    claimed(store, "t1")
    offered: list[StoredTask] = []
    reaper = Reaper(store, runtime, on_waiting=offered.append)

    runtime.now = START.plus(MINUTE).plus(Duration.of_seconds(1.9))
    reaper.step()
    assert store.batches == []

    runtime.now = START.plus(MINUTE).plus(MARGIN)
    reaper.step()
    ended = store.stored[make_task("t1").key].document
    assert ended.state is State.FAILED
    assert ended.last_claim is not None
    assert ended.last_claim.result is not None
    assert ended.last_claim.result.at == runtime.now
    assert ended.last_claim.result.data == lifecycle.TIMED_OUT
    assert [stored.document for stored in offered] == [ended]
    assert reaper.reaped == 1


def test_the_write_is_conditional_on_what_was_found(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """A report that comes between search and write wins."""
    found = claimed(store, "t1")
    store._script = lambda write, n: Conflict()
    runtime.now = START.plus(MINUTE).plus(MINUTE)
    reaper = Reaper(store, runtime)
    reaper.step()
    (write,) = store.batches[0]
    assert getattr(write, "expected", None) == found.version
    assert reaper.reaped == 0


def test_a_full_sweep_is_followed_by_another_soon(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Many that time out together are ended page by page; an empty sweep waits its interval."""
    for number in range(5):
        claimed(store, f"t{number}")
    runtime.now = START.plus(MINUTE).plus(MINUTE)
    reaper = Reaper(store, runtime, options=ReaperOptions(page_size=3))
    assert reaper.step() == store.traits.visibility_lag
    assert reaper.step().seconds == pytest.approx(15, rel=0.06)
    assert reaper.reaped == 5


def test_a_store_that_refuses_is_left_alone_for_an_interval(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """However much there is to do."""
    claimed(store, "t1")
    store._script = lambda write, n: Rejected("busy")
    runtime.now = START.plus(MINUTE).plus(MINUTE)
    reaper = Reaper(store, runtime, options=ReaperOptions(page_size=1))
    assert reaper.step().seconds == pytest.approx(15, rel=0.06)


def test_a_server_that_cannot_trust_its_clock_ends_nothing(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """It does not even look."""

    def gate() -> None:
        raise errors.ClockUntrusted("hours off")

    claimed(store, "t1")
    runtime.now = START.plus(MINUTE).plus(MINUTE)
    with pytest.raises(errors.ClockUntrusted):
        Reaper(store, runtime, gate=gate).step()
    assert store.batches == []
