"""
Who gets which of the candidates: decisions, not yet confirmed.

The oldest waiter is served first, with all that is ready up to what it asks for; one that waits for
more than there is takes nothing, and the next one may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import attrs

from tasques.core import lifecycle
from tasques.core.admission import admit
from tasques.core.documents import Operation
from tasques.core.policies import QueuePolicy
from tasques.core.ports import Replace, Runtime
from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.candidates import Candidate, Candidates
from tasques.core.service.waiting import Waiter
from tasques.core.tasks import ClaimId, StoredTask, Task
from tasques.core.values import Instant

Policies: TypeAlias = Callable[[], Mapping[QueueName, QueuePolicy]]


@attrs.frozen(eq=False)
class Pick:
    """A decision to give a task to a waiter."""

    waiter: Waiter
    write: Replace[Task]


@attrs.frozen(eq=False)
class Allotment:
    """
    What is to be confirmed.

    Attributes:
        picks: In the order of the waiters, and for each in claim order.
        expired: Tasks that nobody started in time; they are to end dead.
    """

    picks: list[Pick] = attrs.Factory(list)
    expired: list[Replace[Task]] = attrs.Factory(list)

    def __bool__(self) -> bool:
        return bool(self.picks or self.expired)

    @property
    def writes(self) -> list[Replace[Task]]:
        """All of it, the picks first."""
        return [pick.write for pick in self.picks] + self.expired


def allot(
    waiters: Iterable[Waiter],
    candidates: Candidates,
    policies: Policies,
    runtime: Runtime,
    *,
    at: float,
    may_look: bool = False,
) -> Allotment:
    """
    Decide for *waiters*, the oldest first; what is allotted is taken out of *candidates*.

    Args:
        policies: The policies of queues; must not block.
        at: The candidates are as old as they are then.
        may_look: Whether there is a search to come, so that nobody has to be content with less yet.
    """
    allotment = Allotment()
    laid_down = policies()
    empty: set[tuple[QueueName, ...]] = set()
    for waiter in waiters:
        if waiter.request.queues in empty:
            continue
        enough = _enough(waiter, runtime.monotonic(), may_look=may_look)
        picks = _serve(
            waiter, candidates, laid_down, runtime, allotment.expired, at=at, enough=enough
        )
        allotment.picks.extend(picks)
        if not picks and waiter.request.min_amount == 1:
            empty.add(waiter.request.queues)
    return allotment


def _enough(waiter: Waiter, at: float, *, may_look: bool) -> int:
    """With how many *waiter* is content; once its time is over, with any."""
    if at < waiter.deadline:
        return waiter.request.min_amount
    return waiter.request.amount if may_look and not waiter.looked else 1


def _serve(
    waiter: Waiter,
    candidates: Candidates,
    policies: Mapping[QueueName, QueuePolicy],
    runtime: Runtime,
    expired: list[Replace[Task]],
    *,
    at: float,
    enough: int,
) -> list[Pick]:
    """The picks for one waiter, if there are as many as it waits for."""
    request = waiter.request
    now = runtime.wall()
    ready: list[Candidate] = []
    for candidate in candidates.draw(request.queues, at=at):
        admitted = admit([candidate.stored], policies, now)
        if admitted.ready:
            ready.append(candidate)
        expired += [
            _replacement(c, lifecycle.expire(c.document, now=now), "expire", runtime)
            for c in admitted.expired
        ]
        if len(ready) >= request.amount:
            break
    if len(ready) < enough:
        candidates.restore(ready)
        return []
    # What fell to other servers was drawn after its betters.
    chosen = sorted((c.stored for c in ready), key=lambda stored: stored.document.claim_order)
    return [Pick(waiter, claiming(stored, request.worker, now, runtime)) for stored in chosen]


def claiming(stored: StoredTask, worker: WorkerId, now: Instant, runtime: Runtime) -> Replace[Task]:
    """The decision to give *stored* to *worker*."""
    # The token is as random and as much the claim's own as an id has to be.
    operation = Operation(token=runtime.new_id(), verb="claim")
    claimed = lifecycle.claim(
        stored.document, worker=worker, now=now, claim_id=ClaimId(operation.token)
    )
    return Replace(document=claimed.stamped(operation), expected=stored.version)


def giving_back(stored: StoredTask, runtime: Runtime) -> Replace[Task]:
    """
    The decision to return a claimed task at no cost of an attempt.

    On condition that it is as it was claimed: had its worker reported on it, it keeps it.
    """
    worker = lifecycle.claim_of(stored.document).worker_id
    returned = lifecycle.unclaim(stored.document, worker=worker, now=runtime.wall())
    return _replacement(stored, returned, "give_back", runtime)


def _replacement(stored: StoredTask, task: Task, verb: str, runtime: Runtime) -> Replace[Task]:
    operation = Operation(token=runtime.new_id(), verb=verb)
    return Replace(document=task.stamped(operation), expected=stored.version)
