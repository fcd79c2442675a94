"""Filters: what they change, what they refuse, and what their failures mean."""

from __future__ import annotations

import logging

import attrs
import pytest

from tasques.core import errors
from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.filters import ClaimFilter, EnqueueFilter, Failing, Filter, Filters, Veto
from tasques.core.service.meter import Meter
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask
from tasques.core.values import ZERO, Duration
from tasques.testing.fake_runtime import FakeRuntime

NEW = NewTask(
    queue=QueueName("mail"), kind="send", retry_times=1, processing_timeout=Duration.of_seconds(60)
)
CLAIM = ClaimRequest(worker=WorkerId("w"), queues=(QueueName("mail"),), amount=5, block_for=ZERO)


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


def filters(runtime: FakeRuntime, *them: Filter) -> Filters:
    return Filters(them, runtime, Meter(runtime))


def test_each_sees_what_the_one_before_made(runtime: FakeRuntime) -> None:
    """And one that says nothing leaves the request alone."""
    asked = filters(
        runtime,
        EnqueueFilter(name="a", decide=lambda new: attrs.evolve(new, priority=1)),
        EnqueueFilter(name="b", decide=lambda new: None),
        EnqueueFilter(name="c", decide=lambda new: attrs.evolve(new, priority=new.priority + 1)),
        ClaimFilter(name="d", decide=lambda claim: attrs.evolve(claim, amount=1)),
    )
    assert asked.enqueue(NEW) == attrs.evolve(NEW, priority=2)
    assert asked.claim(CLAIM) == attrs.evolve(CLAIM, amount=1)


def test_without_filters_nothing_changes(runtime: FakeRuntime) -> None:
    """The very same objects."""
    assert filters(runtime).enqueue(NEW) is NEW
    assert filters(runtime).claim(CLAIM) is CLAIM


def test_a_veto_says_who_and_why(runtime: FakeRuntime) -> None:
    """And those behind it are not asked."""
    asked: list[NewTask] = []
    both = filters(
        runtime,
        EnqueueFilter(name="quota", decide=lambda new: Veto("too many mails")),
        EnqueueFilter(name="late", decide=asked.append),
    )
    with pytest.raises(errors.Vetoed, match=r"Refused by \[quota\]: too many mails"):
        both.enqueue(NEW)
    assert asked == []


def test_an_open_filter_that_raises_is_passed_over(
    runtime: FakeRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and those behind it are asked."""

    def fail(new: NewTask) -> NewTask:
        raise RuntimeError("broken")

    asked = filters(
        runtime,
        EnqueueFilter(name="a", decide=fail),
        EnqueueFilter(name="b", decide=lambda new: attrs.evolve(new, priority=7)),
    )
    with caplog.at_level(logging.WARNING):
        assert asked.enqueue(NEW).priority == 7
    assert "the filter a failed: it raised RuntimeError: broken" in caplog.text


def test_a_closed_filter_that_raises_lets_nothing_pass(runtime: FakeRuntime) -> None:
    """What cannot be asked may be asked later, so it is no refusal."""

    def fail(claim: ClaimRequest) -> ClaimRequest:
        raise RuntimeError("broken")

    asked = filters(runtime, ClaimFilter(name="a", decide=fail, failing=Failing.CLOSED))
    with pytest.raises(errors.FilterFailed, match=r"The filter \[a\] cannot be asked"):
        asked.claim(CLAIM)


@pytest.mark.parametrize(("took", "priority"), [(0.01, 9), (0.011, 0)])
def test_a_late_answer_is_none(runtime: FakeRuntime, took: float, priority: int) -> None:
    """What comes after the budget of time counts as a failure."""

    def slow(new: NewTask) -> NewTask:
        runtime.sleep(took)
        return attrs.evolve(new, priority=9)

    asked = filters(
        runtime, EnqueueFilter(name="slow", decide=slow, budget=Duration.of_seconds(0.01))
    )
    assert asked.enqueue(NEW).priority == priority


def test_a_filter_that_keeps_failing_rests(runtime: FakeRuntime) -> None:
    """Half a minute; meanwhile it counts as failed, and afterwards one success is enough."""
    calls: list[NewTask] = []
    is_broken = True

    def decide(new: NewTask) -> NewTask:
        calls.append(new)
        if is_broken:
            raise RuntimeError("broken")
        return attrs.evolve(new, priority=3)

    asked = filters(runtime, EnqueueFilter(name="a", decide=decide, failing=Failing.CLOSED))
    for _ in range(10):
        with pytest.raises(errors.FilterFailed):
            asked.enqueue(NEW)
    assert len(calls) == 3
    is_broken = False
    runtime.advance(Duration.of_seconds(29))
    with pytest.raises(errors.FilterFailed):
        asked.enqueue(NEW)
    runtime.advance(Duration.of_seconds(2))
    assert asked.enqueue(NEW).priority == 3
    assert len(calls) == 4
