"""
Which queues may come to be.

On Elasticsearch each queue costs an index with its shards, of which a cluster has a limit; a typing
error in a producer must not use them up. What is there already may always be written to.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from tasques.core import errors
from tasques.core.ports import TaskStore
from tasques.core.queues import QueueName


class QueueLimits:
    """
    Decides about queues that were not used before; may be used from several threads at once.

    Args:
        allow: Patterns as of a shell (``mail-*``), of which a queue's name must match one; empty to
            allow all.
        maximum: So many queues there may be; None for any number. Servers that decide at the same
            moment may let in as many more.
    """

    def __init__(
        self, store: TaskStore, *, allow: Sequence[str] = (), maximum: int | None = None
    ) -> None:
        self._store = store
        self._allow = tuple(allow)
        self._maximum = maximum
        self._known: frozenset[QueueName] = frozenset()

    def ensure_allowed(self, queue: QueueName) -> None:
        """
        Pass if a task may be created in *queue*.

        Raises:
            InvalidInput: If the queue is not there, and may not come to be.
            StoreUnavailable: If it cannot be found out.
        """
        if (not self._allow and self._maximum is None) or queue in self._known:
            return
        self._known = self._store.queue_names()
        if queue in self._known:
            return
        if self._allow and not any(fnmatch.fnmatchcase(queue, each) for each in self._allow):
            raise _refused(queue, f"no pattern of queues.allow ({', '.join(self._allow)}) fits it")
        if self._maximum is not None and len(self._known) >= self._maximum:
            raise _refused(
                queue, f"there are {len(self._known)} queues, as many as queues.max allows"
            )


def _refused(queue: QueueName, reason: str) -> errors.InvalidInput:
    return errors.InvalidInput(
        [errors.Fault("queue", "queueAllowed", f"[{queue}] may not come to be: {reason}")]
    )
