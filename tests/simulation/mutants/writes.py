"""Planted errors in the life of a task, in following writes to their end, and in batches of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs

from tasques.core import errors, lifecycle
from tasques.core.documents import Stored, Version
from tasques.core.ports import (
    Conflict,
    Missing,
    Replace,
    Unknown,
    WriteOutcome,
    Written,
)
from tasques.core.service import batches as batching
from tasques.core.service import changes as changing
from tasques.core.service import creations, task_writer
from tasques.core.service import operator_service as operating
from tasques.core.service import recurring_service as owning
from tasques.core.service import settlement as settling
from tasques.core.service.batches import Batches
from tasques.core.service.settlement import Overtaken, Settlement
from tasques.core.service.task_service import TaskService
from tasques.core.service.task_writer import TaskWriter
from tasques.core.tasks import State, Task
from tests.simulation.mutants.planting import Swap, mutant

# ------------------------------------------------------------------------- the life of a task


@mutant("P5", "an attempt is not counted")
def claims_without_counting(swap: Swap) -> None:
    right = lifecycle.claim

    def claim(task: Task, **more: Any) -> Task:
        return attrs.evolve(right(task, **more), attempted=task.attempted)

    swap(lifecycle, "claim", claim)


@mutant("P5", "giving a task back costs an attempt")
def unclaims_at_a_cost(swap: Swap) -> None:
    right = lifecycle.unclaim

    def unclaim(task: Task, **more: Any) -> Task:
        return attrs.evolve(right(task, **more), attempted=task.attempted)

    swap(lifecycle, "unclaim", unclaim)


@mutant("P4", "whoever asks may finish a task")
def finishes_for_anybody(swap: Swap) -> None:
    def held_by(task: Task, worker: Any, action: Any, claim_id: Any) -> Any:
        lifecycle.next_state(task, action)
        return lifecycle.claim_of(task)

    swap(lifecycle, "_held_by", held_by)


@mutant("P2", "what is claimed may be claimed again")
def claims_what_is_claimed(swap: Swap) -> None:
    def is_due(task: Task, now: Any) -> bool:
        return not task.state.is_final and task.run_at <= now and task.remaining_attempts > 0

    table = {**lifecycle.TRANSITIONS, (State.CLAIMED, lifecycle.Action.CLAIM): State.CLAIMED}
    swap(lifecycle, "TRANSITIONS", table)
    swap(lifecycle, "is_due", is_due)
    # Offered by whoever reports on it.
    right = TaskService.report

    def report(self: TaskService, *args: Any, **more: Any) -> Any:
        stored = right(self, *args, **more)
        self._writer._on_waiting(stored)
        return stored

    swap(TaskService, "report", report)


@mutant("P3", "a task that is done may fail")
def fails_what_is_done(swap: Swap) -> None:
    table = {
        **lifecycle.TRANSITIONS,
        (State.DONE, lifecycle.Action.FAIL): State.FAILED,
        (State.DONE, lifecycle.Action.EXHAUST): State.DEAD,
    }
    swap(lifecycle, "TRANSITIONS", table)
    right = lifecycle.cancel
    swap(
        lifecycle,
        "cancel",
        lambda task, *, now: (
            attrs.evolve(task, state=State.DEAD, modified_at=now)
            if task.state is State.DONE
            else right(task, now=now)
        ),
    )


# --------------------------------------------------------------------------------- settlement


def _takes_unknown_for(swap: Swap, outcome: Callable[[Any], WriteOutcome[Task]]) -> None:
    right = Settlement._try

    def attempt(self: Any, write: Any) -> Any:
        tried = right(self, write)
        is_unknown = isinstance(tried.outcome, Unknown)
        return attrs.evolve(tried, outcome=outcome(write)) if is_unknown else tried

    swap(Settlement, "_try", attempt)


@mutant("P17", "an unknown write counts as done")
def believes_in_unknown(swap: Swap) -> None:
    def done(write: Any) -> Written[Task]:
        return Written(Stored(document=write.document, version=Version(9, 9)))

    _takes_unknown_for(swap, done)


@mutant("P17", "an unknown write counts as not done")
def gives_unknown_up(swap: Swap) -> None:
    _takes_unknown_for(swap, lambda write: Conflict())
    swap(Settlement, "_look", lambda self, write, deadline: Overtaken(Missing()))
    swap(settling, "_PROMPT_SECONDS", math.inf)


@mutant("P17", "a conflict is a definite no however late the look", begin=400)
def takes_conflicts_for_definite(swap: Swap) -> None:
    swap(settling, "_PROMPT_SECONDS", math.inf)


@mutant("P17", "what was read is not confirmed")
def trusts_reads(swap: Swap) -> None:
    swap(Settlement, "_confirm", lambda self, current: current)


@mutant("P17", "a repeated request is answered with what was read")
def answers_repeats_from_reads(swap: Swap) -> None:
    swap(Settlement, "confirm", lambda self, read, *, deadline, first=None: read)


@mutant("P17", "what may have been done is called refused", begin=200)
def forgets_doubts(swap: Swap) -> None:
    for module in (task_writer, creations, operating, owning):
        swap(module, "refusal", lambda error, *, doubtful: error)


@mutant("P4", "a lost race is not decided anew: the old decision is written over the new version")
def writes_old_decisions(swap: Swap) -> None:
    right = Settlement.settle

    def settle(self: Any, write: Any, **more: Any) -> Any:
        settled = right(self, write, **more)
        is_task = isinstance(write.document, Task)
        if is_task and isinstance(settled, Overtaken) and isinstance(settled.current, Stored):
            again = Replace(document=write.document, expected=settled.current.version)
            return right(self, again, deadline=more["deadline"])
        return settled

    swap(Settlement, "settle", settle)


@mutant("P13", "a write is tried for ever")
def never_gives_up(swap: Swap) -> None:
    def take(self: Any) -> bool:
        self._runtime.sleep(0.5)
        return True

    swap(settling._Pause, "take", take)


@mutant("P14", "a repeated request is refused")
def refuses_repeats(swap: Swap) -> None:
    swap(changing, "was_made_by", lambda asked, task: False)


# ------------------------------------------------------------------------------------ batches


@mutant("P17", "each item of a batch is told what became of its neighbour")
def tells_the_neighbour(swap: Swap) -> None:
    for name in ("create", "change"):
        right = getattr(Batches, name)

        def turned(
            self: Any, items: Any, *, deadline: float, right: Callable[..., Any] = right
        ) -> Any:
            outcomes = right(self, items, deadline=deadline)
            return outcomes[1:] + outcomes[:1]

        swap(Batches, name, turned)


@mutant("P13", "a change that is refused spoils the others of its batch")
def refuses_all_changes_for_one(swap: Swap) -> None:
    right = Batches._decide

    def decide(self: Any, asked: Any) -> Any:
        decisions = right(self, asked)
        refusals = [each for each in decisions.values() if isinstance(each, errors.TaskError)]
        return dict.fromkeys(decisions, refusals[0]) if refusals else decisions

    swap(Batches, "_decide", decide)


@mutant("P16", "a creation that is invalid spoils the others of its batch")
def refuses_all_creations_for_one(swap: Swap) -> None:
    right = TaskWriter.begin
    create = Batches.create

    def all_or_none(self: Any, creations: Any, *, deadline: float) -> Any:
        try:
            for creation in creations:
                right(self._writer, creation)
        except errors.TasquesError as error:
            return [error] * len(creations)
        return create(self, creations, deadline=deadline)

    swap(Batches, "create", all_or_none)


@mutant("P5", "a batch of which an item failed is done again from its beginning")
def creates_all_again(swap: Swap) -> None:
    right = Batches.create

    def create(self: Any, creations: Any, *, deadline: float) -> Any:
        outcomes = right(self, creations, deadline=deadline)
        if any(isinstance(outcome, errors.TasquesError) for outcome in outcomes):
            outcomes = right(self, creations, deadline=deadline)
        return outcomes

    swap(Batches, "create", create)


@mutant("P17", "a lost race of an item is reported as won")
def believes_in_lost_items(swap: Swap) -> None:
    right = batching._followed

    def followed(follow: Any, first: Any) -> Any:
        outcome = right(follow, first)
        if isinstance(outcome, errors.TasquesError) and isinstance(first.outcome, Conflict):
            [creating_or_asked, *_] = follow.args
            decision = follow.args[1] if len(follow.args) > 1 else creating_or_asked.write
            if isinstance(decision, Replace):
                return Stored(document=decision.document, version=decision.expected)
        return outcome

    swap(batching, "_followed", followed)
