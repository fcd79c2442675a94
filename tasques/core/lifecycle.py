"""
The life of a task: one table of moves, and a pure function for each operation.

Two rules:

1. Nothing outside this file gives a task another state.
2. Every move is a row of :data:`TRANSITIONS`. A pair that is not there raises and changes nothing.

An operation decides (*may it, and what follows?*) from the task and its arguments alone; *now* and
the jitter of a retry are arguments. The caller then writes the result on condition that the task
has not changed meanwhile, and decides anew when it has.

Actions are decided ones: a failure with attempts left is :attr:`Action.FAIL`, one without is
:attr:`Action.EXHAUST`; so is a failure that gives up or meets a request to cancel. Giving back a
task that was meanwhile cancelled is :attr:`Action.ABANDON`.

Source: wire contract, section 6; the operations beyond the original (retry, cancel, expire, delay,
reprioritise) add rows, no states, since an original server must understand every document.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tasques.core import errors, retry
from tasques.core.evolving import evolve
from tasques.core.json_object import JsonObject
from tasques.core.queues import TaskId, WorkerId
from tasques.core.tasks import (
    MAX_PRIORITY,
    MIN_PRIORITY,
    Claim,
    ClaimId,
    Ended,
    EndReason,
    Extensions,
    NewTask,
    Report,
    Result,
    State,
    Task,
    Verdict,
)
from tasques.core.values import ZERO, ZERO_INSTANT, Duration, Instant


class Action(StrEnum):
    """What can be done to a task, once it is decided."""

    CLAIM = "claim"
    REPORT = "report"
    COMPLETE = "complete"
    FAIL = "fail"
    EXHAUST = "exhaust"
    UNCLAIM = "unclaim"
    ABANDON = "abandon"
    REQUEST_CANCEL = "request_cancel"
    CANCEL = "cancel"
    EXPIRE = "expire"
    RETRY = "retry"
    DELAY = "delay"
    REPRIORITISE = "reprioritise"


TRANSITIONS: Final[Mapping[tuple[State, Action], State]] = MappingProxyType(
    {
        (State.QUEUED, Action.CLAIM): State.CLAIMED,
        (State.FAILED, Action.CLAIM): State.CLAIMED,  # a retry that has come due
        # By the worker that holds it, or, for a failure, by the clock.
        (State.CLAIMED, Action.REPORT): State.CLAIMED,
        (State.CLAIMED, Action.COMPLETE): State.DONE,
        (State.CLAIMED, Action.FAIL): State.FAILED,
        (State.CLAIMED, Action.EXHAUST): State.DEAD,
        (State.CLAIMED, Action.UNCLAIM): State.QUEUED,
        (State.CLAIMED, Action.ABANDON): State.DEAD,
        # By an operator. A claimed task belongs to its worker: it can only be asked to end.
        (State.CLAIMED, Action.REQUEST_CANCEL): State.CLAIMED,
        (State.QUEUED, Action.CANCEL): State.DEAD,
        (State.FAILED, Action.CANCEL): State.DEAD,
        (State.QUEUED, Action.EXPIRE): State.DEAD,
        (State.FAILED, Action.EXPIRE): State.DEAD,
        (State.DEAD, Action.RETRY): State.QUEUED,
        (State.QUEUED, Action.DELAY): State.QUEUED,
        (State.FAILED, Action.DELAY): State.FAILED,
        (State.QUEUED, Action.REPRIORITISE): State.QUEUED,
        (State.FAILED, Action.REPRIORITISE): State.FAILED,
    }
)

#: The result of a claim that timed out, as the original words it.
TIMED_OUT: Final = JsonObject.of({"timed_out": "Did not finish before claim timeout period"})

#: Servers' clocks differ; a report this much older than the last one counts as simultaneous.
REPORT_TOLERANCE: Final = Duration.of_seconds(60)


def next_state(task: Task, action: Action) -> State:
    """
    The state that *action* leads to.

    Raises:
        TaskNotClaimed: If only a claimed task can do that, and this one is not claimed.
        IllegalTransition: If the table has no such row.
    """
    try:
        return TRANSITIONS[task.state, action]
    except KeyError:
        if (State.CLAIMED, action) in TRANSITIONS:
            raise errors.TaskNotClaimed(task.id) from None
        raise errors.IllegalTransition(task.id, state=task.state, action=action) from None


def create(new: NewTask, *, id: TaskId, now: Instant) -> Task:
    """A task as it begins: queued, never attempted, due at once unless *new* says when."""
    run_at, expires_at = _given(new.run_at), _given(new.expires_at)
    return Task(
        id=id,
        queue=new.queue,
        kind=new.kind,
        state=State.QUEUED,
        priority=new.priority,
        retry_times=new.retry_times,
        attempted=0,
        processing_timeout=new.processing_timeout,
        run_at=now if run_at is None else run_at,
        last_enqueued_at=now,
        created_at=now,
        modified_at=now,
        args=new.args,
        context=new.context,
        recurring_task_id=new.recurring_task_id,
        extensions=Extensions(expires_at=expires_at),
    )


def _given(time: Instant | None) -> Instant | None:
    return None if time == ZERO_INSTANT else time


def is_due(task: Task, now: Instant) -> bool:
    """Whether a worker may claim *task* now."""
    return task.state.is_claimable and task.run_at <= now and task.remaining_attempts > 0


def claim(task: Task, *, worker: WorkerId, now: Instant, claim_id: ClaimId | None = None) -> Task:
    """
    *task* in the hands of *worker*, with one attempt more.

    Args:
        claim_id: Names this claim, so that its worker can say which of its claims it means.

    Raises:
        IllegalTransition: If it is in no claimable state, not due yet, or out of attempts.
    """
    state = next_state(task, Action.CLAIM)
    if not is_due(task, now):
        raise errors.IllegalTransition(task.id, state="not due", action=Action.CLAIM)
    return evolve(
        task,
        state=state,
        attempted=task.attempted + 1,
        modified_at=now,
        last_claim=Claim(
            worker_id=worker,
            claimed_at=now,
            times_out_at=now.plus(task.processing_timeout),
        ),
        extensions=evolve(task.extensions, claim_id=claim_id),
    )


def report(
    task: Task,
    *,
    worker: WorkerId,
    data: JsonObject | None,
    at: Instant,
    claim_id: ClaimId | None = None,
) -> Task:
    """
    *task* with a sign of life from its worker, which moves the time-out.

    Args:
        at: When the request came in. Up to a minute before the last report counts as that report's
            time: the clocks of two servers differ, and a worker is not to blame.
        claim_id: The claim that the worker means; None if it does not say.

    Raises:
        TaskNotClaimed: If it is not claimed.
        TaskNotOwned: If another worker holds it, or it does under another claim.
        ReportFromThePast: If the last report is more than a minute younger.
    """
    held = _held_by(task, worker, Action.REPORT, claim_id)
    last = held.last_report
    if last is not None and at < last.at:
        if at.plus(REPORT_TOLERANCE) < last.at:
            raise errors.ReportFromThePast(task.id, last=last.at, reported=at)
        at = last.at
    return evolve(
        task,
        state=next_state(task, Action.REPORT),
        modified_at=at,
        last_claim=evolve(
            held,
            times_out_at=at.plus(task.processing_timeout),
            last_report=Report(at=at, data=data),
        ),
    )


def complete(
    task: Task,
    *,
    worker: WorkerId,
    data: JsonObject | None,
    now: Instant,
    claim_id: ClaimId | None = None,
) -> Task:
    """
    *task* done, by the worker that holds it. A request to cancel came too late.

    Args:
        claim_id: The claim that the worker means; None if it does not say.

    Raises:
        TaskNotClaimed: If it is not claimed.
        TaskNotOwned: If another worker holds it, or it does under another claim.
    """
    held = _held_by(task, worker, Action.COMPLETE, claim_id)
    result = Result(at=now, verdict=Verdict.SUCCESS, data=data)
    return evolve(
        task,
        state=next_state(task, Action.COMPLETE),
        modified_at=now,
        last_claim=evolve(held, result=result),
    )


def fail(
    task: Task,
    *,
    worker: WorkerId,
    data: JsonObject | None,
    now: Instant,
    jitter: float,
    retry_in: Duration | None = None,
    give_up: bool = False,
    claim_id: ClaimId | None = None,
) -> Task:
    """
    *task* after an attempt that its worker calls failed: waiting for the next one, or dead.

    Args:
        jitter: In ``[0, 1)``; see :func:`tasques.core.retry.delay`.
        retry_in: Wait so long instead of the backoff; below zero counts as zero.
        give_up: No further attempt, however many are left.
        claim_id: The claim that the worker means; None if it does not say.

    Raises:
        TaskNotClaimed: If it is not claimed.
        TaskNotOwned: If another worker holds it, or it does under another claim.
    """
    _held_by(task, worker, Action.FAIL, claim_id)
    return _failed(task, data=data, now=now, jitter=jitter, retry_in=retry_in, give_up=give_up)


def has_timed_out(task: Task, now: Instant) -> bool:
    """Whether *task* is claimed and its claim's time is over."""
    claim = task.last_claim
    return task.state is State.CLAIMED and claim is not None and claim.times_out_at <= now


def time_out(task: Task, *, now: Instant, jitter: float) -> Task:
    """
    *task* after its claim ran out of time: a failure like any other, at the time of the sweep.

    Raises:
        TaskNotClaimed: If it is not claimed.
        IllegalTransition: If its claim has time left.
    """
    next_state(task, Action.FAIL)
    if not has_timed_out(task, now):
        raise errors.IllegalTransition(task.id, state="within its time", action=Action.FAIL)
    return _failed(task, data=TIMED_OUT, now=now, jitter=jitter, retry_in=None, give_up=False)


def _failed(
    task: Task,
    *,
    data: JsonObject | None,
    now: Instant,
    jitter: float,
    retry_in: Duration | None,
    give_up: bool,
) -> Task:
    claim = claim_of(task)
    ended = _end_of_failure(task, now, give_up=give_up)
    again = ended is None and task.remaining_attempts > 0
    failed = evolve(
        task,
        state=next_state(task, Action.FAIL if again else Action.EXHAUST),
        modified_at=now,
        last_claim=evolve(claim, result=Result(at=now, verdict=Verdict.FAILURE, data=data)),
        extensions=evolve(task.extensions, cancel_requested_at=None, ended=ended),
    )
    if not again:
        return failed
    # A document of a Go server may hold numbers that its own rules exclude: never below zero.
    wait = retry.delay(max(task.attempted - 1, 0), jitter) if retry_in is None else retry_in
    return evolve(failed, run_at=now.plus(max(wait, ZERO)), last_enqueued_at=now)


def _end_of_failure(task: Task, now: Instant, *, give_up: bool) -> Ended | None:
    if task.extensions.cancel_requested_at is not None:
        return Ended(reason=EndReason.CANCELLED, at=now)
    if give_up:
        return Ended(reason=EndReason.GAVE_UP, at=now)
    return None


def unclaim(
    task: Task,
    *,
    worker: WorkerId,
    now: Instant,
    run_in: Duration | None = None,
    claim_id: ClaimId | None = None,
) -> Task:
    """
    *task* given back by the worker that holds it; the attempt does not count.

    Args:
        run_in: Not to be claimed again before so long; else it keeps its ``run_at``.
        claim_id: The claim that the worker means; None if it does not say.

    Raises:
        TaskNotClaimed: If it is not claimed.
        TaskNotOwned: If another worker holds it, or it does under another claim.
    """
    _held_by(task, worker, Action.UNCLAIM, claim_id)
    cancelled = task.extensions.cancel_requested_at is not None
    ended = Ended(reason=EndReason.CANCELLED, at=now) if cancelled else None
    returned = evolve(
        task,
        state=next_state(task, Action.ABANDON if cancelled else Action.UNCLAIM),
        attempted=max(task.attempted - 1, 0),
        modified_at=now,
        extensions=evolve(task.extensions, cancel_requested_at=None, ended=ended),
    )
    if cancelled:
        return returned
    run_at = task.run_at if run_in is None else now.plus(max(run_in, ZERO))
    return evolve(returned, run_at=run_at, last_enqueued_at=now)


def cancel(task: Task, *, now: Instant) -> Task:
    """
    *task* dead at once, or, while a worker holds it, with a request that the worker's next report
    answers with and that its failure, time-out or return ends it by.

    Raises:
        IllegalTransition: If it is done or dead already.
    """
    if task.state is State.CLAIMED:
        return evolve(
            task,
            state=next_state(task, Action.REQUEST_CANCEL),
            modified_at=now,
            extensions=evolve(task.extensions, cancel_requested_at=now),
        )
    return _ended(task, Action.CANCEL, EndReason.CANCELLED, now)


def expire(task: Task, *, now: Instant) -> Task:
    """
    *task* dead because nobody started it in time.

    Raises:
        IllegalTransition: If it is not waiting.
    """
    return _ended(task, Action.EXPIRE, EndReason.EXPIRED, now)


def _ended(task: Task, action: Action, reason: EndReason, now: Instant) -> Task:
    return evolve(
        task,
        state=next_state(task, action),
        modified_at=now,
        extensions=evolve(task.extensions, ended=Ended(reason=reason, at=now)),
    )


def retry_dead(task: Task, *, now: Instant) -> Task:
    """
    A dead *task* queued again, due now, with all its attempts.

    Raises:
        IllegalTransition: If it is not dead.
    """
    return evolve(
        task,
        state=next_state(task, Action.RETRY),
        attempted=0,
        run_at=now,
        last_enqueued_at=now,
        modified_at=now,
        extensions=evolve(task.extensions, ended=None, cancel_requested_at=None, expires_at=None),
    )


def delay(task: Task, *, run_at: Instant, now: Instant) -> Task:
    """
    A waiting *task* that is not to be claimed before *run_at*.

    Raises:
        IllegalTransition: If it is not waiting.
    """
    return evolve(task, state=next_state(task, Action.DELAY), run_at=run_at, modified_at=now)


def reprioritise(task: Task, *, priority: int, now: Instant) -> Task:
    """
    A waiting *task* with another priority.

    Raises:
        IllegalTransition: If it is not waiting.
        ValueError: If *priority* does not fit in 64 bits.
    """
    if not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise ValueError("a priority must fit in 64 bits")
    return evolve(
        task, state=next_state(task, Action.REPRIORITISE), priority=priority, modified_at=now
    )


def _held_by(task: Task, worker: WorkerId, action: Action, claim_id: ClaimId | None) -> Claim:
    """The claim on *task*, if *worker* has it: first what it is, then whose, then which."""
    next_state(task, action)
    claim = claim_of(task)
    if claim.worker_id != worker:
        raise errors.TaskNotOwned(task.id, worker)
    if claim_id is not None and not is_last_claim(task, claim_id):
        raise errors.ClaimNotCurrent(task.id, worker, claim_id=claim_id)
    return claim


def is_last_claim(task: Task, claim_id: ClaimId) -> bool:
    """
    Whether *claim_id* names the current claim of *task* or, once it has ended, the last one.

    Where the document does not say, nothing speaks against it: then the worker's id alone decides,
    as it does with an original server.
    """
    return task.extensions.claim_id in (None, claim_id)


def claim_of(task: Task) -> Claim:
    """
    The claim of a task that is claimed.

    Raises:
        MalformedTask: If its document lacks it.
    """
    if task.last_claim is None:
        raise errors.MalformedTask(task.queue, task.id, "claimed, but without a claim")
    return task.last_claim
