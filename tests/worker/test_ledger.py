"""What a worker decides: claims, reports, ends, limits, stopping. No thread and no clock."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tasques.client.commands.tasks import CompleteTask, FailTask, UnclaimTask
from tasques.client.errors import AnswerLost, ServerError, ServerUnavailable
from tasques.client.retrying import NotReached
from tasques.client.values import Done, Failed
from tasques.core import errors
from tasques.core.json_object import JsonObject
from tasques.worker import rules as formulas
from tasques.worker.attempts import Attempt, Phase, Why, finishing_of
from tasques.worker.ledger import Ledger
from tasques.worker.readings import Accepted, reading, wish_of
from tasques.worker.rules import Rules
from tests.worker.claims import claimed_task

ACCEPTED = reading(Accepted())
CANCEL = reading(Accepted(cancel_requested=True))
LOST = reading(errors.TaskNotOwned("a", "w"))
AGAIN = reading(ServerUnavailable("down"))
UNKNOWN = reading(AnswerLost("no answer"))
TOO_LARGE = reading(ServerError("too large", status=413))


def ledger(**rules: Any) -> Ledger:
    return Ledger(Rules(**{"concurrency": 2, **rules}), chance=lambda: 0.0)


def running(it: Ledger, *, now: float = 0.0, **task: Any) -> Attempt:
    """An attempt whose body has just begun."""
    it.ask()
    (attempt,) = it.claimed([claimed_task(**task)], now)
    assert it.begin(attempt, now)
    return attempt


def ended(it: Ledger, *, now: float = 0.0, **task: Any) -> Attempt:
    """An attempt whose body has just returned."""
    attempt = running(it, now=now, **task)
    it.end(attempt, finishing_of(attempt, Done(data={"result": 1})), now)
    return attempt


def finished(it: Ledger) -> bool:
    return it.is_finished


def reached(it: Ledger) -> bool:
    return it.is_reached


def phase(attempt: Attempt) -> Phase:
    return attempt.phase


def failure(attempt: Attempt) -> FailTask:
    assert isinstance(attempt.finishing, FailTask)
    return attempt.finishing


# ------------------------------------------------------------------------------- claiming


def test_it_claims_what_is_free() -> None:
    """Each claimed task takes a slot until its body ends."""
    it = ledger()
    assert it.to_claim(0) == 2
    attempt = running(it)
    assert it.to_claim(0) == 1
    it.end(attempt, finishing_of(attempt, Done()), 1)
    assert it.to_claim(1) == 2


def test_results_that_cannot_be_delivered_stop_the_claiming() -> None:
    """Else a server that hands out and does not take back would fill the memory."""
    it = ledger(most_undelivered=3)
    for number in range(3):
        ended(it, id=str(number))
    assert it.to_claim(0) == 0
    it.delivered(it.to_deliver(0)[0], ACCEPTED, 1)
    assert it.to_claim(1) == 1


def test_a_failed_claim_is_tried_again_later_and_later() -> None:
    """Not before its pause is over, which grows up to ten seconds."""
    it = ledger()
    pauses = []
    now = 0.0
    for _ in range(12):
        assert it.to_claim(now) == 2
        it.ask()
        pauses.append(it.claim_failed(now))
        assert it.to_claim(now) == 0
        now = it.next_claim_at()
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.2
    assert pauses[-1] == 5.0
    assert not reached(it)
    assert it.claimed([], now) == []
    assert reached(it)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ServerUnavailable("full", retry_after_seconds=7), 7),
        (ServerUnavailable("full", retry_after_seconds=100_000), 60),
        (NotReached("no connection"), 0),
        (AnswerLost("no answer"), 0),
        (ServerError("a fault", status=500), 0),
        (RuntimeError("a fault of ours"), 0),
    ],
)
def test_a_server_that_wants_to_be_left_alone_is(error: Exception, seconds: int) -> None:
    """For as long as it says, up to a minute; what it cannot have said is not heeded."""
    it = ledger()
    it.ask()
    pause = it.claim_failed(0, wish_of(error))
    assert pause == seconds + formulas.pause(1, chance=0.0)
    assert it.to_claim(seconds) == 0
    assert it.to_claim(pause) == 2


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_no_more_than_max_tasks_are_claimed(taken: int) -> None:
    """And it is finished once all of them are delivered."""
    it = ledger(max_tasks=2)
    for number in range(taken):
        it.delivered(ended(it, id=str(number)), ACCEPTED, 0)
    assert it.to_claim(0) == 2 - taken
    assert finished(it) is (taken == 2)


def test_a_burst_ends_when_nothing_is_left() -> None:
    """An empty answer to a claim that was sent while nothing ran, and nothing was to be delivered."""
    it = ledger(burst=True)
    attempt = running(it)
    it.ask()
    it.claimed([], 1)
    assert not finished(it)
    assert it.to_claim(1) == 0, "it has just looked"
    it.end(attempt, finishing_of(attempt, Done()), 1)
    assert it.to_claim(1) == 2, "what ended may have left others behind"
    it.delivered(attempt, ACCEPTED, 1)
    it.ask()
    assert not finished(it), "the answer may bring some"
    it.claimed([], 2)
    assert finished(it)
    assert it.to_claim(100) == 0


# ------------------------------------------------------------------------------- reporting


def test_a_body_that_says_nothing_is_kept_alive() -> None:
    """Well before its time is over: at a third of it, or every fifteen seconds."""
    assert formulas.keep_alive_pause(9) == 3
    assert formulas.keep_alive_pause(1800) == 15
    it = ledger()
    attempt = running(it, timeout=9)
    assert it.to_report(2.9) == []
    assert it.next_delivery_at() == 3
    assert it.to_report(3) == [attempt]
    it.reported(attempt, None, ACCEPTED, sent_at=3, now=3.5)
    assert it.next_delivery_at() == 6


def test_what_a_body_says_goes_out_soon_the_latest_alone() -> None:
    """Within five seconds of the last report, and not twice."""
    it = ledger()
    attempt = running(it, timeout=1800)
    it.said(attempt, JsonObject.of({"percent": 1}))
    it.said(attempt, JsonObject.of({"percent": 2}))
    assert it.next_delivery_at() == 5
    said = it.take_said(attempt)
    assert said == JsonObject.of({"percent": 2})
    it.said(attempt, JsonObject.of({"percent": 3}))
    it.reported(attempt, said, ACCEPTED, sent_at=5, now=5)
    assert it.next_delivery_at() == 10
    assert it.take_said(attempt) == JsonObject.of({"percent": 3})
    it.reported(attempt, None, ACCEPTED, sent_at=10, now=10)
    assert it.next_delivery_at() == 25


def test_what_was_said_is_not_lost_with_a_report() -> None:
    """It goes out with the next try, unless something newer was said; tries have pauses."""
    it = ledger()
    attempt = running(it, timeout=9)
    said = JsonObject.of({"percent": 1})
    it.reported(attempt, said, AGAIN, sent_at=3, now=3)
    assert attempt.said == said
    assert 3 < it.next_delivery_at() < 3.2
    newer = JsonObject.of({"percent": 2})
    it.said(attempt, newer)
    assert it.next_delivery_at() > 3, "saying something does not shorten the pause"
    it.reported(attempt, said, AGAIN, sent_at=4, now=4)
    assert attempt.said == newer
    assert it.counters.report_errors == 2


def test_a_report_that_cannot_be_stored_is_sent_without_its_data() -> None:
    """The task is alive, whatever its body says."""
    it = ledger()
    attempt = running(it)
    it.reported(attempt, JsonObject.of({"x": 1}), TOO_LARGE, sent_at=20, now=20)
    assert attempt.said is None
    assert it.to_report(20) == [attempt]


def test_cancelled_work_is_told_once() -> None:
    """It stays alive until it ends; a second word would interrupt its tidying up."""
    it = ledger()
    attempt = running(it)
    assert it.reported(attempt, None, CANCEL, sent_at=1, now=1) is Why.CANCELLED
    assert it.reported(attempt, None, CANCEL, sent_at=2, now=2) is None
    assert attempt.unwanted is Why.CANCELLED
    it.end(attempt, finishing_of(attempt, Failed()), 3)
    assert it.to_deliver(3) == [attempt]


def test_lost_work_keeps_its_slot_and_says_nothing_more() -> None:
    """Its result is of no interest; its thread is not free before it comes back."""
    it = ledger()
    attempt = running(it)
    assert it.reported(attempt, None, LOST, sent_at=1, now=1) is Why.LOST
    it.said(attempt, JsonObject.of({"percent": 1}))
    assert it.to_report(1000) == []
    assert it.to_claim(1) == 1
    it.end(attempt, finishing_of(attempt, Done()), 2)
    assert it.to_claim(2) == 2
    assert it.to_deliver(1000) == []
    assert (it.counters.lost, it.counters.done) == (1, 0)


def test_a_lost_claim_that_has_not_begun_does_not_begin() -> None:
    """Its slot is free at once."""
    it = ledger()
    (attempt,) = it.claimed([claimed_task()], 0)
    assert it.reported(attempt, None, LOST, sent_at=1, now=1) is None
    assert not it.begin(attempt, 2)
    assert it.to_claim(2) == 2


# ------------------------------------------------------------------------------ delivering


def test_an_end_is_sent_until_it_is_accepted() -> None:
    """With pauses that grow; then nothing is left of it."""
    it = ledger()
    attempt = ended(it)
    now, tries = 0.0, 0
    while tries < 8:
        assert it.to_deliver(now) == [attempt]
        it.delivered(attempt, AGAIN, now)
        assert it.to_deliver(now) == []
        now, tries = it.next_delivery_at(), tries + 1
    it.delivered(attempt, ACCEPTED, now)
    assert it.next_delivery_at() == math.inf
    assert (it.counters.done, it.counters.delivery_errors) == (1, 8)


def test_an_end_is_kept_no_longer_than_its_claim_can_last() -> None:
    """Its time-out, and the latest reaper; then it is lost, whoever has the task by then."""
    it = ledger()
    attempt = ended(it, timeout=60)
    it.delivered(attempt, AGAIN, 60 + formulas.REAPER_SECONDS - 1)
    assert phase(attempt) is Phase.ENDED
    it.delivered(attempt, AGAIN, 60 + formulas.REAPER_SECONDS)
    assert phase(attempt) is Phase.GONE
    assert it.counters.lost == 1


def test_a_claim_that_is_over_after_a_doubtful_try_was_ended_by_it() -> None:
    """The answer was lost, and the end had arrived: that is no lost claim."""
    it = ledger()
    attempt = ended(it)
    it.delivered(attempt, UNKNOWN, 0)
    it.delivered(attempt, LOST, 1)
    assert (it.counters.done, it.counters.lost) == (1, 0)


def test_a_result_that_cannot_be_stored_is_a_failure_that_says_so() -> None:
    """And one without any words, if not even these can be."""
    it = ledger()
    attempt = ended(it)
    it.delivered(attempt, TOO_LARGE, 0)
    assert failure(attempt).said.data is not None
    it.delivered(attempt, TOO_LARGE, 0)
    assert failure(attempt).said.data is None
    it.delivered(attempt, TOO_LARGE, 0)
    assert phase(attempt) is Phase.GONE


def test_a_batch_has_a_size() -> None:
    """What does not fit comes with the next, the oldest first."""
    it = ledger(batch=2)
    attempts = [ended(it, id=str(number)) for number in range(3)]
    assert it.to_deliver(0) == attempts[:2]
    it.delivered(attempts[0], AGAIN, 0)
    assert it.to_deliver(0) == attempts[1:]


# ---------------------------------------------------------------------------------- limits


def test_the_soft_limit_is_told_once() -> None:
    """Then the body has until the hard limit."""
    it = ledger(soft_limit=10, hard_limit=20)
    attempt = running(it)
    assert it.next_limit_at() == 10
    assert it.over_soft_limit(9) == []
    assert it.over_soft_limit(10) == [attempt]
    assert it.over_soft_limit(11) == []
    assert it.next_limit_at() == 20


def test_the_hard_limit_ends_the_attempt_and_frees_the_slot() -> None:
    """The body may run on; what it says then, and how it ends, is of no effect."""
    it = ledger(hard_limit=20)
    attempt = running(it)
    assert it.over_hard_limit(20) == [attempt]
    it.abandon(attempt, finishing_of(attempt, Failed()))
    assert it.to_claim(20) == 2
    it.end(attempt, finishing_of(attempt, Done()), 21)
    (sent,) = it.to_deliver(21)
    assert isinstance(sent.finishing, FailTask)
    it.delivered(sent, ACCEPTED, 22)
    assert (it.counters.failed, it.counters.done, it.counters.over_hard_limit) == (1, 0, 1)


def test_too_many_abandoned_bodies_cost_slots() -> None:
    """They are replaced up to a bound, or a task that hangs would make threads without end."""
    it = ledger(hard_limit=20, most_abandoned=1)
    attempts = [running(it, id=str(number)) for number in range(2)]
    for attempt in attempts:
        it.abandon(attempt, finishing_of(attempt, Failed()))
        it.delivered(attempt, ACCEPTED, 20)
    assert len(it.abandoned) == 2
    assert it.to_claim(20) == 1
    it.end(attempts[0], finishing_of(attempts[0], Done()), 30)
    assert it.to_claim(30) == 2


# -------------------------------------------------------------------------------- stopping


def test_a_stop_gives_back_what_has_not_begun_and_waits_for_the_rest() -> None:
    """Within the grace what runs ends as ever, and is kept alive."""
    it = ledger()
    first = running(it, timeout=9)
    (second,) = it.claimed([claimed_task("b")], 0)
    it.stop(1, grace=30)
    assert it.to_claim(1) == 0
    assert it.to_deliver(1) == [second]
    assert isinstance(second.finishing, UnclaimTask)
    assert not it.begin(second, 1)
    assert it.to_report(3) == [first]
    assert it.give_up_waiting(30) == []
    it.end(first, finishing_of(first, Done()), 30)
    for attempt in it.to_deliver(30):
        it.delivered(attempt, ACCEPTED, 30)
    assert finished(it)
    assert (it.counters.done, it.counters.returned) == (1, 1)


def test_after_the_grace_the_rest_is_given_back() -> None:
    """No attempt is lost by it; what the body does afterwards is of no effect."""
    it = ledger()
    attempt = running(it)
    it.stop(0, grace=30)
    assert it.next_limit_at() == 30
    assert it.give_up_waiting(30) == [attempt]
    assert it.give_up_waiting(31) == []
    assert isinstance(attempt.finishing, UnclaimTask)
    assert attempt.unwanted is Why.SHUTTING_DOWN
    it.end(attempt, finishing_of(attempt, Done()), 32)
    assert isinstance(attempt.finishing, UnclaimTask)
    it.delivered(attempt, ACCEPTED, 33)
    assert finished(it)


def test_a_second_stop_shortens_the_grace() -> None:
    """And never makes it longer."""
    it = ledger()
    attempt = running(it)
    it.stop(0, grace=30)
    it.stop(1, grace=0)
    it.stop(2, grace=30)
    assert it.give_up_waiting(2) == [attempt]


def test_what_is_claimed_after_the_stop_goes_back() -> None:
    """The claim was under way; it is not finished before its answer is there."""
    it = ledger()
    it.ask()
    it.stop(0, grace=30)
    assert not finished(it)
    assert it.claimed([claimed_task()], 1) == []
    (attempt,) = it.to_deliver(1)
    assert isinstance(attempt.finishing, UnclaimTask)
    it.delivered(attempt, ACCEPTED, 1)
    assert finished(it)


def test_an_original_server_is_told_what_it_understands() -> None:
    """Its claims have no name; giving up is a failure there."""
    it = ledger()
    attempt = running(it, claim_id=None)
    finishing = finishing_of(attempt, Failed(give_up=True))
    assert isinstance(finishing, FailTask)
    assert not finishing.said.give_up
    assert isinstance(finishing_of(attempt, Done()), CompleteTask)
