"""Whatever happens in whatever order: what the ledger guarantees."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tasques.client.errors import AnswerLost, ServerUnavailable
from tasques.client.values import Done, Failed
from tasques.core import errors
from tasques.core.json_object import JsonObject
from tasques.worker import rules as formulas
from tasques.worker.attempts import Attempt, Phase, finishing_of
from tasques.worker.ledger import Ledger
from tasques.worker.readings import Accepted, Meaning, reading
from tasques.worker.rules import Rules
from tests.worker.claims import claimed_task

ANSWERS = st.sampled_from(
    [
        reading(Accepted()),
        reading(Accepted(cancel_requested=True)),
        reading(ServerUnavailable("down")),
        reading(AnswerLost("no answer")),
        reading(errors.TaskNotFound("mail", "a")),
        reading(errors.InvalidInput([errors.Fault("data", "object", "is not stored")])),
    ]
)
SECONDS = st.floats(0.0, 40.0)
TIMEOUT = 30.0


class LedgerMachine(RuleBasedStateMachine):
    """A shell that does things in any order, and a server that answers anything."""

    @initialize(
        concurrency=st.integers(1, 3),
        burst=st.booleans(),
        max_tasks=st.one_of(st.just(float("inf")), st.integers(1, 5)),
    )
    def begin_work(self, concurrency: int, burst: bool, max_tasks: float) -> None:
        self.rules_ = Rules(
            concurrency=concurrency,
            burst=burst,
            max_tasks=max_tasks,
            soft_limit=20.0,
            hard_limit=25.0,
            most_undelivered=4,
            most_abandoned=1,
            batch=2,
        )
        self.ledger = Ledger(self.rules_, chance=lambda: 0.5)
        self.now = 0.0
        self.ids = itertools.count()
        self.all: list[Attempt] = []
        self.bodies: list[Attempt] = []
        self.waiting: list[Attempt] = []
        self.reported_at: dict[Attempt, float] = {}
        self.settled: dict[Attempt, int] = {}
        self.asked: int | None = None
        self.has_stopped = False

    # ------------------------------------------------------------------------ what happens

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.asked is None)
    @rule()
    def ask(self) -> None:
        wanted = self.ledger.to_claim(self.now)
        if wanted:
            assert not self.has_stopped
            self.ledger.ask()
            self.asked = wanted

    @precondition(lambda self: self.asked is not None)
    @rule(share=st.floats(0.0, 1.0))
    def answer(self, share: float) -> None:
        assert self.asked is not None
        tasks = [
            claimed_task(str(next(self.ids)), timeout=TIMEOUT)
            for _ in range(round(self.asked * share))
        ]
        begun = self.ledger.claimed(tasks, self.now)
        assert not (begun and self.has_stopped)
        self.all += begun
        self.waiting += begun
        self.asked = None

    @precondition(lambda self: self.asked is not None)
    @rule()
    def no_answer(self) -> None:
        self.ledger.claim_failed(self.now)
        self.asked = None

    @precondition(lambda self: self.waiting)
    @rule()
    def begin(self) -> None:
        attempt = self.waiting.pop(0)
        if self.ledger.begin(attempt, self.now):
            self.bodies.append(attempt)

    @precondition(lambda self: self.bodies)
    @rule(data=st.data(), fails=st.booleans())
    def body_ends(self, data: st.DataObject, fails: bool) -> None:
        attempt = data.draw(st.sampled_from(self.bodies))
        self.bodies.remove(attempt)
        ending = Failed() if fails else Done()
        self.ledger.end(attempt, finishing_of(attempt, ending), self.now)

    @precondition(lambda self: self.bodies)
    @rule(data=st.data())
    def body_reports(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.bodies))
        self.ledger.said(attempt, JsonObject.of({"percent": 1}))

    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        ended = self.ledger.to_deliver(self.now)
        alive = self.ledger.to_report(self.now)
        assert len(ended) <= self.rules_.batch
        assert not set(ended) & set(alive), "of one attempt only one thing is under way"
        for attempt in ended:
            read = data.draw(ANSWERS)
            if read.meaning in (Meaning.ACCEPTED, Meaning.LOST):
                self.settled[attempt] = self.settled.get(attempt, 0) + 1
            self.ledger.delivered(attempt, read, self.now)
        for attempt in alive:
            said = self.ledger.take_said(attempt)
            read = data.draw(ANSWERS)
            if read.meaning is Meaning.ACCEPTED:
                last = self.reported_at.get(attempt)
                pause = formulas.report_pause(TIMEOUT)
                assert last is None or self.now - last >= pause - 1e-6
                self.reported_at[attempt] = self.now
            self.ledger.reported(attempt, said, read, sent_at=self.now, now=self.now)

    @rule()
    def watch(self) -> None:
        self.ledger.over_soft_limit(self.now)
        for attempt in self.ledger.over_hard_limit(self.now):
            self.ledger.abandon(attempt, finishing_of(attempt, Failed()))
        self.ledger.give_up_waiting(self.now)

    @rule(grace=SECONDS)
    def stop(self, grace: float) -> None:
        self.ledger.stop(self.now, grace)
        self.has_stopped = True

    # ------------------------------------------------------------------------- always true

    @invariant()
    def slots_are_kept_to(self) -> None:
        """What runs and is not abandoned, and what was asked for, fits into the slots."""
        assert len(self.ledger.busy) <= self.rules_.concurrency
        spare = max(len(self.ledger.abandoned) - self.rules_.most_abandoned, 0)
        free = self.rules_.concurrency - len(self.ledger.busy) - spare
        assert self.ledger.to_claim(self.now) <= max(free, 0)
        assert self.ledger.counters.claimed <= self.rules_.max_tasks

    @invariant()
    def threads_are_bounded(self) -> None:
        """Bodies that run, the abandoned among them, are as many as slots and the bound at most."""
        bound = 2 * self.rules_.concurrency + self.rules_.most_abandoned
        assert len(self.bodies) <= bound

    @invariant()
    def every_attempt_has_one_fate(self) -> None:
        """It is held, to be delivered, stray, or gone; and settled at most once."""
        slots = [each for each in self.all if each.phase not in (Phase.ENDED, Phase.GONE)]
        assert list(self.ledger.busy) == slots
        assert self.ledger.undelivered >= sum(each.phase is Phase.ENDED for each in self.all)
        assert all(times == 1 for times in self.settled.values())

    @invariant()
    def what_is_held_is_looked_after(self) -> None:
        """While a body runs and its claim stands, the next sign of life is before its end."""
        for attempt in self.all:
            if attempt.is_held and attempt.tries == 0:
                assert attempt.next_report_at <= max(attempt.alive_at + TIMEOUT / 2, self.now)
                assert self.ledger.next_delivery_at() <= attempt.next_report_at

    def teardown(self) -> None:
        """Told to stop, with a server that accepts everything, it comes to its end."""
        if not hasattr(self, "ledger"):
            return
        ledger = self.ledger
        if self.asked is not None:
            ledger.claimed([], self.now)
        ledger.stop(self.now, 0.0)
        ledger.give_up_waiting(self.now)
        for _ in range(len(self.all) + 10):
            self.now = max(self.now, ledger.next_delivery_at() if ledger.undelivered else 0.0)
            for attempt in ledger.to_deliver(self.now):
                ledger.delivered(attempt, reading(Accepted()), self.now)
        assert ledger.is_finished


LedgerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLedgerMachine = LedgerMachine.TestCase
