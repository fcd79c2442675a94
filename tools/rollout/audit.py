"""
The judgement about tasks: what was planned, seen and found at the end, held against each other.

Every write of a task has a version greater than the one before, whichever kind of server wrote it, so
the answers about a task, in the order of their versions, are its history. Each must follow from the
one before by a row of the lifecycle; only a time-out happens unseen, and it must have had the time
to. Beside that, and without the versions, the intervals in which workers knew that they held the task
must not overlap.

An answer may be lost, or be an error of the server's; then a claim may have reached nobody, and an
end may have happened unseen. That is counted, and of such a task less is demanded.
"""

import dataclasses
import enum
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.accounting.ledger import ENDINGS, NANOSECONDS, Facts, Verb
from tools.rollout.documents import Document
from tools.rollout.ledger import Event, History, Kind
from tools.rollout.plan import SLOT_TIMEOUT_SECONDS, Plan, Step

#: The shortest wait after a failure: 15 to the power of 4, which in the original is an exclusive or.
_BACKOFF = 11 * NANOSECONDS
#: Elasticsearch compares times by milliseconds, and the original does not look again.
_MILLISECOND = NANOSECONDS // 1000
_FINAL = frozenset({"done", "dead"})
_CLAIMABLE = frozenset({"queued", "failed"})
_TIMED_OUT = {"timed_out": "Did not finish before claim timeout period"}


class Fault(enum.Enum):
    """What can be wrong."""

    LOST = "lost"
    HELD_TWICE = "held by two workers at once"
    STRANGER = "handed out, but never created"
    WRONG_END = "ended otherwise than planned"
    WRONG_COUNT = "with another number of attempts than planned"
    ILLEGAL = "changed in a way the lifecycle does not know"
    CHANGED = "kept otherwise than it was answered"
    REFUSED = "refused to its worker"
    ARCHIVED_TWICE = "archived twice by ours"
    UNREADABLE = "not readable for the Go server as it is for ours"
    SLOT = "slot lost or doubled while ours led"
    RECURRING = "recurring task not the same on both"
    SERVER = "server that did not do as it should"


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """Something that is wrong, and what about."""

    fault: Fault
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.fault.value}: {self.subject}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a task is at the end: in its queue, in the archive, or wrongly in both or neither."""

    queued: Document | None = None
    archived: Sequence[Document] = ()


@dataclass(frozen=True, kw_only=True)
class Observed:
    """
    Everything there is to judge about tasks.

    Attributes:
        arguments: What each task was created with.
        slots: What was seen of tasks that recurring tasks made, by their ids.
        slots_found: Every one of those, wherever it was found.
        phase_began: When each phase did, in nanoseconds since 1970.
        strangers: Tasks that were claimed and are not of this run.
        unanswered_claims: How many tasks were asked for by each claim without a proper answer.
    """

    plans: Mapping[int, Plan]
    arguments: Mapping[int, Mapping[str, Any]]
    histories: Mapping[int, History]
    found: Mapping[int, Found]
    slots: Mapping[str, History] = field(default_factory=dict)
    slots_found: Mapping[str, Found] = field(default_factory=dict)
    phase_began: Sequence[int] = (0,)
    strangers: Sequence[str] = ()
    unanswered_claims: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """
    What became of all tasks.

    Attributes:
        counts: What happened how often, by its name.
        timed_out: How many attempts ended by a time-out, by phase.
        discrepancies: Everything that is wrong.
    """

    counts: Mapping[str, int]
    timed_out: Mapping[int, int]
    discrepancies: Sequence[Discrepancy]


def judge(observed: Observed) -> Judgement:
    """Hold plans, observations and ends against each other."""
    counts: Counter[str] = Counter()
    timed_out: list[int] = []
    wrong = [
        Discrepancy(fault=Fault.STRANGER, subject=task, text="is not of this run")
        for task in observed.strangers
    ]
    audits: list[_Audit] = [
        _PlannedAudit(
            plan,
            observed.arguments[number],
            observed.histories[number],
            observed.found.get(number, Found()),
        )
        for number, plan in observed.plans.items()
    ]
    for id in {**observed.slots, **observed.slots_found}:
        found = observed.slots_found.get(id, Found())
        audits.append(_SlotAudit(id, observed.slots.get(id, History()), found))
    for audit in audits:
        wrong += audit.discrepancies()
        counts.update(audit.counts)
        timed_out += audit.timed_out
    nobody, asked = counts["claims that reached nobody"], sum(observed.unanswered_claims)
    if nobody > asked:
        text = f"{nobody} claims reached nobody, and claims for {asked} had no proper answer"
        wrong.append(Discrepancy(fault=Fault.WRONG_COUNT, subject="all tasks", text=text))
    return Judgement(
        counts=counts,
        timed_out=Counter(_phase(observed.phase_began, at) for at in timed_out),
        discrepancies=wrong,
    )


def _phase(began: Sequence[int], at: int) -> int:
    return max((n for n, start in enumerate(began) if start <= at), default=0)


class _Audit:
    """One task."""

    def __init__(self, name: str, timeout_seconds: int, history: History, found: Found) -> None:
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._history = history
        self._found = found
        self._writes = writes(history.events)
        self.counts: Counter[str] = Counter()
        self.timed_out: list[int] = []

    def discrepancies(self) -> list[Discrepancy]:
        """All that is wrong with it."""
        return [
            *(self._wrong(Fault.ILLEGAL, text) for text in self._history.remarks),
            *self._refusals(),
            *self._path(),
            *self._holds(),
            *self._kept(),
            *self._as_planned(),
        ]

    def _wrong(self, fault: Fault, text: str) -> Discrepancy:
        return Discrepancy(fault=fault, subject=self._name, text=text)

    @property
    def _claims(self) -> list[Event]:
        return [event for event in self._writes if event.verb is Verb.CLAIM]

    @property
    def _is_certain(self) -> bool:
        """Whether every answer came at once, and no worker was too slow."""
        history = self._history
        return not (
            any(event.is_uncertain for event in history.events)
            or any(refusal.is_uncertain for refusal in history.refusals)
            or history.voided
            or self.counts["claims that reached nobody"]
        )

    def _as_planned(self) -> Iterator[Discrepancy]:
        """Whether it ended as it was to."""
        return iter(())

    # ---------------------------------------------------------------------- refusals

    def _refusals(self) -> Iterator[Discrepancy]:
        """A worker is refused only if it was too slow, or an answer was lost."""
        for refusal in self._history.refusals:
            if refusal.is_uncertain or self._was_too_slow(refusal.worker, refusal.sent):
                self.counts["refused after a lost answer, or too late"] += 1
            else:
                yield self._wrong(
                    Fault.REFUSED,
                    f"{refusal.verb.value} was answered {refusal.status} by {refusal.server.value}:"
                    f" {refusal.message}",
                )

    def _was_too_slow(self, worker: str, at: float) -> bool:
        """Whether the claim of a worker may have timed out."""
        signs = [
            event
            for event in self._history.events
            if event.worker == worker
            and event.verb in {Verb.CLAIM, Verb.REPORT}
            and event.received <= at
        ]
        return bool(signs) and at >= max(event.sent for event in signs) + self._timeout_seconds

    # -------------------------------------------------------------------------- path

    def _path(self) -> Iterator[Discrepancy]:
        """Each write follows from the one before."""
        self.counts["written by both kinds"] += len({e.server for e in self._writes}) > 1
        for before, after in itertools.pairwise(self._writes):
            if after.received < before.sent:
                yield self._wrong(
                    Fault.ILLEGAL, f"{after.verb.value} was answered before an older write was sent"
                )
            if before.server is Kind.OURS and after.server is Kind.ORIGINAL:
                self.counts["writes that took ext and rank away"] += 1
            self.counts[passed(before.server, after.server, after.verb)] += 1
            if after.verb is Verb.CLAIM:
                yield from self._claim_follows(before, after)
            else:
                yield from self._change_follows(before, after)

    def _claim_follows(self, before: Event, after: Event) -> Iterator[Discrepancy]:
        last, now = before.task, after.task
        expected = {last.attempted + 1}
        if (
            before.server is Kind.ORIGINAL
            and after.server is Kind.OURS
            and last.state in _CLAIMABLE
        ):
            self.counts["handed out by ours without ext and rank"] += 1
        if last.state in _FINAL:
            yield self._wrong(Fault.ILLEGAL, f"was handed out when it was {last.state}")
        elif last.state in _CLAIMABLE:
            if now.claimed_at + _MILLISECOND < last.run_at:
                early = (last.run_at - now.claimed_at) / NANOSECONDS
                yield self._wrong(Fault.ILLEGAL, f"was handed out {early:.3f} s before it was due")
        elif ended := self._uncertain_end(before, after):
            if ended is Verb.UNCLAIM:
                expected.add(last.attempted)
        elif now.claimed_at + _MILLISECOND < last.times_out_at:
            left = (last.times_out_at - now.claimed_at) / NANOSECONDS
            yield self._wrong(
                Fault.HELD_TWICE,
                f"was given to {now.worker} by {after.server.value} while {last.worker} held it"
                f" for {left:.3f} s more",
            )
        else:
            self.timed_out.append(last.times_out_at)
            if now.claimed_at < last.times_out_at + _BACKOFF:
                yield self._wrong(
                    Fault.ILLEGAL, "was handed out without a backoff after a time-out"
                )
        surplus = now.attempted - max(expected)
        if surplus > 0:
            self.counts["claims that reached nobody"] += surplus
        elif now.attempted not in expected:
            yield self._wrong(
                Fault.WRONG_COUNT, f"counts {now.attempted} attempts after {last.attempted}"
            )

    def _uncertain_end(self, before: Event, after: Event) -> Verb | None:
        """The end that its worker asked for between two writes, if its answer was lost."""
        for refusal in self._history.refusals:
            if (
                refusal.is_uncertain
                and refusal.verb in ENDINGS
                and refusal.worker == before.worker
                and before.sent <= refusal.sent <= after.received
            ):
                return refusal.verb
        return None

    def _change_follows(self, before: Event, after: Event) -> Iterator[Discrepancy]:
        last, now, verb = before.task, after.task, after.verb.value
        if after.verb is Verb.CREATE:
            yield self._wrong(Fault.ILLEGAL, "was created when it was there")
        elif last.state != "claimed":
            yield self._wrong(Fault.ILLEGAL, f"{verb} was accepted when it was {last.state}")
        elif last.worker != after.worker:
            yield self._wrong(
                Fault.HELD_TWICE, f"{verb} of {after.worker} was accepted, {last.worker} held it"
            )
        if now.attempted != last.attempted - (after.verb is Verb.UNCLAIM):
            yield self._wrong(
                Fault.WRONG_COUNT, f"{verb}: counts {now.attempted} attempts after {last.attempted}"
            )
        if now.state not in _AFTER[after.verb]:
            yield self._wrong(Fault.ILLEGAL, f"is {now.state} after {verb}")

    # ------------------------------------------------------------------------- holds

    def _holds(self) -> Iterator[Discrepancy]:
        """No worker got it while another knew that it held it, by the clock of this machine."""
        for before, after in itertools.pairwise(self._claims):
            until = self._certainly_held_until(before, after)
            if after.received < until:
                yield self._wrong(
                    Fault.HELD_TWICE,
                    f"{after.worker} had it {until - after.received:.3f} s before {before.worker}"
                    " ended its attempt or could have timed out",
                )

    def _certainly_held_until(self, claim: Event, following: Event) -> float:
        until = claim.sent + self._timeout_seconds
        for event in self._writes:
            if claim.task.version < event.task.version < following.task.version:
                if event.verb is not Verb.REPORT:
                    return min(until, event.sent)
                until = event.sent + self._timeout_seconds
        for refusal in self._history.refusals:
            if refusal.worker == claim.worker and refusal.sent >= claim.received:
                until = min(until, refusal.sent)
        return until

    # -------------------------------------------------------------------------- kept

    def _kept(self) -> Iterator[Discrepancy]:
        """It is in one place, and as its last write said."""
        found = self._found
        if found.queued is None and not found.archived:
            yield self._wrong(Fault.LOST, "is neither in its queue nor in the archive")
            return
        ours = sum(copy.has_ext for copy in found.archived)
        theirs = len(found.archived) - ours
        self.counts["left in their queues"] += found.queued is not None
        self.counts["archived"] += bool(found.archived)
        self.counts["copies in the archive: by Go"] += theirs
        self.counts["copies in the archive: by ours"] += ours
        if found.queued is not None and found.archived:
            if ours:
                yield self._wrong(Fault.ARCHIVED_TWICE, "is in its queue and in the archive")
            else:
                self.counts["in queue and archive, by Go"] += 1
        if ours > 1:
            yield self._wrong(Fault.ARCHIVED_TWICE, f"has {ours} copies of ours in the archive")
        elif len(found.archived) > 1:
            self.counts["archived twice, by Go"] += 1
        for place in self._places():
            yield from self._place_follows(place)

    def _places(self) -> list[Document]:
        queued = [] if self._found.queued is None else [self._found.queued]
        return [*queued, *self._found.archived]

    def _place_follows(self, place: Document) -> Iterator[Discrepancy]:
        """What is kept follows from the last write that was seen."""
        if not self._writes:
            return
        last, kept = self._writes[-1].task, place.task
        if dataclasses.replace(kept, version=last.version) == last:
            return
        if place is self._found.queued and kept.version <= last.version:
            yield self._wrong(Fault.CHANGED, f"was answered as {last}, and is {kept}")
        elif kept.result == _TIMED_OUT:
            unseen = kept.attempted - last.attempted
            if last.state == "claimed" and (kept.result_at or 0) + _MILLISECOND < last.times_out_at:
                yield self._wrong(Fault.HELD_TWICE, "was timed out before its time")
            elif last.state in _FINAL:
                yield self._wrong(Fault.CHANGED, f"was {last.state}, and was timed out afterwards")
            if place is self._places()[0]:
                self.counts["claims that reached nobody"] += max(unseen, 0)
                self.timed_out.append(kept.times_out_at)
        elif not any(refusal.is_uncertain for refusal in self._history.refusals):
            yield self._wrong(Fault.CHANGED, f"was {last.state} and is {kept.state}, by nobody")


class _PlannedAudit(_Audit):
    """A task of a plan."""

    def __init__(
        self, plan: Plan, arguments: Mapping[str, Any], history: History, found: Found
    ) -> None:
        name = f"{plan.queue}/{plan.id} ({plan.story.name})"
        super().__init__(name, plan.timeout_seconds, history, found)
        self._plan = plan
        self._arguments = arguments

    def _as_planned(self) -> Iterator[Discrepancy]:
        plan, places = self._plan, self._places()
        self.counts["created"] += bool(places)
        self.counts["done too late, refused as planned"] += self._history.was_late
        created = [e for e in self._writes if e.verb is Verb.CREATE]
        if not created and self._is_certain:
            yield self._wrong(Fault.LOST, "no create was answered 201")
        if not places:
            return
        task = places[0].task
        self.counts[f"ended {task.state}"] += 1
        self.counts["held across a change of phase"] += self._was_held_over
        if task.state != plan.end:
            yield self._wrong(Fault.WRONG_END, f"is {task.state}, not {plan.end}")
        if (task.retry_times, task.priority) != (plan.retry_times, plan.priority):
            yield self._wrong(Fault.CHANGED, "has other retries or another priority")
        if any(place.args != self._arguments for place in places):
            yield self._wrong(Fault.CHANGED, f"has the arguments {places[0].args}")
        if self._is_certain:
            yield from self._exactly_as_planned(task)

    @property
    def _was_held_over(self) -> bool:
        ends = [e for e in self._writes if e.verb is Verb.DONE]
        return bool(self._claims and ends and self._claims[-1].phase != ends[-1].phase)

    def _exactly_as_planned(self, task: Facts) -> Iterator[Discrepancy]:
        plan = self._plan
        if task.attempted != plan.attempted:
            yield self._wrong(
                Fault.WRONG_COUNT, f"counts {task.attempted} attempts, not {plan.attempted}"
            )
        if len(self._claims) != len(plan.steps):
            yield self._wrong(
                Fault.WRONG_COUNT, f"was claimed {len(self._claims)} times, not {len(plan.steps)}"
            )
        late = sum(step is Step.DROP_THEN_LATE for step in plan.steps)
        if self._history.was_late != late:
            yield self._wrong(Fault.WRONG_END, "was done after its time, and that was accepted")
        if plan.end not in _FINAL:
            return
        verb = {"done": "done", "dead": "failed"}[plan.end]
        expected = (
            _TIMED_OUT if plan.steps[-1].is_dropped else {"number": plan.number, "verb": verb}
        )
        if task.result != expected:
            yield self._wrong(Fault.WRONG_END, f"has the result {task.result}, not {expected}")


class _SlotAudit(_Audit):
    """A task that a recurring task made: it is done by the first worker that gets it."""

    def __init__(self, id: str, history: History, found: Found) -> None:
        super().__init__(f"slot task {id}", SLOT_TIMEOUT_SECONDS, history, found)

    def _as_planned(self) -> Iterator[Discrepancy]:
        self.counts["tasks of recurring tasks"] += 1
        places = self._places()
        if places and places[0].task.state != "done":
            yield self._wrong(Fault.WRONG_END, f"is {places[0].task.state}, not done")
        elif self._is_certain and len(self._claims) != 1:
            yield self._wrong(Fault.WRONG_COUNT, f"was claimed {len(self._claims)} times")


_AFTER = {
    Verb.REPORT: frozenset({"claimed"}),
    Verb.DONE: frozenset({"done"}),
    Verb.FAILED: frozenset({"failed", "dead"}),
    Verb.UNCLAIM: frozenset({"queued"}),
}


def passed(before: Kind, after: Kind, verb: Verb) -> str:
    """The name under which it is counted that a kind of server went on with what one had written."""
    return f"{verb.value} by {after.value} after {before.value}"


def writes(events: Sequence[Event]) -> list[Event]:
    """The events by version, each write once: an end that was repeated may be answered the same."""
    by_version: dict[tuple[int, int], Event] = {}
    for event in sorted(events, key=lambda e: (e.task.version, e.sent)):
        by_version.setdefault(event.task.version, event)
    found: list[Event] = []
    for event in by_version.values():
        if not (found and _is_repeat(event, found[-1])):
            found.append(event)
    return found


def _is_repeat(event: Event, before: Event) -> bool:
    """Whether it shows the same end, asked for by the same worker once more."""
    return (
        event.verb in ENDINGS
        and (event.verb, event.worker) == (before.verb, before.worker)
        and dataclasses.replace(event.task, version=before.task.version) == before.task
    )
