"""
The judgement: what was planned, seen and found at the end, held against each other.

Every write of a task has a version greater than the one before, so the answers about a task, put in
the order of their versions, are its history, whatever the clocks say. Each must follow from the one
before by a row of the lifecycle; only a time-out happens unseen, and it must have had the time to.
Beside that, and without the versions, the intervals in which workers knew that they held the task
must not overlap.

In a run without faults nothing may be left to guessing. Under faults (``undisturbed=False``) answers
are lost; then a claim may have reached nobody, and an end whose answer was lost may have happened.
"""

import dataclasses
import enum
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.accounting.ledger import ENDINGS, NANOSECONDS, Event, Facts, History, Verb
from tools.accounting.plan import Plan

#: The shortest wait after a failure that does not say how long to wait (wire contract, section 6).
_BACKOFF_SECONDS = 15
_FINAL = frozenset({"done", "dead"})
_CLAIMABLE = frozenset({"queued", "failed"})
_TIMED_OUT = {"timed_out": "Did not finish before claim timeout period"}


class Fault(enum.Enum):
    """What can be wrong."""

    LOST = "lost"
    HELD_TWICE = "held by two workers at once"
    NOT_CREATED = "claimed, but never created"
    WRONG_END = "in another state than planned"
    WRONG_COUNT = "with another number of attempts than planned"
    ILLEGAL = "changed in a way the lifecycle does not know"
    ANSWER = "answered as it should not be"
    DISTURBED = "disturbed: an answer was lost, or a worker too slow"


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """Something that is wrong, and what about."""

    fault: Fault
    task: str
    text: str

    def __str__(self) -> str:
        return f"{self.fault.value}: {self.task}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """
    What became of all tasks.

    Attributes:
        counts: What happened how often, by its name, in the order to be shown in.
        discrepancies: Everything that is wrong.
    """

    counts: Mapping[str, int]
    discrepancies: Sequence[Discrepancy]

    def faults(self, fault: Fault) -> int:
        """How many of one kind."""
        return sum(found.fault is fault for found in self.discrepancies)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """
    Everything there is to judge.

    Attributes:
        found: Each task as it was at the end; None where the server knows none.
        strangers: Tasks that were claimed and follow no plan.
        remarks: What should not have been, and is about no task in particular.
        unanswered_claims: How many tasks were asked for by each claim whose answer was lost.
        undisturbed: No answer was to be lost and no worker too slow.
    """

    plans: Mapping[int, Plan]
    histories: Mapping[int, History]
    found: Mapping[int, Facts | None]
    strangers: Sequence[str] = ()
    remarks: Sequence[str] = ()
    unanswered_claims: Sequence[int] = ()
    undisturbed: bool = True


def judge(observed: Observed) -> Judgement:
    """Hold plans, observations and ends against each other."""
    discrepancies = [
        Discrepancy(fault=Fault.NOT_CREATED, task=task, text="was handed out")
        for task in observed.strangers
    ]
    discrepancies += [
        Discrepancy(fault=Fault.ANSWER, task="the server", text=text) for text in observed.remarks
    ]
    counts: Counter[str] = Counter()
    for number, plan in observed.plans.items():
        audit = _TaskAudit(plan, observed.histories[number], observed.found.get(number))
        discrepancies += audit.discrepancies(undisturbed=observed.undisturbed)
        counts.update(audit.counts)
    received_by_nobody = counts["claims that reached nobody"]
    if received_by_nobody > sum(observed.unanswered_claims):
        text = (
            f"{received_by_nobody} claims reached nobody, and only"
            f" {sum(observed.unanswered_claims)} were asked for by claims whose answer was lost"
        )
        discrepancies.append(Discrepancy(fault=Fault.WRONG_COUNT, task="all tasks", text=text))
    return Judgement(counts=counts, discrepancies=discrepancies)


class _TaskAudit:
    """One task."""

    def __init__(self, plan: Plan, history: History, found: Facts | None) -> None:
        self._plan = plan
        self._history = history
        self._found = found
        self._created = [e for e in history.events if e.verb is Verb.CREATE]
        self._writes = _writes(history.events)
        self._name = f"{plan.queue}/{plan.id or plan.key} ({plan.story.name})"
        self.counts: Counter[str] = Counter()

    def discrepancies(self, *, undisturbed: bool) -> list[Discrepancy]:
        """All that is wrong with it."""
        found = [
            *self._remarks(),
            *self._creations(),
            *self._refusals(),
            *self._path(),
            *self._holds(),
            *self._end(),
        ]
        disturbances = list(self._disturbances())
        # Where an attempt was lost in a fault, its count follows from the path, not from the plan.
        if undisturbed:
            return found + disturbances + list(self._against_plan())
        if not disturbances:
            return found + list(self._against_plan())
        return found

    def _wrong(self, fault: Fault, text: str) -> Discrepancy:
        return Discrepancy(fault=fault, task=self._name, text=text)

    def _remarks(self) -> Iterator[Discrepancy]:
        for text in self._history.remarks:
            yield self._wrong(Fault.ANSWER, text)

    # --------------------------------------------------------------------- creation

    def _creations(self) -> Iterator[Discrepancy]:
        created = self._created
        refused = [r for r in self._history.refusals if r.verb is Verb.CREATE]
        uncertain = self._is_creation_uncertain
        self.counts["created"] += bool(created) or uncertain
        self.counts["create repeats refused (409)"] += sum(r.status == 409 for r in refused)
        for refusal in refused:
            if refusal.status != 409:
                yield self._wrong(
                    Fault.ANSWER, f"a create was answered {refusal.status}: {refusal.message}"
                )
        if not created and not uncertain:
            yield self._wrong(Fault.ANSWER, "no create was answered 201")
        if self._plan.key is not None:
            self.counts["create repeats answered the same (key)"] += max(len(created) - 1, 0)
            if len({(e.task.id, e.task.created_at) for e in created}) > 1 or refused:
                yield self._wrong(Fault.ANSWER, "a repeat with its Idempotency-Key made another")
        elif len(created) > 1:
            yield self._wrong(Fault.ANSWER, f"its id was created {len(created)} times")
        if created and self._claims and min(e.task.id for e in self._claims) != created[0].task.id:
            yield self._wrong(Fault.NOT_CREATED, "was handed out under another id")

    # ------------------------------------------------------------------------- path

    @property
    def _claims(self) -> list[Event]:
        return [e for e in self._writes if e.verb is Verb.CLAIM]

    def _path(self) -> Iterator[Discrepancy]:
        """Each write follows from the one before."""
        latest = float("-inf")
        for event in self._writes:
            if event.received < latest:
                yield self._wrong(
                    Fault.ILLEGAL, f"{event.verb.value} was answered before an older write was sent"
                )
            latest = max(latest, event.sent)
            self._count(event)
        began = bool(self._writes) and self._writes[0].verb is Verb.CREATE
        if self._writes and not began and not self._is_creation_uncertain:
            yield self._wrong(Fault.ILLEGAL, "was changed before it was created")
        for before, after in itertools.pairwise(self._writes):
            if after.verb is Verb.CLAIM:
                yield from self._claim_follows(before, after)
            else:
                yield from self._change_follows(before, after)

    @property
    def _is_creation_uncertain(self) -> bool:
        refusals = self._history.refusals
        return any(e.is_uncertain for e in self._created) or any(
            r.is_uncertain for r in refusals if r.verb is Verb.CREATE
        )

    def _count(self, event: Event) -> None:
        match event.verb:
            case Verb.CLAIM:
                self.counts["claims"] += 1
            case Verb.REPORT:
                self.counts["reports"] += 1
            case Verb.DONE:
                self.counts["done"] += 1
            case Verb.FAILED:
                self.counts["failed"] += 1
                self.counts["retried" if event.task.state == "failed" else "dead"] += 1
            case Verb.UNCLAIM:
                self.counts["unclaimed"] += 1

    def _claim_follows(self, before: Event, after: Event) -> Iterator[Discrepancy]:
        last, now = before.task, after.task
        expected = {last.attempted + 1}
        if last.state in _FINAL:
            yield self._wrong(Fault.ILLEGAL, f"was handed out when it was {last.state}")
        elif last.state in _CLAIMABLE:
            if now.claimed_at < last.run_at:
                early = (last.run_at - now.claimed_at) / NANOSECONDS
                yield self._wrong(Fault.ILLEGAL, f"was handed out {early:.3f} s before it was due")
        elif ended := self._uncertain_end(before, after):
            if ended is Verb.UNCLAIM:
                expected.add(last.attempted)
        elif now.claimed_at < last.times_out_at:
            left = (last.times_out_at - now.claimed_at) / NANOSECONDS
            yield self._wrong(
                Fault.HELD_TWICE,
                f"was given to {now.worker} while {last.worker} held it for {left:.3f} s more",
            )
        else:
            self.counts["timed out"] += 1
            if now.claimed_at < last.times_out_at + _BACKOFF_SECONDS * NANOSECONDS:
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
        if last.state != "claimed":
            yield self._wrong(Fault.ILLEGAL, f"{verb} was accepted when it was {last.state}")
        elif last.worker != after.worker:
            yield self._wrong(
                Fault.HELD_TWICE, f"{verb} of {after.worker} was accepted, {last.worker} held it"
            )
        if now.attempted != last.attempted - (after.verb is Verb.UNCLAIM):
            yield self._wrong(
                Fault.WRONG_COUNT,
                f"{verb}: counts {now.attempted} attempts after {last.attempted}",
            )
        if now.state not in _AFTER[after.verb]:
            yield self._wrong(Fault.ILLEGAL, f"is {now.state} after {verb}")

    # ------------------------------------------------------------------------ holds

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
        until = claim.sent + self._plan.timeout_seconds
        for event in self._writes:
            if claim.task.version < event.task.version < following.task.version:
                if event.verb is Verb.REPORT:
                    until = event.sent + self._plan.timeout_seconds
                else:
                    return min(until, event.sent)
        for refusal in self._history.refusals:
            if refusal.worker == claim.worker and refusal.sent >= claim.received:
                until = min(until, refusal.sent)
        return until

    # -------------------------------------------------------------------------- end

    def _end(self) -> Iterator[Discrepancy]:
        """What is found at the end follows from the last write."""
        plan, found = self._plan, self._found
        if found is None:
            yield self._wrong(Fault.LOST, "is not there")
            return
        if (found.queue, found.number) != (plan.queue, plan.number) or (
            plan.id is not None and found.id != plan.id
        ):
            yield self._wrong(Fault.LOST, f"{found.queue}/{found.id} is in its place")
        if (found.retry_times, found.priority) != (plan.retry_times, plan.priority):
            yield self._wrong(Fault.WRONG_COUNT, "lost its retries or its priority")
        if found.state != plan.end:
            unended = found.state not in _FINAL and plan.end in _FINAL
            yield self._wrong(
                Fault.LOST if unended else Fault.WRONG_END,
                f"is {found.state} in the end, not {plan.end}",
            )
        self.counts[f"ended {found.state}"] += 1
        if self._writes:
            yield from self._found_follows(self._writes[-1].task, found)

    def _found_follows(self, last: Facts, found: Facts) -> Iterator[Discrepancy]:
        if found.version == last.version and found != last:
            yield self._wrong(Fault.ILLEGAL, f"was answered as {last}, and is {found}")
            return
        if found.version >= last.version and _is_same(found, last):
            return
        if found.version < last.version:
            yield self._wrong(Fault.LOST, f"its last write, {last.state}, is gone")
            return
        unseen = found.attempted - last.attempted
        if found.result == _TIMED_OUT and (last.state == "claimed" or unseen > 0):
            # The last of the claims that nobody saw, if there are any, timed out.
            self.counts["claims that reached nobody"] += max(unseen, 0)
            self.counts["timed out"] += 1
            self.counts["dead"] += found.state == "dead"
            if (found.result_at or 0) < last.times_out_at and last.state == "claimed":
                yield self._wrong(Fault.HELD_TWICE, "was timed out before its time")
        elif not self._has_lost_answers:
            yield self._wrong(Fault.ILLEGAL, f"was {last.state} and is {found.state}, by nobody")

    @property
    def _has_lost_answers(self) -> bool:
        return any(r.is_uncertain for r in self._history.refusals) or bool(
            self.counts["claims that reached nobody"]
        )

    # ---------------------------------------------------------------- against the plan

    def _refusals(self) -> Iterator[Discrepancy]:
        """A worker is refused only if it was too slow, or an answer was lost."""
        for refusal in self._history.refusals:
            if refusal.verb is Verb.CREATE:
                continue
            if refusal.status not in {400, 403} or not self._could_have_ended(
                refusal.worker, refusal.received
            ):
                yield self._wrong(
                    Fault.ANSWER,
                    f"{refusal.verb.value} of {refusal.worker} was answered {refusal.status}:"
                    f" {refusal.message}",
                )

    def _could_have_ended(self, worker: str, at: float) -> bool:
        """Whether the claim of a worker may have timed out, or been ended by a lost request."""
        signs = [
            e
            for e in self._history.events
            if e.worker == worker and e.verb in {Verb.CLAIM, Verb.REPORT} and e.received <= at
        ]
        if not signs:
            return False
        if at >= max(e.sent for e in signs) + self._plan.timeout_seconds:
            return True
        return any(r.is_uncertain and r.worker == worker for r in self._history.refusals)

    def _disturbances(self) -> Iterator[Discrepancy]:
        uncertain = sum(e.is_uncertain for e in self._history.events)
        uncertain += sum(r.is_uncertain for r in self._history.refusals)
        self.counts["answers that took a repeat"] += uncertain
        slow = sum(r.verb is not Verb.CREATE for r in self._history.refusals)
        self.counts["workers too slow"] += slow
        if uncertain:
            yield self._wrong(Fault.DISTURBED, f"{uncertain} requests had to be repeated")
        if slow:
            yield self._wrong(Fault.DISTURBED, f"{slow} requests of its worker came too late")
        if nobody := self.counts["claims that reached nobody"]:
            yield self._wrong(Fault.DISTURBED, f"{nobody} claims reached nobody")

    def _against_plan(self) -> Iterator[Discrepancy]:
        """Without disturbance, everything is as planned."""
        plan, found = self._plan, self._found
        if found is not None and found.attempted != plan.attempted:
            yield self._wrong(
                Fault.WRONG_COUNT, f"counts {found.attempted} attempts, not {plan.attempted}"
            )
        if len(self._claims) != len(plan.steps):
            yield self._wrong(
                Fault.WRONG_COUNT, f"was claimed {len(self._claims)} times, not {len(plan.steps)}"
            )
        if found is None or not plan.steps:
            return
        verb = {"done": "done", "dead": "failed"}[plan.end]
        expected = (
            _TIMED_OUT if plan.steps[-1].is_dropped else {"number": plan.number, "verb": verb}
        )
        if found.result != expected:
            yield self._wrong(Fault.WRONG_END, f"has the result {found.result}, not {expected}")


_AFTER = {
    Verb.REPORT: frozenset({"claimed"}),
    Verb.DONE: frozenset({"done"}),
    Verb.FAILED: frozenset({"failed", "dead"}),
    Verb.UNCLAIM: frozenset({"queued"}),
}


def _writes(events: Sequence[Event]) -> list[Event]:
    """
    The events by version, each write once.

    A create repeated with its key, and an end repeated by its worker, are answered with the task
    as it is: those show no write of their own, or one that changes nothing, since a server may
    confirm by a write what it has read.
    """
    by_version: dict[tuple[int, int], Event] = {}
    for event in sorted(events, key=lambda e: (e.task.version, e.verb is Verb.CREATE, e.sent)):
        by_version.setdefault(event.task.version, event)
    ordered = [by_version[version] for version in sorted(by_version)]
    writes: list[Event] = []
    for event in ordered:
        if writes and (event.verb is Verb.CREATE or _is_repeat(event, writes[-1])):
            continue
        writes.append(event)
    return writes


def _is_repeat(event: Event, before: Event) -> bool:
    """Whether it shows the same end, asked for by the same worker once more."""
    return (
        event.verb in ENDINGS
        and (event.verb, event.worker) == (before.verb, before.worker)
        and _is_same(event.task, before.task)
    )


def _is_same(one: Facts, other: Facts) -> bool:
    """Whether nothing differs but the version."""
    return dataclasses.replace(one, version=other.version) == other
