"""Stores that are asked the same give the same answers; see tasques/testing/machines.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.ports import Backend, Runtime, StoreTraits, Write, WriteOutcome
from tasques.core.service.group_commit import GroupCommit
from tasques.core.tasks import Task
from tasques.core.values import Duration
from tasques.testing.faulty import FaultyTaskStore
from tasques.testing.machines import LockstepMachine, Open, Opened


def memory(runtime: Runtime) -> Opened:
    """The in-memory store, a new one for each example."""
    return Opened(store=MemoryBackend(runtime).tasks)


class _Slow(FaultyTaskStore):
    """Says that its searches lag behind, so that the services treat it like one that does."""

    @property
    def traits(self) -> StoreTraits:
        return StoreTraits(visibility_lag=Duration.of_seconds(1))


class _Forgetful(FaultyTaskStore):
    """Loses the second write of each call, and says otherwise."""

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        outcomes = super().write(writes[:1])
        return [outcomes[0] for _ in writes]


def slow(runtime: Runtime) -> Opened:
    """The in-memory store, for services that remember what searches may miss."""
    return Opened(store=_Slow(MemoryBackend(runtime).tasks))


def agree(
    first: Open,
    second: Open,
    *,
    examples: int,
    steps: int,
    interferes: bool = True,
    machine: type[LockstepMachine] = LockstepMachine,
    **more: Any,
) -> None:
    """Drive both through as many examples."""
    example: Any = partial(machine, first, second, interferes=interferes)
    run_state_machine_as_test(
        example,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=[HealthCheck.too_slow],
            **more,
        ),
    )


def test_memory_agrees_with_itself() -> None:
    """The same calls give the same answers twice: nothing in the services is left to chance."""
    agree(memory, memory, examples=100, steps=50)


def test_group_commit_changes_no_answer() -> None:
    """Whether writes go together or alone makes no difference to those who asked."""

    def grouped(runtime: Runtime) -> Opened:
        return Opened(store=GroupCommit(MemoryBackend(runtime).tasks, runtime))

    agree(memory, grouped, examples=50, steps=50)


class _ShortAndLong(LockstepMachine):
    """On the second side every claim is served by a round."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        claims = self._sides[1].claims
        claims._may_take_at_once = lambda: False  # type: ignore[method-assign]


def test_the_short_way_changes_no_answer() -> None:
    """A lone claim gets what a round of the dispatcher would have given it, to the byte."""
    agree(memory, memory, examples=100, steps=50, machine=_ShortAndLong)


def test_hand_off_changes_no_answer() -> None:
    """Tasks remembered because searches lag behind are claimed as if they had been found."""
    agree(memory, slow, examples=50, steps=50, interferes=False)


def test_the_comparison_sees_a_difference() -> None:
    """A store that loses writes is found out: the comparison can fail."""

    def forgetful(runtime: Runtime) -> Opened:
        return Opened(store=_Forgetful(MemoryBackend(runtime).tasks))

    once: dict[str, Any] = {
        "phases": [Phase.generate],
        "report_multiple_bugs": False,
        "database": None,
    }
    with pytest.raises(AssertionError, match="the answers differ"):
        agree(memory, forgetful, examples=100, steps=50, **once)


def test_memory_agrees_with_elasticsearch(
    open_elasticsearch: Callable[[Runtime], Backend], refresh: Callable[[], None]
) -> None:
    """What is tried out in memory goes into production unchanged."""

    def elasticsearch(runtime: Runtime) -> Opened:
        return Opened(store=open_elasticsearch(runtime).tasks, settle=refresh)

    # The services over Elasticsearch remember tasks, so those over memory have to do so too.
    agree(slow, elasticsearch, examples=25, steps=40)
