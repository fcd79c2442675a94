"""
The short way of a claim: for one whom nobody waits beside, on a store that shows every write at once.

A round of the dispatcher serves any number of waiters of what several searches showed, and remembers
what it has learnt for those who come later. Where a search shows all there is, and one claim wants it,
nothing of that is needed: the first tasks found are the ones to take. So it is a third of the cost
(explanation/hot-path.md).

It searches, admits, decides and writes as a round does, and what is out of the ordinary is left to
one: here are neither waiting, nor second tries, nor an end for what has expired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from tasques.core import errors
from tasques.core.admission import admit
from tasques.core.policies import QueuePolicy
from tasques.core.ports import ClaimableQuery, Runtime, TaskStore, Written
from tasques.core.queues import QueueName
from tasques.core.service.allotment import Allotment, Pick, Policies, claiming
from tasques.core.service.confirmation import Confirmation
from tasques.core.service.waiting import ClaimAnswer, ClaimRequest, Waiter
from tasques.core.tasks import StoredTask

#: Who wants more is served in a round, which minds how large an answer gets.
_MOST: Final = 50


@attrs.frozen(eq=False, kw_only=True)
class ShortWay:
    """
    Claims for one; not two at a time, and not beside a round.

    Attributes:
        store: Shows every write at once.
        policies: The policies of queues; must not block.
        confirmation: Concludes what was not simply written.
    """

    store: TaskStore
    runtime: Runtime
    policies: Policies
    confirmation: Confirmation

    def take(
        self, request: ClaimRequest, is_connected: Callable[[], bool]
    ) -> Sequence[StoredTask] | None:
        """
        The claimed tasks, as a round would give them; None if it takes a round to say.

        What comes after None is as if nothing had been asked: no task is held for *request*.
        """
        if not 0 < request.amount <= _MOST:
            return None
        policies, now = self.policies(), self.runtime.wall()
        query = ClaimableQuery(
            queues=request.queues, now=now, limit=request.amount, paused=paused(policies)
        )
        try:
            (found,) = self.store.find_claimable([query])
        except errors.Unavailable:
            return None  # A round notes it, and leaves the store alone for a while.
        is_over = request.block_for.nanoseconds <= 0
        if not found:
            return () if is_over else None
        admitted = admit(found, policies, now)
        if admitted.expired or len(admitted.ready) < (1 if is_over else request.min_amount):
            return None
        return self._confirmed(request, admitted.ready, is_connected)

    def _confirmed(
        self, request: ClaimRequest, ready: Sequence[StoredTask], is_connected: Callable[[], bool]
    ) -> Sequence[StoredTask] | None:
        if not is_connected():
            return ()
        now = self.runtime.wall()
        writes = [claiming(stored, request.worker, now, self.runtime) for stored in ready]
        outcomes = self.store.write(writes)
        claimed = [each.stored for each in outcomes if isinstance(each, Written)]
        if len(claimed) == len(writes):
            return claimed
        waiter = Waiter(
            number=0,
            request=request,
            deadline=self.runtime.monotonic(),
            deliver=_to_the_caller,
            is_connected=is_connected,
        )
        allotment = Allotment(picks=[Pick(waiter, write) for write in writes])
        return self.confirmation.conclude(allotment, outcomes).get(waiter)


def paused(policies: Mapping[QueueName, QueuePolicy]) -> tuple[QueueName, ...]:
    """Where not to look: tasks of a paused queue would fill the answer, and hide those of others."""
    return tuple(sorted(policy.queue for policy in policies.values() if policy.is_paused))


def _to_the_caller(answer: ClaimAnswer) -> None:
    """It has the answer already."""
