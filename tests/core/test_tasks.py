"""A task's parts, and what is computed from them."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given

from tasques.core.documents import Version
from tasques.core.json_object import JsonObject
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import (
    MAX_PRIORITY,
    MAX_RETRY_TIMES,
    MIN_PRIORITY,
    NewTask,
    State,
    Task,
    TaskKey,
)
from tasques.core.values import Duration, Instant
from tasques.testing import strategies
from tasques.testing.examples import NOW


def test_states_are_those_of_the_wire() -> None:
    """An original server must understand every state, so there are its five."""
    assert {"queued", "claimed", "failed", "done", "dead"} == {str(state) for state in State}


@pytest.mark.parametrize(
    ("state", "is_claimable", "is_final"),
    [
        (State.QUEUED, True, False),
        (State.FAILED, True, False),
        (State.CLAIMED, False, False),
        (State.DONE, False, True),
        (State.DEAD, False, True),
    ],
)
def test_what_states_say(state: State, is_claimable: bool, is_final: bool) -> None:
    """Waiting states may be claimed, final ones are only moved by an operator."""
    assert (is_claimable, is_final) == (state.is_claimable, state.is_final)


@given(strategies.tasks())
def test_attempts_and_what_is_left_make_up_the_whole(task: Task) -> None:
    """A task has one attempt more than retries; what is left is never negative."""
    assert task.retry_times + 1 == task.attempted + task.remaining_attempts
    assert 0 <= task.remaining_attempts <= task.retry_times + 1
    assert TaskKey(task.queue, task.id) == task.key


def test_the_order_of_claims() -> None:
    """Priority first, then the longest due, then the most attempts left, then the id."""
    first = Instant.parse("2020-01-01T00:00:00Z")
    second = Instant.parse("2020-01-01T00:00:00.000000001Z")
    rows = [
        # priority, run_at, retry_times, attempted, id
        (2, second, 0, 0, "z"),
        (1, first, 5, 0, "b"),
        (1, first, 5, 1, "a"),
        (1, first, 4, 0, "c"),
        (1, second, 9, 0, "a"),
        (0, first, 0, 0, "a"),
        (-1, first, 0, 0, "a"),
    ]
    tasks = [
        attrs.evolve(
            TASK, priority=priority, run_at=run_at, retry_times=retries, attempted=done, id=TaskId(id)
        )
        for priority, run_at, retries, done, id in rows
    ]  # fmt: skip
    tasks.reverse()
    assert tasks[::-1] == sorted(tasks, key=lambda task: task.claim_order)


@given(strategies.tasks(), strategies.tasks())
def test_the_order_of_claims_is_total(one: Task, other: Task) -> None:
    """Two tasks of one queue never tie."""
    if one.id != other.id:
        assert one.claim_order != other.claim_order


def test_versions_are_ordered_by_term_first() -> None:
    """After an election in Elasticsearch every version is greater, whatever its number."""
    assert Version(1, 9) < Version(1, 10) < Version(2, 0)


@given(strategies.tasks(), strategies.json_objects())
def test_a_larger_task_counts_for_more(task: Task, args: JsonObject) -> None:
    """Batches and memories are bounded by what tasks carry."""
    bare = attrs.evolve(task, args=None, context=None, last_claim=None)
    assert bare.approximate_bytes <= task.approximate_bytes
    loaded = attrs.evolve(bare, args=args)
    assert len(args.text) == loaded.approximate_bytes - bare.approximate_bytes


def test_numbers_reach_to_the_ends_of_64_bits() -> None:
    """The contract's ranges: an attempt is one more than a retry, and has to be stored too."""
    assert (MIN_PRIORITY, MAX_PRIORITY) == (-9223372036854775808, 9223372036854775807)
    assert MAX_RETRY_TIMES == 9223372036854775806
    smallest = NewTask(
        queue=QueueName("q"), kind="k", retry_times=0, processing_timeout=Duration(0)
    )
    assert (smallest.retry_times, smallest.priority) == (0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": ""},
        {"retry_times": -1},
        {"retry_times": MAX_RETRY_TIMES + 1},
        {"priority": MIN_PRIORITY - 1},
        {"priority": MAX_PRIORITY + 1},
    ],
)
def test_what_no_document_could_hold_is_refused(wrong: dict[str, Any]) -> None:
    """Attempts and priorities are 64-bit integers in the store."""
    right: dict[str, Any] = {
        "queue": QueueName("q"),
        "kind": "k",
        "retry_times": MAX_RETRY_TIMES,
        "priority": MIN_PRIORITY,
        "processing_timeout": Duration(0),
    }
    NewTask(**right)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NewTask(**right | wrong)


TASK = Task(
    id=TaskId("a"),
    queue=QueueName("q"),
    kind="k",
    state=State.QUEUED,
    priority=0,
    retry_times=0,
    attempted=0,
    processing_timeout=Duration.of_seconds(1),
    run_at=NOW,
    last_enqueued_at=NOW,
    created_at=NOW,
    modified_at=NOW,
)
