"""
The judgement: the slots that were due, the tasks that were found, and what the recurring tasks said.

A slot is well if one task was made for it, or if the recurring task was seen to say why none was. It
is *doubled* if there are two, and *lost* if there is neither. A recurring task's document says so of
its latest slot only, so it is looked at many times for each slot. Where it was written more often
than it was seen, a slot without a task may have been recorded in between: that is *not seen*, and
nothing is claimed about it. Of a recurring task that makes up for everything (``catch_up`` is
``all``) each slot must have its task, and nothing needs to be seen.

While an original server leads it keeps no such record, and nobody else does. Slots of that time, and
those until a server of ours has taken up the recurring task, are *the original's*; they are counted
apart, and are nobody's fault.
"""

import enum
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tools.accounting.ledger import NANOSECONDS
from tools.leadership.schedule import Plan, Slots
from tools.leadership.watch import LockSeen, RecurringSeen, Version

#: A slot before which others were left out, since ``catch_up`` wants the latest only.
PASSED_OVER = "passed over for a later one"


class Fault(enum.Enum):
    """What can be wrong."""

    DOUBLED = "doubled"
    LOST = "lost"
    NOT_DUE = "made for no slot, or before it"
    CONTRADICTED = "made, though recorded as left out"
    MISDATED = "made with a time that cannot be"
    BESIDE_ANOTHER = "made beside an unfinished one"
    STALE_WRITE = "written to by a former leader"
    TWO_LEADERS = "two leaders in one term"


@dataclass(frozen=True, kw_only=True)
class Found:
    """
    A task that was found in the end; times are nanoseconds since 1970.

    Attributes:
        slot: That its id names; None for one that an original server made.
        finished_at: When its worker asked to finish it, on this machine's clock; None if it did not.
    """

    id: str
    slot: int | None
    created_at: int
    finished_at: int | None = None


@dataclass(frozen=True, kw_only=True)
class Observed:
    """
    All there is to judge of one recurring task.

    Attributes:
        until: The last second whose slot is judged.
        found_at: When the tasks were looked for, in seconds since 1970.
        seen: Its versions, in order.
        has_original: An original server took part.
    """

    plan: Plan
    created_at: int
    until: int
    found_at: float
    seen: Sequence[RecurringSeen]
    found: Sequence[Found]
    has_original: bool = False


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """Something that is wrong, and what about."""

    fault: Fault
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.fault.value}: {self.what}: {self.text}"


@dataclass(kw_only=True)
class Tally:
    """What became of slots."""

    due: int = 0
    created: int = 0
    doubled: int = 0
    lost: int = 0
    not_seen: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Tally") -> "Tally":
        self.due += other.due
        self.created += other.created
        self.doubled += other.doubled
        self.lost += other.lost
        self.not_seen += other.not_seen
        self.left_out += other.left_out
        return self


@dataclass(kw_only=True)
class Judgement:
    """
    What became of everything.

    Attributes:
        ours: Slots while servers of ours kept the record; without an original server, all of them.
        originals: The others.
        doubled_by_original: Slots of ours for which an original server made a task, too.
        beside_another_by_original: Tasks that an original made beside an unfinished one.
        delays: From a slot to its task, in seconds.
        gone_on_with: Slots that one leader began and a later one finished.
    """

    ours: Tally = field(default_factory=Tally)
    originals: Tally = field(default_factory=Tally)
    doubled_by_original: int = 0
    beside_another_by_original: int = 0
    delays: list[float] = field(default_factory=list)
    gone_on_with: int = 0
    discrepancies: list[Discrepancy] = field(default_factory=list)

    def faults(self, fault: Fault) -> int:
        """How many of one kind."""
        return sum(found.fault is fault for found in self.discrepancies)


def judge(observed: Sequence[Observed], locks: Sequence[LockSeen]) -> Judgement:
    """Hold what is due, seen and found against each other."""
    judgement = Judgement()
    for one in observed:
        audit = _Audit(one)
        audit.into(judgement)
    judgement.discrepancies += _two_leaders(locks)
    return judgement


def leaders(locks: Sequence[LockSeen]) -> Mapping[Version | None, Sequence[str]]:
    """Who led in each term; under None the original servers."""
    found: dict[Version | None, list[str]] = {}
    for lock in locks:
        ids = found.setdefault(lock.term, [])
        if lock.leader_id not in ids:
            ids.append(lock.leader_id)
    return found


def _two_leaders(locks: Sequence[LockSeen]) -> Iterator[Discrepancy]:
    for term, ids in leaders(locks).items():
        if term is not None and len(ids) > 1:
            yield Discrepancy(
                fault=Fault.TWO_LEADERS, what=f"term {term}", text=f"was led by {', '.join(ids)}"
            )


class _Audit:
    """One recurring task."""

    def __init__(self, observed: Observed) -> None:
        self._plan = observed.plan
        self._seen = observed.seen
        self._found_at = observed.found_at
        self._has_original = observed.has_original
        self._slots = Slots(
            plan=observed.plan, created_at=observed.created_at, until=observed.until
        )
        self._tasks: dict[int | None, list[Found]] = {}
        for task in observed.found:
            self._tasks.setdefault(self._slot_of(task), []).append(task)
        self._reasons = self._recorded()
        self._hidden = list(self._between_looks())
        self._eras = list(self._our_eras()) if observed.has_original else [range(2**40)]

    def into(self, judgement: Judgement) -> None:
        """Add what became of it to *judgement*."""
        for slot in self._slots.all:
            is_ours = any(slot in era for era in self._eras)
            tally = judgement.ours if is_ours else judgement.originals
            judgement.discrepancies += self._judge(slot, tally, judgement, is_ours=is_ours)
        for task in self._by_us():
            if self._is_dated_right(task):
                judgement.delays.append(task.created_at / NANOSECONDS - (task.slot or 0))
            elif task.slot in self._slots.all:
                judgement.discrepancies.append(self._wrong(Fault.MISDATED, task.id))
        judgement.gone_on_with += self._gone_on_with()
        judgement.discrepancies += self._not_due()
        judgement.discrepancies += self._stale_writes()
        if self._plan.wants_one:
            for task in self._beside_another():
                if task.slot is None:
                    judgement.beside_another_by_original += 1
                else:
                    judgement.discrepancies.append(self._wrong(Fault.BESIDE_ANOTHER, task.id))

    def _wrong(self, fault: Fault, text: str) -> Discrepancy:
        return Discrepancy(fault=fault, what=self._plan.id, text=text)

    def _slot_of(self, task: Found) -> int | None:
        # An original names no slot, and counts ``@every`` from whenever it took the task up; so its
        # task is of the slot within whose period it was made.
        return (
            self._slots.latest(task.created_at // NANOSECONDS) if task.slot is None else task.slot
        )

    # ------------------------------------------------------------------------ each slot

    def _judge(
        self, slot: int, tally: Tally, judgement: Judgement, *, is_ours: bool
    ) -> Iterator[Discrepancy]:
        tasks = self._tasks.get(slot, [])
        by_us = [task for task in tasks if task.slot is not None]
        reason = self._reasons.get(slot)
        tally.due += 1
        tally.created += bool(tasks)
        if len(tasks) > 1:
            if is_ours and len(by_us) < 2:
                judgement.doubled_by_original += 1
            else:
                tally.doubled += 1
            if len(by_us) > 1:
                yield self._wrong(Fault.DOUBLED, f"{_shown(slot)}: {[t.id for t in tasks]}")
        if tasks:
            if reason is not None and by_us and is_ours:
                yield self._wrong(Fault.CONTRADICTED, f"{_shown(slot)}: {reason}")
        elif reason is not None:
            tally.left_out[reason] += 1
        elif self._may_be_unseen(slot):
            tally.not_seen += 1
        else:
            tally.lost += 1
            if is_ours:
                yield self._wrong(Fault.LOST, f"{_shown(slot)} has no task and no reason")

    def _recorded(self) -> dict[int, str]:
        """Why slots have no task, as far as it was seen."""
        reasons: dict[int, str] = {}
        for record in {record: None for seen in self._seen for record in seen.records}:
            if record.outcome not in {"fired", "pending"}:
                reasons[record.slot] = record.outcome
            why = record.outcome if record.outcome in {"missed", "paused"} else PASSED_OVER
            for back in range(1, record.left_out + 1):
                reasons.setdefault(record.slot - back * self._plan.period_seconds, why)
        return reasons

    def _between_looks(self) -> Iterator[range]:
        """Spans of slots that were decided between two looks, by more writes than were seen."""
        for before, after in itertools.pairwise(self._seen):
            if after.writes > before.writes + 1 and None not in {
                before.decided_until,
                after.decided_until,
            }:
                yield range(_whole(before.decided_until) + 1, _whole(after.decided_until) + 1)

    def _may_be_unseen(self, slot: int) -> bool:
        """
        Whether its record may have come and gone between two looks.

        Not that of a slot seen under way or seen as fired, and none of a recurring task of which
        every slot has to have its task.
        """
        if self._plan.catch_up == "all" and not self._has_original:
            return False
        if any(record.slot == slot for seen in self._seen for record in seen.records):
            return False
        return any(slot in span for span in self._hidden)

    def _our_eras(self) -> Iterator[range]:
        """Spans of slots of which servers of ours have the record."""
        for is_ours, run in itertools.groupby(
            self._seen, key=lambda seen: seen.decided_until is not None
        ):
            if is_ours:
                decided = [_whole(seen.decided_until) for seen in run]
                yield range(decided[0] + 1, decided[-1] + 1)

    # ------------------------------------------------------------------------ all of it

    def _by_us(self) -> Iterator[Found]:
        return (t for found in self._tasks.values() for t in found if t.slot is not None)

    def _is_dated_right(self, task: Found) -> bool:
        return task.slot is None or task.slot <= task.created_at / NANOSECONDS <= self._found_at

    def _not_due(self) -> Iterator[Discrepancy]:
        """By this machine's clock: what a task says of its own time may be wrong."""
        for task in self._by_us():
            slot = task.slot or 0
            is_early = slot > self._found_at
            # After the last judged slot, servers go on.
            if is_early or (slot <= self._slots.until and slot not in self._slots.all):
                yield self._wrong(Fault.NOT_DUE, f"{_shown(slot)}: {task.id}")
        for seen in self._seen:
            for record in seen.records:
                if record.slot > seen.seen_at:
                    text = f"{_shown(record.slot)}: {record.outcome} at {seen.seen_at:.3f}"
                    yield self._wrong(Fault.NOT_DUE, text)

    def _stale_writes(self) -> Iterator[Discrepancy]:
        """A later version was written in an earlier term."""
        known = [seen for seen in self._seen if seen.term is not None]
        for before, after in itertools.pairwise(known):
            if before.term is not None and after.term is not None and after.term < before.term:
                text = f"version {after.version} in term {after.term}, after {before.term}"
                yield self._wrong(Fault.STALE_WRITE, text)

    def _gone_on_with(self) -> int:
        """Slots that were under way when another leader of ours came, and have their task."""
        return sum(
            before.pending is not None
            and None not in {before.term, after.term}
            and before.term != after.term
            and before.pending.slot in self._tasks
            for before, after in itertools.pairwise(self._seen)
        )

    def _beside_another(self) -> Iterator[Found]:
        found = [task for tasks in self._tasks.values() for task in tasks]
        tasks = sorted(filter(self._is_dated_right, found), key=_made)
        for before, after in itertools.pairwise(tasks):
            if before.finished_at is None or after.created_at < before.finished_at:
                yield after


def _made(task: Found) -> int:
    return task.created_at


def _whole(nanoseconds: int | None) -> int:
    return (nanoseconds or 0) // NANOSECONDS


def _shown(slot: int) -> str:
    return f"slot {slot}"
