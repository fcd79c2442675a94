"""
The judgement about slots: which were due, who led then, and which tasks were made for them.

While a server of ours leads, each slot gets one task, whose id names it. An original counts ``@every``
from whenever it took up the schedule and keeps no record, so of its time it can only be said how many
tasks were made, and where two of them are too near to each other or too far apart. What happens
between two leaders, and right after a change, is not judged; nor is a slot of ours before the first one
that it made for what an original had written, since it begins with those after it took that up. A
recurring task of an original's makes up for the latest slot only, so a leader that is late on a busy
machine passes slots over; they are no loss if the recurring task was seen to say so.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from tools.accounting.ledger import NANOSECONDS
from tools.rollout.audit import Discrepancy, Fault

#: A leader has taken up what is there, or was changed, so long afterwards, on a busy machine too.
_TAKEN_UP = 6 * NANOSECONDS
#: What was due so shortly before the end of a lead may have been left to the next leader.
_UNDER_WAY = 2 * NANOSECONDS


@dataclass(frozen=True, kw_only=True)
class Lead:
    """A stretch of time in which one server led; nanoseconds since 1970."""

    is_original: bool
    began: int
    ended: int


@dataclass(frozen=True, kw_only=True)
class Definition:
    """
    What a recurring task was, from one change to the next; nanoseconds since 1970.

    Attributes:
        created_at: Of the recurring task: its slots are so many periods after that second.
    """

    id: str
    created_at: int
    every_seconds: int
    began: int
    ended: int


@dataclass(frozen=True, kw_only=True)
class Fired:
    """
    A task that a recurring task made.

    Attributes:
        slot: The second that its id names; None if an original made it.
    """

    recurring_task_id: str
    slot: int | None
    created_at: int


def slot_of(id: str) -> int | None:
    """The second that the id of a task names, if ours made it."""
    marked, _, slot = id.rpartition("-")
    return int(slot) if marked.startswith("rec-") else None


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """
    What a recurring task says of slots that came to nothing: a leader was late, and made the latest.

    Attributes:
        slot: The one that was made instead.
        left_out: So many right before it were not.
    """

    recurring_task_id: str
    slot: int
    left_out: int


@dataclass(frozen=True, kw_only=True)
class Tally:
    """
    How many slots were due, and what became of them.

    Attributes:
        not_yet: Came before the first one that was made.
        passed_over: Left out by a leader that was late, and recorded as that.
    """

    due: int = 0
    made: int = 0
    not_yet: int = 0
    passed_over: int = 0
    doubled: int = 0
    lost: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            due=self.due + other.due,
            made=self.made + other.made,
            not_yet=self.not_yet + other.not_yet,
            passed_over=self.passed_over + other.passed_over,
            doubled=self.doubled + other.doubled,
            lost=self.lost + other.lost,
        )


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """
    What became of the slots.

    Attributes:
        intruded: Tasks that an original made while ours led.
    """

    ours: Tally
    originals: Tally
    intruded: int
    discrepancies: Sequence[Discrepancy] = field(default=())


def judge(
    definitions: Sequence[Definition],
    leads: Sequence[Lead],
    fired: Sequence[Fired],
    passed_over: Sequence[PassedOver] = (),
) -> Judgement:
    """Hold schedules, leaders and tasks against each other."""
    ours, originals = Tally(), Tally()
    intruded = 0
    wrong: list[Discrepancy] = []
    for definition, lead in itertools.product(definitions, leads):
        window = range(
            max(definition.began, lead.began) + _TAKEN_UP,
            min(definition.ended, lead.ended) - _UNDER_WAY,
        )
        tasks = [task for task in fired if task.recurring_task_id == definition.id]
        if lead.is_original:
            originals += _original(definition, window, tasks)
        else:
            excused = {
                record.slot - before * definition.every_seconds
                for record in passed_over
                if record.recurring_task_id == definition.id
                for before in range(1, record.left_out + 1)
            }
            tally, discrepancies = _of_ours(definition, window, tasks, excused)
            ours += tally
            wrong += discrepancies
            intruded += sum(task.slot is None and task.created_at in window for task in tasks)
    return Judgement(ours=ours, originals=originals, intruded=intruded, discrepancies=wrong)


def _of_ours(
    definition: Definition, window: range, tasks: Sequence[Fired], excused: Collection[int]
) -> tuple[Tally, list[Discrepancy]]:
    made = Counter(task.slot for task in tasks if task.slot is not None)
    due = list(_slots(definition, window))
    first = next((slot for slot in due if made[slot]), 0)
    not_yet = [slot for slot in due if slot < first]
    missing = [slot for slot in due if slot > first and not made[slot]]
    lost = [slot for slot in missing if slot not in excused]
    doubled = [slot for slot in due if made[slot] > 1]
    wrong = [
        Discrepancy(fault=Fault.SLOT, subject=definition.id, text=f"{what} the slot of {slot}")
        for what, slots in (("lost", lost), ("made two tasks for", doubled))
        for slot in slots
    ]
    tally = Tally(
        due=len(due),
        made=sum(made[slot] for slot in due),
        not_yet=len(not_yet),
        passed_over=len(missing) - len(lost),
        doubled=len(doubled),
        lost=len(lost),
    )
    return tally, wrong


def _slots(definition: Definition, window: range) -> Iterator[int]:
    """Seconds since 1970 within the window, in nanoseconds."""
    base = definition.created_at // NANOSECONDS
    periods = (window.start // NANOSECONDS - base) // definition.every_seconds
    slot = base + max(periods, 1) * definition.every_seconds
    while slot * NANOSECONDS < window.stop:
        if slot * NANOSECONDS >= window.start:
            yield slot
        slot += definition.every_seconds


def _original(definition: Definition, window: range, tasks: Sequence[Fired]) -> Tally:
    period = definition.every_seconds * NANOSECONDS
    times = sorted(task.created_at for task in tasks if task.created_at in window)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return Tally(
        due=len(window) // period,
        made=len(times),
        doubled=sum(2 * gap < period for gap in gaps),
        lost=sum(max(0, (2 * gap + period) // (2 * period) - 1) for gap in gaps),
    )
