"""
A stored task as JSON, quickly.

Written out by hand, because every answer goes through here; that it has the shape of
:class:`~tasques.schemas.answers.TaskAnswer`, in that order, is held by a test.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tasques.core.json_object import JsonObject
from tasques.core.tasks import Claim, State, StoredTask
from tasques.schemas.converter import encode


def encode_task(stored: StoredTask, *, is_archived: bool = False) -> bytes:
    """The task as one line of JSON, in the form of wire contract, section 3."""
    return encode(task_json(stored, is_archived=is_archived))


def encode_tasks(stored: Iterable[StoredTask]) -> bytes:
    """The tasks as a JSON array in one line, in the order given."""
    return encode([task_json(each) for each in stored])


def task_json(stored: StoredTask, *, is_archived: bool = False) -> dict[str, object]:
    """The task as :func:`~tasques.schemas.converter.encode` takes it."""
    task = stored.document
    fields: dict[str, object] = {
        "id": task.id,
        "queue": task.queue,
        "retry_times": task.retry_times,
        "attempted": task.attempted,
        "kind": task.kind,
        "state": task.state,
        "priority": task.priority,
        "processing_timeout": str(task.processing_timeout),
        "run_at": str(task.run_at),
    }
    if task.args is not None:
        fields["args"] = _raw(task.args)
    if task.context is not None:
        fields["context"] = _raw(task.context)
    if task.last_claim is not None:
        fields["last_claimed"] = _claim_json(task.last_claim)
    fields["last_enqueued_at"] = str(task.last_enqueued_at)
    fields["metadata"] = {
        "created_at": str(task.created_at),
        "modified_at": str(task.modified_at),
        "version": {
            "seq_num": stored.version.seq_no,
            "primary_term": stored.version.primary_term,
        },
    }
    if task.recurring_task_id is not None:
        fields["recurring_task_id"] = task.recurring_task_id
    if task.extensions.expires_at is not None:
        fields["expires_at"] = str(task.extensions.expires_at)
    if task.extensions.cancel_requested_at is not None:
        fields["cancel_requested"] = True
    if task.extensions.ended is not None:
        ended = task.extensions.ended
        fields["ended"] = {"reason": ended.reason, "at": str(ended.at)}
    # Afterwards it is kept to recognise repeated requests by, and means nothing to anybody else.
    if task.state is State.CLAIMED and task.extensions.claim_id is not None:
        fields["claim_id"] = task.extensions.claim_id
    if is_archived:
        fields["archived"] = True
    return fields


def _claim_json(claim: Claim) -> dict[str, object]:
    fields: dict[str, object] = {
        "worker_id": claim.worker_id,
        "claimed_at": str(claim.claimed_at),
        "times_out_at": str(claim.times_out_at),
    }
    if claim.last_report is not None:
        fields["last_report"] = _dated(str(claim.last_report.at), "data", claim.last_report.data)
    if claim.result is not None:
        result = claim.result
        fields["result"] = _dated(str(result.at), result.verdict, result.data)
    return fields


def _dated(at: str, name: str, data: JsonObject | None) -> dict[str, object]:
    return {"at": at} if data is None else {"at": at, name: _raw(data)}


def _raw(value: JsonObject) -> msgspec.Raw:
    return msgspec.Raw(value.text.encode())
