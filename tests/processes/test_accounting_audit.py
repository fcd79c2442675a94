"""
The judge of the accounting convicts: each kind of wrong that a server could do is found.

A run is made up here that went as planned, then one thing about it is changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from tools.accounting.audit import Fault, Judgement, Observed, judge
from tools.accounting.ledger import (
    NANOSECONDS,
    Event,
    Facts,
    History,
    Refusal,
    Verb,
    instant,
)
from tools.accounting.plan import STORIES, Plan, Scheme, Step, plans

SCHEME = Scheme(tasks=400, seed=7, run="test", timeout_seconds=60)
PLANS = {plan.number: plan for plan in plans(SCHEME)}


@dataclasses.dataclass
class Tale:
    """What a server without fault would have shown of one task, told step by step."""

    plan: Plan
    history: History = dataclasses.field(default_factory=History)
    clock: float = 1000.0
    version: int = 0

    def __post_init__(self) -> None:
        self.task = Facts(
            id=self.plan.id or "made-of-the-key",
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

    def see(self, verb: Verb, worker: str = "") -> None:
        """An answer that shows the task as it is; its request was sent a second ago."""
        self.history.events.append(
            Event(
                verb=verb,
                worker=worker,
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
                status=status,
                message="no",
                sent=self.clock - 0.5,
                received=self.clock + 0.5,
                is_uncertain=uncertain,
            )
        )
        self.clock += 2

    def create(self) -> None:
        self.see(Verb.CREATE)
        for _ in range(self.plan.creations - 1):
            if self.plan.key is not None:
                self.see(Verb.CREATE)
            else:
                self.refuse(Verb.CREATE, 409)

    def claim(self, worker: str) -> None:
        self.write(
            state="claimed",
            attempted=self.task.attempted + 1,
            worker=worker,
            claimed_at=self.now,
            times_out_at=self.now + self.plan.timeout_seconds * NANOSECONDS,
            result=None,
            result_at=None,
        )
        self.see(Verb.CLAIM, worker)

    def done(self) -> None:
        self.end("done", Verb.DONE)
        self.see(Verb.DONE, self.task.worker)

    def end(self, state: str, verb: Verb) -> None:
        data = {"number": self.plan.number, "verb": verb.value}
        self.write(state=state, result=data, result_at=self.now)

    def fail(self, *, dead: bool) -> None:
        self.end("dead" if dead else "failed", Verb.FAILED)
        self.see(Verb.FAILED, self.task.worker)

    def unclaim(self) -> None:
        self.write(state="queued", attempted=self.task.attempted - 1)
        self.see(Verb.UNCLAIM, self.task.worker)

    def report(self) -> None:
        self.write(times_out_at=self.now + self.plan.timeout_seconds * NANOSECONDS)
        self.see(Verb.REPORT, self.task.worker)

    def time_out(self, *, dead: bool) -> None:
        self.clock += self.plan.timeout_seconds
        self.write(
            state="dead" if dead else "failed",
            result={"timed_out": "Did not finish before claim timeout period"},
            result_at=self.now,
        )
        self.clock += 60

    def live(self) -> None:
        """Create it, and take every step of its plan."""
        self.create()
        for number, step in enumerate(self.plan.steps):
            is_last = number == len(self.plan.steps) - 1
            self.claim(f"worker-{number}")
            if step.is_dropped:
                self.time_out(dead=is_last)
            elif step in {Step.FAIL, Step.FAIL_WITH_BACKOFF, Step.GIVE_UP}:
                self.fail(dead=is_last)
            elif step is Step.UNCLAIM:
                self.unclaim()
            else:
                if step in {Step.REPORT_THEN_DONE, Step.KEEP_THEN_DONE}:
                    self.report()
                self.done()


def judged(*tales: Tale, undisturbed: bool = True, unanswered: tuple[int, ...] = ()) -> Judgement:
    return judge(
        Observed(
            plans={tale.plan.number: tale.plan for tale in tales},
            histories={tale.plan.number: tale.history for tale in tales},
            found={tale.plan.number: tale.task for tale in tales},
            unanswered_claims=unanswered,
            undisturbed=undisturbed,
        )
    )


def faults(judgement: Judgement) -> set[Fault]:
    return {found.fault for found in judgement.discrepancies}


def plan_of(name: str, *steps: Step) -> Plan:
    """A plan that follows a story, with an id of its own and created once."""
    story = next(story for story in STORIES if story.name == name)
    base = next(plan for plan in PLANS.values() if plan.story is story)
    return dataclasses.replace(
        base, steps=steps or story.variants[0], id="x", key=None, creations=1, retry_times=5
    )


@pytest.fixture
def tale() -> Tale:
    """A task that was created and is in a worker's hands, to be done."""
    tale = Tale(plan_of("done"))
    tale.create()
    tale.claim("worker-0")
    return tale


def test_a_run_that_went_as_planned_is_acquitted() -> None:
    """Every story, told without a fault: nothing is wrong, and everything is counted."""
    tales = [Tale(plan) for plan in PLANS.values()]
    for tale in tales:
        tale.live()
    judgement = judged(*tales)
    assert judgement.discrepancies == []
    counts = judgement.counts
    assert counts["created"] == len(PLANS)
    assert counts["claims"] == sum(len(plan.steps) for plan in PLANS.values())
    assert counts["timed out"] == sum(s.is_dropped for p in PLANS.values() for s in p.steps)
    for end in ("done", "dead", "queued"):
        assert counts[f"ended {end}"] == sum(plan.end == end for plan in PLANS.values())


def test_every_story_is_told() -> None:
    """The plans of a run of ordinary size have every story, and every step."""
    assert {plan.story.name for plan in PLANS.values()} == {story.name for story in STORIES}
    assert {step for plan in PLANS.values() for step in plan.steps} == set(Step)


def test_the_same_seed_gives_the_same_plans() -> None:
    """What was found once can be looked for again."""
    assert plans(SCHEME) == plans(SCHEME)
    assert plans(SCHEME) != plans(dataclasses.replace(SCHEME, seed=8))


# -------------------------------------------------------------------- what is convicted


def lost(tale: Tale) -> None:
    """It is created, and nobody ever gets it."""
    tale.history.events.pop()
    tale.task = tale.history.events[0].task


def stuck(tale: Tale) -> None:
    """It stays in the hands of its worker."""


def given_to_two(tale: Tale) -> None:
    """A second worker gets it while the first has time left."""
    tale.claim("worker-1")
    tale.done()


def given_to_two_without_a_trace(tale: Tale) -> None:
    """A second worker has it before the first gives it back, whatever the versions say."""
    claim = tale.history.events[-1]
    tale.unclaim()
    tale.claim("worker-1")
    second = tale.history.events.pop()
    early = dataclasses.replace(second, sent=claim.sent, received=claim.received)
    tale.history.events.append(early)
    tale.done()


def finished_by_a_stranger(tale: Tale) -> None:
    """The done of a worker that does not hold it is accepted."""
    tale.end("done", Verb.DONE)
    tale.see(Verb.DONE, "a-stranger")


def finished_twice(tale: Tale) -> None:
    """A done that is not a repeat is accepted after the done."""
    tale.done()
    tale.done()


def revived(tale: Tale) -> None:
    """It is handed out after it was done."""
    tale.done()
    tale.claim("worker-1")
    tale.done()


def attempt_not_counted(tale: Tale) -> None:
    """A second attempt counts as the first."""
    tale.fail(dead=False)
    tale.write(attempted=0)
    tale.claim("worker-1")
    tale.done()


def attempt_counted_twice(tale: Tale) -> None:
    """An attempt is counted that nobody made."""
    tale.write(attempted=2)
    tale.done()


def write_undone(tale: Tale) -> None:
    """Its done was answered 200 and is gone."""
    before = tale.task
    tale.done()
    tale.task = before


def changed_by_nobody(tale: Tale) -> None:
    """It was done, and is dead without anybody having asked."""
    tale.done()
    tale.write(state="dead")


def result_mixed_up(tale: Tale) -> None:
    """It has another task's result."""
    tale.write(state="done", result={"number": 12345, "verb": "done"}, result_at=tale.now)
    tale.see(Verb.DONE, "worker-0")


def retries_lost(tale: Tale) -> None:
    """It has fewer retries than it was given."""
    tale.done()
    tale.task = dataclasses.replace(tale.task, retry_times=0)


def created_twice(tale: Tale) -> None:
    """Two creates of one id are answered 201."""
    tale.done()
    tale.history.events.append(tale.history.events[0])


def create_refused(tale: Tale) -> None:
    """A create is answered 500."""
    tale.refuse(Verb.CREATE, 500)
    tale.done()


def worker_refused(tale: Tale) -> None:
    """The done of the worker that holds it is refused within its time."""
    tale.refuse(Verb.DONE, 403)
    tale.done()


def handed_out_early(tale: Tale) -> None:
    """It is handed out before its backoff is over."""
    tale.end("failed", Verb.FAILED)
    tale.task = dataclasses.replace(tale.task, run_at=tale.now + 40 * NANOSECONDS)
    tale.see(Verb.FAILED, "worker-0")
    tale.claim("worker-1")
    tale.done()


def timed_out_early(tale: Tale) -> None:
    """It is timed out, and dead, while its worker has time left."""
    tale.clock -= tale.plan.timeout_seconds
    tale.time_out(dead=True)


def answered_before_it_was_asked(tale: Tale) -> None:
    """The versions contradict the order in which things were asked for and answered."""
    tale.clock -= 100
    tale.done()


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (lost, Fault.LOST),
        (stuck, Fault.LOST),
        (given_to_two, Fault.HELD_TWICE),
        (given_to_two_without_a_trace, Fault.HELD_TWICE),
        (finished_by_a_stranger, Fault.HELD_TWICE),
        (finished_twice, Fault.ILLEGAL),
        (revived, Fault.ILLEGAL),
        (attempt_not_counted, Fault.WRONG_COUNT),
        (attempt_counted_twice, Fault.WRONG_COUNT),
        (write_undone, Fault.LOST),
        (changed_by_nobody, Fault.ILLEGAL),
        (result_mixed_up, Fault.WRONG_END),
        (retries_lost, Fault.WRONG_COUNT),
        (created_twice, Fault.ANSWER),
        (create_refused, Fault.ANSWER),
        (worker_refused, Fault.ANSWER),
        (handed_out_early, Fault.ILLEGAL),
        (timed_out_early, Fault.HELD_TWICE),
        (answered_before_it_was_asked, Fault.ILLEGAL),
    ],
)
def test_what_is_wrong_is_found(tale: Tale, wrong: Callable[[Tale], None], fault: Fault) -> None:
    """Each of these is convicted, as what it is."""
    wrong(tale)
    assert fault in faults(judged(tale))


def test_a_task_that_is_not_there_is_lost(tale: Tale) -> None:
    """A create that was answered 201, and 404 in the end."""
    tale.done()
    observed = Observed(
        plans={tale.plan.number: tale.plan},
        histories={tale.plan.number: tale.history},
        found={tale.plan.number: None},
    )
    assert Fault.LOST in faults(judge(observed))


def test_a_task_that_nobody_created_is_found() -> None:
    """Workers were given something that no producer asked for."""
    observed = Observed(plans={}, histories={}, found={}, strangers=["mail/who"])
    assert faults(judge(observed)) == {Fault.NOT_CREATED}


def test_a_write_that_changes_nothing_confirms(tale: Tale) -> None:
    """A repeat may move the version, seen or unseen: it is the same end, and counts once."""
    tale.done()
    tale.write()
    tale.see(Verb.DONE, tale.task.worker)
    tale.write()
    judgement = judged(tale)
    assert not judgement.discrepancies
    assert judgement.counts["done"] == 1


# ------------------------------------------------------------------------ under faults


def test_a_claim_that_reached_nobody_costs_an_attempt_under_faults(tale: Tale) -> None:
    """Its server died with the answer: allowed if an answer was lost, and only then."""
    tale.fail(dead=False)
    tale.write(attempted=tale.task.attempted + 1)
    tale.claim("worker-1")
    tale.done()
    assert not judged(tale, undisturbed=False, unanswered=(1,)).discrepancies
    assert faults(judged(tale, undisturbed=False)) == {Fault.WRONG_COUNT}
    assert Fault.DISTURBED in faults(judged(tale, unanswered=(1,)))


def test_the_last_attempt_may_reach_nobody_under_faults() -> None:
    """It died with its server, timed out, and there is no attempt left: dead, though by nobody."""
    tale = Tale(plan_of("failed until dead", Step.FAIL, Step.FAIL))
    tale.create()
    tale.claim("worker-0")
    tale.fail(dead=False)
    tale.write(attempted=2)
    tale.time_out(dead=True)
    assert not judged(tale, undisturbed=False, unanswered=(1,)).discrepancies
    assert faults(judged(tale, undisturbed=False)) == {Fault.WRONG_COUNT}
    assert Fault.DISTURBED in faults(judged(tale))


def test_a_worker_that_was_too_slow_is_refused_under_faults(tale: Tale) -> None:
    """Its time was over, somebody else has done it: allowed under faults."""
    tale.time_out(dead=False)
    tale.refuse(Verb.DONE, 400)
    tale.claim("worker-1")
    tale.done()
    assert not judged(tale, undisturbed=False).discrepancies
    assert Fault.DISTURBED in faults(judged(tale))


def test_an_end_whose_answer_was_lost_may_have_happened(tale: Tale) -> None:
    """A failure was heard, its answer lost, its repeat refused since the next worker had it."""
    tale.end("failed", Verb.FAILED)
    tale.clock += 1
    tale.claim("worker-1")
    tale.history.refusals.append(
        Refusal(
            verb=Verb.FAILED,
            worker="worker-0",
            status=403,
            message="The Task was not owned by the worker [worker-0]",
            sent=tale.history.events[-2].received + 0.5,
            received=tale.clock,
            is_uncertain=True,
        )
    )
    tale.done()
    assert not judged(tale, undisturbed=False).discrepancies


def test_faults_excuse_no_double_hold(tale: Tale) -> None:
    """Whatever was lost, a second worker may not have it while the first has time left."""
    given_to_two(tale)
    assert Fault.HELD_TWICE in faults(judged(tale, undisturbed=False, unanswered=(10, 10)))


# ----------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        ("2026-11-22T04:00:10.444438812Z", 1_795_320_010_444_438_812),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, expected: int) -> None:
    """Two writes within a microsecond keep their order."""
    assert instant(text) == expected
