"""
What producers and workers saw, of which kind of server, and in which phase.

Observations are only collected here; what they prove is for :mod:`tools.rollout.audit`.
"""

import enum
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.accounting.client import Answer
from tools.accounting.ledger import Facts, Verb, facts
from tools.rollout.plan import Plan, Step


class Kind(enum.Enum):
    """The kinds of server."""

    ORIGINAL = "Go"
    OURS = "ours"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """
    An answer, and who gave it.

    Attributes:
        phase: In which it was asked for, by its index.
        is_uncertain: It was asked for before, and may have been carried out: the answer was lost,
            or it was an error of the server's.
    """

    answer: Answer
    server: Kind
    phase: int
    is_uncertain: bool = False


@dataclass(frozen=True, kw_only=True)
class Event:
    """
    Something a server said it did.

    Attributes:
        sent: When it was asked for, on the monotonic clock.
        received: When the answer had come.
    """

    verb: Verb
    worker: str
    server: Kind
    phase: int
    sent: float
    received: float
    task: Facts
    is_uncertain: bool = False


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something a server refused to do."""

    verb: Verb
    worker: str
    server: Kind
    phase: int
    status: int
    message: str
    sent: float
    is_uncertain: bool = False


@dataclass(kw_only=True)
class History:
    """
    All that was seen of one task.

    Attributes:
        claims: How often it was handed out.
        voided: How many of those times its worker was too slow to take its step.
        was_late: How many times a done after its time was refused, as it has to be.
    """

    events: list[Event] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    claims: int = 0
    voided: int = 0
    was_late: int = 0


@dataclass(frozen=True, kw_only=True)
class Given:
    """
    A task in a worker's hands, and what is to be done with it.

    Attributes:
        plan: None for a task that a recurring task made.
    """

    plan: Plan | None
    step: Step
    is_last_step: bool
    claim: Event
    history: History


class Ledger:
    """
    Collects observations from all threads.

    Attributes:
        counts: How often something happened, by phase, server, and its name.
        unanswered_claims: How many tasks were asked for by each claim without a proper answer.
        slots: What was seen of each task that a recurring task made, by its id.
    """

    def __init__(self, plans: Sequence[Plan], run: str) -> None:
        self.plans = {plan.number: plan for plan in plans}
        self.histories = {number: History() for number in self.plans}
        self.slots: dict[str, History] = {}
        self.strangers: list[str] = []
        self.unanswered_claims: list[int] = []
        self.counts: Counter[tuple[int, Kind, str]] = Counter()
        self.errors: Counter[tuple[int, Kind, str]] = Counter()
        self._run = run
        self._lock = threading.Lock()
        self._created: set[int] = set()
        self._held: set[int] = set()
        self._open = {plan.number for plan in plans}
        self._late = 0

    def count(self, phase: int, server: Kind, name: str, number: int = 1) -> None:
        """Note that something happened."""
        with self._lock:
            self.counts[phase, server, name] += number

    def error(self, phase: int, server: Kind, text: str) -> None:
        """Note an answer that should not have come, or did not come."""
        with self._lock:
            self.counts[phase, server, "errors"] += 1
            self.errors[phase, server, text] += 1

    # ----------------------------------------------------------------------- changes

    def created(self, plan: Plan, reply: Reply) -> None:
        """Note the answer to a create."""
        history = self.histories[plan.number]
        if reply.answer.status == 201:
            self.record(history, Verb.CREATE, "", reply)
        else:
            self.refuse(history, Verb.CREATE, "", reply)
        with self._lock:
            self._created.add(plan.number)
            if not plan.steps:
                self._open.discard(plan.number)

    def record(self, history: History, verb: Verb, worker: str, reply: Reply) -> Event:
        """Note what a server says it did."""
        event = _event(verb, worker, reply, reply.answer.body)
        with self._lock:
            self.counts[reply.phase, reply.server, verb.value] += 1
            history.events.append(event)
        return event

    def refuse(self, history: History, verb: Verb, worker: str, reply: Reply) -> None:
        """Note what a server refused to do."""
        refusal = Refusal(
            verb=verb,
            worker=worker,
            server=reply.server,
            phase=reply.phase,
            status=reply.answer.status,
            message=reply.answer.message,
            sent=reply.answer.sent,
            is_uncertain=reply.is_uncertain,
        )
        with self._lock:
            self.counts[reply.phase, reply.server, "refused"] += 1
            history.refusals.append(refusal)

    def refuse_late(self, history: History, reply: Reply) -> None:
        """Note that a done after its time was refused, as planned."""
        with self._lock:
            self.counts[reply.phase, reply.server, "late"] += 1
            history.was_late += 1

    # ------------------------------------------------------------------------ claims

    def claim(self, worker: str, reply: Reply, body: Mapping[str, Any]) -> Given | None:
        """
        Note that a worker was given a task; what is to be done with it.

        None for a task that is not of this run, or should have been given to nobody.
        """
        event = _event(Verb.CLAIM, worker, reply, body)
        with self._lock:
            self.counts[reply.phase, reply.server, Verb.CLAIM.value] += 1
            if "recurring_task_id" in body:
                history = self.slots.setdefault(event.task.id, History())
                history.events.append(event)
                history.claims += 1
                return Given(
                    plan=None, step=Step.DONE, is_last_step=True, claim=event, history=history
                )
            plan = self.plans.get(event.task.number) if event.task.run == self._run else None
            if plan is None:
                self.strangers.append(f"{event.task.queue}/{event.task.id}")
                return None
            return self._given(plan, event)

    def _given(self, plan: Plan, event: Event) -> Given | None:
        history = self.histories[plan.number]
        history.events.append(event)
        # By the claims, not by the ends: the next worker may have the task before the one that
        # gave it back has heard that it did.
        place = history.claims - history.voided
        history.claims += 1
        if not plan.steps or any(e.task.state in {"done", "dead"} for e in history.events):
            history.remarks.append(f"was given to {event.worker} after its end")
            return None
        # A worker that was too slow may be about to say so: then it is the last step again.
        place = min(place, len(plan.steps) - 1)
        step = plan.steps[place]
        if step is Step.HOLD_THEN_DONE:
            self._held.add(plan.number)
        if step is Step.KEEP:
            self._open.discard(plan.number)
        return Given(
            plan=plan,
            step=step,
            is_last_step=place == len(plan.steps) - 1,
            claim=event,
            history=history,
        )

    def claim_unanswered(self, amount: int) -> None:
        """Note a claim without a proper answer: so many tasks may be held by nobody."""
        with self._lock:
            self.unanswered_claims.append(amount)

    def void(self, history: History) -> None:
        """A worker was too slow: whoever gets the task next has the same step to take."""
        with self._lock:
            history.voided += 1

    def add_late(self, change: int) -> None:
        """So many more workers mean to finish a task after its time, or fewer."""
        with self._lock:
            self._late += change

    # ------------------------------------------------------------------- how far it is

    def end(self, number: int) -> None:
        """The task has come to its end."""
        with self._lock:
            self._open.discard(number)

    @property
    def is_finished(self) -> bool:
        """Whether every plan has come to its end, as far as is known."""
        with self._lock:
            return not self._open and not self._late

    def has_created(self, phase: int) -> bool:
        """Whether every task of a phase was created."""
        with self._lock:
            return all(p.number in self._created for p in self.plans.values() if p.phase == phase)

    def holds(self, numbers: Sequence[int]) -> bool:
        """Whether workers have, or had, each of those tasks that are to be held over."""
        with self._lock:
            return self._held.issuperset(numbers)

    def totals(self) -> tuple[int, int, int]:
        """How many tasks were created, handed out (counting each time), and are at their end."""
        with self._lock:
            claims = sum(history.claims for history in self.histories.values())
            return len(self._created), claims, len(self.plans) - len(self._open)


def _event(verb: Verb, worker: str, reply: Reply, body: Mapping[str, Any]) -> Event:
    return Event(
        verb=verb,
        worker=worker,
        server=reply.server,
        phase=reply.phase,
        sent=reply.answer.sent,
        received=reply.answer.received,
        task=facts(body),
        is_uncertain=reply.is_uncertain,
    )
