"""
Which of the tasks found may be handed out now.

Every candidate passes here, however it was found, so that pausing a queue or letting a task expire
is decided in one place. Limits and fairness, when they come, belong here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from tasques.core import lifecycle
from tasques.core.policies import QueuePolicy
from tasques.core.queues import QueueName
from tasques.core.tasks import StoredTask
from tasques.core.values import Instant


@attrs.frozen(kw_only=True)
class Admitted:
    """
    The candidates, sorted out.

    Attributes:
        ready: May be claimed, in the order in which they are to be.
        expired: Were not started in time; they are to end dead.
    """

    ready: tuple[StoredTask, ...] = ()
    expired: tuple[StoredTask, ...] = ()


def admit(
    candidates: Iterable[StoredTask], policies: Mapping[QueueName, QueuePolicy], now: Instant
) -> Admitted:
    """
    Sort *candidates* into those to hand out and those whose time is over.

    Those of a paused queue, and those not due at *now*, are left out of both. A queue that
    *policies* does not name has none.
    """
    due = [c for c in candidates if lifecycle.is_due(c.document, now)]
    open_to_claims = [c for c in due if not _is_paused(policies.get(c.document.queue))]
    ready = [c for c in open_to_claims if not is_expired(c, now)]
    return Admitted(
        ready=tuple(sorted(ready, key=lambda candidate: candidate.document.claim_order)),
        expired=tuple(c for c in open_to_claims if is_expired(c, now)),
    )


def _is_paused(policy: QueuePolicy | None) -> bool:
    return policy is not None and policy.is_paused


def is_expired(candidate: StoredTask, now: Instant) -> bool:
    """Whether the task had a time by which it had to be started, and that time has come."""
    expires_at = candidate.document.extensions.expires_at
    return expires_at is not None and expires_at <= now
