"""
What operators have laid down for a queue, as a document.

Only servers of ours obey; an original server hands out the tasks of a paused queue.
"""

from __future__ import annotations

from typing import Self

import attrs

from tasques.core.documents import Operation
from tasques.core.queues import QueueName
from tasques.core.values import Instant


@attrs.frozen(kw_only=True)
class QueuePolicy:
    """
    What holds for a queue.

    Attributes:
        paused_at: Since when nothing is handed out from it; None if it is not paused.
        modified_at: When it was last changed; None where nobody ever did.
    """

    queue: QueueName
    paused_at: Instant | None = None
    modified_at: Instant | None = None
    operation: Operation | None = None

    @property
    def key(self) -> QueueName:
        """What names it."""
        return self.queue

    @property
    def approximate_bytes(self) -> int:
        """About what its document takes in the store."""
        return 400

    @property
    def is_paused(self) -> bool:
        """Whether nothing is handed out for now."""
        return self.paused_at is not None

    def stamped(self, operation: Operation) -> Self:
        """This with the mark of the write that is about to make it."""
        return attrs.evolve(self, operation=operation)

    def paused(self, *, now: Instant) -> Self:
        """Handing out nothing from now on; once paused, it stays as it is."""
        return attrs.evolve(self, paused_at=self.paused_at or now, modified_at=now)

    def resumed(self, *, now: Instant) -> Self:
        """Handing out tasks again."""
        return attrs.evolve(self, paused_at=None, modified_at=now)
