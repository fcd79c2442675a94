"""
The judge of the roll-out convicts: each kind of wrong that two kinds of server could do is found.

A run is made up here that went as planned, then one thing about it is changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from tools.accounting.ledger import NANOSECONDS, Facts, Verb
from tools.rollout.audit import Fault, Found, Judgement, Observed, judge, passed
from tools.rollout.documents import Document
from tools.rollout.ledger import Event, History, Kind, Refusal
from tools.rollout.plan import Plan, Scheme, Step, plans
from tools.rollout.work import arguments, result_data

SCHEME = Scheme(tasks=500, seed=7, run="test")
PLANS = {plan.number: plan for plan in plans(SCHEME)}
GO, OURS = Kind.ORIGINAL, Kind.OURS
TIMED_OUT = {"timed_out": "Did not finish before claim timeout period"}


@dataclasses.dataclass
class Tale:
    """What servers without fault would have shown of one task, told step by step."""

    plan: Plan
    history: History = dataclasses.field(default_factory=History)
    clock: float = 1000.0
    version: int = 0
    copies: list[Document] = dataclasses.field(default_factory=list)
    is_queued: bool = True

    def __post_init__(self) -> None:
        self.task = Facts(
            id=self.plan.id,
            queue=self.plan.queue,
            state="queued",
            attempted=0,
            retry_times=self.plan.retry_times,
            priority=self.plan.priority,
            version=(1, 0),
            number=self.plan.number,
            run=SCHEME.run,
            run_at=self.now,
            created_at=self.now,
        )

    @property
    def now(self) -> int:
        return round(self.clock * NANOSECONDS)

    def write(self, **changes: object) -> None:
        self.version += 1
        self.task = dataclasses.replace(self.task, version=(1, self.version), **changes)  # type: ignore[arg-type]

    def see(self, verb: Verb, server: Kind, worker: str = "", *, phase: int = 1) -> None:
        """An answer that shows the task as it is; its request was sent half a second before."""
        self.history.events.append(
            Event(
                verb=verb,
                worker=worker,
                server=server,
                phase=phase,
                sent=self.clock - 0.5,
                received=self.clock + 0.5,
                task=self.task,
            )
        )
        self.clock += 2

    def refuse(self, verb: Verb, status: int, *, uncertain: bool = False) -> None:
        self.history.refusals.append(
            Refusal(
                verb=verb,
                worker=self.task.worker,
                server=GO,
                phase=1,
                status=status,
                message="",
                sent=self.clock - 0.5,
                is_uncertain=uncertain,
            )
        )

    # ------------------------------------------------------------------- what is done

    def create(self, server: Kind) -> None:
        self.see(Verb.CREATE, server)

    def claim(self, worker: str, server: Kind, *, phase: int = 1) -> None:
        self.history.claims += 1
        self.write(
            state="claimed",
            attempted=self.task.attempted + 1,
            worker=worker,
            claimed_at=self.now,
            times_out_at=self.now + self.plan.timeout_seconds * NANOSECONDS,
            result_at=None,
            result=None,
        )
        self.see(Verb.CLAIM, server, worker, phase=phase)

    def report(self, server: Kind) -> None:
        self.write(times_out_at=self.now + self.plan.timeout_seconds * NANOSECONDS)
        self.see(Verb.REPORT, server, self.task.worker)

    def done(self, server: Kind, *, phase: int = 1) -> None:
        self.write(state="done", result_at=self.now, result=result_data(self.plan, Verb.DONE))
        self.see(Verb.DONE, server, self.task.worker, phase=phase)

    def unclaim(self, server: Kind) -> None:
        self.write(state="queued", attempted=self.task.attempted - 1)
        self.see(Verb.UNCLAIM, server, self.task.worker)

    def fail(self, server: Kind) -> None:
        self._failed(result_data(self.plan, Verb.FAILED))
        self.see(Verb.FAILED, server, self.task.worker)
        self.wait()

    def time_out(self) -> None:
        self.clock += self.plan.timeout_seconds + 1
        self._failed(TIMED_OUT)
        self.wait()

    def _failed(self, result: object) -> None:
        is_last = self.task.attempted > self.plan.retry_times
        self.write(
            state="dead" if is_last else "failed",
            result_at=self.now,
            result=result,
            run_at=self.task.run_at if is_last else self.now + 11 * NANOSECONDS,
        )

    def wait(self) -> None:
        self.clock += 20

    def archive(self, server: Kind) -> None:
        self.copies.append(self.document(has_ext=server is OURS))
        self.is_queued = False

    def document(self, *, has_ext: bool) -> Document:
        return Document(
            task=dataclasses.replace(self.task, version=(1, 900 + len(self.copies)))
            if not self.is_queued
            else self.task,
            args=arguments(self.plan, SCHEME),
            recurring_task_id=None,
            has_ext=has_ext,
            has_rank=has_ext,
        )

    @property
    def found(self) -> Found:
        return Found(
            queued=self.document(has_ext=False) if self.is_queued else None, archived=self.copies
        )


def told(plan: Plan) -> Tale:
    """A task that went exactly as planned, each request answered by the other kind."""
    tale = Tale(plan)
    kinds = [GO, OURS] * 8
    tale.create(kinds.pop())
    for step in plan.steps:
        tale.claim(f"worker-{tale.history.claims}", kinds.pop())
        match step:
            case Step.UNCLAIM:
                tale.unclaim(kinds.pop())
            case Step.FAIL:
                tale.fail(kinds.pop())
            case Step.DROP | Step.DROP_THEN_LATE:
                tale.time_out()
                tale.history.was_late += step is Step.DROP_THEN_LATE
            case Step.KEEP:
                pass
            case Step.DONE:
                tale.done(kinds.pop())
            case _:
                tale.report(kinds.pop())
                tale.done(kinds.pop(), phase=2)
    return tale


def a_plan(*steps: Step, end: str = "done") -> Plan:
    return next(plan for plan in PLANS.values() if (plan.steps, plan.end) == (steps, end))


def judged(
    *tales: Tale, strangers: Sequence[str] = (), unanswered_claims: Sequence[int] = ()
) -> Judgement:
    return judge(
        Observed(
            plans={tale.plan.number: tale.plan for tale in tales},
            arguments={tale.plan.number: arguments(tale.plan, SCHEME) for tale in tales},
            histories={tale.plan.number: tale.history for tale in tales},
            found={tale.plan.number: tale.found for tale in tales},
            strangers=strangers,
            unanswered_claims=unanswered_claims,
        )
    )


def faults(*tales: Tale) -> list[Fault]:
    return [it.fault for it in judged(*tales).discrepancies]


def test_all_is_well_where_each_plan_was_followed() -> None:
    """Whatever the plan, and although each request was answered by the other kind."""
    judgement = judged(*map(told, PLANS.values()))

    assert [str(it) for it in judgement.discrepancies] == []
    assert judgement.counts["created"] == len(PLANS)
    ends = ("done", "dead", "queued", "claimed")
    assert sum(judgement.counts[f"ended {end}"] for end in ends) == len(PLANS)
    assert judgement.counts["written by both kinds"] > 0.8 * len(PLANS)
    assert judgement.counts["held across a change of phase"] > 0
    drops = sum(step.is_dropped for plan in PLANS.values() for step in plan.steps)
    assert sum(judgement.timed_out.values()) == drops


def test_what_the_original_takes_away_is_counted() -> None:
    """Its write after one of ours drops what only ours knows; ours finds the task all the same."""
    tale = Tale(a_plan(Step.UNCLAIM, Step.DONE))
    tale.create(OURS)
    tale.claim("a", GO)  # took ext and rank away
    tale.unclaim(GO)
    tale.claim("b", OURS)  # without them
    tale.done(OURS)

    counts = judged(tale).counts

    assert counts["writes that took ext and rank away"] == 1
    assert counts["handed out by ours without ext and rank"] == 1
    assert counts[passed(OURS, GO, Verb.CLAIM)] == counts[passed(GO, OURS, Verb.CLAIM)] == 1
    assert counts[passed(OURS, OURS, Verb.DONE)] == 1


def test_a_copy_by_either_kind_is_a_task_archived() -> None:
    """And one beside it that an original made is its known bug, not ours."""
    by_go, by_ours, by_both = (told(plan) for plan in list(done_plans())[:3])
    by_go.archive(GO)
    by_ours.archive(OURS)
    by_both.archive(OURS)
    by_both.archive(GO)

    judgement = judged(by_go, by_ours, by_both)

    assert [str(it) for it in judgement.discrepancies] == []
    assert judgement.counts["archived"] == 3
    assert judgement.counts["archived twice, by Go"] == 1


def done_plans() -> Sequence[Plan]:
    return [plan for plan in PLANS.values() if plan.steps == (Step.DONE,)]


# ------------------------------------------------------------------------ what goes wrong


def lost(tale: Tale) -> None:
    tale.is_queued = False


def rolled_back(tale: Tale) -> None:
    """Its last write is gone."""
    tale.task = tale.history.events[-2].task


def given_again(tale: Tale) -> None:
    """A second worker got it while the first one had it."""
    done = tale.history.events.pop()
    tale.clock -= 2
    tale.version -= 1
    tale.task = tale.history.events[-1].task
    tale.claim("thief", OURS)
    assert done.verb is Verb.DONE
    tale.done(GO)


def finished_by_another(tale: Tale) -> None:
    tale.history.events[-1] = dataclasses.replace(tale.history.events[-1], worker="thief")


def archived_twice(tale: Tale) -> None:
    tale.archive(OURS)
    tale.archive(OURS)


def archived_and_kept(tale: Tale) -> None:
    tale.archive(OURS)
    tale.is_queued = True


def archived_otherwise(tale: Tale) -> None:
    tale.task = dataclasses.replace(tale.task, result={"number": -5})
    tale.archive(GO)


def without_retries(tale: Tale) -> None:
    tale.task = dataclasses.replace(tale.task, priority=99)


def given_after_its_end(tale: Tale) -> None:
    tale.history.remarks.append("was given to a worker after its end")


def refused(tale: Tale) -> None:
    """To a worker that had time left."""
    tale.clock -= 3
    tale.refuse(Verb.DONE, 403)


def done_by_nobody(tale: Tale) -> None:
    tale.history.events.pop()


def counted_twice(tale: Tale) -> None:
    tale.history.events[:] = [
        event
        if event.verb is Verb.CREATE
        else dataclasses.replace(event, task=dataclasses.replace(event.task, attempted=2))
        for event in tale.history.events
    ]
    tale.task = tale.history.events[-1].task


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (lost, Fault.LOST),
        (rolled_back, Fault.CHANGED),
        (given_again, Fault.HELD_TWICE),
        (finished_by_another, Fault.HELD_TWICE),
        (archived_twice, Fault.ARCHIVED_TWICE),
        (archived_and_kept, Fault.ARCHIVED_TWICE),
        (archived_otherwise, Fault.CHANGED),
        (without_retries, Fault.CHANGED),
        (given_after_its_end, Fault.ILLEGAL),
        (refused, Fault.REFUSED),
        (done_by_nobody, Fault.CHANGED),
        (counted_twice, Fault.WRONG_COUNT),
    ],
)
def test_what_is_wrong_is_found(wrong: Callable[[Tale], None], fault: Fault) -> None:
    """Each in a history that was fine before."""
    tale = told(done_plans()[0])
    assert faults(tale) == []

    wrong(tale)

    assert fault in faults(tale)


def test_a_task_of_nobody_is_found() -> None:
    """One that was handed out, and that nobody of this run created."""
    judgement = judged(strangers=["queue/id"])

    assert [it.fault for it in judgement.discrepancies] == [Fault.STRANGER]


def test_a_hold_by_the_clock_is_found_without_versions() -> None:
    """Were the versions wrong, two workers at once would still be seen."""
    tale = told(a_plan(Step.DROP, Step.DONE))
    first = next(e for e in tale.history.events if e.verb is Verb.CLAIM)
    early = first.received + 1
    tale.history.events[2] = dataclasses.replace(
        tale.history.events[2], sent=early, received=early + 0.1
    )

    assert Fault.HELD_TWICE in faults(tale)


def test_a_time_out_has_a_backoff() -> None:
    """Of at least the 11 seconds of the original."""
    tale = Tale(a_plan(Step.DROP, Step.DONE))
    tale.create(GO)
    tale.claim("a", GO)
    tale.clock += tale.plan.timeout_seconds + 1
    tale.write(state="failed", run_at=tale.now)
    tale.claim("b", OURS)
    tale.done(OURS)

    assert faults(tale) == [Fault.ILLEGAL]


def test_a_late_done_must_be_refused() -> None:
    """The plan says so; one that was not refused is missing from the count."""
    tale = told(a_plan(Step.DROP_THEN_LATE, Step.DONE))
    tale.history.was_late = 0

    assert faults(tale) == [Fault.WRONG_END]


def test_a_claim_whose_answer_was_lost_may_have_reached_nobody() -> None:
    """It costs an attempt; but there have to be as many such answers."""
    tale = Tale(a_plan(Step.UNCLAIM, Step.DONE))
    tale.create(GO)
    tale.write(attempted=1)
    tale.time_out()
    tale.claim("a", OURS)
    tale.done(OURS)

    assert [it.fault for it in judged(tale).discrepancies] == [Fault.WRONG_COUNT]
    assert judged(tale, unanswered_claims=[1]).discrepancies == []


def test_an_end_whose_answer_was_lost_may_have_taken_place() -> None:
    """Its repetition was refused; that is counted, and what is found has to follow from it."""
    tale = told(done_plans()[0])
    tale.history.events.pop()
    tale.refuse(Verb.DONE, 400, uncertain=True)

    judgement = judged(tale)

    assert judgement.discrepancies == []
    assert judgement.counts["refused after a lost answer, or too late"] == 1


def test_a_task_of_a_slot_is_done_once() -> None:
    """It has no plan: it is there, and one worker has done it."""
    tale = Tale(done_plans()[0])
    tale.claim("a", OURS)
    tale.done(GO)

    def of_slots(found: Found) -> list[Fault]:
        observed = Observed(
            plans={},
            arguments={},
            histories={},
            found={},
            slots={"rec-1-7": tale.history},
            slots_found={"rec-1-7": found, "rec-1-9": Found()},
        )
        return [it.fault for it in judge(observed).discrepancies]

    assert of_slots(tale.found) == [Fault.LOST, Fault.WRONG_COUNT]  # both of the other one
    assert of_slots(Found()).count(Fault.LOST) == 2
