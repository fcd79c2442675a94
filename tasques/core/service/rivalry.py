"""
Sharing a queue with servers that this one knows nothing of.

Every server sees the same window of a queue until the store refreshes, so two that work through it
in the same order want the same tasks, and one of them loses each compare-and-set. Who loses claims
has a rival, and from then on takes first what falls to a *share* of its own: ids are hashed into
slots, and the slot is the one where the least was lost. Whoever keeps losing most of what it tries
moves on, and whoever wins most stays; so servers end up on slots of their own without knowing how
many there are. A server that loses nothing has no rival, and its claims keep their exact order.

Tried on paper and rejected: a random offset into a window of four times what is wanted. A server
keeps what it found for as long as the store shows nothing newer and works through all of it, so the
offset only decides where it meets the other's tracks; of two servers that each take a quarter of
the window an eighth of the claims is lost, and more the more they take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final
from zlib import crc32

import attrs

from tasques.core.ports import Runtime
from tasques.core.queues import QueueName, TaskId

#: Losing more than one claim in so many is worth a change.
_TOLERATED: Final = 20
#: It is judged by so many claims, and at least so many lost.
_SAMPLE: Final = 200
_LEAST_LOST: Final = 6
#: What is older does not count.
_SAMPLE_SECONDS: Final = 10.0
#: With more than so many servers on one queue, some share a slot.
_MOST_SLOTS: Final = 16
#: Of what others seem to leave, so much is tried at first, and nothing for a while after a loss.
_FEW: Final = 10
_KEEP_OFF_SECONDS: Final = 5.0
_MANY: Final = 10_000
#: After so many samples with losses in a row there are more servers than slots.
_TRIES: Final = 4


@attrs.define(eq=False)
class _Rivalry:
    """
    How it goes on one queue; with one slot there is no rival.

    Attributes:
        since: When it was last looked whether there is a rival.
        has_rival: Something was lost since, before this sample.
        tried: So many claims are in this sample.
        lost: Of these, those that others were first to claim, by their hash.
        in_vain: Samples with losses in a row.
        appetite: How much to try of what others leave, after each search.
        keep_off_until: Nothing of it until then.
    """

    since: float
    has_rival: bool = False
    tried: int = 0
    lost: Counter[int] = attrs.Factory(Counter)
    slots: int = 1
    own: int = 0
    in_vain: int = 0
    appetite: int = _FEW
    keep_off_until: float = 0.0

    def begin(self, since: float, *, has_rival: bool) -> None:
        """Begin another sample."""
        self.since, self.has_rival = since, has_rival
        self.tried, self.lost = 0, Counter()


class Rivalries:
    """
    What falls to this server and what to others, by queue.

    Not safe between threads: the dispatcher's lock guards it.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._of: dict[QueueName, _Rivalry] = {}

    @property
    def are_known(self) -> bool:
        """Whether others were first to claim something lately."""
        return bool(self._of)

    def falls_to_others(self, queue: QueueName, id: TaskId) -> bool:
        """Whether a task is better left to others for a while."""
        rivalry = self._of.get(queue)
        if rivalry is None or rivalry.slots == 1:
            return False
        return _hash(id) % rivalry.slots != rivalry.own

    def leftovers(self, queue: QueueName) -> int:
        """
        How much to take, after a search, of what falls to others and they do not take.

        Who is merely slow may be about to: so little at first, more as long as nothing of it is
        lost, and after a loss nothing for a while.
        """
        rivalry = self._of.get(queue)
        if rivalry is None:
            return _MANY
        return rivalry.appetite if self._runtime.monotonic() >= rivalry.keep_off_until else 0

    def slots(self, queue: QueueName) -> int:
        """About how many servers there are, so far as losses show; 1 for a lone one."""
        rivalry = self._of.get(queue)
        return rivalry.slots if rivalry is not None else 1

    def note(self, queue: QueueName, *, tried: Sequence[TaskId], lost: Collection[TaskId]) -> bool:
        """
        Learn how claims on *queue* went; *lost* are those of *tried* that others were first to claim.

        Returns:
            Whether shares have changed, so that what is known of *queue* is to be sorted anew.
        """
        at = self._runtime.monotonic()
        rivalry = self._of.get(queue)
        if rivalry is None:
            if not lost:
                return False
            rivalry = self._of[queue] = _Rivalry(since=at)
        self._give_way(rivalry, at)
        left = [id for id in tried if self.falls_to_others(queue, id)]
        if left and self._try_leftovers(rivalry, at, has_lost=any(id in lost for id in left)):
            return True
        rivalry.tried += len(tried) - len(left)
        rivalry.lost.update(_hash(id) for id in lost if not self.falls_to_others(queue, id))
        losses = rivalry.lost.total()
        if losses >= _LEAST_LOST and losses * _TOLERATED > rivalry.tried:
            has_moved = self._move(rivalry, losses)
            rivalry.begin(at, has_rival=True)
            return has_moved
        if rivalry.tried >= _SAMPLE:
            rivalry.in_vain = 0
            rivalry.begin(rivalry.since, has_rival=rivalry.has_rival or losses > 0)
        return False

    def _try_leftovers(self, rivalry: _Rivalry, at: float, *, has_lost: bool) -> bool:
        """Learn how it went with what others seemed to leave; whether to let go of the rest."""
        if not has_lost:
            rivalry.appetite = min(2 * rivalry.appetite, _MANY)
            return False
        was_greedy = rivalry.appetite > _FEW
        rivalry.appetite, rivalry.keep_off_until = _FEW, at + _KEEP_OFF_SECONDS
        rivalry.has_rival = True
        return was_greedy

    def forget_old(self) -> None:
        """Let go of shares on which nothing was lost for long: the rival may have gone."""
        at = self._runtime.monotonic()
        for queue, rivalry in list(self._of.items()):
            self._give_way(rivalry, at)
            if rivalry.slots == 1 and not rivalry.lost and not rivalry.has_rival:
                del self._of[queue]

    def _give_way(self, rivalry: _Rivalry, at: float) -> None:
        """Begin another sample if this one is old; with fewer slots if nothing was lost in it."""
        if at - rivalry.since <= _SAMPLE_SECONDS:
            return
        if not rivalry.lost and not rivalry.has_rival and rivalry.slots > 1:
            rivalry.slots //= 2
            rivalry.own %= rivalry.slots
        rivalry.in_vain = 0
        rivalry.begin(at, has_rival=False)

    def _move(self, rivalry: _Rivalry, losses: int) -> bool:
        """Choose another slot, if need be of more than before; whether anything has changed."""
        rivalry.in_vain += 1
        before = rivalry.slots, rivalry.own
        if rivalry.slots == 1 or rivalry.in_vain > _TRIES:
            rivalry.slots = min(rivalry.slots * 2, _MOST_SLOTS)
            rivalry.in_vain = 1
        elif 2 * losses <= rivalry.tried:
            return False  # who lost more moves
        lost_in = Counter(dict.fromkeys(range(rivalry.slots), 0))
        for hashed, count in rivalry.lost.items():
            lost_in[hashed % rivalry.slots] += count
        least = min(lost_in.values())
        best = [slot for slot, count in lost_in.items() if count == least]
        rivalry.own = best[int(self._runtime.random() * len(best))]
        return (rivalry.slots, rivalry.own) != before


def _hash(id: TaskId) -> int:
    # The same on every server, and its low bits, which are all that counts, are well mixed.
    return crc32(id.encode()) % _MOST_SLOTS
