"""
Many creations, or many changes by workers, at once: one outcome for each, in order.

All go to the store in one write, so that they cost what a batch costs, and what has to be read is
read in one go. Each is decided like a single one, and whatever is not plainly written is followed
like a single one. Only what concerns one task twice takes turns: it happens in the order in which it
was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final, TypeAlias, TypeVar

import attrs

from tasques.core import errors
from tasques.core.documents import Stored
from tasques.core.ports import (
    Conflict,
    Exists,
    ReadOutcome,
    Rejected,
    Replace,
    Runtime,
    TaskStore,
    Unknown,
    Unreadable,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.service.changes import Asked, Change, Decision, Repeated
from tasques.core.service.creations import Creating, Creation, created_before
from tasques.core.service.settlement import (
    Overtaken,
    Tried,
    confirmation,
    is_made_by,
    present,
)
from tasques.core.service.task_writer import TaskWriter
from tasques.core.tasks import StoredTask, Task, TaskKey

#: What became of one of many.
Outcome: TypeAlias = StoredTask | errors.TasquesError

#: The longest pause before what could not be read, or was rejected, is tried again.
_PAUSE_SECONDS: Final = 0.5
#: How long after the deadline what is in doubt is still looked into, where that leads to something.
_LATE_SECONDS: Final = 2.0

#: Outcomes that leave a doubt. A union written where it is asked for would be made for each item.
_IN_DOUBT: Final = (Unknown, Conflict, Exists)

Place = TypeVar("Place")


@attrs.frozen(eq=False)
class _Attempt:
    """A write, and how it is followed from the outcome of its first try."""

    write: Write[Task]
    follow: Callable[..., StoredTask]


def _one_by_one(used: Iterable[int]) -> dict[int, Outcome]:
    """Nothing is known of them yet."""
    return {}


class Batches:
    """
    Writes many tasks.

    Deadlines are on the runtime's monotonic clock. One is for all: whatever has to be tried again is
    tried until then, and each write is tried once at least, save that of a turn that comes too late.
    What is in doubt is looked into one by one, and a store that hangs takes its time over each; so what
    is left of that at the deadline stays in doubt as soon as one look leads to nothing.
    """

    def __init__(self, store: TaskStore, runtime: Runtime, writer: TaskWriter) -> None:
        self._store = store
        self._runtime = runtime
        self._writer = writer

    def create(self, creations: Sequence[Creation], *, deadline: float) -> list[Outcome]:
        """Create each task; of two with one id the first."""
        outcomes: dict[int, Outcome] = {}
        begun: dict[int, Creating] = {}
        for place, creation in enumerate(creations):
            try:
                begun[place] = self._writer.begin(creation)
            except errors.TasquesError as error:
                outcomes[place] = error
        for turn in self._turns(begun, lambda place: begun[place].write.key, outcomes, deadline):
            outcomes.update(self._create_each({place: begun[place] for place in turn}, deadline))
        return [outcomes[place] for place in range(len(creations))]

    def change(self, changes: Sequence[Change], *, deadline: float) -> list[Outcome]:
        """Make each change; two of one task one after the other."""
        outcomes: dict[int, Outcome] = {}
        places = range(len(changes))
        for turn in self._turns(places, lambda place: changes[place].key, outcomes, deadline):
            asked = {place: self._writer.asked(changes[place]) for place in turn}
            outcomes.update(self._change_each(asked, deadline))
        return [outcomes[place] for place in places]

    def _turns(
        self,
        places: Iterable[int],
        key: Callable[[int], Hashable],
        outcomes: dict[int, Outcome],
        deadline: float,
    ) -> Iterator[Sequence[int]]:
        """*places* in turns; those of turns that come after the deadline are given up."""
        for number, turn in enumerate(turns(places, key)):
            if number and self._runtime.monotonic() >= deadline:
                late = errors.StoreUnavailable("what was to be done before it took too long")
                outcomes.update(dict.fromkeys(turn, late))
            else:
                yield turn

    def _create_each(self, begun: Mapping[int, Creating], deadline: float) -> dict[int, Outcome]:
        """Create tasks with as many ids."""
        attempts = {
            place: _Attempt(
                creating.write, partial(self._writer.create, creating, deadline=deadline)
            )
            for place, creating in begun.items()
        }

        def meet(used: Iterable[int]) -> dict[int, Outcome]:
            return self._meet({place: begun[place] for place in used}, deadline)

        return self._carry_out(attempts, deadline, meet)

    def _meet(self, used: Mapping[int, Creating], deadline: float) -> dict[int, Outcome]:
        """
        What became of creations whose ids turned out, a moment ago, to be in use.

        A request that is repeated meets all of its tasks, so they are looked at together too. Left
        out is what one look does not tell.
        """
        outcomes: dict[int, Outcome] = {}
        again = {}
        read = self._read([creating.write.document.key for creating in used.values()])
        for (place, creating), current in zip(used.items(), read, strict=True):
            if not isinstance(current, Stored) or is_made_by(current, creating.write):
                continue
            try:
                before = created_before(Overtaken(current), creating)
            except errors.TasquesError as error:
                outcomes[place] = error
            else:
                follow = partial(self._writer.confirm, before, creating, deadline=deadline)
                again[place] = _Attempt(confirmation(before), follow)
        return outcomes | self._carry_out(again, deadline)

    def _change_each(self, asked: Mapping[int, Asked], deadline: float) -> dict[int, Outcome]:
        """
        Make changes of as many tasks.

        What cannot be read keeps nothing else waiting; it is tried again when the rest is done.
        """
        outcomes: dict[int, Outcome] = {}
        left = dict(asked)
        while left:
            decisions = self._decide(left)
            unreadable: dict[int, Outcome] = {}
            attempts = {}
            for place, decision in decisions.items():
                match decision:
                    case Unreadable(reason):
                        unreadable[place] = errors.StoreUnavailable(reason)
                    case errors.TaskError():
                        outcomes[place] = decision
                    case _:
                        follow = partial(
                            self._writer.change, left[place], decision, deadline=deadline
                        )
                        attempts[place] = _Attempt(_write(decision), follow)
            outcomes.update(self._carry_out(attempts, deadline))
            if unreadable and not self._pause(deadline):
                return outcomes | unreadable
            left = {place: left[place] for place in unreadable}
        return outcomes

    def _decide(self, asked: Mapping[int, Asked]) -> dict[int, Decision | Unreadable]:
        """Decide on what was handed out here where that will do, else on what is read."""
        decisions: dict[int, Decision | Unreadable] = {}
        for place, each in asked.items():
            write = self._writer.decide_on_held(each)
            if write is not None:
                decisions[place] = write
        unknown = [place for place in asked if place not in decisions]
        read = self._read([asked[place].change.key for place in unknown])
        for place, current in zip(unknown, read, strict=True):
            decisions[place] = self._decided(asked[place], current)
        return decisions

    def _read(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        try:
            return self._store.get(keys) if keys else ()
        except errors.StoreUnavailable as error:
            return [Unreadable(str(error))] * len(keys)

    def _decided(self, asked: Asked, current: ReadOutcome[Task]) -> Decision | Unreadable:
        if isinstance(current, Unreadable):
            return current
        try:
            return self._writer.decide(asked, present(current, asked.change.key))
        except errors.TaskError as error:
            return error

    def _carry_out(
        self,
        attempts: Mapping[int, _Attempt],
        deadline: float,
        meet: Callable[[Iterable[int]], dict[int, Outcome]] = _one_by_one,
    ) -> dict[int, Outcome]:
        """
        Try all together, and follow each to its end.

        Whoever waits for what was written hears of it first; what is in doubt may take long. What the
        store was too busy for is tried again together.

        Args:
            meet: What became of those whose keys are in use, as far as it can tell.
        """
        outcomes: dict[int, Outcome] = {}
        left = attempts
        while left:
            tried = self._try(left)
            places = _by_outcome(tried)
            outcomes.update(self._follow(places.pop(Written, ()), left, tried, deadline))
            rejected = places.pop(Rejected, ())
            if used := places.get(Exists):
                outcomes.update(meet(used))
            doubtful = chain.from_iterable(places.values())
            others = [place for place in doubtful if place not in outcomes]
            outcomes.update(self._follow(others, left, tried, deadline))
            if rejected and not self._pause(deadline):
                return outcomes | self._follow(rejected, left, tried, deadline)
            left = {place: left[place] for place in rejected}
        return outcomes

    def _try(self, attempts: Mapping[int, _Attempt]) -> dict[int, Tried[Task]]:
        since = self._runtime.monotonic()
        outcomes = self._store.write([attempt.write for attempt in attempts.values()])
        return {
            place: Tried(outcome, since) for place, outcome in zip(attempts, outcomes, strict=True)
        }

    def _follow(
        self,
        places: Iterable[int],
        attempts: Mapping[int, _Attempt],
        tried: Mapping[int, Tried[Task]],
        deadline: float,
    ) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        give_up_at = deadline + _LATE_SECONDS
        for place in places:
            first = tried[place]
            is_in_doubt = isinstance(first.outcome, _IN_DOUBT)
            if is_in_doubt and self._runtime.monotonic() >= give_up_at:
                outcomes[place] = self._writer.give_up(first.outcome)
                continue
            outcomes[place] = outcome = _followed(attempts[place].follow, first)
            if isinstance(outcome, errors.Unavailable):
                give_up_at = deadline
        return outcomes

    def _pause(self, deadline: float) -> bool:
        """Sleep a while; False, without sleeping, if the deadline is over."""
        left = deadline - self._runtime.monotonic()
        if left <= 0:
            return False
        self._runtime.sleep(min(self._runtime.random() * _PAUSE_SECONDS, left))
        return True


def _by_outcome(
    tried: Mapping[int, Tried[Task]],
) -> dict[type[WriteOutcome[Task]], list[int]]:
    places: dict[type[WriteOutcome[Task]], list[int]] = {}
    for place, each in tried.items():
        places.setdefault(type(each.outcome), []).append(place)
    return places


def _write(decision: Replace[Task] | Repeated) -> Replace[Task]:
    return confirmation(decision.stored) if isinstance(decision, Repeated) else decision


def _followed(follow: Callable[..., StoredTask], first: Tried[Task]) -> Outcome:
    try:
        return follow(first=first)
    except errors.TasquesError as error:
        return error


def turns(places: Iterable[Place], key: Callable[[Place], Hashable]) -> list[list[Place]]:
    """
    *places* in turns, none of which has two of one key; each key's keep their order.

    >>> turns([0, 1, 2, 3], "abaa".__getitem__)
    [[0, 1], [2], [3]]
    """
    named = [(place, key(place)) for place in places]
    if len({name for _, name in named}) == len(named):
        return [[place for place, _ in named]] if named else []
    made: list[list[Place]] = []
    seen: Counter[Hashable] = Counter()
    for place, name in named:
        if seen[name] == len(made):
            made.append([])
        made[seen[name]].append(place)
        seen[name] += 1
    return made
