"""
From a write to an answer that one can rely on.

A store's first word is not always the last: a conflict may be with our own earlier try, a write
whose answer was lost may still land. :class:`Settlement` follows one write until it is known what
became of it, or the deadline is over.

The rule: act only on an acknowledged compare-and-set, never on a read. A read that shows our own
token is confirmed by one more compare-and-set on the version just read, since a read may see a
write that exists only on an isolated primary. Every document carries the token of its write.

Source: elastic/elasticsearch, ``ConcurrentSeqNoVersioningIT``, which states what a compare-and-set
promises; reliability notes 1.1 and 4 (``resolve``).
"""

from __future__ import annotations

import hashlib
from typing import Final, Generic, TypeAlias, cast

import attrs

from tasques.core import errors
from tasques.core.documents import D, Stored
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    Blocked,
    Conflict,
    Create,
    DocumentStore,
    Exists,
    Invalid,
    Malformed,
    Missing,
    Rejected,
    Replace,
    Runtime,
    Seen,
    Unknown,
    WriteOutcome,
    Written,
    seen,
)
from tasques.core.ports.documents import K
from tasques.core.service.meter import Meter
from tasques.core.tasks import StoredTask, Task, TaskKey
from tasques.core.values import Duration

#: A conflict may be with this very write, applied behind an answer that was lost; once others have
#: replaced it, nothing tells. Others find it at a refresh, hardly ever so soon: so a look within so
#: long of the try makes a conflict a definite no, and a later one leaves a doubt.
_PROMPT_SECONDS: Final = 0.25
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0


@attrs.frozen
class Overtaken(Generic[D]):
    """
    Another write holds the document, or there is none (any more).

    Attributes:
        doubtful: Ours may have taken place before that, and have been replaced since: a try of it
            stayed unanswered. Else it did not, and never will.
    """

    current: Seen[D]
    doubtful: bool = False


@attrs.frozen
class Tried(Generic[D]):
    """
    A try of a write.

    Attributes:
        since: From when on it may have taken place, on the runtime's monotonic clock.
    """

    outcome: WriteOutcome[D]
    since: float


Settled: TypeAlias = Stored[D] | Overtaken[D]
#: What can be settled; a deletion leaves nothing behind by which its author could recognise it.
Settleable: TypeAlias = Create[D] | Replace[D]


def digest(*parts: str | int | bool | JsonObject | Duration | None) -> str:
    """What tells two requests apart: SHA-256 over *parts*, none of which can imitate another."""
    hashed = hashlib.sha256()
    for part in parts:
        text = "" if part is None else part.text if isinstance(part, JsonObject) else str(part)
        data = text.encode()
        hashed.update(b"%d:%d:" % (part is None, len(data)))
        hashed.update(data)
    return hashed.hexdigest()


class Settlement(Generic[K, D]):
    """
    Follows writes to their end, over one store.

    Args:
        meter: Counts how doubts ended.
    """

    def __init__(
        self, store: DocumentStore[K, D], runtime: Runtime, meter: Meter | None = None
    ) -> None:
        self._store = store
        self._runtime = runtime
        meter = meter or Meter(runtime)
        self._resolved = {
            resolution: meter.counter(
                "tasques_doubtful_writes_total",
                "Writes whose first outcome left a doubt, by how it ended.",
                resolution=resolution,
            )
            for resolution in ("confirmed", "written", "overtaken", "given_up")
        }

    def read(self, key: K, *, deadline: float) -> Seen[D]:
        """
        The present version, asked for again while the store is out of reach.

        Args:
            deadline: On the runtime's monotonic clock.

        Raises:
            StoreUnavailable: If it stayed out of reach until the deadline.
        """
        pause = _Pause(self._runtime, deadline)
        while True:
            try:
                return seen(self._store.get([key]))[0]
            except errors.StoreUnavailable:
                if not pause.take():
                    raise

    def settle(
        self,
        write: Settleable[D],
        *,
        deadline: float,
        first: Tried[D] | None = None,
        hold: bool = False,
    ) -> Settled[D]:
        """
        Write, and find out what became of it.

        Args:
            write: Must carry an operation whose token no other write has.
            deadline: On the runtime's monotonic clock; at least one try is made.
            first: A try already made.
            hold: Wait for a blocked store too, until the deadline.

        Raises:
            InvalidInput: The store will never take this document.
            StoreBlocked: It takes none at present.
            StoreUnavailable: It definitely did not happen, and the deadline is over.
            OutcomeUnknown: It may have happened, or still happen, and the deadline is over.
        """
        tried = first if first is not None else self._try(write)
        if isinstance(tried.outcome, Written):
            return tried.outcome.stored  # as nearly all are
        pause = _Pause(self._runtime, deadline)
        doubtful = False
        while True:
            outcome = tried.outcome
            match outcome:
                case Written(stored):
                    self._note("written", doubtful)
                    return stored
                case Invalid(reason):
                    raise errors.InvalidInput([errors.Fault("", "storable", reason)])
                case Blocked(reason) if not hold and not doubtful:
                    raise errors.StoreBlocked(reason)
                case Exists() | Conflict() | Unknown():
                    settled = self._look(write, deadline)
                    is_late = self._runtime.monotonic() - tried.since > _PROMPT_SECONDS
                    doubtful = doubtful or isinstance(outcome, Unknown) or is_late
                    if isinstance(settled, Overtaken):
                        doubtful = doubtful or settled.doubtful
                        self._note("overtaken", doubtful)
                        return attrs.evolve(settled, doubtful=doubtful)
                    if settled is not None:
                        self._note("confirmed", doubtful)
                        return settled
                    # Nor did the look make it one: ours may still land, or be there already.
                    doubtful = True
                case Blocked() | Rejected():
                    pass
            if not pause.take():
                self._note("given_up", doubtful)
                raise _given_up(outcome, doubtful=doubtful)
            tried = self._try(write)

    def give_up(self, outcome: WriteOutcome[D]) -> errors.Unavailable:
        """What to raise if an *outcome* that leaves a doubt is not looked into any more."""
        self._note("given_up", doubtful=True)
        return _given_up(outcome, doubtful=True)

    def _note(self, resolution: str, doubtful: bool) -> None:
        if doubtful:
            self._resolved[resolution].add()

    def confirm(
        self, read: Stored[D], *, deadline: float, first: Tried[D] | None = None
    ) -> Settled[D]:
        """
        Make sure of what was *read*, before anything is promised on the strength of it.

        Args:
            deadline: On the runtime's monotonic clock.
            first: A try of :func:`confirmation` already made.

        Raises:
            Unavailable: As :meth:`settle`.
        """
        return self.settle(confirmation(read), deadline=deadline, first=first, hold=True)

    def _try(self, write: Settleable[D]) -> Tried[D]:
        since = self._runtime.monotonic()
        return Tried(self._store.write([write])[0], since)

    def _look(self, write: Settleable[D], deadline: float) -> Settled[D] | None:
        """What a read says of *write*; None if nothing yet, and it is to be sent again."""
        try:
            current = self.read(cast(K, write.key), deadline=deadline)
        except errors.StoreUnavailable:
            return None
        if isinstance(current, Stored) and is_made_by(current, write):
            return self._confirm(current)
        if isinstance(write, Create):
            # Sending a create again is harmless, so a missing document is simply not there yet.
            return None if isinstance(current, Missing) else Overtaken(current)
        if isinstance(current, Missing):
            # Deleted, which hardly happens to what is still changed; or an isolated primary does not
            # know it yet, and ours may land elsewhere.
            return Overtaken(current, doubtful=True)
        if isinstance(current, Stored) and current.version <= write.expected:
            # Unchanged: our write may still land, and only one of the two can. Lower: a stale read.
            return None
        return Overtaken(current)

    def _confirm(self, current: Stored[D]) -> Stored[D] | None:
        outcome = self._try(confirmation(current)).outcome
        return outcome.stored if isinstance(outcome, Written) else None


def confirmation(read: Stored[D]) -> Replace[D]:
    """The write that makes sure of what was *read*: the same over itself, by whomever it is."""
    return Replace(document=read.document, expected=read.version)


def is_made_by(current: Stored[D], write: Settleable[D]) -> bool:
    """Whether *current* is what *write* made."""
    found, sent = current.document.operation, write.document.operation
    return found is not None and sent is not None and found.token == sent.token


def _given_up(outcome: WriteOutcome[D], *, doubtful: bool) -> errors.Unavailable:
    reason = getattr(outcome, "reason", "the document keeps changing")
    if doubtful:
        return errors.OutcomeUnknown(f"nobody knows whether the write took place: {reason}")
    if isinstance(outcome, Blocked):
        return errors.StoreBlocked(reason)
    return errors.StoreUnavailable(reason)


def refusal(error: errors.TasquesError, *, doubtful: bool) -> errors.TasquesError:
    """
    What to raise where a change is refused because of what others made of the document.

    It is *error*, unless an earlier try of the change may have taken place: then nobody may say that
    it was refused (see :attr:`Overtaken.doubtful`).
    """
    if not doubtful:
        return error
    return errors.OutcomeUnknown(f"it may have been done, and since then: {error}")


class _Pause:
    """
    Exponential backoff with full jitter, up to a deadline.

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, runtime: Runtime, deadline: float) -> None:
        self._runtime = runtime
        self._deadline = deadline
        self._longest = _FIRST_PAUSE_SECONDS

    def take(self) -> bool:
        """Sleep a while; False, without sleeping, if the deadline is over."""
        left = self._deadline - self._runtime.monotonic()
        if left <= 0:
            return False
        self._runtime.sleep(min(self._runtime.random() * self._longest, left))
        self._longest = min(self._longest * 2, _LONGEST_PAUSE_SECONDS)
        return True


def present(current: Seen[Task], key: TaskKey) -> StoredTask:
    """
    The task that was read.

    Raises:
        TaskNotFound: If there was none.
        MalformedTask: If it was no task.
    """
    if isinstance(current, Missing):
        raise errors.TaskNotFound(key.queue, key.id)
    if isinstance(current, Malformed):
        raise errors.MalformedTask(key.queue, key.id, current.reason)
    return current
