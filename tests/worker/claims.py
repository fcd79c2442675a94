"""Claimed tasks as a server hands them out, made up."""

from __future__ import annotations

from typing import Any

from tasques.client.values import Task
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.tasks import ClaimId, State
from tasques.core.values import Duration, Instant
from tasques.schemas.answers import LastClaimedAnswer, MetadataAnswer, VersionAnswer

NOW = Instant.parse("2026-11-22T04:00:00Z")


def claimed_task(
    id: str = "a", *, timeout: float = 60.0, claim_id: str | None = "c", **more: Any
) -> Task:
    """A task that worker ``w`` has just claimed."""
    claim = LastClaimedAnswer(
        worker_id=WorkerId("w"), claimed_at=NOW, times_out_at=NOW, last_report=None, result=None
    )
    fields: dict[str, Any] = {
        "id": TaskId(id),
        "queue": QueueName("mail"),
        "retry_times": 3,
        "attempted": 1,
        "kind": "send",
        "state": State.CLAIMED,
        "priority": 0,
        "processing_timeout": Duration.of_seconds(timeout),
        "run_at": NOW,
        "last_claimed": claim,
        "last_enqueued_at": NOW,
        "metadata": MetadataAnswer(
            created_at=NOW, modified_at=NOW, version=VersionAnswer(seq_num=1, primary_term=1)
        ),
        "claim_id": None if claim_id is None else ClaimId(claim_id),
    }
    return Task(**{**fields, **more})
