"""
What is done to leaders, and how long it took until another led.

Each fate begins some milliseconds after a whole second, which is when slots come: in the middle of
their three writes.
"""

import enum
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tools.elasticsearch_node import ElasticsearchNode
from tools.leadership.fleet import Fleet, OurServer, Server
from tools.leadership.watch import LockSeen, Watcher

#: Slots are fired within so long after the second, on a machine with little to do.
_MIDDLE_SECONDS = 0.08
#: A test or a run on a busy machine still ends well if it takes so much longer.
_SLACK_SECONDS = 30.0
_CALM_SECONDS = (0.2, 1.2)
_LEASES_STOPPED = 10


class Fate(enum.Enum):
    """What is done."""

    KILL = "killed"
    RELEASE = "asked to stop"
    STOP = "stopped for ten leases"
    CLOCK = "clock set hours off"
    CANDIDATE_CLOCK = "killed beside a candidate with a wrong clock"
    PAUSE_ELASTICSEARCH = "Elasticsearch paused"


#: So often of a hundred rounds.
SHARES = {
    Fate.KILL: 50,
    Fate.RELEASE: 20,
    Fate.STOP: 8,
    Fate.CLOCK: 8,
    Fate.CANDIDATE_CLOCK: 7,
    Fate.PAUSE_ELASTICSEARCH: 7,
}


class NobodyLeads(Exception):
    """There is no leader where there has to be one."""


@dataclass(frozen=True, kw_only=True)
class HandOver:
    """
    What became of a leader.

    Attributes:
        seconds: From the kill, the signal to stop, the release of the lock, the change of the clock,
            or Elasticsearch's going on, until a server led; None if nobody else did.
        from_original: The leader was an original server.
        to_original: The next one is.
        said_so: A server whose clock is wrong said in its health that it is not ready; None where
            no clock was wrong.
    """

    fate: Fate
    seconds: float | None
    from_original: bool = False
    to_original: bool = False
    said_so: bool | None = None


class Hand:
    """
    Deals fates.

    Args:
        node: The Elasticsearch, if it may be paused.
    """

    def __init__(
        self,
        fleet: Fleet,
        watcher: Watcher,
        *,
        lease_seconds: float,
        node: ElasticsearchNode | None,
        chance: random.Random,
        say: Callable[[str], None],
    ) -> None:
        self._fleet = fleet
        self._watcher = watcher
        self._lease_seconds = lease_seconds
        self._node = node
        self._chance = chance
        self._say = say

    def choose(self) -> Fate:
        """One of the fates, by their shares."""
        fates = dict(SHARES)
        if self._node is None:
            del fates[Fate.PAUSE_ELASTICSEARCH]
        return self._chance.choices(list(fates), list(fates.values()))[0]

    def deal(self, fate: Fate) -> HandOver:
        """
        Let it happen to the leader, and bring everything back to order.

        Raises:
            NobodyLeads: If no server leads to begin with.
        """
        leader, lock = self.await_leader()
        deal = {
            Fate.KILL: self._kill,
            Fate.RELEASE: self._release,
            Fate.STOP: self._stop,
            Fate.CLOCK: self._wrong_clock,
            Fate.CANDIDATE_CLOCK: self._kill_beside_wrong_clock,
            Fate.PAUSE_ELASTICSEARCH: self._pause_elasticsearch,
        }
        candidates = [server for server in self._fleet.ours if server is not leader]
        if (fate is Fate.CLOCK and leader.is_original) or (
            fate is Fate.CANDIDATE_CLOCK and not candidates
        ):
            fate = Fate.KILL  # the clock of an original is out of reach
        handover = deal[fate](leader, lock)
        seconds = "nobody else led" if handover.seconds is None else f"{handover.seconds:.2f} s"
        self._say(f"{leader.name}: {fate.value}: {seconds}")
        self._fleet.start()
        return handover

    def await_leader(self) -> tuple[Server, LockSeen]:
        """
        The server that leads, after a moment of calm.

        Raises:
            NobodyLeads: If none does in time.
        """
        time.sleep(self._chance.uniform(*_CALM_SECONDS))
        deadline = time.monotonic() + self._lease_seconds + _SLACK_SECONDS
        while time.monotonic() < deadline:
            lock = self._watcher.latest_lock()
            if lock is not None and not lock.is_released:
                holder = self._fleet.holder(lock)
                if holder is not None:
                    return holder, lock
            time.sleep(0.05)
        raise NobodyLeads(f"nobody leads; the lock is {self._watcher.latest_lock()}")

    # --------------------------------------------------------------------------- fates

    def _kill(self, leader: Server, lock: LockSeen) -> HandOver:
        self._await_slot()
        began = time.time()
        leader.kill()
        return self._handover(Fate.KILL, leader, began, self._successor(lock, began))

    def _release(self, leader: Server, lock: LockSeen) -> HandOver:
        self._await_slot()
        asked = time.time()
        leader.ask_to_stop()
        successor = self._successor(lock, asked)
        leader.wait()
        # Requests under way are finished before, while it leads: the time begins when it let go. An
        # original never does.
        of_it = [seen for seen in self._watcher.locks if seen.leader_id == lock.leader_id]
        began = of_it[-1].seen_at if of_it[-1].is_released else asked
        return self._handover(Fate.RELEASE, leader, began, successor)

    def _stop(self, leader: Server, lock: LockSeen) -> HandOver:
        self._await_slot()
        began = time.time()
        leader.pause()
        successor = self._successor(lock, began)
        time.sleep(max(0.0, began + _LEASES_STOPPED * self._lease_seconds - time.time()))
        self._await_slot()
        leader.resume()
        return self._handover(Fate.STOP, leader, began, successor)

    def _wrong_clock(self, leader: Server, lock: LockSeen) -> HandOver:
        if not isinstance(leader, OurServer):
            raise TypeError("only the clocks of our servers can be set")
        self._await_slot()
        began = time.time()
        leader.set_clock(self._hours())
        successor = self._successor(lock, began)
        said_so = self._says_so(leader)
        leader.set_clock(0)
        handover = self._handover(Fate.CLOCK, leader, began, successor, said_so=said_so)
        leader.await_ready()
        return handover

    def _kill_beside_wrong_clock(self, leader: Server, lock: LockSeen) -> HandOver:
        candidate = self._chance.choice([s for s in self._fleet.ours if s is not leader])
        candidate.set_clock(self._hours())
        said_so = self._says_so(candidate)
        self._await_slot()
        began = time.time()
        leader.kill()
        if len(self._fleet.servers) <= 2:
            # None is left that could lead, so the time begins when there is one.
            leader.start()
            began = time.time()
        successor = self._successor_beside(candidate, lock, began)
        candidate.set_clock(0)
        candidate.await_ready()
        return self._handover(Fate.CANDIDATE_CLOCK, leader, began, successor, said_so=said_so)

    def _pause_elasticsearch(self, leader: Server, lock: LockSeen) -> HandOver:
        if self._node is None:
            raise TypeError("this Elasticsearch may not be paused")
        self._await_slot()
        self._node.pause()
        time.sleep(self._chance.uniform(1, 6) * self._lease_seconds)
        lock = self._watcher.latest_lock() or lock
        began = time.time()
        self._node.resume()
        # Who led may lead again; whoever does, writes the lock.
        again = self._watcher.wait_for_lock(
            lambda seen: seen.version > lock.version and not seen.is_released,
            self._lease_seconds + _SLACK_SECONDS,
            after=began,
        )
        return self._handover(Fate.PAUSE_ELASTICSEARCH, leader, began, again)

    # ------------------------------------------------------------------- what they share

    def _await_slot(self) -> None:
        """Wait until slots are being fired."""
        to_next = 1 - time.time() % 1
        time.sleep(to_next + self._chance.uniform(0, _MIDDLE_SECONDS))

    def _hours(self) -> float:
        return self._chance.choice((-1, 1)) * self._chance.uniform(1, 12)

    def _successor(self, lock: LockSeen, began: float) -> LockSeen | None:
        """The lock as somebody else holds it; None if nobody takes it in time."""
        return self._watcher.wait_for_lock(
            lambda seen: seen.leader_id != lock.leader_id and not seen.is_released,
            self._lease_seconds + _SLACK_SECONDS,
            after=began,
        )

    def _successor_beside(self, candidate: Server, lock: LockSeen, began: float) -> LockSeen | None:
        """The lock as another than that candidate holds it; None if nobody does in time."""
        deadline = time.monotonic() + self._lease_seconds + _SLACK_SECONDS
        while time.monotonic() < deadline:
            seen = self._successor(lock, began)
            if seen is None:
                return None
            if self._fleet.holder(seen) not in {None, candidate}:
                return seen
            began = seen.seen_at
        return None

    def _says_so(self, server: OurServer) -> bool:
        """Whether it says in time that its clock is wrong."""
        deadline = time.monotonic() + _SLACK_SECONDS
        while time.monotonic() < deadline:
            problems = server.health().get("problems", [])
            if any(p["code"] == "clock_skew" and p["fatal"] for p in problems):
                return True
            time.sleep(0.05)
        return False

    def _handover(
        self,
        fate: Fate,
        leader: Server,
        began: float,
        successor: LockSeen | None,
        *,
        said_so: bool | None = None,
    ) -> HandOver:
        return HandOver(
            fate=fate,
            seconds=None if successor is None else max(0.0, successor.seen_at - began),
            from_original=leader.is_original,
            to_original=successor is not None and successor.is_original,
            said_so=said_so,
        )
