"""
The policies of queues: laid down by operators, known to every server within a second or two.

All of them are read together, since there are few: only a queue that somebody once paused has one.
They are read while somebody claims; a server that nobody asks for work asks nobody either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tasques.core import errors
from tasques.core.documents import Operation
from tasques.core.policies import QueuePolicy
from tasques.core.ports import Create, Malformed, Missing, PolicyStore, Replace, Runtime
from tasques.core.queues import QueueName
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settlement
from tasques.core.values import Duration, Instant

#: How often they are read while somebody claims.
POLL: Final = Duration.of_seconds(1)
#: A claim waits for a new reading if the last one is older.
_STALE_SECONDS: Final = 3.0
#: Who may not wait goes by this: something may come between the question and the claim.
_SOON_STALE_SECONDS: Final = 2.0
#: For so long after a claim they are read in the background.
_NEEDED_SECONDS: Final = 10.0
_TRIES: Final = 20


class QueuePolicies:
    """
    What is laid down for queues; may be used from several threads at once.

    Args:
        patience: How long a change is tried again while the store is in trouble.
    """

    def __init__(
        self,
        store: PolicyStore,
        runtime: Runtime,
        *,
        patience: Duration = Duration.of_seconds(10),
        meter: Meter | None = None,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._settlement = Settlement(store, runtime, meter)
        self._patience = patience
        self._known: Mapping[QueueName, QueuePolicy] = {}
        self._read_at = self._asked_at = float("-inf")

    def known(self) -> Mapping[QueueName, QueuePolicy]:
        """The policies as they were last read; never blocks."""
        return self._known

    def read(self) -> Mapping[QueueName, QueuePolicy]:
        """
        The policies as they are now.

        Raises:
            StoreUnavailable: If they cannot be read.
        """
        self._read()
        return self._known

    def are_fresh(self) -> bool:
        """Whether they were read lately, as they are while somebody asks."""
        now = self._asked_at = self._runtime.monotonic()
        return now - self._read_at < _STALE_SECONDS

    def stay_fresh(self) -> bool:
        """Whether they are, and for a moment yet: :meth:`ensure_fresh` would not block meanwhile."""
        return self.are_fresh() and self._asked_at - self._read_at < _SOON_STALE_SECONDS

    def ensure_fresh(self) -> None:
        """
        Read them, unless that was done lately; to be called before tasks are claimed.

        Raises:
            StoreUnavailable: If they were never read, and cannot be.
        """
        if self.are_fresh():
            return
        try:
            self._read()
        except errors.StoreUnavailable:
            if self._read_at == float("-inf"):
                raise
            # What was known stays in force; the search for tasks has the same trouble.

    def step(self) -> Duration:
        """
        Read them while they are needed; returns when to do so again.

        Raises:
            StoreUnavailable: If they cannot be read.
        """
        if self._runtime.monotonic() - self._asked_at < _NEEDED_SECONDS:
            self._read()
        return POLL

    def pause(self, queue: QueueName) -> QueuePolicy:
        """
        Let nothing be handed out from *queue*; done twice it is no fault.

        What was handed out goes on.

        Raises:
            VersionConflict, Unavailable: As their names say.
        """
        return self._change(queue, "pause", lambda policy, now: policy.paused(now=now))

    def resume(self, queue: QueueName) -> QueuePolicy:
        """
        Hand out tasks of *queue* again; done twice it is no fault.

        Raises:
            VersionConflict, Unavailable: As their names say.
        """
        return self._change(queue, "resume", lambda policy, now: policy.resumed(now=now))

    def _read(self) -> None:
        # Counted from before, so that what is written meanwhile is read the next time.
        read_at = self._runtime.monotonic()
        self._known = {stored.document.queue: stored.document for stored in self._store.find_all()}
        self._read_at = read_at

    def _change(
        self,
        queue: QueueName,
        verb: str,
        decide: Callable[[QueuePolicy, Instant], QueuePolicy],
    ) -> QueuePolicy:
        deadline = self._runtime.monotonic() + self._patience.seconds
        current = self._settlement.read(queue, deadline=deadline)
        for _ in range(_TRIES):
            if isinstance(current, Malformed):
                raise errors.MalformedTask(queue, queue, current.reason)
            there = None if isinstance(current, Missing) else current
            policy = QueuePolicy(queue=queue) if there is None else there.document
            mark = Operation(token=self._runtime.new_id(), verb=verb)
            decided = decide(policy, self._runtime.wall()).stamped(mark)
            write: Create[QueuePolicy] | Replace[QueuePolicy] = (
                Create(document=decided)
                if there is None
                else Replace(document=decided, expected=there.version)
            )
            settled = self._settlement.settle(write, deadline=deadline)
            if not isinstance(settled, Overtaken):
                self._read()
                return settled.document
            current = settled.current
        raise errors.VersionConflict(queue)
