"""
A task as a document, and back; nothing is sent from here.

The document is the original server's (wire contract, section 7), so that either server reads what
the other wrote. Ours adds two fields. ``rank`` is a number that sorts as claims do. ``ext`` holds
what the original does not know; it drops it when it rewrites a document, and nothing depends on it.

Each document is read by itself, so that one that is no task ("poison") harms no other.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tasques.adapters.elasticsearch.parts import (
    ABSENT,
    EXT_VERSION,
    MalformedDocument,
    Metadata,
    Op,
    Raw,
    encoded_operation,
    free_form,
    on_one_line,
    operation,
    optional_instant,
    optional_text,
    raw,
)
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.tasks import (
    MAX_PRIORITY,
    MAX_RETRY_TIMES,
    MIN_PRIORITY,
    Claim,
    ClaimId,
    Ended,
    EndReason,
    Extensions,
    Report,
    Result,
    State,
    Task,
    Verdict,
)
from tasques.core.values import Duration, Instant

#: Beyond these a task has no rank, and is found by a search of its own.
MAX_RANKED_PRIORITY: Final = 2**15 - 1
MAX_RANKED_MILLISECONDS: Final = 2**48 - 1
#: The rank of what waits for nothing: behind all that does, so that a range of ranks that holds the
#: first tasks due holds none that are claimed or finished, however many there are. Not the absence of
#: a rank: the search for tasks without one would have to look at all of them.
NOT_WAITING_RANK: Final = 2**63 - 1

# ---------------------------------------------------------------- the document, field by field


class _Report(msgspec.Struct, omit_defaults=True):
    at: str
    data: Raw = ABSENT


class _Result(msgspec.Struct, omit_defaults=True):
    at: str
    success: Raw = ABSENT
    failure: Raw = ABSENT


class _LastClaimed(msgspec.Struct, omit_defaults=True):
    worker_id: str
    claimed_at: str
    times_out_at: str
    last_report: _Report | None = None
    result: _Result | None = None


class _Ended(msgspec.Struct):
    reason: str
    at: str


class _Ext(msgspec.Struct, omit_defaults=True):
    op: Op | None = None
    claim: str | None = None
    created: str | None = None
    cancel: str | None = None
    expires_at: str | None = None
    ended: _Ended | None = None
    # Last and without a fitting default, so that it is always written.
    v: int = 0


class _TaskDocument(msgspec.Struct, omit_defaults=True):
    id: str
    queue: str
    retry_times: int
    remaining_attempts: int
    kind: str
    state: str
    run_at: str
    processing_timeout: int
    priority: int
    last_enqueued_at: str
    metadata: Metadata
    args: Raw = ABSENT
    context: Raw = ABSENT
    last_claimed: _LastClaimed | None = None
    recurring_task_id: str | None = None
    rank: int | None = None
    expires_at: str | None = None
    ext: _Ext | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_TaskDocument)

# -------------------------------------------------------------------------------------- rank


def rank(priority: int, run_at: Instant) -> int | None:
    """
    ``-priority * 2**48 + milliseconds of run_at``: one number that sorts as claims do.

    Highest priority first, then the longest due, to the millisecond. One key instead of three lets
    Elasticsearch skip whatever cannot be among the first: 0.8 ms instead of 23 with a million ready
    tasks.

    Returns:
        A 64-bit integer, or None where priority is beyond ±32767 or the time not in
        1970-01-01 … 10889-08-02, which do not fit.
    """
    milliseconds = run_at.milliseconds
    if abs(priority) > MAX_RANKED_PRIORITY or not 0 <= milliseconds <= MAX_RANKED_MILLISECONDS:
        return None
    return -priority * 2**48 + milliseconds


# ---------------------------------------------------------------------------------- writing


def encode(task: Task) -> bytes:
    """
    The document of *task*, as compact JSON without a line break.

    Raises:
        ValueError: If it holds what JSON in UTF-8 cannot say.
    """
    claim = task.last_claim
    document = _TaskDocument(
        id=task.id,
        queue=task.queue,
        retry_times=task.retry_times,
        remaining_attempts=task.remaining_attempts,
        kind=task.kind,
        state=task.state,
        run_at=str(task.run_at),
        processing_timeout=task.processing_timeout.nanoseconds,
        priority=task.priority,
        last_enqueued_at=str(task.last_enqueued_at),
        metadata=Metadata(str(task.created_at), str(task.modified_at)),
        args=raw(task.args),
        context=raw(task.context),
        last_claimed=None if claim is None else _encoded_claim(claim),
        recurring_task_id=task.recurring_task_id,
        rank=rank(task.priority, task.run_at) if task.state.is_claimable else NOT_WAITING_RANK,
        # Beside the one in ``ext``, which is not indexed: so that a sweep can find it.
        expires_at=optional_text(task.extensions.expires_at),
        ext=_encoded_extensions(task.extensions),
    )
    return on_one_line(_ENCODER.encode(document))


def _encoded_claim(claim: Claim) -> _LastClaimed:
    report, result = claim.last_report, claim.result
    return _LastClaimed(
        worker_id=claim.worker_id,
        claimed_at=str(claim.claimed_at),
        times_out_at=str(claim.times_out_at),
        last_report=None if report is None else _Report(str(report.at), raw(report.data)),
        result=None if result is None else _encoded_result(result),
    )


def _encoded_result(result: Result) -> _Result:
    if result.verdict is Verdict.SUCCESS:
        return _Result(at=str(result.at), success=raw(result.data))
    return _Result(at=str(result.at), failure=raw(result.data))


def _encoded_extensions(extensions: Extensions) -> _Ext | None:
    # Whatever we write has a mark.
    if extensions.operation is None and extensions == _NO_EXTENSIONS:
        return None
    ended = extensions.ended
    return _Ext(
        v=EXT_VERSION,
        op=encoded_operation(extensions.operation),
        claim=extensions.claim_id,
        created=extensions.created_digest,
        cancel=optional_text(extensions.cancel_requested_at),
        expires_at=optional_text(extensions.expires_at),
        ended=None if ended is None else _Ended(ended.reason.value, str(ended.at)),
    )


_NO_EXTENSIONS: Final = Extensions()


# ---------------------------------------------------------------------------------- reading


def decode(source: bytes | msgspec.Raw, *, queue: QueueName, id: str) -> Task:
    """
    The task that a document holds.

    Args:
        source: The document's ``_source``.
        queue: The queue whose index it is in; the document has to agree.
        id: Its ``_id``; the document has to agree.

    Raises:
        MalformedDocument: If it is no task.
    """
    try:
        task = _task(_DECODER.decode(source))
    except msgspec.MsgspecError as error:
        raise MalformedDocument(str(error)) from error
    except RecursionError as error:
        raise MalformedDocument("nested too deeply") from error
    except ValueError as error:
        raise MalformedDocument(str(error)) from error
    # Else it would be written to another place than it was read from.
    if task.id != id:
        raise MalformedDocument(f"its id is [{task.id[:80]}]")
    if task.queue != queue:
        raise MalformedDocument(f"its queue is [{task.queue[:80]}]")
    return task


def _task(document: _TaskDocument) -> Task:
    state = State(document.state)
    _check_numbers(document)
    # What others wrote may have white space between its parts, and ours is compact.
    is_ours = document.ext is not None and document.ext.v > 0
    claim = None
    if document.last_claimed is not None:
        claim = _claim(document.last_claimed, state, is_ours)
    elif state is State.CLAIMED:
        raise ValueError("claimed, but without last_claimed")
    return Task(
        id=TaskId(document.id),
        queue=QueueName(document.queue),
        kind=document.kind,
        state=state,
        priority=document.priority,
        retry_times=document.retry_times,
        attempted=document.retry_times + 1 - document.remaining_attempts,
        processing_timeout=Duration(document.processing_timeout),
        run_at=Instant.parse(document.run_at),
        last_enqueued_at=Instant.parse(document.last_enqueued_at),
        created_at=Instant.parse(document.metadata.created_at),
        modified_at=Instant.parse(document.metadata.modified_at),
        args=free_form(document.args, "args", is_ours),
        context=free_form(document.context, "context", is_ours),
        last_claim=claim,
        recurring_task_id=document.recurring_task_id,
        extensions=_NO_EXTENSIONS if document.ext is None else _extensions(document.ext),
    )


def _check_numbers(document: _TaskDocument) -> None:
    if not MIN_PRIORITY <= document.priority <= MAX_PRIORITY:
        raise ValueError("priority is out of range")
    if not 0 <= document.retry_times <= MAX_RETRY_TIMES:
        raise ValueError("retry_times is out of range")
    if not 0 <= document.remaining_attempts <= document.retry_times + 1:
        raise ValueError("remaining_attempts is out of range")


def _claim(document: _LastClaimed, state: State, is_ours: bool) -> Claim:
    report, result = document.last_report, document.result
    return Claim(
        worker_id=WorkerId(document.worker_id),
        claimed_at=Instant.parse(document.claimed_at),
        times_out_at=Instant.parse(document.times_out_at),
        last_report=None
        if report is None
        else Report(
            at=Instant.parse(report.at), data=free_form(report.data, "last_report", is_ours)
        ),
        result=None if result is None else _result(result, state, is_ours),
    )


def _result(document: _Result, state: State, is_ours: bool) -> Result:
    at = Instant.parse(document.at)
    success = free_form(document.success, "success", is_ours)
    if success is not None:
        return Result(at=at, verdict=Verdict.SUCCESS, data=success)
    failure = free_form(document.failure, "failure", is_ours)
    if failure is not None:
        return Result(at=at, verdict=Verdict.FAILURE, data=failure)
    # Without data the document does not say which it was, and the state does.
    verdict = Verdict.SUCCESS if state is State.DONE else Verdict.FAILURE
    return Result(at=at, verdict=verdict)


def _extensions(document: _Ext) -> Extensions:
    ended = document.ended
    return Extensions(
        operation=operation(document.op),
        claim_id=None if document.claim is None else ClaimId(document.claim),
        created_digest=document.created,
        cancel_requested_at=optional_instant(document.cancel),
        expires_at=optional_instant(document.expires_at),
        ended=None
        if ended is None
        else Ended(reason=EndReason(ended.reason), at=Instant.parse(ended.at)),
    )
