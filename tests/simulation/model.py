"""
A model of Elasticsearch: what it promises, what it does not, and every fault we live with.

One *shard* holds the documents of one index. Its writes are checked and numbered by the primary;
two *copies* answer searches, each as of its own last refresh, so that two searches one after the
other may go back in time. Reads by key see the last write, as realtime gets do.

What is promised (reliability notes 1.1 and 1.2), and all that is promised:

- An acknowledged write took place between call and answer, at the version that it was conditioned
  on, and is never lost.
- ``Rejected``, ``Blocked`` and ``Invalid`` did not take place, and never will.

What is not: a conflict may be with one's own write, or with one that a failover discards, and the
write behind it may still land; an unknown one may have taken place, or land later while its
condition holds, or never. An isolated primary takes writes, shows them to reads and conditions, and
acknowledges none of them; a failover raises the primary term and discards them, save those that had
reached the copy that takes over.

Documents are kept as the frozen values themselves; no JSON. ``facts.py`` holds what is claimed here
against the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, TypeAlias

import attrs
import greenlet

from tasques.core import errors
from tasques.core.documents import Stored, Version
from tasques.core.ports import (
    Blocked,
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    Invalid,
    Malformed,
    Missing,
    ReadOutcome,
    Rejected,
    Unknown,
    Unreadable,
    Write,
    WriteOutcome,
    Written,
)
from tests.simulation.faults import LATEST_CREATION, LATEST_LANDING, Fault, Faults
from tests.simulation.runtime import Node, Scheduler

#: A refresh each second, as by default.
REFRESH_INTERVAL: Final = 1.0
#: A request that nobody answers is given up after so many seconds, at most.
CALL_TIMEOUT: Final = 2.0
#: What the bulk request says as its own timeout: so long it waits for a primary that is not there.
SHARD_TIMEOUT: Final = 1.0
_TRAVEL: Final = 0.004
_SLOW_TRAVEL: Final = 0.6

Document: TypeAlias = Any
#: What a write comes to that no index takes.
Refused: TypeAlias = Conflict | Invalid
Kept: TypeAlias = "Stored[Document] | Damaged"


@attrs.frozen
class Damaged:
    """A document that is none of ours ("poison")."""

    version: Version
    reason: str


@attrs.frozen(eq=False)
class Change:
    """
    A write as it took place, for those who watch.

    Attributes:
        before: What was there; None if nothing was.
        after: What is there now; None after a deletion.
    """

    shard: Shard
    write: Write[Document]
    before: Kept | None
    after: Stored[Document] | None


class _Copy:
    """One copy of a shard, for searches: what was there at its last refresh."""

    def __init__(self, phase: float) -> None:
        self.seen: dict[Hashable, Kept] = {}
        self.position = 0
        self.phase = phase
        self.stuck_until = 0.0
        self.stuck_since = 0.0

    def refresh(
        self, log: Sequence[tuple[float, Hashable, Kept | None]], now: float, *, forced: bool
    ) -> None:
        """Take in what was written until the last moment at which this copy was refreshed."""
        if forced:
            last = now
        else:
            at = self.stuck_since if now < self.stuck_until else now
            last = (at - self.phase) // REFRESH_INTERVAL * REFRESH_INTERVAL + self.phase
        position, seen = self.position, self.seen
        while position < len(log) and log[position][0] <= last:
            _, key, kept = log[position]
            if kept is None:
                seen.pop(key, None)
            else:
                seen[key] = kept
            position += 1
        self.position = position


@attrs.define(eq=False)
class _Isolated:
    """A primary that is cut off and does not know it."""

    documents: dict[Hashable, Kept]
    term: int
    next_seq_no: int
    replaced: bool = False


class Shard:
    """
    The one shard of an index.

    Args:
        observe: Told of each change that is there to stay.
    """

    def __init__(
        self, name: str, observe: Callable[[Change], None], phases: tuple[float, float]
    ) -> None:
        self.name = name
        self.term = 1
        self.next_seq_no = 0
        self.documents: dict[Hashable, Kept] = {}
        self.isolated: _Isolated | None = None
        self.isolated_until = -1.0
        self.gone_until = 0.0
        self.blocked = False
        self._observe = observe
        self._log: list[tuple[float, Hashable, Kept | None]] = []
        self._copies = tuple(_Copy(phase) for phase in phases)

    # -------------------------------------------------------------------------------- writes

    def carry_out(self, write: Write[Document], now: float) -> WriteOutcome[Document]:
        """Check the condition and write; the outcome is the truth, whoever gets to hear it."""
        key = write.document.key
        before = self.documents.get(key)
        refusal = _refusal(write, before)
        if refusal is not None:
            return refusal
        version = Version(self.term, self.next_seq_no)
        self.next_seq_no += 1
        if isinstance(write, Delete):
            del self.documents[key]
            self._log.append((now, key, None))
            self._observe(Change(self, write, before, None))
            return Deleted()
        stored = Stored(document=write.document, version=version)
        self.documents[key] = stored
        self._log.append((now, key, stored))
        self._observe(Change(self, write, before, stored))
        return Written(stored)

    def carry_out_isolated(
        self, write: Write[Document], now: float, *, reaches_copy: bool
    ) -> WriteOutcome[Document]:
        """The same on the isolated primary: nothing is acknowledged, and all is seen there."""
        old = self.isolated
        assert old is not None
        refusal = _refusal(write, old.documents.get(write.document.key))
        if refusal is not None:
            return refusal
        stored = Stored(document=write.document, version=Version(old.term, old.next_seq_no))
        old.next_seq_no += 1
        if reaches_copy and not old.replaced:
            outcome = self.carry_out(write, now)
            if isinstance(outcome, Written):
                stored = outcome.stored
        if isinstance(write, Delete):
            del old.documents[write.document.key]
        else:
            old.documents[write.document.key] = stored
        return Unknown("the primary is isolated", is_local=True)

    def plant(self, key: Hashable, reason: str, now: float) -> None:
        """Put a document there that is none of ours."""
        damaged = Damaged(Version(self.term, self.next_seq_no), reason)
        self.next_seq_no += 1
        self.documents[key] = damaged
        self._log.append((now, key, damaged))

    # --------------------------------------------------------------------------------- reads

    def get(self, key: Hashable, *, isolated: bool = False) -> ReadOutcome[Document]:
        """The present version, or what an isolated primary takes for it."""
        if isolated and self.isolated is not None:
            kept = self.isolated.documents.get(key)
        else:
            kept = self.documents.get(key)
        if kept is None:
            return Missing()
        return Malformed(kept.reason) if isinstance(kept, Damaged) else kept

    def search(
        self, now: float, copy: int, *, isolated: bool = False, forced: bool = False
    ) -> list[Stored[Document]]:
        """What a copy shows, as of its last refresh; *forced*: after a refresh of all."""
        chosen = self._copies[copy]
        chosen.refresh(self._log, now, forced=forced)
        found = chosen.seen
        if isolated and self.isolated is not None:
            found = self.isolated.documents
        return [kept for kept in found.values() if not isinstance(kept, Damaged)]

    def refresh(self, now: float) -> None:
        """Let every copy show what was written until now."""
        for copy in self._copies:
            copy.refresh(self._log, now, forced=True)

    def stop_refreshing(self, now: float, until: float) -> None:
        """Let one copy show what it shows."""
        copy = self._copies[0]
        copy.stuck_since, copy.stuck_until = now, until

    def has_lost(self, key: Hashable) -> bool:
        """Whether there was something that is there no more."""
        return key not in self.documents and any(key == written for _, written, _ in self._log)

    # ----------------------------------------------------------------------- what happens to it

    def isolate(self, until: float) -> None:
        """Cut the primary off; until :meth:`fail_over` everybody talks to it."""
        if self.isolated is None:
            self.isolated_until = until
            self.isolated = _Isolated(dict(self.documents), self.term, self.next_seq_no)

    def fail_over(self) -> None:
        """Let a copy take over; what only the old primary has is lost."""
        self.term += 1
        if self.isolated is not None:
            self.isolated.replaced = True

    def rejoin(self) -> None:
        """The old primary notices."""
        self.isolated = None

    def restart(self, now: float) -> None:
        """Come back with all that was acknowledged, refreshed, under a new term."""
        self.isolated = None
        self.term += 1
        self.refresh(now)


def _refusal(write: Write[Document], before: Kept | None) -> Exists | Conflict | None:
    if isinstance(write, Create):
        return Exists() if before is not None else None
    return None if before is not None and before.version == write.expected else Conflict()


class Cluster:
    """
    All shards, and the way to them.

    Every call is two switch points, one on the way there and one on the way back; in a request with
    several writes others may come in between, too.

    Attributes:
        down_until: Elasticsearch is not there.
        full_until: Its disk is full: reads only.
        busy_until: It answers 429.
        cut: Until when each node cannot reach it, by the node's number.
        landing: Writes whose author has had some answer, and that have not landed yet.
        archives: The indices behind the archive's name, of which the last is written to.
    """

    def __init__(self, scheduler: Scheduler, faults: Faults) -> None:
        self._scheduler = scheduler
        self.faults = faults
        self.shards: dict[str, Shard] = {}
        self.observers: dict[str, Callable[[Change], None]] = {}
        self.archives = ["archive-000001"]
        self.down_until = 0.0
        self.full_until = 0.0
        self.busy_until = 0.0
        self.cut: dict[int, float] = {}
        self.calls = 0
        self.landing = 0
        self._restarts = 0

    def shard(self, kind: str, name: str) -> Shard:
        """The shard of index *name*, made by the first write, as Elasticsearch does."""
        found = self.shards.get(name)
        if found is None:
            random = self.faults.random
            found = Shard(name, self.observers.get(kind, _nobody), (random(), random()))
            self.shards[name] = found
        return found

    def restart(self, length: float) -> None:
        """Stop Elasticsearch, and start it again after *length* seconds."""
        self.down_until = max(self.down_until, self._scheduler.now + length)
        self._restarts += 1
        for shard in self.shards.values():
            shard.restart(self._scheduler.now)

    # -------------------------------------------------------------------------------- writes

    def write(
        self,
        node: Node,
        writes: Sequence[Write[Document]],
        shard_of: Callable[[Write[Document]], Shard | Refused],
    ) -> list[WriteOutcome[Document]]:
        """
        One bulk request from *node*.

        Args:
            shard_of: Where each write goes, or what it comes to where it can go nowhere.
        """
        scheduler = self._scheduler
        fault = self._begin(node)
        restarts = self._restarts
        refusal = self._refusal(node, fault)
        if refusal is not None:
            return [refusal] * len(writes)
        if fault is Fault.LOST_REQUEST or self._is_cut(node):
            self._wait_in_vain()
            return [Unknown("no answer")] * len(writes)
        shards = [shard_of(write) for write in writes]
        now = scheduler.now
        if any(isinstance(shard, Shard) and shard.gone_until > now for shard in shards):
            # Nobody hears anything before the primary is there or the bulk's own time is over.
            self._pause(SHARD_TIMEOUT)
        outcomes = [
            self._carry_out(write, shard) for write, shard in zip(writes, shards, strict=True)
        ]
        if fault is Fault.LOST_REPLY:
            self._wait_in_vain()
            return [Unknown("no answer")] * len(writes)
        self._travel(fault)
        if self._restarts != restarts or self._is_cut(node):
            return [Unknown("the connection was reset")] * len(writes)
        return outcomes

    def _carry_out(self, write: Write[Document], shard: Shard | Refused) -> WriteOutcome[Document]:
        if not isinstance(shard, Shard):
            return shard
        scheduler, faults = self._scheduler, self.faults
        if faults.random() < 0.1:
            # The shards of one request work beside each other, and so does everybody else.
            self._pause(faults.random() * _TRAVEL)
        now = scheduler.now
        if now < self.full_until or shard.blocked:
            return Blocked("429 cluster_block_exception")
        if now < self.busy_until and faults.random() < 0.8:
            return Rejected("429 es_rejected_execution_exception")
        if now < shard.gone_until:
            return Unknown("503 unavailable_shards_exception", is_local=True)
        if getattr(write.document, "kind", "") == INVALID_KIND:
            return Invalid("400 document_parsing_exception")
        if shard.isolated is not None and (not shard.isolated.replaced or faults.random() < 0.3):
            faults.count(Fault.DIRTY)
            return shard.carry_out_isolated(write, now, reaches_copy=faults.random() < 0.3)
        fault = faults.of_write(now)
        return shard.carry_out(write, now) if fault is None else self._faulty(write, shard, fault)

    def _faulty(self, write: Write[Document], shard: Shard, fault: Fault) -> WriteOutcome[Document]:
        now = self._scheduler.now
        conflict = Exists() if isinstance(write, Create) else Conflict()
        match fault:
            case Fault.UNKNOWN_APPLIED:
                shard.carry_out(write, now)
                return Unknown("503 after the write", is_local=True)
            case Fault.OWN_CONFLICT:
                shard.carry_out(write, now)
                return conflict
            case Fault.FALSE_CONFLICT:
                return conflict
            case Fault.LATE | Fault.LATE_CONFLICT:
                self._land_later(write, shard)
                return (
                    conflict
                    if fault is Fault.LATE_CONFLICT
                    else Unknown("no answer yet", is_local=True)
                )
            case Fault.BUSY:
                return Rejected("429 es_rejected_execution_exception")
            case _:
                return Unknown("503 before the write", is_local=True)

    def _land_later(self, write: Write[Document], shard: Shard) -> None:
        scheduler, restarts = self._scheduler, self._restarts
        # Mostly while its author still asks, sometimes when everybody has forgotten it.
        random = self.faults.random()
        is_create = isinstance(write, Create)
        delay = LATEST_CREATION * random if is_create else LATEST_LANDING * random**4

        self.landing += 1

        def land() -> None:
            self.landing -= 1
            if self._comes_too_late(write, shard):
                return
            if restarts == self._restarts and shard.gone_until <= scheduler.now:
                shard.carry_out(write, scheduler.now)

        scheduler.at(scheduler.now + delay, land)

    def _comes_too_late(self, write: Write[Document], shard: Shard) -> bool:
        """
        Whether a creation would land after its task has come and gone.

        Tasks stay in their queues for longer than that, but not if a clock is set to when they may go.
        """
        has_jumped = self.faults.counts[Fault.CLOCK] > 0
        return has_jumped and isinstance(write, Create) and shard.has_lost(write.document.key)

    # --------------------------------------------------------------------------------- reads

    def get(
        self, node: Node, wanted: Sequence[tuple[Shard | None, Hashable]]
    ) -> list[ReadOutcome[Document]]:
        """
        The present version of each, where its shard is there.

        Raises:
            StoreUnavailable: If it could not be read.
        """
        self._read(node)
        now = self._scheduler.now
        outcomes = [self._read_one(shard, key, now) for shard, key in wanted]
        self._answer(node)
        return outcomes

    def _read_one(self, shard: Shard | None, key: Hashable, now: float) -> ReadOutcome[Document]:
        if shard is None:
            return Missing()
        if shard.gone_until > now:
            return Unreadable("503 no_shard_available_action_exception")
        return shard.get(key, isolated=self._asks_isolated(shard))

    def search(
        self, node: Node, shards: Sequence[Shard], *, forced: bool = False, fresh: bool = False
    ) -> list[list[Stored[Document]]]:
        """
        What each shard shows; one that is not there shows nothing, unless *forced*.

        Args:
            forced: After a refresh, and of all shards or none.
            fresh: After a refresh.

        Raises:
            StoreUnavailable: If it could not be read.
        """
        self._read(node)
        now = self._scheduler.now
        found: list[list[Stored[Document]]] = []
        for shard in shards:
            if shard.gone_until > now:
                if forced:
                    raise errors.StoreUnavailable("only a part could be searched")
                found.append([])
                continue
            copy = int(self.faults.random() * 2)
            isolated = self._asks_isolated(shard) and not forced
            found.append(shard.search(now, copy, isolated=isolated, forced=forced or fresh))
        self._answer(node)
        return found

    def refresh(self, node: Node, shards: Sequence[Shard]) -> None:
        """
        Let searches see what was acknowledged so far, in all shards that are there.

        Where one is not, nobody hears so for a while.

        Raises:
            StoreUnavailable: If nobody could be asked.
        """
        self._read(node)
        now = self._scheduler.now
        for shard in shards:
            if shard.gone_until <= now:
                shard.refresh(now)
        if any(shard.gone_until > now for shard in shards):
            self._pause(SHARD_TIMEOUT)
        self._answer(node)

    def ask(self, node: Node) -> None:
        """Any other question to Elasticsearch: how late it is, how it is."""
        self._read(node)
        self._answer(node)

    def _asks_isolated(self, shard: Shard) -> bool:
        return shard.isolated is not None and (
            not shard.isolated.replaced or self.faults.random() < 0.3
        )

    def _read(self, node: Node) -> None:
        self._begin(node, read=True)
        if self._scheduler.now < self.down_until:
            raise errors.StoreUnavailable("refused connection")
        if self._is_cut(node):
            self._wait_in_vain()
            raise errors.StoreUnavailable("no answer")
        if self._scheduler.now < self.busy_until and self.faults.random() < 0.5:
            raise errors.StoreUnavailable("429 es_rejected_execution_exception")
        if self.faults.of_read(self._scheduler.now):
            self._pause(self.faults.random() ** 3 * CALL_TIMEOUT)
            raise errors.StoreUnavailable("no answer")

    def _answer(self, node: Node) -> None:
        restarts = self._restarts
        self._travel(None)
        if restarts != self._restarts or self._is_cut(node):
            raise errors.StoreUnavailable("the connection was reset")

    # ------------------------------------------------------------------------------- the way

    def _begin(self, node: Node, *, read: bool = False) -> Fault | None:
        scheduler = self._scheduler
        if scheduler.closed:
            raise greenlet.GreenletExit
        self.calls += 1
        if scheduler.running is None:
            return None  # A test of the model itself, outside of any history.
        if scheduler.running.holds:
            scheduler.on_lock_held(scheduler.running)
        fault = None if read else self.faults.of_call(scheduler.now)
        self._travel(fault)
        return fault

    def _refusal(self, node: Node, fault: Fault | None) -> Rejected | None:
        if self._scheduler.now < self.down_until or fault is Fault.REFUSED:
            return Rejected("refused connection")
        return None

    def _is_cut(self, node: Node) -> bool:
        return self.cut.get(node.number, 0.0) > self._scheduler.now

    def _travel(self, fault: Fault | None) -> None:
        longest = _SLOW_TRAVEL if fault is Fault.SLOW else _TRAVEL
        self._pause(self.faults.random() * longest)

    def _wait_in_vain(self) -> None:
        # A reset is noticed at once, a lost packet after the client's timeout.
        random = self.faults.random()
        self._pause(CALL_TIMEOUT if random < 0.2 else random**3 * CALL_TIMEOUT)

    def _pause(self, seconds: float) -> None:
        if self._scheduler.running is not None:
            self._scheduler.block(seconds)


#: The store never accepts a task of this kind.
INVALID_KIND: Final = "unstorable"


def _nobody(change: Change) -> None:
    """Nobody watches."""
