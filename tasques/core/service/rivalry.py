"""
Sharing a queue with servers that this one knows nothing of.

Every server sees the same window of a queue until the store refreshes, so two that work through it
in the same order want the same tasks, and one of them loses each compare-and-set. Who loses claims
has a rival, and from then on takes first what falls to a *share* of its own: ids are hashed into
slots, and a slot is chosen by chance. Whoever keeps losing chooses again; so servers end up on
slots of their own without knowing how many there are. A server that loses nothing has no rival, and
its claims keep their exact order.

Tried on paper and rejected: a random offset into a window of four times what is wanted. A server
keeps what it found for as long as the store shows nothing newer and works through all of it, so the
offset only decides where it meets the other's tracks; of two servers that each take a quarter of
the window an eighth of the claims is lost, and more the more they take.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

import attrs

from tasques.core.ports import Runtime
from tasques.core.queues import QueueName, TaskId

#: Losing more than one claim in so many is worth a change.
_TOLERATED: Final = 20
#: It is judged by so many claims, and at least so many lost.
_SAMPLE: Final = 60
_LEAST_LOST: Final = 6
#: What is older does not count.
_SAMPLE_SECONDS: Final = 10.0
#: With more than so many servers on one queue, some share a slot.
_MOST_SLOTS: Final = 16
#: After so many choices in vain there are more servers than slots.
_CHOICES: Final = 3


@attrs.define(eq=False)
class _Rivalry:
    """How it goes on one queue; with one slot there is no rival."""

    since: float
    tried: int = 0
    lost: int = 0
    slots: int = 1
    own: int = 0
    choices: int = 0


class Rivalries:
    """
    What falls to this server and what to others, by queue.

    Not safe between threads: the dispatcher's lock guards it.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._of: dict[QueueName, _Rivalry] = {}

    def falls_to_others(self, queue: QueueName, id: TaskId) -> bool:
        """Whether a task is better left to others for a while."""
        rivalry = self._of.get(queue)
        if rivalry is None or rivalry.slots == 1:
            return False
        return crc32(id.encode()) % rivalry.slots != rivalry.own

    def slots(self, queue: QueueName) -> int:
        """About how many servers there are, so far as losses show; 1 for a lone one."""
        rivalry = self._of.get(queue)
        return rivalry.slots if rivalry is not None else 1

    def note(self, queue: QueueName, *, tried: int, lost: int) -> bool:
        """
        Learn how claims on *queue* went.

        Returns:
            Whether shares have changed, so that what is known of *queue* is to be sorted anew.
        """
        at = self._runtime.monotonic()
        rivalry = self._of.get(queue)
        if rivalry is None:
            if not lost:
                return False
            rivalry = self._of[queue] = _Rivalry(since=at)
        if at - rivalry.since > _SAMPLE_SECONDS:
            self._begin(rivalry, at)
        rivalry.tried += tried
        rivalry.lost += lost
        if rivalry.lost >= _LEAST_LOST and rivalry.lost * _TOLERATED > rivalry.tried:
            self._choose(rivalry, at)
            return True
        if rivalry.tried >= _SAMPLE:
            rivalry.choices = 0
            rivalry.tried = rivalry.lost = 0
        return False

    def forget_old(self) -> None:
        """Let go of shares on which nothing was lost for long: the rival may have gone."""
        at = self._runtime.monotonic()
        for queue, rivalry in list(self._of.items()):
            if at - rivalry.since > _SAMPLE_SECONDS:
                self._begin(rivalry, at)
            if rivalry.slots == 1 and not rivalry.lost:
                del self._of[queue]

    def _begin(self, rivalry: _Rivalry, at: float) -> None:
        """Begin another sample, with fewer slots if nothing was lost in the last one."""
        if not rivalry.lost and rivalry.slots > 1:
            rivalry.slots //= 2
            rivalry.own %= rivalry.slots
        rivalry.tried = rivalry.lost = rivalry.choices = 0
        rivalry.since = at

    def _choose(self, rivalry: _Rivalry, at: float) -> None:
        if rivalry.slots == 1 or rivalry.choices >= _CHOICES:
            rivalry.slots = min(rivalry.slots * 2, _MOST_SLOTS)
            rivalry.choices = 0
        rivalry.own = int(self._runtime.random() * rivalry.slots)
        rivalry.choices += 1
        rivalry.tried = rivalry.lost = 0
        rivalry.since = at
