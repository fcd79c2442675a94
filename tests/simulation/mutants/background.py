"""Planted errors in the clock, the reaper, leadership, slots and the archive."""

from __future__ import annotations

from typing import Any

import attrs

from tasques.core import archive as core_archive
from tasques.core import leadership, retry
from tasques.core import recurring as core_recurring
from tasques.core.documents import Version
from tasques.core.leadership import Move
from tasques.core.ports import (
    Exists,
    Written,
)
from tasques.core.recurring import RecurringTask
from tasques.core.service import archiver as archiving
from tasques.core.service import election as electing
from tasques.core.service import reaper as reaping
from tasques.core.service import slot_firing
from tasques.core.service.clock import ClockWatch
from tasques.core.service.election import Election
from tasques.core.tasks import State
from tasques.core.values import Duration
from tests.simulation.mutants.planting import Swap, mutant

# ----------------------------------------------------------------------------- clock, reaper


@mutant("P10", "claims are ended without a margin")
def reaps_without_margin(swap: Swap) -> None:
    right = reaping.Reaper.step

    def step(self: Any) -> Any:
        self._options = attrs.evolve(self._options, margin=Duration(0))
        return right(self)

    swap(reaping.Reaper, "step", step)


@mutant("P10", "claims are ended by a clock that jumped")
def trusts_every_clock(swap: Swap) -> None:
    swap(ClockWatch, "ensure_steady", lambda self: None)
    swap(ClockWatch, "ensure_trusted", lambda self: None)


@mutant("P15", "the reaper ends nothing")
def reaps_nothing(swap: Swap) -> None:
    swap(reaping.Reaper, "_time_out", lambda self, stored, now: None)


@mutant("P15", "a failed task waits for a year")
def waits_for_a_year(swap: Swap) -> None:
    right = reaping.Reaper._time_out

    def time_out(self: Any, stored: Any, now: Any) -> Any:
        write = right(self, stored, now)
        if write is None or write.document.state is not State.FAILED:
            return write
        return None

    swap(reaping.Reaper, "_time_out", time_out)
    swap(retry, "delay", lambda retries, jitter: Duration.of_seconds(365 * 86_400))


# ---------------------------------------------------------------------- leaders and slots


@mutant("P11", "a leader relies on more than its lease")
def leads_too_long(swap: Swap) -> None:
    swap(leadership, "RELIED_ON", 3.0)
    swap(electing, "RELIED_ON", 3.0)


@mutant("P11", "a candidate does not wait for the holder's lease")
def usurps(swap: Swap) -> None:
    def next_move(memory: Any, *, leader_id: str, now: float) -> Move:
        return Move.CREATE if memory is None else Move.TAKE

    swap(electing, "next_move", next_move)


@mutant("P12", "terms do not grow")
def forgets_terms(swap: Swap) -> None:
    right = RecurringTask.taken_up

    def taken_up(self: Any, *, now: Any, term: Any) -> Any:
        return right(self, now=now, term=Version(1, 0))

    swap(RecurringTask, "taken_up", taken_up)


@mutant("P8", "the task of a slot has another id at each try")
def names_slots_at_random(swap: Swap) -> None:
    right = slot_firing.SlotFiring._create

    def create(self: Any, *args: Any) -> Any:
        made: Any = right(self, *args)
        token = made.document.operation.token
        task = attrs.evolve(made.document, id=f"rec-{token}")
        return attrs.evolve(made, document=task)

    swap(slot_firing.SlotFiring, "_create", create)


@mutant("P8", "a slot is fired before it is published")
def fires_before_publishing(swap: Swap) -> None:
    right = slot_firing.SlotFiring._publish

    def publish(self: Any, batch: Any, now: Any, term: Any) -> None:
        for known in batch:
            slot = known.next_at
            if slot is not None and known.pending is None:
                pending = core_recurring.Pending(
                    slot=slot,
                    task_id=known.task.task_id_for(slot),
                    definition=known.task.definition,
                )
                self._tasks.write([self._create(known.task.id, pending, now)])
        right(self, batch, now, term)

    swap(slot_firing.SlotFiring, "_publish", publish)


@mutant("P9", "a slot is noted as fired before its task is made")
def notes_before_making(swap: Swap) -> None:
    def create_tasks(self: Any, pending: Any, now: Any, term: Any) -> Any:
        creates = [self._create(stored.document.id, slot, now) for stored, slot in pending]
        if creates:
            self._tasks.write(creates)
        return {stored.document.id: False for stored, _ in pending}

    swap(slot_firing.SlotFiring, "_create_tasks", create_tasks)


@mutant("P9", "slots that were left out are not counted")
def forgets_missed_slots(swap: Swap) -> None:
    right = core_recurring.decide

    def decide(*args: Any, **more: Any) -> Any:
        decision = right(*args, **more)
        return None if decision is None else attrs.evolve(decision, left_out=0)

    swap(slot_firing, "decide", decide)


@mutant("P9", "a new leader takes nothing up")
def takes_nothing_up(swap: Swap) -> None:
    swap(Election, "_campaign", lambda self, *, may_take: None)


@mutant("P9", "what another try made is believed in after a read")
def believes_in_tasks_it_read(swap: Swap) -> None:
    swap(slot_firing.SlotFiring, "_is_there", lambda self, made: True)


# --------------------------------------------------------------------------------- archive


@mutant("P6", "a task is deleted whatever became of its copy")
def deletes_without_copy(swap: Swap) -> None:
    right = archiving.Archiver._copy

    def copy(self: Any, tasks: Any) -> Any:
        right(self, tasks)
        return list(tasks)

    swap(archiving.Archiver, "_copy", copy)


@mutant("P6", "any copy counts, also one of an earlier version")
def accepts_any_copy(swap: Swap) -> None:
    def copy(self: Any, tasks: Any) -> Any:
        keys = [core_archive.archive_key(stored.document) for stored in tasks]
        found = self._archive.find_copies(keys)
        new = [stored for stored, copies in zip(tasks, found, strict=True) if not copies]
        writes = [archiving._write(core_archive.plan_copy(stored, [])) for stored in new]
        outcomes = self._archive.write(writes) if writes else []
        written = {
            stored.document.key
            for stored, outcome in zip(new, outcomes, strict=True)
            if isinstance(outcome, Written | Exists)
        }
        there = [stored for stored, copies in zip(tasks, found, strict=True) if copies]
        return there + [stored for stored in new if stored.document.key in written]

    swap(archiving.Archiver, "_copy", copy)


@mutant("P7", "nobody looks for copies in older indices of the archive", begin=400)
def looks_in_the_newest_only(swap: Swap) -> None:
    right = core_archive.plan_copy

    def plan_copy(stored: Any, copies: Any) -> Any:
        return right(stored, [])

    def surplus(copies: Any) -> Any:
        return ()

    swap(archiving, "plan_copy", plan_copy)
    swap(archiving, "surplus", surplus)


@mutant("P1", "both copies of a task are removed when two are met")
def removes_all_copies(swap: Swap) -> None:
    swap(archiving, "surplus", lambda copies: tuple(copies))


@mutant("P7", "what is read is taken for what is there, and archived", begin=2700)
def archives_what_it_reads(swap: Swap) -> None:
    def confirmed(self: Any, stored: Any) -> Any:
        return stored if list(self._tasks.get([stored.document.key])) == [stored] else None

    swap(archiving.Archiver, "_confirmed", confirmed)
