"""
Takes part in the election of the leader, and knows whether this server leads.

The decisions are :mod:`tasques.core.leadership`'s; here is what is sent, and what follows from the
answers. Leadership is believed only after an acknowledged write, and never for longer than the part
of the lease that :data:`~tasques.core.leadership.RELIED_ON` allows, counted from before the write
was sent: a server that was paused finds its belief over when it goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import attrs

from tasques.core import errors
from tasques.core.documents import Operation, Version
from tasques.core.leadership import (
    LOCK_NAME,
    RELIED_ON,
    Held,
    LeaderLock,
    Memory,
    Move,
    next_move,
    observe,
)
from tasques.core.ports import Create, LeaderLockStore, Malformed, Missing, Replace, Runtime
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settled, Settlement
from tasques.core.values import Duration, Instant

_log = logging.getLogger(__name__)

#: A lease is renewed at least so often, however long the interval is.
_RENEWALS_PER_LEASE: Final = 5


class NotLeading(errors.TasquesError):
    """This server does not lead, or no longer; among services only, no caller meets it."""


@attrs.frozen(kw_only=True)
class Leadership:
    """
    Who leads, as far as this server knows.

    Attributes:
        leader_id: None if nobody is known to.
        is_here: Whether it is this server.
        since: When the leader took the lock, on its wall clock; None where it does not say, as an
            original server.
        term: Greater for each later leader; None where the leader does not say.
    """

    leader_id: str | None = None
    is_here: bool = False
    since: Instant | None = None
    term: Version | None = None


NOBODY: Final = Leadership()


def _nobody(leadership: Leadership) -> None:
    """Nobody wants to know."""


class Election:
    """
    One look at the lock, or one renewal, at each :meth:`step`.

    Args:
        lease: How long others wait for this server's next renewal before they take the lock.
        interval: Between looks and between renewals.
        gate: Raises an :class:`~tasques.core.errors.Unavailable` while this server could not do a
            leader's work; then it lets go of the lock, and leaves it to others.
        on_change: Told when another leads than before, as far as is known here; once for each.
    """

    def __init__(
        self,
        store: LeaderLockStore,
        runtime: Runtime,
        *,
        lease: Duration = Duration.of_seconds(5),
        interval: Duration = Duration.of_seconds(1),
        gate: Callable[[], None] = lambda: None,
        on_change: Callable[[Leadership], None] = _nobody,
        meter: Meter | None = None,
    ) -> None:
        self._runtime = runtime
        self._settlement = Settlement(store, runtime, meter)
        self._lease = lease
        self._interval = interval
        self._gate = gate
        self._on_change = on_change
        self._held: Held | None = None
        self._memory: Memory = None
        self._leadership = NOBODY
        self._resigned = False
        #: New for each process, as the original makes it.
        self.leader_id = f"{LOCK_NAME}-{runtime.new_id()}"

    # ------------------------------------------------------------------------- what is known

    @property
    def leadership(self) -> Leadership:
        """Who leads, as of the last step; of this server it is said only while it holds."""
        known = self._leadership
        return NOBODY if known.is_here and self.term() is None else known

    def term(self) -> Version | None:
        """The term in which this server leads just now; None if it does not."""
        held = self._valid()
        return None if held is None else held.term

    def ensure_leading(self, term: Version) -> float:
        """
        Pass while this server leads in *term*; to be asked right before each send.

        Returns:
            Until when it leads if it does not get to renew, on the monotonic clock.

        Raises:
            NotLeading: If it does not, or in another term.
        """
        held = self._valid()
        if held is None or held.term != term:
            raise NotLeading("this server does not lead any more")
        return held.valid_until

    def is_confirmed_since(self, moment: float) -> bool:
        """Whether the lock was renewed by a write that was sent after *moment*, and is held."""
        held = self._valid()
        return held is not None and held.sent_at > moment

    def _valid(self) -> Held | None:
        held = self._held
        is_over = held is None or self._resigned or self._runtime.monotonic() >= held.valid_until
        return None if is_over else held

    # ------------------------------------------------------------------------- what is done

    def step(self) -> Duration:
        """
        Renew, or look whether the lock can be had; returns when to do so again.

        Raises:
            Unavailable: If the store does not answer.
        """
        if self._resigned:
            return self._interval
        may_lead = self._may_lead()
        if self._held is not None and may_lead:
            self._renew(self._held)
        elif not may_lead:
            self._release()
        if self._held is None:
            self._campaign(may_take=may_lead)
        self._release_if_resigned()
        return self._pause() if may_lead else self._interval

    def _may_lead(self) -> bool:
        try:
            self._gate()
        except errors.Unavailable as error:
            if self._held is not None:
                _log.warning("this server leaves it to others to lead: %s", error)
            return False
        return True

    def resign(self) -> None:
        """
        Stand for election no more, and let go of the lock, so that nobody need wait for it.

        A step that is under way meanwhile does the latter when it ends. Where it fails, the lease
        ends it.
        """
        self._resigned = True
        self._release_if_resigned()

    def _release_if_resigned(self) -> None:
        if self._resigned:
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        released = attrs.evolve(held.lock, released=True, at=self._runtime.wall())
        try:
            self._write_over(held.version, released, "release", self._runtime.monotonic())
        except errors.TasquesError as error:
            _log.warning("the leader's lock could not be released, and runs out: %s", error)
        self._know(NOBODY)

    def _renew(self, held: Held) -> None:
        sent_at = self._runtime.monotonic()
        if sent_at >= held.valid_until:
            # Too late to rely on it. The lock is still ours if nobody took it; if so, it is taken
            # anew, in a new term.
            self._lose()
            return
        lock = attrs.evolve(held.lock, at=self._runtime.wall(), term=held.term)
        try:
            settled = self._write_over(held.version, lock, "renew", held.valid_until)
        except errors.TasquesError:
            self._lose()
            raise
        if isinstance(settled, Overtaken):
            self._lose()
        else:
            self._held = Held.since(settled, sent_at=sent_at, term=held.term)

    def _campaign(self, *, may_take: bool) -> None:
        if self._resigned:
            return
        asked_at = self._runtime.monotonic()
        current = self._settlement.read(LOCK_NAME, deadline=asked_at)
        now = self._runtime.monotonic()
        if isinstance(current, Malformed):
            raise errors.StoreUnavailable(
                f"the leader's lock [{LOCK_NAME}] is not readable, delete it: {current.reason}"
            )
        if isinstance(current, Missing):
            self._memory = None
        else:
            self._memory = observe(self._memory, current, now=now)
        move = next_move(self._memory, leader_id=self.leader_id, now=now)
        match move if may_take else Move.WAIT:
            case Move.CREATE:
                self._take(None)
            case Move.TAKE if self._memory is not None:
                self._take(self._memory.version)
            case _:
                self._know(_as_known(self._memory))

    def _take(self, over: Version | None) -> None:
        sent_at = self._runtime.monotonic()
        wall = self._runtime.wall()
        lock = LeaderLock(leader_id=self.leader_id, at=wall, lease=self._lease, taken_at=wall)
        # Later it would be of no use: what was won in doubt is found in the next step.
        deadline = sent_at + RELIED_ON * self._lease.seconds
        settled = self._write_over(over, lock, "take", deadline)
        if isinstance(settled, Overtaken):
            return  # Somebody was faster, and is met at the next look.
        self._held = Held.since(settled, sent_at=sent_at)
        self._memory = None
        self._know(
            Leadership(leader_id=self.leader_id, is_here=True, since=wall, term=self._held.term)
        )

    def _write_over(
        self, version: Version | None, lock: LeaderLock, verb: str, deadline: float
    ) -> Settled[LeaderLock]:
        lock = lock.stamped(Operation(token=self._runtime.new_id(), verb=verb))
        if version is None:
            return self._settlement.settle(Create(document=lock), deadline=deadline)
        return self._settlement.settle(
            Replace(document=lock, expected=version), deadline=deadline, hold=True
        )

    def _lose(self) -> None:
        self._held = None
        self._know(NOBODY)

    def _know(self, leadership: Leadership) -> None:
        before, self._leadership = self._leadership, leadership
        # Another's term becomes known with its first renewal only, which is no change of leaders.
        if (before.leader_id, before.is_here) != (leadership.leader_id, leadership.is_here):
            self._on_change(leadership)

    def _pause(self) -> Duration:
        if self._held is not None:
            often = Duration(self._lease.nanoseconds // _RENEWALS_PER_LEASE)
            return min(self._interval, often)
        if self._memory is None:
            return self._interval
        left = self._memory.may_be_taken_at - self._runtime.monotonic()
        return min(self._interval, Duration.of_seconds(max(left, 0.0)))


def _as_known(memory: Memory) -> Leadership:
    if memory is None or memory.lock.released:
        return NOBODY
    lock = memory.lock
    return Leadership(leader_id=lock.leader_id, since=lock.taken_at, term=lock.term)
