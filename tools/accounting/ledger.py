"""
What producers and workers saw, as they saw it.

Observations are only collected here; what they prove is for :mod:`tools.accounting.audit`.
"""

import datetime
import enum
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.accounting.client import Answer
from tools.accounting.plan import Plan, Step

NANOSECONDS = 1_000_000_000


class Verb(enum.Enum):
    """What was asked of the server."""

    CREATE = "create"
    CLAIM = "claim"
    REPORT = "report"
    DONE = "done"
    FAILED = "failed"
    UNCLAIM = "unclaim"


ENDINGS = frozenset({Verb.DONE, Verb.FAILED, Verb.UNCLAIM})


@dataclass(frozen=True, kw_only=True)
class Facts:
    """
    A task as an answer showed it; times are nanoseconds since 1970.

    Attributes:
        version: Grows with every write of the task: the order of what happened to it.
        number: From its arguments: whose plan it follows.
        result: The data of the last attempt's end, a success or a failure.
    """

    id: str
    queue: str
    state: str
    attempted: int
    retry_times: int
    priority: int
    version: tuple[int, int]
    number: int
    run: str
    run_at: int
    created_at: int
    worker: str = ""
    claimed_at: int = 0
    times_out_at: int = 0
    result_at: int | None = None
    result: object = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """
    Something the server said it did.

    Attributes:
        sent: When it was asked for, the first time, on the monotonic clock.
        received: When the answer had come.
        is_uncertain: It was asked for more than once, since an answer was lost.
    """

    verb: Verb
    worker: str
    sent: float
    received: float
    task: Facts
    is_uncertain: bool = False


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something the server refused to do."""

    verb: Verb
    worker: str
    status: int
    message: str
    sent: float
    received: float
    is_uncertain: bool = False


@dataclass(frozen=True, kw_only=True)
class Given:
    """A task in a worker's hands, and what its plan wants the worker to do."""

    plan: Plan
    step: Step
    is_last_step: bool
    claim: Event


@dataclass(kw_only=True)
class History:
    """
    All that was seen of one task.

    Attributes:
        claims: How often it was handed out.
        voided: How many of those times its worker was too slow to take its step.
    """

    events: list[Event] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    claims: int = 0
    voided: int = 0


@dataclass(frozen=True, kw_only=True)
class Totals:
    """How far a run has come."""

    created: int
    claimed: int
    over: int


class Ledger:
    """Collects observations from all threads."""

    def __init__(self, plans: Sequence[Plan], run: str) -> None:
        self.plans = {plan.number: plan for plan in plans}
        self.histories = {number: History() for number in self.plans}
        self.strangers: list[str] = []
        self.remarks: list[str] = []
        self.unanswered_claims: list[int] = []
        self.empty_claims = 0
        self._run = run
        self._lock = threading.Lock()
        self._created = 0
        self._claimed = 0
        self._late = 0
        # A task that is never due is over when it is created.
        self._open = {plan.number for plan in plans if plan.steps}

    # --------------------------------------------------------------------- producers

    def record(self, number: int, verb: Verb, worker: str, answer: Answer) -> Event:
        """Note what the server says it did to a task."""
        event = Event(
            verb=verb,
            worker=worker,
            sent=answer.first_sent,
            received=answer.received,
            task=facts(answer.body),
            is_uncertain=answer.is_uncertain,
        )
        with self._lock:
            history = self.histories[number]
            if verb is Verb.CREATE and not any(e.verb is Verb.CREATE for e in history.events):
                self._created += 1
            history.events.append(event)
        return event

    def refuse(self, number: int, verb: Verb, worker: str, answer: Answer) -> None:
        """Note what the server refused to do."""
        refusal = Refusal(
            verb=verb,
            worker=worker,
            status=answer.status,
            message=answer.message,
            sent=answer.first_sent,
            received=answer.received,
            is_uncertain=answer.is_uncertain,
        )
        with self._lock:
            self.histories[number].refusals.append(refusal)

    def remark(self, number: int | None, text: str) -> None:
        """Note what should not have been."""
        with self._lock:
            (self.remarks if number is None else self.histories[number].remarks).append(text)

    # ----------------------------------------------------------------------- workers

    def claim(self, worker: str, answer: Answer, body: Mapping[str, Any]) -> Given | None:
        """
        Note that a worker was given a task; the step that its plan wants.

        None for a task that follows no plan of this run, or should have been given to nobody.
        """
        seen = facts(body)
        event = Event(
            verb=Verb.CLAIM,
            worker=worker,
            sent=answer.sent,
            received=answer.received,
            task=seen,
        )
        with self._lock:
            plan = self.plans.get(seen.number) if seen.run == self._run else None
            if plan is None:
                self.strangers.append(f"{seen.queue}/{seen.id}")
                return None
            self._claimed += 1
            history = self.histories[plan.number]
            history.events.append(event)
            # By the claims, not by the ends: the next worker may have the task before the one that
            # gave it back has heard that it did.
            step = history.claims - history.voided
            history.claims += 1
            if any(e.task.state in {"done", "dead"} for e in history.events) or not plan.steps:
                history.remarks.append(f"was given to {worker} after its end")
                return None
            # A worker that was too slow may be about to say so: then it is the last step again.
            step = min(step, len(plan.steps) - 1)
            return Given(
                plan=plan,
                step=plan.steps[step],
                is_last_step=step == len(plan.steps) - 1,
                claim=event,
            )

    def claim_unanswered(self, amount: int) -> None:
        """Note a claim whose answer was lost: so many tasks may be held by nobody."""
        with self._lock:
            self.unanswered_claims.append(amount)

    def claim_empty(self) -> None:
        """Note a claim that was answered with nothing."""
        with self._lock:
            self.empty_claims += 1

    def void(self, number: int) -> None:
        """A worker was too slow: whoever gets the task next has the same step to take."""
        with self._lock:
            self.histories[number].voided += 1

    def end(self, number: int) -> None:
        """The task has come to its end."""
        with self._lock:
            self._open.discard(number)

    def add_late(self, change: int) -> None:
        """So many more workers mean to finish a task after its time, or fewer."""
        with self._lock:
            self._late += change

    # -------------------------------------------------------------------- the whole

    @property
    def is_finished(self) -> bool:
        """Whether every plan has come to its end, as far as is known."""
        with self._lock:
            return not self._open and not self._late

    def left_alone(self, *, anything: bool) -> list[int]:
        """
        The tasks that may come to their end without a worker.

        Args:
            anything: Any that is not at its end, since a fault may have cost it its attempts.
        """
        with self._lock:
            return [
                number
                for number in sorted(self._open)
                if self.histories[number].events
                and (anything or self.histories[number].claims >= len(self.plans[number].steps))
            ]

    def id_of(self, number: int) -> str | None:
        """The id of a task, as far as it is known."""
        with self._lock:
            events = self.histories[number].events
            return events[0].task.id if events else self.plans[number].id

    def totals(self) -> Totals:
        """How far it has come."""
        with self._lock:
            return Totals(
                created=self._created,
                claimed=self._claimed,
                over=len(self.plans) - len(self._open),
            )


_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


def instant(text: str) -> int:
    """
    Nanoseconds since 1970 of a time as the server writes it.

    Raises:
        ValueError: If it is not in UTC with at most nine decimals.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time of the server's: {text!r}")
    whole = datetime.datetime.fromisoformat(match[1] + "+00:00")
    return int(whole.timestamp()) * NANOSECONDS + int((match[2] or "").ljust(9, "0"))


def facts(body: Mapping[str, Any]) -> Facts:
    """
    The facts of a task's JSON form.

    Raises:
        ValueError, LookupError, TypeError: If it is not of the form that the contract describes.
    """
    args = body.get("args") or {}
    claim = body.get("last_claimed") or {}
    result = claim.get("result")
    version = body["metadata"]["version"]
    return Facts(
        id=body["id"],
        queue=body["queue"],
        state=body["state"],
        attempted=body["attempted"],
        retry_times=body["retry_times"],
        priority=body["priority"],
        version=(version["primary_term"], version["seq_num"]),
        number=args.get("number", -1),
        run=args.get("run", ""),
        run_at=instant(body["run_at"]),
        created_at=instant(body["metadata"]["created_at"]),
        worker=claim.get("worker_id", ""),
        claimed_at=instant(claim["claimed_at"]) if claim else 0,
        times_out_at=instant(claim["times_out_at"]) if claim else 0,
        result_at=None if result is None else instant(result["at"]),
        result=None if result is None else result.get("success", result.get("failure")),
    )
