"""
What goes wrong, and when: everything drawn from the seed.

Not every history has every fault: each draws the kinds that it has and how often (swarm testing:
a mix of everything hides what takes a run of one kind). Faults come in bursts, up to the end of the
fault phase; afterwards nothing goes wrong any more, so that one can ask whether everything heals.

Source: Groce et al., "Swarm testing", ISSTA 2012; FoundationDB, "Simulation and Testing".
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from enum import StrEnum
from random import Random
from typing import Final

import attrs


class Fault(StrEnum):
    """Every kind; the first two groups befall calls and writes, the last ones machines."""

    # A whole request.
    LOST_REQUEST = "lost request"
    LOST_REPLY = "lost reply"
    REFUSED = "refused connection"
    SLOW = "slow"
    READ_FAILED = "failed read"
    # One write in a request.
    UNKNOWN_APPLIED = "applied, unknown"
    UNKNOWN_LOST = "not applied, unknown"
    LATE = "applied late, unknown"
    OWN_CONFLICT = "applied, 409"
    FALSE_CONFLICT = "not applied, 409"
    LATE_CONFLICT = "applied late, 409"
    BUSY = "429"
    # What happens to machines.
    KILL = "server killed"
    PAUSE = "server paused"
    CUT = "server cut off"
    CLOCK = "clock set"
    DRAIN = "server drained"
    WORKER = "worker killed"
    RESTART = "Elasticsearch restarted"
    FAILOVER = "primary isolated, failover"
    SHARD = "shard gone"
    DISK = "disk full"
    OVERLOAD = "429 for everything"
    REFRESH = "refreshes stop"
    ROLLOVER = "archive rolled over"
    CLIENT = "answer to a client lost"
    # Not drawn, but counted: a write that nobody was promised and that a failover discarded.
    DIRTY = "dirty write"


OF_CALLS: Final = (Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.REFUSED, Fault.SLOW)
OF_WRITES: Final = (
    Fault.UNKNOWN_APPLIED,
    Fault.UNKNOWN_LOST,
    Fault.LATE,
    Fault.OWN_CONFLICT,
    Fault.FALSE_CONFLICT,
    Fault.LATE_CONFLICT,
    Fault.BUSY,
)
OF_MACHINES: Final = (
    Fault.KILL,
    Fault.PAUSE,
    Fault.CUT,
    Fault.CLOCK,
    Fault.DRAIN,
    Fault.WORKER,
    Fault.RESTART,
    Fault.FAILOVER,
    Fault.SHARD,
    Fault.DISK,
    Fault.OVERLOAD,
    Fault.REFRESH,
    Fault.ROLLOVER,
)

#: A write that nobody waits for any more lands within so many seconds, or never.
LATEST_LANDING: Final = 25.0
#: And a create before what it made may have come to its end and to the archive: against one that
#: comes later still, there is nothing but the time that tasks stay in their queues.
LATEST_CREATION: Final = 4.0


#: These leave it to a server that is there to write what it wants.
_HARMLESS: Final = frozenset({Fault.WORKER, Fault.REFRESH, Fault.ROLLOVER, Fault.CLOCK})
#: What has befallen a machine shows for so long: a server notices late, and tries again later still.
_AFTERMATH: Final = 2.0


@attrs.frozen
class Happening:
    """Something that happens to a machine at a time of the fault phase."""

    at: float
    fault: Fault
    length: float
    chosen: float


class Faults:
    """
    The faults of one history.

    Args:
        until: The end of the fault phase, in virtual seconds.
        only: These kinds and no others; None for whichever the seed draws.

    Attributes:
        counts: How often each kind happened.
        only: See above.
        happenings: What happens to machines, and when.
    """

    def __init__(self, seed: int, until: float, *, only: tuple[Fault, ...] | None = None) -> None:
        self._random = Random(f"{seed}/faults")
        self.random = self._random.random
        self.until = until
        self.counts: Counter[Fault] = Counter()
        self._troubles: list[float] = []
        self.only = only
        self._calls = self._some(OF_CALLS)
        self._writes = self._some(OF_WRITES)
        self._call_rate = self._random.choice((0.0, 0.02, 0.06, 0.15)) if self._calls else 0.0
        self._write_rate = self._random.choice((0.0, 0.02, 0.06, 0.2)) if self._writes else 0.0
        quiet = only is not None
        self._read_rate = 0.0 if quiet else self._random.choice((0.0, 0.02, 0.1))
        self._client_rate = 0.0 if quiet else self._random.choice((0.0, 0.03, 0.1))
        self._bursts = [
            (start, start + self._random.uniform(1, until / 2))
            for start in (self._random.uniform(0, until) for _ in range(3))
        ]
        self.happenings = sorted(self._happenings(), key=lambda happening: happening.at)

    def _some(self, kinds: tuple[Fault, ...]) -> tuple[Fault, ...]:
        drawn = tuple(kind for kind in kinds if self.random() < 0.5)
        return drawn if self.only is None else ()

    def _happenings(self) -> list[Happening]:
        found = []
        for kind in OF_MACHINES:
            wanted = self.random() < 0.3 if self.only is None else kind in self.only
            if wanted:
                more = 3 if kind is Fault.ROLLOVER or self.only else 0
                for _ in range(self._random.choice((1, 1, 2, 3)) + more):
                    at = self._random.uniform(0.5, self.until)
                    length = min(0.3 * 2 ** self._random.uniform(0, 6), self.until + 3 - at)
                    found.append(Happening(at, kind, length, self.random()))
        return found

    def count(self, fault: Fault) -> None:
        """Note that *fault* has happened."""
        self.counts[fault] += 1

    def _in_burst(self, now: float) -> bool:
        return now < self.until and any(start <= now < end for start, end in self._bursts)

    def of_call(self, now: float) -> Fault | None:
        """What befalls a request with writes that is sent now."""
        if self._call_rate and self._in_burst(now) and self.random() < self._call_rate:
            return self._counted(self._calls, now)
        return None

    def of_write(self, now: float) -> Fault | None:
        """What befalls one write."""
        if self._write_rate and self._in_burst(now) and self.random() < self._write_rate:
            return self._counted(self._writes, now)
        return None

    def of_read(self, now: float) -> bool:
        """Whether a read that is sent now fails."""
        if self._read_rate and self._in_burst(now) and self.random() < self._read_rate:
            self.count(Fault.READ_FAILED)
            return True
        return False

    def of_client(self, now: float) -> bool:
        """Whether an answer to a client is lost on its way."""
        if self._client_rate and now < self.until and self.random() < self._client_rate:
            self.count(Fault.CLIENT)
            return True
        return False

    def _counted(self, kinds: tuple[Fault, ...], now: float) -> Fault:
        fault = kinds[int(self.random() * len(kinds))]
        self.counts[fault] += 1
        self._troubles.append(now)
        return fault

    def was_calm(self, since: float, until: float) -> bool:
        """Whether no write had any trouble meanwhile, and no machine that it has to do with."""
        first = bisect_left(self._troubles, since)
        return not any(at <= until for at in self._troubles[first : first + 1]) and not any(
            happening.fault not in _HARMLESS
            and happening.at <= until
            and since <= happening.at + happening.length + _AFTERMATH
            for happening in self.happenings
        )
