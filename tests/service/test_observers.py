"""Observers: told beside the requests, in turn, and never at their cost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from tasques.core.documents import Operation, Version
from tasques.core.events import Happening, TaskEvent
from tasques.core.service.meter import Meter
from tasques.core.service.observers import Observers
from tasques.core.values import ZERO, Duration
from tasques.runtime import ThreadRuntime
from tasques.testing.examples import NOW
from tests.service.conftest import make_task

PATIENCE = Duration.of_seconds(60)


def event(id: str) -> TaskEvent:
    task = make_task(id).stamped(Operation(token=id, verb="create"))
    return TaskEvent(what=Happening.CREATED, at=NOW, task=task, token=id, version=Version(1, 1))


def count_of(meter: Meter, name: str) -> object:
    [family] = [family for family in meter.collect() if family.name == name]
    return sum(sample.value for sample in family.samples)  # type: ignore[misc]


def observing(
    meter: Meter | None = None, capacity: int = 100, **observers: Callable[[TaskEvent], None]
) -> Observers:
    runtime = ThreadRuntime()
    return Observers(observers, runtime, meter or Meter(runtime), capacity=capacity)


def test_everybody_hears_everything_in_order() -> None:
    """On a thread that is none of those who tell."""
    first: list[str] = []
    second: list[str] = []
    threads: set[threading.Thread] = set()

    def listen(event: TaskEvent) -> None:
        first.append(event.task.id)
        threads.add(threading.current_thread())

    observers = observing(a=listen, b=lambda event: second.append(event.task.id))
    for id in "abc":
        observers.tell([event(id), event(id + "2")])
    assert observers.close(PATIENCE)
    assert first == second == ["a", "a2", "b", "b2", "c", "c2"]
    assert threading.current_thread() not in threads
    [thread] = threads
    thread.join(PATIENCE.seconds)
    assert not thread.is_alive()


def test_what_one_raises_concerns_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted each time, and logged once a minute."""
    heard: list[str] = []

    def fail(event: TaskEvent) -> None:
        raise RuntimeError("deaf")

    meter = Meter(ThreadRuntime())
    observers = observing(meter, a=fail, b=lambda event: heard.append(event.task.id))
    with caplog.at_level(logging.ERROR):
        observers.tell([event("a"), event("b")])
        assert observers.close(PATIENCE)
    assert heard == ["a", "b"]
    assert count_of(meter, "tasques_plugin_errors_total") == 2
    assert [record.getMessage() for record in caplog.records] == [
        "the plugin a failed to take an event: deaf"
    ]


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    """Whoever tells does not wait for an observer that does not come back."""
    gate = threading.Event()
    entered = threading.Event()
    heard: list[str] = []

    def slow(event: TaskEvent) -> None:
        entered.set()
        assert gate.wait(PATIENCE.seconds)
        heard.append(event.task.id)

    meter = Meter(ThreadRuntime())
    observers = observing(meter, capacity=2, a=slow)
    observers.tell([event("a")])
    assert entered.wait(PATIENCE.seconds)
    observers.tell([event(id) for id in "bcde"])
    assert not observers.flush(ZERO)
    gate.set()
    assert observers.close(PATIENCE)
    assert heard == ["a", "b", "c"]
    assert count_of(meter, "tasques_events_dropped_total") == 2


def test_nothing_is_taken_after_the_end() -> None:
    """Nor is a thread started for it."""
    heard: list[str] = []
    observers = observing(a=lambda event: heard.append(event.task.id))
    assert observers.close(ZERO)
    observers.tell([event("a")])
    assert observers.flush(ZERO)
    assert heard == []
