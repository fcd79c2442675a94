"""What the server would have answered, made without writing and reading JSON."""

from __future__ import annotations

from tasques.core.tasks import Claim, State, StoredTask, Verdict
from tasques.schemas.answers import (
    EndedAnswer,
    LastClaimedAnswer,
    MetadataAnswer,
    ReportAnswer,
    ResultAnswer,
    TaskAnswer,
    VersionAnswer,
)


def task_answer(stored: StoredTask, *, is_archived: bool = False) -> TaskAnswer:
    """The task as a client reads it from the answer to any request."""
    task, version, more = stored.document, stored.version, stored.document.extensions
    return TaskAnswer(
        id=task.id,
        queue=task.queue,
        retry_times=task.retry_times,
        attempted=task.attempted,
        kind=task.kind,
        state=task.state,
        priority=task.priority,
        processing_timeout=task.processing_timeout,
        run_at=task.run_at,
        args=task.args,
        context=task.context,
        last_claimed=None if task.last_claim is None else _claim_answer(task.last_claim),
        last_enqueued_at=task.last_enqueued_at,
        metadata=MetadataAnswer(
            created_at=task.created_at,
            modified_at=task.modified_at,
            version=VersionAnswer(seq_num=version.seq_no, primary_term=version.primary_term),
        ),
        recurring_task_id=task.recurring_task_id,
        expires_at=more.expires_at,
        cancel_requested=True if more.cancel_requested_at is not None else None,
        ended=None
        if more.ended is None
        else EndedAnswer(reason=more.ended.reason, at=more.ended.at),
        claim_id=more.claim_id if task.state is State.CLAIMED else None,
        archived=True if is_archived else None,
    )


def _claim_answer(claim: Claim) -> LastClaimedAnswer:
    report, result = claim.last_report, claim.result
    return LastClaimedAnswer(
        worker_id=claim.worker_id,
        claimed_at=claim.claimed_at,
        times_out_at=claim.times_out_at,
        last_report=None if report is None else ReportAnswer(at=report.at, data=report.data),
        result=None
        if result is None
        else ResultAnswer(
            at=result.at,
            success=result.data if result.verdict is Verdict.SUCCESS else None,
            failure=result.data if result.verdict is Verdict.FAILURE else None,
        ),
    )
