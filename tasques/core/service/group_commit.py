"""
Group commit: the writes of many callers in one batch.

Alone, a write costs Elasticsearch some 500 µs of CPU; in a batch of a hundred 27. So callers hand
in what they want written, and whoever finds a free place takes *everything* that waits and commits
it. Nobody lingers for company: a lone write leaves at once, and batches grow by themselves while
earlier ones are under way. Beside one that is under way, another leaves that is as large.

Writes to a queue that is new here, or in trouble, go in a lane of its own until it is well, so that
the others do not wait with it; see :mod:`~tasques.core.service.queue_health`. There one write goes
ahead, and those behind it share its fate: they join the main lane, or are told at once that nothing
was done. So nobody waits for more than one try at a queue that is gone, and where the whole store
is gone, the lanes empty as fast as it can be known.

Who waits commits: a caller of :meth:`GroupCommit.write` its own writes and those of others, and the
others sleep until theirs are settled; when it is done and more has gathered, the caller that waits
longest takes over. So a lone write changes no thread, and an unused store has none. For those who hand
in and go on (:meth:`GroupCommit.hand_in`) there are :mod:`~tasques.core.service.committers`: a thread
for each batch in place of one for each caller, which at 32 requests at once is half of what waking and
the changing of threads cost. What was handed in and what is waited for goes in the same batches.

Source: the group commit of databases (DeWitt et al., "Implementation techniques for main memory
database systems", 1984), with the combining of Hendler et al., "Flat combining", SPAA 2010.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Final, TypeAlias

from tasques.core.metrics import MetricFamily, MetricKind, Sample
from tasques.core.ports import (
    Condition,
    ReadOutcome,
    Rejected,
    Runtime,
    TaskStore,
    Unknown,
    Write,
    WriteOutcome,
)
from tasques.core.queues import QueueName
from tasques.core.service.batch_limits import DEFAULT_LIMITS, BatchLimits, urgency
from tasques.core.service.committers import Committers
from tasques.core.service.group_read import GroupRead
from tasques.core.service.lanes import Batch, Entry, Lane, Submission
from tasques.core.service.queue_health import QueueHealth, Standing, Verdict, verdict
from tasques.core.service.store_layer import StoreLayer
from tasques.core.tasks import Task, TaskKey
from tasques.core.values import Duration

_log = logging.getLogger(__name__)

#: How often a server that stops looks whether everything is settled.
_REST_SECONDS: Final = 0.02

#: Takes what became of writes that were handed in, in their order.
Told: TypeAlias = Callable[[Sequence[WriteOutcome[Task]]], None]
#: As :meth:`GroupCommit.hand_in`.
HandIn: TypeAlias = Callable[[Sequence[Write[Task]], Told], None]


class GroupCommit(StoreLayer):
    """
    A :class:`~tasques.core.ports.TaskStore` that sends the writes of all its callers in batches.

    On top of the store's guarantees:

    - A write to a queue that is well leaves at once if no batch of such is under way, whatever is
      under way for others; and beside others, while fewer than ``in_flight`` are, as soon as
      enough has gathered for a batch as large as the last.
    - Two writes of one document are never under way together, in whichever batches.
    - Each caller gets the outcomes of its own writes, and only when all of them are settled.
    - Nothing handed in is taken back because its caller went away.
    - What would not fit is ``Rejected`` before it is sent: of each call all that would wait in the
      same lane, or nothing of it.
    - Reads of several callers go together too, and see all that was written before the call.
    """

    def __init__(
        self, store: TaskStore, runtime: Runtime, limits: BatchLimits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(store)
        self._runtime = runtime
        self._limits = limits
        self._lock = runtime.condition()
        self._health = QueueHealth()
        self._main = Lane()
        self._lanes: dict[QueueName, Lane] = {}
        self._waiting_items = 0
        self._waiting_size = 0
        self._under_way: Counter[Standing] = Counter()
        self._flying: set[Hashable] = set()
        self._last_taken = 0
        self._reads = GroupRead(store, runtime)
        # Settled, and not told yet; and whether none of those tells them who are at work.
        self._to_tell: deque[Callable[[], None]] = deque()
        self._is_nobody_telling = False
        self._committers = Committers(
            runtime,
            self._lock,
            # As many as batches may be under way, and one that tells.
            limit=sum(map(limits.places, Standing)) + 1,
            next_job=self._next_job,
        )

    def families(self) -> Iterable[MetricFamily]:
        """What waits here, and how many queues are in trouble."""
        with self._lock:
            troubled, waiting = self._health.troubled, self._waiting_items
        yield MetricFamily(
            name="tasques_troubled_queues",
            kind=MetricKind.GAUGE,
            help="Queues that take no writes at present, as this server has seen.",
            samples=(Sample((), troubled),),
        )
        yield MetricFamily(
            name="tasques_waiting_writes",
            kind=MetricKind.GAUGE,
            help="Writes of tasks that wait for a place in a batch.",
            samples=(Sample((), waiting),),
        )

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """The store's, asked together with what other callers ask for."""
        return self._reads.get(keys)

    # ------------------------------------------------------------------------------- coming in

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Have *writes* committed, together with whatever else there is; blocks until settled."""
        settled = self._runtime.condition(self._lock)
        submission = Submission(
            outcomes=[None] * len(writes), open=len(writes), notify=settled.notify
        )
        with self._lock:
            self._take_in(submission, writes)
        self._attend(submission, settled)
        return submission.settled

    def hand_in(self, writes: Sequence[Write[Task]], told: Told) -> None:
        """
        Have *writes* committed as by :meth:`write`, but by others; does not block.

        Args:
            writes: One at least.
            told: Called once, when all are settled, on a thread that commits; must neither block nor
                raise.
        """
        submission = Submission(
            outcomes=[None] * len(writes),
            open=len(writes),
            notify=lambda: self._to_tell.append(partial(told, submission.settled)),
            is_handed_in=True,
        )
        with self._lock:
            self._take_in(submission, writes)
            self._pass_on()
            self._have_told()

    def come_to_rest(self, *, within: Duration) -> bool:
        """
        Wait until all that was handed in is settled and told; for a server that stops.

        Returns:
            Whether it is. What is not goes on, and may be cut off.
        """
        until = self._runtime.monotonic() + within.seconds
        while True:
            with self._lock:
                if not (self._waiting_items or self._flying or self._to_tell):
                    return True
            if self._runtime.monotonic() >= until:
                return False
            self._runtime.sleep(_REST_SECONDS)

    def _take_in(self, submission: Submission, writes: Sequence[Write[Task]]) -> None:
        entries = [
            Entry(write, write.key, write.approximate_bytes, submission, position)
            for position, write in enumerate(writes)
        ]
        for lane, its_own in self._by_lane(entries).items():
            refusal = self._refusal(lane, its_own)
            if refusal is None:
                self._enqueue(lane, its_own)
            else:
                _settle_all(its_own, refusal)

    def _by_lane(self, entries: Iterable[Entry]) -> dict[Lane, list[Entry]]:
        lanes: dict[Lane, list[Entry]] = {}
        made: dict[QueueName, Lane] = {}
        for entry in entries:
            queue = entry.queue
            if self._health.standing(queue) is Standing.WELL:
                lane = self._main
            else:
                lane = self._lanes.get(queue) or made.setdefault(queue, Lane(queue))
            lanes.setdefault(lane, []).append(entry)
        return lanes

    def _refusal(self, lane: Lane, entries: Sequence[Entry]) -> Rejected | None:
        """Why none of *entries* may wait in *lane*."""
        if lane.queue is not None and self._is_shut(lane, lane.queue):
            return Rejected(f"the queue [{lane.queue}] takes no writes at present", is_local=True)
        if not self._has_room(lane, entries):
            return Rejected("too many writes wait in this server")
        return None

    def _is_shut(self, lane: Lane, queue: QueueName) -> bool:
        if self._health.is_closed(queue, now=self._runtime.monotonic()):
            return True
        # Nobody waits for a turn at a queue in trouble: too many others may.
        is_first = lane.is_idle and self._standing(lane) is Standing.TROUBLED
        return is_first and not self._has_place(lane)

    def _has_room(self, lane: Lane, entries: Sequence[Entry]) -> bool:
        if not self._waiting_items:
            return True  # What comes when nothing waits is always taken, however large.
        limits, items = self._limits, len(entries)
        size = sum(entry.size for entry in entries)
        if lane is self._main:
            share = limits.share(urgency(entry.write for entry in entries))
            return limits.fits(self._waiting_items + items, self._waiting_size + size, share)
        if lane.waiting and not limits.fits(
            len(lane.waiting) + items, lane.size + size, limits.lane
        ):
            return False
        aside_items = sum(len(each.waiting) for each in self._lanes.values())
        aside_size = sum(each.size for each in self._lanes.values())
        return limits.fits(aside_items + items, aside_size + size, limits.lanes)

    def _enqueue(self, lane: Lane, entries: Iterable[Entry]) -> None:
        if lane.queue is not None:
            self._lanes[lane.queue] = lane
        for entry in entries:
            lane.put(entry)
            self._waiting_items += 1
            self._waiting_size += entry.size

    # ------------------------------------------------------------------------------- going out

    def _attend(self, submission: Submission, settled: Condition) -> None:
        """Wait until *submission* is settled, and commit whenever there is a place to."""
        while True:
            with self._lock:
                self._have_told()
                batch: Batch | None = None
                while submission.open and (batch := self._next_batch(submission.lanes)) is None:
                    submission.is_asleep = True
                    settled.wait()
                    submission.is_asleep = submission.is_called = False
                # What gathered meanwhile is another caller's turn: nobody works for others longer
                # than for itself.
                self._pass_on()
                if batch is None:
                    return
            self._commit(batch)

    def _have_told(self) -> None:
        """Leave to a committer what those are to be told who handed in and whose writes are settled."""
        if self._to_tell:
            self._is_nobody_telling = True
            self._committers.call()

    def _next_job(self) -> Callable[[], None] | None:
        """What a committer is to do."""
        if self._is_nobody_telling:
            # First, as a batch may be long under way; another one takes what could leave meanwhile.
            self._is_nobody_telling = False
            self._pass_on()
            return self._tell
        batch = self._next_batch((self._main, *self._lanes.values()))
        if batch is None:
            return self._tell if self._to_tell else None
        self._pass_on()
        return partial(self._commit_and_tell, batch)

    def _commit_and_tell(self, batch: Batch) -> None:
        try:
            self._commit(batch)
        finally:
            self._tell()

    def _tell(self) -> None:
        """Tell all whose writes are settled by now."""
        while (tell := self._next_to_tell()) is not None:
            try:
                tell()
            except Exception:  # noqa: BLE001 - the others have to be told as well
                _log.exception("a caller did not take what became of its writes")

    def _next_to_tell(self) -> Callable[[], None] | None:
        with self._lock:
            return self._to_tell.popleft() if self._to_tell else None

    def _next_batch(self, lanes: Iterable[Lane]) -> Batch | None:
        """Take what can go now from one of *lanes*; None if nothing can."""
        for lane in lanes:
            if not lane.waiting or not self._has_place(lane):
                continue
            # In trouble one goes ahead: should it fail, the others know that nothing was done.
            items = self._limits.items if lane is self._main else 1
            taken = lane.take(self._flying, items=items, size=self._limits.size)
            if not taken:
                continue
            batch = Batch(lane, self._standing(lane), taken)
            self._left(taken)
            self._flying.update(entry.key for entry in taken)
            self._under_way[batch.standing] += 1
            lane.under_way += 1
            if lane is self._main:
                self._last_taken = len(taken)
            return batch
        return None

    def _standing(self, lane: Lane) -> Standing:
        return Standing.WELL if lane.queue is None else self._health.standing(lane.queue)

    def _has_place(self, lane: Lane) -> bool:
        if lane.queue is not None and lane.under_way:
            return False
        standing = self._standing(lane)
        if self._under_way[standing] >= self._limits.places(standing):
            return False
        # Two small batches cost more than a larger one, and are no sooner there.
        least = min(self._last_taken, self._limits.enough)
        return lane.queue is not None or not lane.under_way or len(lane.waiting) >= least

    def _left(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._waiting_items -= 1
            self._waiting_size -= entry.size

    def _commit(self, batch: Batch) -> None:
        outcomes: Sequence[WriteOutcome[Task]] = [Unknown("the store failed unexpectedly")] * len(
            batch.entries
        )
        try:
            outcomes = self._store.write([entry.write for entry in batch.entries])
        finally:
            with self._lock:
                self._came_back(batch, outcomes)

    # ------------------------------------------------------------------------------ coming back

    def _came_back(self, batch: Batch, outcomes: Sequence[WriteOutcome[Task]]) -> None:
        self._under_way[batch.standing] -= 1
        batch.lane.under_way -= 1
        for entry, outcome in zip(batch.entries, outcomes, strict=True):
            self._flying.discard(entry.key)
            entry.settle(outcome)
        if batch.lane.queue is None:
            self._look_for_trouble(batch, outcomes)
        else:
            self._end_try(batch.lane, batch.lane.queue, verdict(outcomes))
        self._pass_on()

    def _look_for_trouble(self, batch: Batch, outcomes: Sequence[WriteOutcome[Task]]) -> None:
        """Give the queues that held the others of *batch* up lanes of their own."""
        queues = {
            entry.queue: None
            for entry, outcome in zip(batch.entries, outcomes, strict=True)
            if verdict((outcome,)) is Verdict.TROUBLED
        }
        for queue in queues:
            self._health.note(queue, Verdict.TROUBLED, now=self._runtime.monotonic())
            self._move(self._main.withdraw(queue), self._lanes.get(queue) or Lane(queue))

    def _end_try(self, lane: Lane, queue: QueueName, said: Verdict) -> None:
        """Let those who wait in *lane* share the fate of the one that went ahead."""
        self._health.note(queue, said, now=self._runtime.monotonic())
        if said is Verdict.WELL:
            self._move(lane.withdraw(), self._main)
        else:
            self._turn_away(lane)
        if said is Verdict.SILENT:
            # It is not this queue alone: whoever waits for a turn would only learn the same.
            for other in list(self._lanes.values()):
                self._turn_away(other)
        self._forget(lane)

    def _move(self, entries: Sequence[Entry], lane: Lane) -> None:
        if entries:
            self._left(entries)
            self._enqueue(lane, entries)

    def _turn_away(self, lane: Lane) -> None:
        entries = lane.withdraw()
        self._left(entries)
        reason = f"the queue [{lane.queue}] took no write that went before"
        _settle_all(entries, Rejected(reason, is_local=True))
        self._forget(lane)

    def _forget(self, lane: Lane) -> None:
        if lane.queue is not None and lane.is_idle:
            self._lanes.pop(lane.queue, None)

    def _pass_on(self) -> None:
        """
        Wake callers to commit what waits, where places are free.

        Each is one whose write can go now: one that only waits for a document under way is woken
        when that is settled.
        """
        if not self._waiting_items:
            return
        for lane in (self._main, *self._lanes.values()):
            if lane.waiting and self._has_place(lane):
                self._call_one(lane)

    def _call_one(self, lane: Lane) -> None:
        for submission in lane.ready(self._flying):
            if submission.is_called:
                return  # It is on its way.
            if submission.is_handed_in:
                self._committers.call()
                return
            if submission.is_asleep:
                submission.is_called = True
                submission.notify()
                return


def _settle_all(entries: Iterable[Entry], outcome: WriteOutcome[Task]) -> None:
    for entry in entries:
        entry.settle(outcome)
