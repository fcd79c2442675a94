"""
Who leads: a lease in one document, taken and renewed by compare-and-set.

A candidate watches the lock's version. When it has not moved for the *holder's* lease, as the
candidate's own clock counts it, the candidate replaces exactly that version: any renewal makes the
attempt fail. So no clocks are compared, and the ``at`` in the document is for people.

A holder believes itself leader until 0.6 of its lease after it *began to send* its last successful
renewal. The rest of the lease is room for clocks that run at different rates, up to 1.66 times.

The lease is for efficiency alone: a server that was paused in the middle of a write may still act
after another has taken over. So nothing that a leader writes rests on the lease for safety; each of
its writes is a compare-and-set on the document itself, which carries the leader's term. The *term*
is the version of the write that took the lock: greater for each later leader, and it needs no field
that an original server would have to keep.

Source: wire contract, section 8 (document and timing); kubernetes/client-go, ``leaderelection``
(observed versions, the ratio of deadlines); reliability notes 4.6.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self, TypeAlias

import attrs

from tasques.core.documents import Operation, Stored, Version
from tasques.core.values import Duration, Instant

#: The document's id, and the beginning of every leader's id: the original's.
LOCK_NAME: Final = "recurring-tasks-leader"
#: This part of its lease a holder relies on after a renewal.
RELIED_ON: Final = 0.6


@attrs.frozen(kw_only=True)
class LeaderLock:
    """
    The lock's document.

    Attributes:
        leader_id: The holder, new for each process.
        at: When it was last renewed, on the holder's wall clock.
        lease: The holder's; after so long without renewal it may be taken.
        taken_at: When the holder took it; ours only.
        term: The holder's, from its first renewal on; ours only.
        released: The holder has let go of it, so nobody need wait; ours only.
        operation: The write that made this version; ours only.
    """

    leader_id: str
    at: Instant
    lease: Duration
    taken_at: Instant | None = None
    term: Version | None = None
    released: bool = False
    operation: Operation | None = None
    name: str = LOCK_NAME

    @property
    def key(self) -> str:
        """What names it."""
        return self.name

    @property
    def approximate_bytes(self) -> int:
        """About what its document takes in the store."""
        return 400

    def stamped(self, operation: Operation) -> Self:
        """This with the mark of the write that is about to make it."""
        return attrs.evolve(self, operation=operation)


@attrs.frozen(kw_only=True)
class Observed:
    """
    A lock of another holder.

    Attributes:
        since: On the candidate's monotonic clock, when this version was first seen.
    """

    lock: LeaderLock
    version: Version
    since: float

    @property
    def may_be_taken_at(self) -> float:
        """On the same clock, when the holder has had its time."""
        return self.since if self.lock.released else self.since + max(self.lock.lease.seconds, 0.0)


@attrs.frozen(kw_only=True)
class Held:
    """
    The lock in our own hands.

    Attributes:
        version: Of our last write, which the next renewal replaces.
        term: The version of the write that took the lock.
        sent_at: On our monotonic clock, before that last write was sent.
    """

    lock: LeaderLock
    version: Version
    term: Version
    sent_at: float

    @property
    def valid_until(self) -> float:
        """On our monotonic clock; from then on nobody may rely on it."""
        return self.sent_at + RELIED_ON * self.lock.lease.seconds

    @classmethod
    def since(
        cls, stored: Stored[LeaderLock], *, sent_at: float, term: Version | None = None
    ) -> Self:
        """
        After an acknowledged write.

        Args:
            sent_at: On the monotonic clock, before the write was sent.
            term: None if the write took the lock.
        """
        return cls(
            lock=stored.document,
            version=stored.version,
            term=term or stored.version,
            sent_at=sent_at,
        )


class Move(StrEnum):
    """What a candidate does next."""

    #: There is no lock: create it.
    CREATE = "create"
    #: Replace the version that was observed.
    TAKE = "take"
    #: The holder may be alive: look again later.
    WAIT = "wait"


Memory: TypeAlias = Observed | None


def observe(memory: Memory, seen: Stored[LeaderLock], *, now: float) -> Observed:
    """
    What a candidate knows after reading the lock.

    A version seen before keeps its time; one that has moved, in whichever direction, begins anew: a
    read may be stale, and then the candidate only waits longer.

    Args:
        now: On the candidate's monotonic clock, when the answer was there or later. Not before: the
            version may have been written while the read was under way, and its writer relies on it
            from then on.
    """
    if memory is not None and memory.version == seen.version:
        return memory
    return Observed(lock=seen.document, version=seen.version, since=now)


def next_move(memory: Memory, *, leader_id: str, now: float) -> Move:
    """
    What to do about the lock as it was last read.

    A lock that names ourselves, and that we do not hold (a renewal was lost in doubt), can be taken
    at once: nobody else has written since. It is taken by a write, not by having read it.

    Args:
        memory: What :func:`observe` gave for it; None if there is no lock.
        now: On the clock of :func:`observe`.
    """
    if memory is None:
        return Move.CREATE
    if memory.lock.leader_id == leader_id or now >= memory.may_be_taken_at:
        return Move.TAKE
    return Move.WAIT
