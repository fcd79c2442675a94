"""Planted errors in what gathers writes and reads, and in handing them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from tasques.core.ports import (
    Invalid,
    Unknown,
)
from tasques.core.service.committers import Committers
from tasques.core.service.group_commit import GroupCommit
from tasques.core.service.group_read import GroupRead
from tasques.core.service.queue_health import QueueHealth, Verdict
from tasques.core.service.task_service import TaskService
from tests.simulation.mutants.planting import Swap, mutant


@mutant("P18", "two writes of one document are under way together")
def sends_what_flies(swap: Swap) -> None:
    class Blind(set[Any]):
        def __contains__(self, key: object) -> bool:
            return False

    right = GroupCommit.__init__

    def init(self: Any, *args: Any, **more: Any) -> None:
        right(self, *args, **more)
        self._flying = Blind()

    swap(GroupCommit, "__init__", init)


@mutant("P18", "the queue of writes has no bound")
def waits_without_bound(swap: Swap) -> None:
    swap(GroupCommit, "_has_room", lambda self, lane, entries: True)


@mutant("P17", "outcomes are dealt out in another order")
def mixes_outcomes_up(swap: Swap) -> None:
    right = GroupCommit._came_back

    def came_back(self: Any, batch: Any, outcomes: Sequence[Any]) -> None:
        right(self, batch, list(reversed(outcomes)))

    swap(GroupCommit, "_came_back", came_back)


@mutant("P17", "reads are dealt out to the wrong callers")
def mixes_reads_up(swap: Swap) -> None:
    right = GroupRead._answer

    def answer(self: Any, batch: Sequence[Any], *more: Any) -> None:
        right(self, list(reversed(batch)), *more)

    swap(GroupRead, "_answer", answer)


@mutant("P15", "a queue that was in trouble once is closed for good")
def never_heals(swap: Swap) -> None:
    swap(QueueHealth, "is_closed", lambda self, queue, now: queue in self._troubled)


@mutant("P13", "the lane of a queue that was in trouble is never free again")
def keeps_a_lane_busy(swap: Swap) -> None:
    right = GroupCommit._end_try

    def end_try(self: Any, lane: Any, queue: Any, said: Any) -> None:
        right(self, lane, queue, said)
        if said is not Verdict.WELL:
            lane.under_way += 1
            self._lanes[queue] = lane

    swap(GroupCommit, "_end_try", end_try)


@mutant("P13", "nobody is woken to commit what waits")
def passes_nothing_on(swap: Swap) -> None:
    swap(GroupCommit, "_pass_on", lambda self: None)


@mutant("P17", "who handed in is told what became of another's write")
def tells_it_to_another(swap: Swap) -> None:
    def tell(self: Any) -> None:
        with self._lock:
            due = list(self._to_tell)
            self._to_tell.clear()
        for one, other in zip(due, due[1:] + due[:1], strict=True):
            (outcomes,) = one.args
            one.func(*(other.args if len(other.args[0]) == len(outcomes) else one.args))

    swap(GroupCommit, "_tell", tell)


@mutant("P13", "of two who are to be told at once, one is not")
def tells_one_only(swap: Swap) -> None:
    right = GroupCommit._next_to_tell

    def next_to_tell(self: Any) -> Any:
        with self._lock:
            if len(self._to_tell) > 1:
                self._to_tell.popleft()
        return right(self)

    swap(GroupCommit, "_next_to_tell", next_to_tell)


@mutant("P13", "a committer that sleeps is not called")
def lets_committers_sleep(swap: Swap) -> None:
    right = Committers.call
    swap(Committers, "call", lambda self: None if self._idle else right(self))


@mutant("P13", "whoever was called to commit is thought to be on its way for good")
def forgets_who_came(swap: Swap) -> None:
    right = Committers.call

    def call(self: Any) -> None:
        if not self.__dict__.setdefault("was_called", False):
            right(self)
        self.__dict__["was_called"] = True

    swap(Committers, "call", call)


@mutant("P17", "a write that was handed in is begun anew, whatever became of it")
def ignores_first_outcomes(swap: Swap) -> None:
    for name in ("begin_create", "begin_change"):
        right = getattr(TaskService, name)

        def begin(self: Any, *args: Any, right: Callable[..., Any] = right, **more: Any) -> Any:
            begun = right(self, *args, **more)
            return attrs.evolve(begun, end=lambda first: begun.end(None))

        swap(TaskService, name, begin)


@mutant("P13", "a task that has to be read is read where nobody may wait")
def reads_where_nobody_may_wait(swap: Swap) -> None:
    right = TaskService.begin_change

    def begin_change(self: Any, change: Any) -> Any:
        begun = right(self, change)
        if begun.write is None:
            self._settlement.read(change.key, deadline=0.0)
        return begun

    swap(TaskService, "begin_change", begin_change)


@mutant("P21", "a batch waits until queues that are gone are there again", begin=300)
def waits_for_what_is_gone(swap: Swap) -> None:
    right = GroupCommit.__init__

    class Patient:
        def __init__(self, store: Any, runtime: Any) -> None:
            self._store = store
            self._runtime = runtime

        def write(self, writes: Any) -> Any:
            for _ in range(5):
                outcomes = self._store.write(writes)
                if not any(isinstance(outcome, Unknown) for outcome in outcomes):
                    break
            return outcomes

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

    def init(self: Any, store: Any, runtime: Any, *more: Any) -> None:
        right(self, Patient(store, runtime), runtime, *more)

    swap(GroupCommit, "__init__", init)


@mutant("P16", "one write that the store refuses for good spoils its batch")
def spoils_neighbours(swap: Swap) -> None:
    right = GroupCommit.__init__

    class Spoilt:
        def __init__(self, store: Any) -> None:
            self._store = store

        def write(self, writes: Any) -> Any:
            outcomes = self._store.write(writes)
            bad = [outcome for outcome in outcomes if isinstance(outcome, Invalid)]
            return [bad[0]] * len(outcomes) if bad else outcomes

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

    swap(
        GroupCommit,
        "__init__",
        lambda self, store, *args, **more: right(self, Spoilt(store), *args, **more),
    )
