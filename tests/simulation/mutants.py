"""
Planted errors: each must be found, or the simulation is blind to what it breaks.

A *mutant* replaces a function or an attribute of the services by one that is wrong in a few lines.
It names the property that it breaks; the first violation of a history may be of another one, where
an error shows in several ways, but the one that is named must turn up among the seeds tried.

To plant one, write a function that takes nothing, yields nothing, and calls :func:`swap`; register
it with the property::

    @mutant("P10", "claims are ended a margin too early")
    def reaps_without_margin(swap: Swap) -> None:
        swap(ReaperOptions, "margin", ...)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from zlib import crc32

import attrs

from tasques.core import admission, errors, leadership, lifecycle, retry
from tasques.core import archive as core_archive
from tasques.core import recurring as core_recurring
from tasques.core.documents import Stored, Version
from tasques.core.leadership import Move
from tasques.core.ports import (
    Conflict,
    Exists,
    Invalid,
    Missing,
    Rejected,
    Replace,
    Unknown,
    Written,
)
from tasques.core.recurring import RecurringTask
from tasques.core.service import allotment, creations, slot_firing, task_writer
from tasques.core.service import archiver as archiving
from tasques.core.service import batches as batching
from tasques.core.service import changes as changing
from tasques.core.service import election as electing
from tasques.core.service import operator_service as operating
from tasques.core.service import reaper as reaping
from tasques.core.service import recurring_service as owning
from tasques.core.service import settlement as settling
from tasques.core.service.allotment import claiming
from tasques.core.service.batches import Batches
from tasques.core.service.candidates import Candidates
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.clock import ClockWatch
from tasques.core.service.committers import Committers
from tasques.core.service.confirmation import Confirmation
from tasques.core.service.election import Election
from tasques.core.service.group_commit import GroupCommit
from tasques.core.service.group_read import GroupRead
from tasques.core.service.queue_health import QueueHealth, Verdict
from tasques.core.service.returns import Returns
from tasques.core.service.rivalry import Rivalries
from tasques.core.service.settlement import Overtaken, Settlement
from tasques.core.service.short_way import ShortWay
from tasques.core.service.task_service import TaskService
from tasques.core.service.task_writer import TaskWriter
from tasques.core.tasks import State, Task
from tasques.core.values import Duration
from tasques.server.claiming import ParkedClaim

#: Replaces an attribute of a class or module until the history is over.
Swap: TypeAlias = Callable[[Any, str, Any], None]
Plant: TypeAlias = Callable[[Swap], None]


@attrs.frozen
class Mutant:
    """
    A planted error, and the property that must notice.

    Attributes:
        begin: The first of the 200 seeds that are tried. One that takes a rare meeting of faults is
            found in one history of several hundred; all of them would take minutes each time.
    """

    name: str
    breaks: str
    what: str
    plant: Plant
    begin: int = 1


MUTANTS: Final[dict[str, Mutant]] = {}


def mutant(breaks: str, what: str, *, begin: int = 1) -> Callable[[Plant], Plant]:
    """Register an error that breaks the property *breaks*; *what* says what is wrong."""

    def register(plant: Plant) -> Plant:
        MUTANTS[plant.__name__] = Mutant(plant.__name__, breaks, what, plant, begin)
        return plant

    return register


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """With the mutant of that *name*; with none, nothing is changed."""
    swapped: list[tuple[Any, str, Any]] = []

    def swap(owner: Any, attribute: str, value: Any) -> None:
        swapped.append((owner, attribute, owner.__dict__[attribute]))
        setattr(owner, attribute, value)

    try:
        if name is not None:
            MUTANTS[name].plant(swap)
        yield
    finally:
        for owner, attribute, value in reversed(swapped):
            setattr(owner, attribute, value)


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


@mutant("P17", "an unknown write counts as done")
def believes_in_unknown(swap: Swap) -> None:
    right = Settlement._try

    def attempt(self: Any, write: Any) -> Any:
        tried = right(self, write)
        if isinstance(tried.outcome, Unknown):
            done = Written(Stored(document=write.document, version=Version(9, 9)))
            return attrs.evolve(tried, outcome=done)
        return tried

    swap(Settlement, "_try", attempt)


@mutant("P17", "an unknown write counts as not done")
def gives_unknown_up(swap: Swap) -> None:
    right = Settlement._try

    def attempt(self: Any, write: Any) -> Any:
        tried = right(self, write)
        is_unknown = isinstance(tried.outcome, Unknown)
        return attrs.evolve(tried, outcome=Conflict()) if is_unknown else tried

    swap(Settlement, "_try", attempt)
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


# ------------------------------------------------------------------------------- group commit


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


# ---------------------------------------------------------------------------------- claims


@mutant("P2", "a claim that nobody confirmed is handed out")
def hands_out_unconfirmed(swap: Swap) -> None:
    def won(self: Any, write: Any, outcome: Any, until: float) -> Any:
        if isinstance(outcome, Rejected | Conflict | Exists):
            return None
        if isinstance(outcome, Written):
            return outcome.stored
        return Stored(document=write.document, version=write.expected)

    swap(Confirmation, "_won", won)


@mutant("P2", "a lone claim is handed out that was not written", begin=1001)
def hands_out_what_was_decided(swap: Swap) -> None:
    def confirmed(self: Any, request: Any, ready: Any, is_connected: Any) -> Any:
        now = self.runtime.wall()
        writes = [claiming(stored, request.worker, now, self.runtime) for stored in ready]
        self.store.write(writes)
        return [Stored(document=write.document, version=write.expected) for write in writes]

    swap(ShortWay, "_confirmed", confirmed)


@mutant("P4", "what was claimed for one goes to another who waits")
def delivers_to_the_wrong_waiter(swap: Swap) -> None:
    right = Confirmation.confirm

    def confirm(self: Any, allotment: Any) -> Any:
        won = right(self, allotment)
        waiters = list(won)
        return dict(zip(waiters[1:] + waiters[:1], won.values(), strict=True))

    swap(Confirmation, "confirm", confirm)


@mutant("P5", "what was handed to one who has just gone is looked at by nobody before its time-out")
def loses_handoffs_with_their_waiters(swap: Swap) -> None:
    swap(ClaimDispatcher, "give_back", lambda self, claimed: None)


@mutant("P13", "a claim that is parked is not served again when there is something for it")
def forgets_who_is_parked(swap: Swap) -> None:
    def deliver(self: Any, answer: Any) -> None:
        self._answer = answer

    swap(ParkedClaim, "deliver", deliver)


@mutant("P20", "a server that stops goes on claiming")
def claims_while_stopping(swap: Swap) -> None:
    swap(ClaimDispatcher, "close", lambda self: None)


@mutant("P5", "what is not due yet is handed out")
def hands_out_early(swap: Swap) -> None:
    def admit(candidates: Any, policies: Any, now: Any) -> Any:
        return admission.Admitted(ready=tuple(candidates))

    swap(allotment, "admit", admit)
    right = lifecycle.claim

    def claim(task: Task, *, now: Any, **more: Any) -> Task:
        claimed = right(task, now=max(now, task.run_at), **more)
        assert claimed.last_claim is not None
        times_out_at = now.plus(task.processing_timeout)
        held = attrs.evolve(claimed.last_claim, claimed_at=now, times_out_at=times_out_at)
        return attrs.evolve(claimed, last_claim=held)

    swap(lifecycle, "claim", claim)


@mutant("P15", "a task that was lost to another server is never looked at again")
def never_looks_twice(swap: Swap) -> None:
    right = Candidates.put

    def put(self: Any, stored: Any, **more: Any) -> bool:
        seen = self.__dict__.setdefault("seen", {})
        if stored.document.key in seen:
            return False
        seen[stored.document.key] = None
        return right(self, stored, **more)

    swap(Candidates, "put", put)


@mutant("P15", "what falls to another server is left to it for good")
def leaves_to_others_for_good(swap: Swap) -> None:
    swap(Rivalries, "falls_to_others", lambda self, queue, id: crc32(id.encode()) % 2 == 0)
    swap(Rivalries, "leftovers", lambda self, queue: 0)


@mutant("P15", "once a task was handed in, what searches show finds no place in the buffer")
def lets_its_buffer_starve_the_rest(swap: Swap) -> None:
    right = Candidates.put

    def put(self: Any, stored: Any, *, is_ours: bool = False, **more: Any) -> Any:
        self.__dict__["is_in_use"] = self.__dict__.get("is_in_use", False) or is_ours
        if self.__dict__["is_in_use"] and not is_ours:
            return False
        return right(self, stored, is_ours=is_ours, **more)

    swap(Candidates, "put", put)


@mutant("P5", "what was confirmed meanwhile is not given back", begin=8400)
def gives_back_once(swap: Swap) -> None:
    swap(Returns, "_give_back_again", lambda self, overtaken: None)


@mutant("P4", "what was reported on is given back all the same")
def gives_back_what_is_in_use(swap: Swap) -> None:
    right = ClaimDispatcher.give_back

    def give_back(self: Any, claimed: Any) -> None:
        current = self._store.get([stored.document.key for stored in claimed])
        held = [c for c in current if isinstance(c, Stored) and c.document.state is State.CLAIMED]
        right(self, held)

    swap(ClaimDispatcher, "give_back", give_back)
    # Nearly every undelivered claim is one whose worker is gone: pretend that all others are, too.
    register = ClaimDispatcher.claim

    def claim(self: Any, request: Any, **more: Any) -> Any:
        claimed = register(self, request, **more)

        def later() -> None:
            self._runtime.sleep(1.5)
            self.give_back(claimed)

        if claimed:
            self._runtime.spawn("gives back", later)
        return claimed

    swap(ClaimDispatcher, "claim", claim)


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


__all__ = ["MUTANTS", "Mutant", "mutant", "planted"]
