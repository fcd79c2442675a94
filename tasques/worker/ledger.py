"""
What a worker holds, and what is to be done next: all its decisions, without thread, clock or server.

Each question is answered from what was entered before, and for the instant that is handed in. The
shell around it (:mod:`tasques.worker.worker`) asks under one lock, acts without it, and enters what came
of it.

Guarantees:

1. Never more is claimed than there are free slots, nor beyond ``max_tasks``.
2. What was claimed is said to be alive until its end is known, at most as often as the rules say, with
   the latest that its body reported.
3. Every claim that is not lost gets exactly one end: that of its body, or failed at the hard limit, or given
   back. What a body still does after that changes nothing.
4. The end is sent until the server has accepted it, has said that the claim is over, or must have
   ended the claim itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tasques.client.values import Failed, Hold, Task, Unclaim
from tasques.core.json_object import JsonObject
from tasques.worker import rules as formulas
from tasques.worker.attempts import Attempt, Finishing, Phase, Why, ending_of, finishing_of
from tasques.worker.counters import Counters
from tasques.worker.readings import Meaning, Reading
from tasques.worker.rules import NO_LIMITS, Limits, Rules

#: After an empty claim in a burst, while others still run, another look is taken so soon.
_BURST_LOOK_SECONDS: Final = 1.0


class Ledger:
    """
    See above. Not for use by several threads at once.

    Args:
        chance: Numbers in ``[0, 1)``.
    """

    def __init__(self, rules: Rules, *, chance: Callable[[], float]) -> None:
        self.rules = rules
        self.counters = Counters()
        self._chance = chance
        #: Waiting, running or stray: what takes a slot. In the order of their claims.
        self._busy: dict[int, Attempt] = {}
        self._ended: dict[int, Attempt] = {}
        self._abandoned: dict[int, Attempt] = {}
        self._stops_at = math.inf
        self._is_stopping = False
        self._taken = 0
        self._is_asking = False
        self._is_reached = False
        self._asked_idle = False
        self._claim_failures = 0
        self._no_claim_before = -math.inf
        self._nothing_left = False
        self._no_look_before = -math.inf

    # ------------------------------------------------------------------------- claiming

    def to_claim(self, now: float) -> int:
        """How many tasks to claim now; 0 for none."""
        if self._is_stopping or self._nothing_left or now < self.next_claim_at():
            return 0
        free = self.rules.concurrency - len(self._busy) - self._lost_slots
        room = self.rules.most_undelivered - len(self._ended)
        return int(max(min(free, room, self.rules.max_tasks - self._taken), 0))

    def ask(self) -> None:
        """A claim is about to be sent; there is only one at a time."""
        self._is_asking = True
        self._asked_idle = not self._busy and not self._ended

    def claim_failed(self, now: float, wish: float = 0.0) -> float:
        """
        A claim came to nothing; gives the pause before the next one, in seconds.

        Args:
            wish: For how long the server wants not to be asked, in seconds.
        """
        self._is_asking = False
        self._is_reached = False
        self.counters.claim_errors += 1
        self._claim_failures += 1
        # On top of what is wished, or all who were told the same would come at once.
        pause = self._pause(self._claim_failures) + formulas.heeded(wish)
        self._no_claim_before = now + pause
        return pause

    def next_claim_at(self) -> float:
        """No claim before."""
        return max(self._no_claim_before, self._no_look_before)

    def claimed(self, tasks: Sequence[Task], now: float) -> list[Attempt]:
        """
        A claim was answered; gives what is to be run.

        What arrives after the stop is given back, and is not among them.
        """
        self._is_asking = False
        self._is_reached = True
        self._claim_failures = 0
        if not tasks and self.rules.burst:
            self._nothing_left = self._asked_idle
            self._no_look_before = now + _BURST_LOOK_SECONDS
        self._taken += len(tasks)
        self.counters.claimed += len(tasks)
        attempts = [_attempt(task, now) for task in tasks]
        for attempt in attempts:
            self._busy[id(attempt)] = attempt
        if self._is_stopping:
            self._give_back(attempts, now)
            return []
        return attempts

    @property
    def _lost_slots(self) -> int:
        return max(len(self._abandoned) - self.rules.most_abandoned, 0)

    # -------------------------------------------------------------------------- running

    def begin(self, attempt: Attempt, now: float, limits: Limits = NO_LIMITS) -> bool:
        """
        A body is about to run; False if it must not, since its task was given back meanwhile.

        Args:
            limits: Those of its kind; where it has none, the worker's count.
        """
        if attempt.phase is not Phase.WAITING:
            return False
        attempt.phase = Phase.RUNNING
        attempt.started_at = now
        soft, hard = limits
        attempt.soft_at = now + (self.rules.soft_limit if soft is None else soft)
        attempt.hard_at = now + (self.rules.hard_limit if hard is None else hard)
        return True

    def end(self, attempt: Attempt, finishing: Finishing, now: float) -> None:
        """A body has come to its end, one way or the other."""
        if self._abandoned.pop(id(attempt), None) is not None:
            attempt.is_abandoned = False
        if attempt.phase is Phase.STRAY:
            self._drop(attempt)
        elif attempt.is_held:
            self._finish(attempt, finishing)
        self._look_again()

    def said(self, attempt: Attempt, data: JsonObject) -> None:
        """A body reports; the latest counts."""
        if attempt.is_held:
            attempt.said = data
            at = attempt.alive_at + formulas.report_pause(attempt.timeout)
            # A try that failed has set a later one.
            attempt.next_report_at = min(attempt.next_report_at, max(at, attempt.next_try_at))

    # ------------------------------------------------------------------------ delivering

    def to_deliver(self, now: float) -> list[Attempt]:
        """The ended attempts whose end is to be sent now, the oldest first, as many as fit in a batch."""
        due = (each for each in self._ended.values() if each.next_try_at <= now)
        return [attempt for attempt, _ in zip(due, range(self.rules.batch), strict=False)]

    def delivered(self, attempt: Attempt, read: Reading, now: float) -> None:
        """What the server said to an end that was sent."""
        match read.meaning:
            case Meaning.ACCEPTED:
                self._count_end(attempt)
                self._drop(attempt)
            case Meaning.LOST:
                # After a doubtful try it was probably our own end that ended the claim.
                if attempt.doubtful:
                    self._count_end(attempt)
                else:
                    self.counters.lost += 1
                self._drop(attempt)
            case Meaning.REFUSED:
                self.counters.delivery_errors += 1
                self._say_less(attempt, read, now)
            case _:
                self.counters.delivery_errors += 1
                self._try_again(attempt, read, now)

    def to_report(self, now: float) -> list[Attempt]:
        """The attempts that a sign of life is due for, as many as fit in a batch."""
        due = (each for each in self._held() if each.next_report_at <= now)
        return [attempt for attempt, _ in zip(due, range(self.rules.batch), strict=False)]

    def take_said(self, attempt: Attempt) -> JsonObject | None:
        """What a report on *attempt* is to say; it is about to be sent."""
        said, attempt.said = attempt.said, None
        return said

    def reported(
        self,
        attempt: Attempt,
        said: JsonObject | None,
        read: Reading,
        *,
        sent_at: float,
        now: float,
    ) -> Why | None:
        """What the server said to a report; gives why the body is to end now, if it is."""
        if read.meaning is not Meaning.ACCEPTED:
            self.counters.report_errors += 1
        match read.meaning:
            case Meaning.ACCEPTED:
                attempt.alive_at, attempt.heard_at = sent_at, now
                attempt.tries = 0
                self._next_report(attempt)
                return self._cancel(attempt) if read.cancel_requested else None
            case Meaning.LOST:
                return self._lose(attempt)
            case Meaning.REFUSED:
                # What was said cannot be stored. It is alive all the same.
                attempt.next_report_at = now
            case _:
                if attempt.said is None:
                    attempt.said = said
                attempt.tries += 1
                attempt.next_report_at = attempt.next_try_at = now + self._pause(attempt.tries)
        return None

    def next_delivery_at(self) -> float:
        """When :meth:`to_deliver` or :meth:`to_report` has something, if nothing is entered before."""
        ends = (each.next_try_at for each in self._ended.values())
        reports = (each.next_report_at for each in self._held())
        return min(min(ends, default=math.inf), min(reports, default=math.inf))

    # --------------------------------------------------------------------------- limits

    def over_soft_limit(self, now: float) -> list[Attempt]:
        """The attempts whose bodies are to get an exception now; each once."""
        found = [each for each in self._running() if each.soft_at <= now]
        for attempt in found:
            attempt.soft_at = math.inf
        return found

    def over_hard_limit(self, now: float) -> list[Attempt]:
        """The attempts that are to be ended by :meth:`abandon` now."""
        return [each for each in self._running() if each.hard_at <= now]

    def abandon(self, attempt: Attempt, finishing: Finishing) -> None:
        """The hard limit is over: the attempt ends so, and its slot is free although its body runs on."""
        if attempt.is_held:
            self._leave_alone(attempt, Why.HARD_LIMIT)
            self.counters.over_hard_limit += 1
            self._finish(attempt, finishing)

    def next_limit_at(self) -> float:
        """When a limit or the grace is over next."""
        limits = (min(each.soft_at, each.hard_at) for each in self._running())
        return min(min(limits, default=math.inf), self._stops_at)

    # ------------------------------------------------------------------------- stopping

    def stop(self, now: float, grace: float) -> None:
        """Claim nothing more, give back what has not begun, and let the rest go on for *grace*."""
        self._is_stopping = True
        self._stops_at = min(self._stops_at, now + grace)
        self._give_back([each for each in self._held() if each.phase is Phase.WAITING], now)

    def give_up_waiting(self, now: float) -> list[Attempt]:
        """Once the grace is over: gives back what still runs; these bodies are to end."""
        if now < self._stops_at:
            return []
        self._stops_at = math.inf
        rest = list(self._held())
        for attempt in rest:
            self._leave_alone(attempt, Why.SHUTTING_DOWN)
        self._give_back(rest, now)
        return rest

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is claimed for good."""
        return self._is_stopping

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing to do, and never will be."""
        over = self._is_stopping or self._nothing_left or self._taken >= self.rules.max_tasks
        return over and not self._is_asking and not self._ended and not any(self._held())

    # --------------------------------------------------------------------------- seeing

    @property
    def busy(self) -> Sequence[Attempt]:
        """What takes a slot, the oldest first."""
        return list(self._busy.values())

    @property
    def abandoned(self) -> Sequence[Attempt]:
        """Bodies that run on although their attempt has ended."""
        return list(self._abandoned.values())

    @property
    def is_empty_handed(self) -> bool:
        """Whether the server has to be told of nothing."""
        return not self._ended and not any(self._held())

    @property
    def undelivered(self) -> int:
        """How many ends the server has not accepted yet."""
        return len(self._ended)

    @property
    def is_reached(self) -> bool:
        """Whether the server answered the last claim."""
        return self._is_reached

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs or waits to."""
        return not self._busy

    def holds(self, hold: Hold) -> bool:
        """Whether an attempt at that task goes on, or its end is to be delivered."""
        every = (*self._busy.values(), *self._ended.values())
        return any((each.hold.queue, each.hold.id) == (hold.queue, hold.id) for each in every)

    # --------------------------------------------------------------------------- within

    def _held(self) -> Iterator[Attempt]:
        return (each for each in self._busy.values() if each.is_held)

    def _running(self) -> Iterator[Attempt]:
        return (each for each in self._busy.values() if each.phase is Phase.RUNNING)

    def _finish(self, attempt: Attempt, finishing: Finishing) -> None:
        self._busy.pop(id(attempt), None)
        attempt.phase = Phase.ENDED
        attempt.finishing = finishing
        attempt.next_try_at = -math.inf
        attempt.tries = 0
        self._ended[id(attempt)] = attempt

    def _give_back(self, attempts: Sequence[Attempt], now: float) -> None:
        for attempt in attempts:
            self._finish(attempt, finishing_of(attempt, Unclaim()))

    def _leave_alone(self, attempt: Attempt, why: Why) -> None:
        if attempt.phase is Phase.RUNNING:
            attempt.is_abandoned = True
            self._abandoned[id(attempt)] = attempt
        attempt.unwanted = why

    def _drop(self, attempt: Attempt) -> None:
        self._busy.pop(id(attempt), None)
        self._ended.pop(id(attempt), None)
        attempt.phase = Phase.GONE
        self._look_again()

    def _look_again(self) -> None:
        # What ended may have left other tasks behind.
        self._no_look_before = -math.inf

    def _cancel(self, attempt: Attempt) -> Why | None:
        if attempt.unwanted is not None or not attempt.is_held:
            return None
        attempt.unwanted = Why.CANCELLED
        self.counters.cancelled += 1
        return attempt.unwanted

    def _lose(self, attempt: Attempt) -> Why | None:
        """The claim is over; a body that runs keeps its slot until it ends."""
        self.counters.lost += 1
        if attempt.phase is not Phase.RUNNING:
            self._drop(attempt)
            return None
        attempt.phase = Phase.STRAY
        attempt.said = None
        attempt.unwanted = Why.LOST
        return attempt.unwanted

    def _next_report(self, attempt: Attempt) -> None:
        often = attempt.said is not None
        pause = formulas.report_pause if often else formulas.keep_alive_pause
        attempt.next_report_at = attempt.alive_at + pause(attempt.timeout)

    def _pause(self, tries: int) -> float:
        return formulas.pause(tries, self._chance())

    def _count_end(self, attempt: Attempt) -> None:
        if attempt.finishing is not None:
            self.counters.count_end(ending_of(attempt.finishing))

    def _try_again(self, attempt: Attempt, read: Reading, now: float) -> None:
        attempt.doubtful = attempt.doubtful or read.is_doubtful
        if now >= formulas.surely_over_at(attempt.heard_at, attempt.timeout):
            self.counters.lost += 1
            self._drop(attempt)
            return
        attempt.tries += 1
        attempt.next_try_at = now + self._pause(attempt.tries)

    def _say_less(self, attempt: Attempt, read: Reading, now: float) -> None:
        """What came of it cannot be stored: it has failed, for that reason; or without any."""
        attempt.refusals += 1
        said = {"type": "ResultRefused", "message": str(read.error)[:500]}
        if attempt.refusals > 2:
            self.counters.lost += 1
            self._drop(attempt)
            return
        ending = Failed(data=said if attempt.refusals == 1 else None)
        attempt.finishing = finishing_of(attempt, ending)
        attempt.next_try_at = now


def _attempt(task: Task, now: float) -> Attempt:
    timeout = formulas.timeout_of(task)
    return Attempt(
        task=task,
        hold=Hold.of(task),
        timeout=timeout,
        alive_at=now,
        heard_at=now,
        next_report_at=now + formulas.keep_alive_pause(timeout),
    )
