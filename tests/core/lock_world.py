"""
Every history of two candidates, one lock and a network that loses and delays; in small.

A state holds what each candidate knows, what it has under way, and the document. Times are relative
to each candidate's own clock, versions are numbered by their order, so that a state met before is
recognised: there are finitely many, and all of them are visited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, NamedTuple, TypeAlias

import attrs

from tasques.core import leadership
from tasques.core.documents import Stored, Version
from tasques.core.leadership import Held, LeaderLock, Memory, Move, Observed
from tasques.core.values import Duration, Instant

LEASE: Final = 10.0
#: In a tick a fast clock counts half of the lease, a slow one three tenths: a ratio of 1.66.
FAST, SLOW = 5.0, 3.0
SOME_INSTANT: Final = Instant(0)
NAMES: Final = ("ann", "bob")


class Document(NamedTuple):
    """The lock as the store has it."""

    version: int
    holder: int
    released: bool = False


class Read(NamedTuple):
    """A read on its way to the store."""

    asked_at: float


class Answer(NamedTuple):
    """What a read saw, on its way back."""

    asked_at: float
    seen: Document | None


class Write(NamedTuple):
    """A write on its way to the store."""

    over: int | None
    sent_at: float
    releases: bool = False


class Acknowledged(NamedTuple):
    """The answer to a write that took place, on its way back."""

    version: int
    sent_at: float


class Refused(NamedTuple):
    """The answer to a renewal that did not take place, on its way back."""


class HeldLock(NamedTuple):
    """See :class:`~tasques.core.leadership.Held`."""

    version: int
    sent_at: float


class Watched(NamedTuple):
    """See :class:`~tasques.core.leadership.Observed`."""

    version: int
    holder: int
    released: bool
    since: float


Call: TypeAlias = Read | Answer | Write | Acknowledged | Refused | None


class Candidate(NamedTuple):
    """One server; *late* is a write that it gave up, and that may still land."""

    held: HeldLock | None = None
    memory: Watched | None = None
    call: Call = None
    late: Write | None = None


class State(NamedTuple):
    """All there is."""

    document: Document | None
    candidates: tuple[Candidate, Candidate]


START: Final = State(None, (Candidate(), Candidate()))


class Violation(AssertionError):
    """A history in which something went wrong."""


@attrs.frozen(kw_only=True)
class Rules:
    """
    The decisions, as they are or with a mistake planted.

    Attributes:
        hold: Gives what is held after an acknowledgement, from the document, the time before the
            write was sent, and the time of the answer.
        watch_from: The time given to *observe*, from that of the question and that of the answer;
            None for the latter.
        is_taken_by: Whether a candidate leads for having read that lock.
        conditional: Whether the store looks at versions.
    """

    observe: Callable[..., Observed] = leadership.observe
    next_move: Callable[..., Move] = leadership.next_move
    hold: Callable[[Stored[LeaderLock], float, float], Held] = lambda stored, sent_at, answered_at: (
        Held.since(stored, sent_at=sent_at)
    )
    watch_from: Callable[[float, float], float] | None = None
    is_taken_by: Callable[[int, Document], bool] = lambda me, seen: False
    conditional: bool = True


class World:
    """Two candidates whose clocks run at *rates*, in lease units for a tick."""

    def __init__(
        self,
        rules: Rules = Rules(),
        *,
        rates: tuple[float, float] = (FAST, SLOW),
        with_late: bool = True,
        with_release: bool = True,
    ) -> None:
        self._rules = rules
        self._rates = rates
        self._with_late = with_late
        self._with_release = with_release

    # ------------------------------------------------------------------------- exploring

    def explore(self) -> set[State]:
        """
        Every state there can be.

        Raises:
            Violation: If in one of them both believe to lead.
        """
        seen = {START}
        waiting = deque([START])
        while waiting:
            for step in self.steps(waiting.popleft()):
                after = self._essential(step)
                if after in seen:
                    continue
                if all(_believes(candidate) for candidate in after.candidates):
                    raise Violation(f"both lead: {after}")
                seen.add(after)
                waiting.append(after)
        return seen

    def never_led(self, states: set[State]) -> list[State]:
        """From which of *states* no leader emerges although all goes well from then on."""
        leads: dict[State, bool] = {}
        for start in states:
            state, path = start, []
            while state not in leads and not any(map(_believes, state.candidates)):
                leads[state] = False  # Met again on its own path, it is a circle without a leader.
                path.append(state)
                state = self._essential(self._quiet_round(state))
            leads.update(dict.fromkeys(path, leads.get(state, True)))
        return [state for state in states if not leads.get(state, True)]

    def _quiet_round(self, state: State) -> State:
        """Whatever is late lands, both do what they can, and time passes."""
        for me in (0, 1):
            if state.candidates[me].late is not None:
                state = self._land(state, me)
            state = self._go_on(state, me)
            while state.candidates[me].call is not None:
                state = self._go_on(state, me)
        return self._tick(state)

    def steps(self, state: State) -> Iterator[State]:
        """What may happen next."""
        yield self._tick(state)
        for me, candidate in enumerate(state.candidates):
            yield self._go_on(state, me)
            if candidate.late is not None:
                yield self._land(state, me)
            if candidate.call is None:
                if self._with_release and candidate.held is not None and _believes(candidate):
                    release = Write(candidate.held.version, 0.0, releases=True)
                    yield _with(state, me, candidate._replace(held=None, call=release))
                continue
            # Its answer is lost, or nobody waits for it any more. A write may still land.
            given_up = candidate._replace(held=None, call=None)
            yield _with(state, me, given_up)
            if self._with_late and isinstance(candidate.call, Write) and candidate.late is None:
                late = candidate.call._replace(sent_at=0.0)
                yield _with(state, me, given_up._replace(late=late))

    def _essential(self, state: State) -> State:
        """The same state without what can make no difference to the true rules any more."""
        if self._rules == Rules():
            current = 0 if state.document is None else state.document.version
            ann, bob = state.candidates
            state = State(
                state.document, (_without_stale(ann, current), _without_stale(bob, current))
            )
        return _numbered_by_order(state)

    # ---------------------------------------------------------------------------- steps

    def _tick(self, state: State) -> State:
        ann, bob = state.candidates
        asking = self._rules.watch_from is not None
        older = (_older(ann, self._rates[0], asking), _older(bob, self._rates[1], asking))
        return State(state.document, older)

    def _land(self, state: State, me: int) -> State:
        candidate = state.candidates[me]
        assert candidate.late is not None
        landed = self._apply(state, me, candidate.late) or state
        return _with(landed, me, candidate._replace(late=None))

    def _go_on(self, state: State, me: int) -> State:
        """The next step of one candidate, when all goes well."""
        candidate = state.candidates[me]
        match candidate.call:
            case None:
                return _with(state, me, _begin(candidate))
            case Read(asked_at):
                return _with(state, me, candidate._replace(call=Answer(asked_at, state.document)))
            case Answer():
                return _with(state, me, self._decide(candidate, me, candidate.call))
            case Write() as write:
                after = self._apply(state, me, write)
                answer: Call = Refused() if candidate.held is not None else None
                if after is not None and not write.releases:
                    assert after.document is not None
                    answer = Acknowledged(after.document.version, write.sent_at)
                return _with(after or state, me, candidate._replace(call=answer))
            case Acknowledged() as acknowledged:
                return _with(state, me, self._hold(candidate, me, acknowledged))
            case Refused():
                return _with(state, me, candidate._replace(held=None, call=None))

    def _apply(self, state: State, me: int, write: Write) -> State | None:
        """The state with *write* applied; None if its condition does not hold."""
        current = state.document.version if state.document is not None else None
        if self._rules.conditional and current != write.over:
            return None
        return state._replace(
            document=Document(max(_present(state), default=0) + 1, me, write.releases)
        )

    def _decide(self, candidate: Candidate, me: int, answer: Answer) -> Candidate:
        seen = answer.seen
        if seen is not None and self._rules.is_taken_by(me, seen):
            held = HeldLock(seen.version, 0.0)
            return candidate._replace(held=held, memory=None, call=None)
        memory: Memory = None
        if seen is not None:
            stored = Stored(document=_lock(seen), version=Version(1, seen.version))
            watch_from = self._rules.watch_from
            now = 0.0 if watch_from is None else watch_from(answer.asked_at, 0.0)
            memory = self._rules.observe(_observed(candidate.memory), stored, now=now)
        move = self._rules.next_move(memory, leader_id=NAMES[me], now=0.0)
        over = None if memory is None else memory.version.seq_no
        call = None if move is Move.WAIT else Write(over, 0.0)
        return candidate._replace(memory=_watched(memory), call=call)

    def _hold(self, candidate: Candidate, me: int, answer: Acknowledged) -> Candidate:
        lock = _lock(Document(answer.version, me))
        stored = Stored(document=lock, version=Version(1, answer.version))
        held = self._rules.hold(stored, answer.sent_at, 0.0)
        kept = HeldLock(held.version.seq_no, held.sent_at)
        return candidate._replace(held=kept, memory=None, call=None)


def _begin(candidate: Candidate) -> Candidate:
    if candidate.held is not None and _believes(candidate):
        return candidate._replace(call=Write(candidate.held.version, 0.0))
    return candidate._replace(held=None, call=Read(0.0))


def _believes(candidate: Candidate) -> bool:
    return candidate.held is not None and _is_valid(candidate.held)


@cache
def _is_valid(held: HeldLock) -> bool:
    version = Version(1, held.version)
    lock = _lock(Document(held.version, 0))
    return Held(lock=lock, version=version, term=version, sent_at=held.sent_at).valid_until > 0.0


def _lock(document: Document) -> LeaderLock:
    return LOCKS[document.holder, document.released]


LOCKS: Final = {
    (holder, released): LeaderLock(
        leader_id=NAMES[holder],
        at=SOME_INSTANT,
        lease=Duration.of_seconds(LEASE),
        released=released,
    )
    for holder in (0, 1)
    for released in (False, True)
}


def _observed(watched: Watched | None) -> Memory:
    if watched is None:
        return None
    lock = LOCKS[watched.holder, watched.released]
    return Observed(lock=lock, version=Version(1, watched.version), since=watched.since)


def _watched(memory: Memory) -> Watched | None:
    if memory is None:
        return None
    holder = NAMES.index(memory.lock.leader_id)
    return Watched(memory.version.seq_no, holder, memory.lock.released, memory.since)


def _with(state: State, me: int, candidate: Candidate) -> State:
    ann, bob = state.candidates
    return State(state.document, (candidate, bob) if me == 0 else (ann, candidate))


@cache
def _older(candidate: Candidate, rate: float, asking: bool) -> Candidate:
    """With every time further back; beyond a lease it makes no difference."""

    def before(time: float) -> float:
        return max(time - rate, -LEASE)

    held, memory, call, late = candidate
    if held is not None:
        held = held._replace(sent_at=before(held.sent_at))
    if memory is not None:
        memory = memory._replace(since=before(memory.since))
    match call:
        case Write() | Acknowledged():
            call = call._replace(sent_at=before(call.sent_at))
        case Read() | Answer() if asking:
            call = call._replace(asked_at=before(call.asked_at))
        case _:
            pass
    return Candidate(held, memory, call, late)


@cache
def _without_stale(candidate: Candidate, current: int) -> Candidate:
    """
    Without the versions on which nothing depends: all stale ones are called 0.

    A write over a stale version fails; one that is late besides is of no interest to anybody.
    """
    held, memory, call, late = candidate
    if held is not None and held.version != current:
        held = held._replace(version=0)
    if late is not None and (late.over or 0) != current:
        late = None
    answered = call.seen.version if isinstance(call, Answer) and call.seen is not None else current
    if memory is not None and memory.version not in (current, answered):
        memory = None
    if isinstance(call, Write) and (call.over or 0) != current:
        call = call._replace(over=0)
    if isinstance(call, Acknowledged) and call.version != current:
        call = call._replace(version=0)
    return Candidate(held, memory, call, late)


@cache
def _known_to(candidate: Candidate) -> tuple[int, ...]:
    """The versions that a candidate has in mind, or under way."""
    held, memory, call, late = candidate
    versions = [held and held.version, memory and memory.version, late and late.over]
    match call:
        case Answer(_, seen):
            versions.append(seen and seen.version)
        case Write(version) | Acknowledged(version):
            versions.append(version)
        case _:
            pass
    return tuple({version for version in versions if version})


def _present(state: State) -> list[int]:
    document, (ann, bob) = state
    latest = (document.version,) if document is not None else ()
    return sorted({*latest, *_known_to(ann), *_known_to(bob)})


def _numbered_by_order(state: State) -> State:
    """The same state with its versions numbered from 1 on; only their order matters."""
    present = _present(state)
    if not present or present[-1] == len(present):
        return state
    numbers = tuple(present)
    document, (ann, bob) = state
    if document is not None:
        document = document._replace(version=numbers.index(document.version) + 1)
    return State(document, (_renumbered(ann, numbers), _renumbered(bob, numbers)))


@cache
def _renumbered(candidate: Candidate, numbers: tuple[int, ...]) -> Candidate:
    held, memory, call, late = candidate

    def number(version: int) -> int:
        return numbers.index(version) + 1 if version else 0

    if held is not None:
        held = held._replace(version=number(held.version))
    if memory is not None:
        memory = memory._replace(version=number(memory.version))
    if late is not None and late.over is not None:
        late = late._replace(over=number(late.over))
    match call:
        case Answer(_, seen) if seen is not None:
            call = call._replace(seen=seen._replace(version=number(seen.version)))
        case Write(over) if over is not None:
            call = call._replace(over=number(over))
        case Acknowledged(version):
            call = call._replace(version=number(version))
        case _:
            pass
    return Candidate(held, memory, call, late)
