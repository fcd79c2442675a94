"""
What is demanded of the work in the background: leaders, slots, the archive.

P6 to P9, P11 and P12, looked at with every write to the lock, to recurring tasks and to the archive.
Which slots there are is worked out here a second time: all schedules of the simulation are
``@every`` so many seconds, counted from the whole second of the creation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tasques.core.archive import ArchivedTask, ArchiveKey, archive_key
from tasques.core.documents import Stored, Version
from tasques.core.leadership import LeaderLock
from tasques.core.recurring import (
    MAX_COUNTED,
    Pending,
    RecurringTask,
    RecurringTaskId,
    SlotOutcome,
    StoredRecurringTask,
)
from tasques.core.service.election import Election
from tasques.core.tasks import StoredTask, Task, TaskKey
from tests.simulation.auditor import Auditor
from tests.simulation.faults import Fault
from tests.simulation.model import CALL_TIMEOUT, Change, Cluster, Shard
from tests.simulation.requests import Request

_SECOND: Final = 1_000_000_000
#: Between an archiver's look and its write there is less than this, unless it is held up.
_LOOKED_WITHIN: Final = 2 * CALL_TIMEOUT
#: Slots of the simulation are so many seconds apart: the text between ``@every`` and ``s``.
EVERY: Final = "@every {}s"


class BackgroundAuditor:
    """
    Watches one history beside :class:`~tests.simulation.auditor.Auditor`, which it reports to.

    Args:
        elections: The elections of all servers that are alive, with the names of their nodes.
        settled_within: So long after healing, every slot that is due by then is decided, in seconds.
    """

    def __init__(
        self,
        auditor: Auditor,
        cluster: Cluster,
        elections: Callable[[], list[tuple[str, Election]]],
        settled_within: float,
    ) -> None:
        self._auditor = auditor
        self._cluster = cluster
        self._elections = elections
        self._settled_within = settled_within
        self._versions: dict[RecurringTaskId, set[Version]] = {}
        self._published: dict[TaskKey, None] = {}
        self._made: dict[TaskKey, None] = {}
        self._copied_at: dict[tuple[str, ArchiveKey], float] = {}
        self.fired = 0
        self.left_out = 0
        self.terms = 0
        cluster.observers["locks"] = self.lock_changed
        cluster.observers["recurring-tasks"] = self.recurring_changed
        cluster.observers["archive"] = self.archive_changed
        auditor.is_archived = self.is_archived
        auditor.on_task_made = self.task_made

    def _fail(self, name: str, message: str) -> None:
        self._auditor.fail(name, message)

    # ---------------------------------------------------------------------------------- leaders

    def lock_changed(self, change: Change) -> None:
        """Look at a write to the leader's lock."""
        self._auditor.count("lock")
        assert change.after is not None
        after: LeaderLock = change.after.document
        operation = after.operation
        assert operation is not None
        if self._auditor.note is not None:
            self._auditor.note(f"    {operation.verb} of the lock by {after.leader_id[-6:]}")
        self._auditor.landed(operation.token, after.name, operation.verb)
        if operation.verb == "take" and not _is_repeated(change):
            self.terms += 1
            # Whoever believes to lead now, besides the one that may after this write.
            for name, election in self._elections():
                if election.leader_id != after.leader_id and election.term() is not None:
                    self._fail(
                        "P11", f"{name} believes to lead, and {after.leader_id} took the lock"
                    )

    # ------------------------------------------------------------------------------------ slots

    def recurring_changed(self, change: Change) -> None:
        """Look at a write to a recurring task."""
        self._auditor.count("recurring task")
        assert change.after is not None
        after: RecurringTask = change.after.document
        operation = after.operation
        assert operation is not None
        self._versions.setdefault(after.id, set()).add(change.after.version)
        if self._auditor.note is not None:
            recurrence = after.recurrence
            self._auditor.note(
                f"    {operation.verb} of {after.id} took place: pending"
                f" {recurrence.pending.slot if recurrence.pending else None},"
                f" last {recurrence.last_slot}, term {recurrence.term} [{operation.token[:6]}]"
            )
        self._auditor.landed(operation.token, after.id, operation.verb)
        if change.before is None or _is_repeated(change) or operation.verb == "create":
            return
        assert isinstance(change.before, Stored)
        self._succeeds(change.before.document, after, operation.verb)

    def _succeeds(self, before: RecurringTask, after: RecurringTask, verb: str) -> None:
        old, new = before.recurrence, after.recurrence
        if old.term is not None and (new.term is None or new.term < old.term):
            self._fail("P12", f"{after.id}: term {old.term} was followed by {new.term}")
        if verb == "slot":
            self._decided(before, after)
        if verb == "fired":
            self._fired(old.pending, after)
        elif old.pending is not None and new.pending != old.pending and not after.is_deleted:
            self._fail("P9", f"{after.id}: the slot {old.pending.slot} was given up by {verb}")

    def _decided(self, before: RecurringTask, after: RecurringTask) -> None:
        """Every slot is the one decided on, or counted among those that were left out."""
        pending = after.recurrence.pending
        if pending is not None:
            slot, left_out = pending.slot.nanoseconds, pending.left_out
            self._published[pending.key] = None
        else:
            last = after.recurrence.last_slot
            assert last is not None
            slot, left_out = last.at.nanoseconds, last.left_out
            self.left_out += 1
        self.left_out += left_out
        decided_until = before.recurrence.decided_until
        assert decided_until is not None
        slots = _slots(after, decided_until.nanoseconds, slot)
        if not slots or slots[-1] != slot:
            self._fail(
                "P9", f"{after.id}: {slot / 1e9} was decided on, and is no slot after the last"
            )
        # Beyond a number nobody counts.
        counted = len(slots) if left_out < MAX_COUNTED else min(len(slots), MAX_COUNTED + 1)
        if counted != left_out + 1:
            self._fail(
                "P9",
                f"{after.id}: {len(slots)} slots came, of which {left_out} are recorded as left out"
                " beside the one decided on",
            )

    def _fired(self, pending: Pending | None, after: RecurringTask) -> None:
        last = after.recurrence.last_slot
        if pending is None or last is None:
            self._fail("P9", f"{after.id}: a slot was noted as fired that was not published")
        elif last.outcome is SlotOutcome.FIRED and pending.key not in self._made:
            self._fail("P9", f"{after.id}: {last.at} is noted as fired, and has no task")

    def task_made(self, task: Task) -> None:
        """Look at a task that a recurring task has made."""
        if task.recurring_task_id is None or not task.id.startswith("rec-"):
            return
        if task.key in self._made:
            self._fail("P8", f"{task.key} was made twice")
        if task.key not in self._published:
            self._fail("P8", f"{task.key} was made before its slot was published")
        self._made[task.key] = None
        self.fired += 1

    def owned(self, request: Request, stored: StoredRecurringTask) -> None:
        """An owner was answered with *stored*."""
        self._auditor.ended(request, "ok")
        if stored.version not in self._versions.get(stored.document.id, ()):
            self._fail(
                "P17",
                f"request {request.number} ({request.verb} of {stored.document.id}) was answered"
                f" with version {stored.version}, which was never there to stay",
            )

    # ---------------------------------------------------------------------------------- archive

    def archive_changed(self, change: Change) -> None:
        """Look at a write to the archive."""
        self._auditor.count("copy")
        if change.after is None:
            self._removed(change)
            return
        after: ArchivedTask = change.after.document
        if not after.task.state.is_final:
            self._fail("P6", f"{after.task.key} was archived while {after.task.state}")
        # A later version may have been on an isolated primary, and never there to stay.
        if (
            isinstance(change.before, Stored)
            and change.before.document.origin > after.origin
            and self._auditor.was_there(after.task.key, change.before.document.origin)
        ):
            self._fail("P7", f"an older copy of {after.task.key} took a younger one's place")

        if change.before is None:
            self._must_be_the_first(change.shard, after)
        self._copied_at[change.shard.name, after.key] = self._auditor.now

    def _must_be_the_first(self, shard: Shard, copy: ArchivedTask) -> None:
        """No copy is made beside one that was there when the archiver looked."""
        for (name, key), at in self._copied_at.items():
            is_older = key == copy.key and name != shard.name
            if is_older and self._auditor.now - at > _LOOKED_WITHIN and not self._is_disturbed():
                there = self._cluster.shards[name].documents.get(key)
                if there is not None:
                    self._fail("P7", f"{copy.task.key} was copied to {shard.name} beside {name}")

    def _is_disturbed(self) -> bool:
        """Whether an archiver may have been held up between looking and writing."""
        counts = self._cluster.faults.counts
        return any(counts[fault] for fault in (Fault.PAUSE, Fault.FAILOVER))

    def _removed(self, change: Change) -> None:
        assert isinstance(change.before, Stored)
        gone: ArchivedTask = change.before.document
        if not self._copies(gone.task) and self._auditor.present(gone.task.key) is None:
            self._fail("P1", f"the last copy of {gone.task.key} was removed from the archive")

    def _copies(self, task: Task) -> list[Stored[ArchivedTask]]:
        key = archive_key(task)
        shards = self._cluster.shards
        found = [
            shards[name].documents.get(key) for name in self._cluster.archives if name in shards
        ]
        return [kept for kept in found if isinstance(kept, Stored)]

    def is_archived(self, stored: StoredTask) -> bool:
        """Whether the archive has a copy of that very version."""
        copies = self._copies(stored.document)
        return any(copy.document.origin == stored.version for copy in copies)

    # -------------------------------------------------------------------------------- the end

    def close(self, *, healed_at: float, now: float, wall: int, undisturbed: bool) -> None:
        """
        Look at the end.

        Args:
            wall: What right clocks say, in nanoseconds.
            undisturbed: No server was killed or stopped in the middle of something.
        """
        for task in self._recurring_tasks():
            if now >= healed_at + self._settled_within:
                self._must_be_up_to_date(task, wall)
        if undisturbed:
            self._one_copy_each()

    def _recurring_tasks(self) -> list[RecurringTask]:
        shard = self._cluster.shards.get("recurring-tasks")
        if shard is None:
            return []
        kept = [kept.document for kept in shard.documents.values() if isinstance(kept, Stored)]
        return [task for task in kept if not task.is_deleted]

    def _must_be_up_to_date(self, task: RecurringTask, wall: int) -> None:
        recurrence = task.recurrence
        until = wall - round(self._settled_within * _SECOND)
        decided = recurrence.decided_until
        since = task.created_at.nanoseconds if decided is None else decided.nanoseconds
        if slots := _slots(task, since, until):
            self._fail(
                "P9", f"{task.id}: the slot at {slots[0] / 1e9} is due, and nobody decides it"
            )

    def _one_copy_each(self) -> None:
        shards = self._cluster.shards
        seen: dict[object, str] = {}
        for name in self._cluster.archives:
            for key in shards[name].documents if name in shards else ():
                if key in seen:
                    self._fail("P7", f"a task has copies in {seen[key]} and in {name}")
                seen[key] = name


def _is_repeated(change: Change) -> bool:
    """Whether a document was merely written over itself, as a confirmation."""
    if not isinstance(change.before, Stored) or change.after is None:
        return False
    old, new = change.before.document.operation, change.after.document.operation
    return old is not None and new is not None and old.token == new.token


def _slots(task: RecurringTask, after: int, until: int) -> list[int]:
    """The slots of *task* in the left-open range, in nanoseconds."""
    every = int(task.schedule_expression.removeprefix("@every ").removesuffix("s")) * _SECOND
    anchor = task.created_at.nanoseconds // _SECOND * _SECOND
    first = max((after - anchor) // every + 1, 1)
    return list(range(anchor + first * every, until + 1, every))
