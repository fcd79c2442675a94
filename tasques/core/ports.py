"""
What the core asks of the world: a store of tasks, and time and concurrency.

A store does one atomic thing: it writes one document on condition of its version. So the store
*proposes* candidates, the core *decides*, and the store *confirms each write or not*. No rule about
tasks lives in a store.

Every method takes and returns sequences, one outcome for each item, in order. An outcome is a
value, since a batch of a hundred has a hundred of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, TypeAlias

import attrs

from tasques.core.queues import QueueName
from tasques.core.tasks import StoredTask, Task, TaskKey, Version
from tasques.core.values import Duration, Instant

# ---------------------------------------------------------------------------------- writes


@attrs.frozen(kw_only=True)
class Create:
    """Store *task* as new; refused if its queue has the id."""

    task: Task

    @property
    def key(self) -> TaskKey:
        """The document this writes."""
        return self.task.key


@attrs.frozen(kw_only=True)
class Replace:
    """Store *task* in the place of the version *expected*; refused if that has moved."""

    task: Task
    expected: Version

    @property
    def key(self) -> TaskKey:
        """The document this writes."""
        return self.task.key


Write: TypeAlias = Create | Replace


@attrs.frozen
class Written:
    """The write took place, between call and answer, and will not be lost."""

    stored: StoredTask


@attrs.frozen
class Exists:
    """Not known to be created by us: the queue has the id, perhaps from an earlier try of ours."""


@attrs.frozen
class Conflict:
    """
    Not known to be ours: the version has moved, perhaps by an earlier try of ours.

    A document that is not there conflicts too.
    """


@attrs.frozen
class Rejected:
    """Definitely not done, for now: the store is too busy or not there. May be repeated."""

    reason: str


@attrs.frozen
class Blocked:
    """Definitely not done, until somebody acts: the store refuses writes (disk full)."""

    reason: str


@attrs.frozen
class Invalid:
    """Definitely not done, and never will be: the store does not accept this document."""

    reason: str


@attrs.frozen
class Unknown:
    """Sent, but not known to be done or not; it may still happen later."""

    reason: str


WriteOutcome: TypeAlias = Written | Exists | Conflict | Rejected | Blocked | Invalid | Unknown

# ----------------------------------------------------------------------------------- reads


@attrs.frozen
class Missing:
    """There is no such document."""


@attrs.frozen
class Malformed:
    """There is a document, and it is not a task; *reason* says why."""

    reason: str


ReadOutcome: TypeAlias = StoredTask | Missing | Malformed


@attrs.frozen(kw_only=True)
class ClaimableQuery:
    """
    Ask for tasks that can be claimed.

    Attributes:
        queues: Where to look, sorted and without doubles; empty for every queue.
        now: Due by then.
        limit: At most so many, the first in :attr:`~tasques.core.tasks.Task.claim_order`.
    """

    queues: tuple[QueueName, ...]
    now: Instant
    limit: int


@attrs.frozen(kw_only=True)
class StoreTraits:
    """
    In what stores differ, declared rather than asked by name.

    Attributes:
        visibility_lag: How long a write may take to be found by a search; zero: at once.
        is_remote: Whether a call costs a round trip, so that writes should go together.
    """

    visibility_lag: Duration
    is_remote: bool = True


class TaskStore(Protocol):
    """
    Where tasks are kept.

    Guarantees, each tested for every store by the contract suite:

    G1. Outcomes come one for each item, in the order of the items.
    G2. Of any number of creates of one key, at most one is ``Written``.
    G3. ``Written`` for a replace means that the version before was *expected*, and that no other
        write came between.
    G4. A write's version is greater than every earlier version of that document.
    G5. One item's failure leaves its neighbours alone.
    G6. ``get`` sees the last ``Written`` of every writer at once.
    G7. What was ``Written`` reads back equal in every field.
    G8. ``find_*`` propose: they may miss what was written within ``visibility_lag`` and may show
        versions that have moved. A replace on such a version conflicts.
    G9. ``find_claimable`` gives each query's candidates in claim order.
    G10. A document that is not a task is ``Malformed`` to ``get``, left out by ``find_*``, and
         hinders no other; no more than *limit* good ones are hidden by any number of bad ones.
    G11. All methods may be called from several threads at once.

    Reads raise :class:`~tasques.core.errors.StoreUnavailable`; writes never raise, their outcomes
    say it.
    """

    @property
    def traits(self) -> StoreTraits:
        """What this store is like."""

    def write(self, writes: Sequence[Write]) -> Sequence[WriteOutcome]:
        """Try each write, at most one for a key in one call; no outcome depends on another."""

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome]:
        """Read the present versions."""

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """Propose tasks to claim, for each query; a queue that does not exist holds none."""

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """
        Propose claimed tasks of all queues whose ``times_out_at`` is at or before *before*.

        At most *limit*, the longest over first.
        """


@attrs.frozen(kw_only=True)
class Problem:
    """
    Something that keeps a backend from being relied on.

    Attributes:
        code: Stable, for machines: ``unreachable``, ``templates_missing``, ``mapping_drift``.
        message: What is wrong and what to do, for a person.
        fatal: Whether the server must not take requests while it lasts.
    """

    code: str
    message: str
    fatal: bool = True


@attrs.frozen(kw_only=True)
class SetupStep:
    """
    One thing that ``setup`` found to do, or to be there already.

    Attributes:
        what: What it is about: ``index template .tasques_queues_index_template``.
        state: ``present``, ``missing``, ``different``, ``installed`` or ``updated``.
        detail: More, where there is more to say.
    """

    what: str
    state: str
    detail: str = ""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do here."""
        return self.state in ("present", "installed", "updated")


class Backend(Protocol):
    """
    A store with all that a server needs to run on it; what a plugin brings for a URL scheme.

    ``check`` and ``server_time`` may be called while the store is out of reach, and say so.
    """

    @property
    def url(self) -> str:
        """Where it is, without credentials; for logs and health."""

    @property
    def is_durable(self) -> bool:
        """Whether what was written outlives this process."""

    @property
    def tasks(self) -> TaskStore:
        """The store of tasks."""

    def check(self) -> Sequence[Problem]:
        """What is wrong just now, fatal or not; empty when all is well. Never raises."""

    def server_time(self) -> Instant | None:
        """
        The store's own wall clock, or None if it has none to compare with.

        Raises:
            StoreUnavailable: If it cannot be asked now.
        """

    def setup(self, *, apply: bool) -> Sequence[SetupStep]:
        """
        Install what is missing, or only say so; doing it twice changes nothing.

        Raises:
            StoreUnavailable: If the store cannot be reached or refuses.
        """

    def close(self) -> None:
        """Give back connections and threads; nothing is called afterwards."""


# --------------------------------------------------------------------------------- runtime


class Condition(Protocol):
    """A lock with waiting, as :class:`threading.Condition`."""

    def __enter__(self) -> bool:
        """Take the lock."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Give the lock back."""

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock back until notified or *timeout* seconds are over; False if over."""

    def notify(self, n: int = 1) -> None:
        """Wake up to *n* that wait."""

    def notify_all(self) -> None:
        """Wake all that wait."""


class Runtime(Protocol):
    """
    Time, randomness and concurrency: all that makes a run differ from another.

    With threads it is :class:`tasques.runtime.ThreadRuntime`; a simulator brings its own, in which
    every call here and every call of a port may switch to another actor. So locks come from here,
    and none is held across a call of a port.
    """

    def wall(self) -> Instant:
        """Now, on the wall; may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps back."""

    def sleep(self, seconds: float) -> None:
        """Let others run for so long."""

    def condition(self, sharing: Condition | None = None) -> Condition:
        """A new condition, with a lock of its own or that of *sharing*."""

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Run *target* beside everything else; it does not keep the process alive."""

    def random(self) -> float:
        """A number in ``[0, 1)``."""

    def new_id(self) -> str:
        """128 random bits as 32 lower-case hexadecimal digits."""
