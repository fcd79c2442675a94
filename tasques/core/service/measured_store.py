"""
A store of tasks that measures what passes through it.

Whatever becomes of a task is a write that says who made it (its verb) and an outcome; so this is the
one place where creations, claims, ends, time-outs, lost races and doubtful outcomes can be counted,
and no service has to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tasques.core.metrics import LONG_SECONDS, SECONDS, SIZES
from tasques.core.ports import (
    ClaimableQuery,
    Delete,
    Runtime,
    TaskStore,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.service.meter import Counter, Meter
from tasques.core.service.store_layer import StoreLayer
from tasques.core.tasks import StoredTask, Task
from tasques.core.values import NANOSECONDS_PER_SECOND, Instant

#: Verbs of writes that end a claim.
_ENDS: Final = ("done", "failed", "time_out")


class MeasuredTaskStore(StoreLayer):
    """A :class:`~tasques.core.ports.TaskStore` that hands on everything, and counts."""

    def __init__(self, store: TaskStore, runtime: Runtime, meter: Meter) -> None:
        super().__init__(store)
        self._runtime = runtime
        self._meter = meter
        self._batch_size = meter.histogram(
            "tasques_write_batch_size", "Writes that went together in one request.", SIZES
        )
        self._batch_seconds = meter.histogram(
            "tasques_write_batch_seconds", "How long the store took over a batch.", SECONDS
        )
        self._search_seconds = meter.histogram(
            "tasques_search_seconds", "How long the search for claimable tasks took.", SECONDS
        )
        self._candidates = meter.counter(
            "tasques_search_candidates_total", "Tasks that searches for claimable ones proposed."
        )
        self._waited = meter.histogram(
            "tasques_task_waiting_seconds",
            "From when a task was due to when it was claimed.",
            LONG_SECONDS,
        )
        self._ran = meter.histogram(
            "tasques_task_running_seconds", "From a claim to its end.", LONG_SECONDS
        )
        # Found again without building labels.
        self._counters: dict[tuple[str, type[WriteOutcome[Task]]], Counter] = {}

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Have them tried, and count what became of each."""
        began = self._runtime.monotonic()
        outcomes = self._store.write(writes)
        self._batch_seconds.observe(self._runtime.monotonic() - began)
        self._batch_size.observe(len(writes))
        if len(writes) == 1:
            self._note(writes[0], outcomes[0])
            return outcomes
        counts: dict[tuple[str, type[WriteOutcome[Task]]], int] = {}
        for write, outcome in zip(writes, outcomes, strict=True):
            verb = _verb(write)
            key = verb, type(outcome)
            counts[key] = counts.get(key, 0) + 1
            if isinstance(outcome, Written):
                self._note_times(verb, outcome.stored.document)
        for (verb, became), count in counts.items():
            self._counter(verb, became).add(count)
        return outcomes

    def _note(self, write: Write[Task], outcome: WriteOutcome[Task]) -> None:
        """Count one that came alone, as nearly all do where nothing has to be sent."""
        verb = _verb(write)
        self._counter(verb, type(outcome)).add()
        if isinstance(outcome, Written):
            self._note_times(verb, outcome.stored.document)

    def _counter(self, verb: str, outcome: type[WriteOutcome[Task]]) -> Counter:
        counter = self._counters.get((verb, outcome))
        if counter is None:
            counter = self._counters[verb, outcome] = self._meter.counter(
                "tasques_task_writes_total",
                "Writes of tasks by what they were for and what became of them.",
                verb=verb,
                outcome=outcome.__name__.lower(),
            )
        return counter

    def _note_times(self, verb: str, task: Task) -> None:
        claim = task.last_claim
        if claim is None:
            return
        if verb == "claim":
            self._waited.observe(_seconds(task.run_at, claim.claimed_at))
        elif verb in _ENDS and claim.result is not None:
            self._ran.observe(_seconds(claim.claimed_at, claim.result.at))

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """The store's, timed."""
        began = self._runtime.monotonic()
        found = self._store.find_claimable(queries)
        self._search_seconds.observe(self._runtime.monotonic() - began)
        self._candidates.add(sum(len(each) for each in found))
        return found


def _seconds(earlier: Instant, later: Instant) -> float:
    return max(later.nanoseconds - earlier.nanoseconds, 0) / NANOSECONDS_PER_SECOND


def _verb(write: Write[Task]) -> str:
    if isinstance(write, Delete):
        return "archive"
    operation = write.document.operation
    return operation.verb if operation is not None else "unknown"
