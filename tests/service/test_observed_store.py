"""Events: what each write tells, and that nothing is told that did not happen."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tasques.core import lifecycle
from tasques.core.documents import Operation, Version
from tasques.core.events import Happening, TaskEvent, events_of
from tasques.core.ports import Conflict, Create, Delete, Replace, Unknown, WriteOutcome, Written
from tasques.core.queues import WorkerId
from tasques.core.service.observed_store import ObservedTaskStore
from tasques.core.tasks import Task
from tasques.testing.examples import NOW
from tasques.testing.fake_runtime import FakeRuntime
from tests.service.conftest import ScriptedStore, make_task

WORKER = WorkerId("w1")


def marked(task: Task, verb: str) -> Task:
    return task.stamped(Operation(token=f"of-{verb}", verb=verb))


def claimed(**more: Any) -> Task:
    return lifecycle.claim(attrs.evolve(make_task(), **more), worker=WORKER, now=NOW)


def failed(task: Task) -> Task:
    return lifecycle.fail(task, worker=WORKER, data=None, now=NOW, jitter=0.0)


@pytest.mark.parametrize(
    ("verb", "task", "told"),
    [
        ("create", make_task(), ["created"]),
        ("claim", claimed(), ["claimed"]),
        ("report", claimed(), ["reported"]),
        ("unclaim", make_task(), ["returned"]),
        ("give_back", make_task(), ["returned"]),
        ("failed", failed(claimed()), ["failed"]),
        ("failed", failed(claimed(retry_times=0)), ["failed", "dead"]),
        ("time_out", failed(claimed()), ["reaped"]),
        ("time_out", failed(claimed(retry_times=0)), ["reaped", "dead"]),
        ("expire", lifecycle.expire(make_task(), now=NOW), ["dead"]),
        ("cancel", lifecycle.cancel(make_task(), now=NOW), ["dead"]),
        ("retry", make_task(), ["retried"]),
        ("delay", make_task(), ["changed"]),
        ("reprioritise", make_task(), ["changed"]),
        ("of a later version", make_task(), []),
    ],
)
def test_what_a_write_tells(verb: str, task: Task, told: list[str]) -> None:
    """By its verb, and by whether the task has ended."""
    task = marked(task, verb)
    events = events_of(task, Version(1, 7), at=NOW)
    assert [event.what for event in events] == told
    for event in events:
        assert (event.task, event.token, event.version, event.at) == (
            task,
            f"of-{verb}",
            Version(1, 7),
            NOW,
        )


def test_a_write_that_does_not_say_what_it_was_for_tells_nothing() -> None:
    """It was an original server's."""
    assert events_of(make_task(), Version(1, 1), at=NOW) == ()


@pytest.fixture
def told() -> list[TaskEvent]:
    return []


def test_only_what_took_place_is_told(told: list[TaskEvent]) -> None:
    """A lost race and a doubtful write are no events; an archived task is one."""
    outcomes: dict[int, WriteOutcome[Task]] = {2: Conflict(), 3: Unknown("lost")}
    store = ScriptedStore(lambda write, number: outcomes.get(number))
    observed = ObservedTaskStore(store, FakeRuntime(), told.extend)
    tasks = [marked(make_task(id), "create") for id in "abc"]
    written, *_ = observed.write([Create(document=each) for each in tasks])
    assert [(event.what, event.task.id) for event in told] == [(Happening.CREATED, "a")]
    assert isinstance(written, Written)
    told.clear()
    observed.write([Delete(document=tasks[0], expected=written.stored.version)])
    assert [(event.what, event.task.id) for event in told] == [(Happening.ARCHIVED, "a")]


def test_nothing_is_told_of_a_batch_without_a_success(told: list[TaskEvent]) -> None:
    """The observer is not even called."""
    calls: list[int] = []
    store = ScriptedStore(lambda write, number: Conflict())
    observed = ObservedTaskStore(store, FakeRuntime(), lambda events: calls.append(len(events)))
    observed.write([Replace(document=marked(make_task(), "claim"), expected=Version(1, 1))])
    assert calls == []
