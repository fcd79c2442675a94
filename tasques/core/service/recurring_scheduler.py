"""
Takes up recurring tasks and fires their slots, on the server that leads.

A new leader first takes up all of them, which is a write to each: whatever a former leader has under
way conflicts from then on. Afterwards it looks for those that were changed, and now and then at all.
What is due it advances together, since many are due at full minutes
(:mod:`tasques.core.service.slot_firing`).

Source: wire contract, section 8; reliability notes 4.5 and 4.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Final

import attrs

from tasques.core.documents import Version
from tasques.core.ports import RecurringTaskStore, Runtime, TaskStore
from tasques.core.recurring import StoredRecurringTask
from tasques.core.service.agenda import Agenda, LeaderWrites, batches
from tasques.core.service.election import Election, NotLeading
from tasques.core.service.meter import Meter
from tasques.core.service.slot_firing import SlotFiring
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration, Instant

#: A server that does not lead looks so often whether it does by now; one that leads, whether a
#: slot has come.
_GLANCE: Final = Duration.of_seconds(1)


@attrs.frozen(kw_only=True)
class SchedulerOptions:
    """
    How often, and what counts as too late.

    Attributes:
        sync_interval: Between looks for recurring tasks that were changed.
        enforce_interval: Between looks at all of them.
        on_time: A slot met no later than this was not missed.
        patience: How long a write is followed up while the store is in trouble.
    """

    sync_interval: Duration = Duration.of_seconds(5)
    enforce_interval: Duration = Duration.of_seconds(60)
    on_time: Duration = Duration.of_seconds(15)
    patience: Duration = Duration.of_seconds(2)


def _nobody(stored: StoredTask) -> None:
    """Nobody wants to know."""


class RecurringScheduler:
    """
    Takes up changes and fires what is due, at each :meth:`step`.

    Args:
        gate: Raises an :class:`~tasques.core.errors.Unavailable` while the clock may not decide.
        on_waiting: Told of every task that was made.
        local: What the time zone ``Local`` means in an expression; None for UTC.
    """

    def __init__(
        self,
        store: RecurringTaskStore,
        tasks: TaskStore,
        election: Election,
        runtime: Runtime,
        *,
        options: SchedulerOptions = SchedulerOptions(),
        gate: Callable[[], None] = lambda: None,
        on_waiting: Callable[[StoredTask], None] = _nobody,
        local: tzinfo | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._store = store
        self._election = election
        self._runtime = runtime
        self._options = options
        self._gate = gate
        writes = LeaderWrites(election, runtime, options.patience)
        self._agenda = Agenda(store, writes, runtime, local=local, meter=meter)
        self._firing = SlotFiring(
            self._agenda,
            tasks,
            writes,
            runtime,
            on_time=options.on_time,
            on_waiting=on_waiting,
            meter=meter,
        )
        self._term: Version | None = None
        #: In which term, and when, a later one was met.
        self._met_later: tuple[Version, float] | None = None
        self._sync_at = self._enforce_at = 0.0

    @property
    def fired(self) -> int:
        """Tasks made here for slots so far."""
        return self._firing.fired

    @property
    def left_out(self) -> int:
        """Slots decided here to no task so far."""
        return self._firing.left_out

    def step(self) -> Duration:
        """
        Do what is due, if this server leads; returns when to do so again.

        Raises:
            Unavailable: If the clock may not decide, or the store cannot be read.
        """
        term = self._election.term()
        if term is None:
            self._forget()
            return _GLANCE
        self._gate()
        try:
            return self._lead(term)
        except NotLeading:
            self._forget()
            return _GLANCE

    def _lead(self, term: Version) -> Duration:
        now = self._runtime.monotonic()
        if term != self._term:
            self._forget()
        if self._term is None or now >= self._enforce_at:
            self._load_all(term)
        elif now >= self._sync_at:
            self._load_changed(term)
        for found in self._agenda.read_doubtful():
            self._take_up(found, term, in_doubt=True)
        return self._fire_due(term)

    def _fire_due(self, term: Version) -> Duration:
        """Advance what is due by one slot each; returns when there is more to do."""
        now = self._now()
        for batch in batches(self._agenda.due(now)):
            self._firing.advance(batch, now, term)
        now = self._runtime.wall()
        # Compared as instants: what lies in another age is too far off for a duration.
        return max(self._agenda.next_at(latest=now.plus(_GLANCE)), now).since(now)

    def _now(self) -> Instant:
        """
        The time to decide by.

        Whether the clock may decide is asked after it was read: a clock that jumps while recurring
        tasks are read would else decide the slots of hours to come.

        Raises:
            ClockUntrusted: If it may not.
        """
        now = self._runtime.wall()
        self._gate()
        return now

    def _forget(self) -> None:
        self._term = None
        self._agenda.forget()

    # ----------------------------------------------------------------------- taking up changes

    def _load_all(self, term: Version) -> None:
        found = self._store.find_all()
        self._agenda.keep_only({stored.document.id for stored in found})
        self._take_up(found, term)
        self._load_changed(term)
        self._term, self._met_later = term, None
        self._enforce_at = self._runtime.monotonic() + self._options.enforce_interval.seconds

    def _load_changed(self, term: Version) -> None:
        # A search: what it shows may have moved since, and what it misses is seen the next time.
        self._take_up(self._store.find_changed(), term)
        self._sync_at = self._runtime.monotonic() + self._options.sync_interval.seconds

    def _take_up(
        self, found: Iterable[StoredRecurringTask], term: Version, *, in_doubt: bool = False
    ) -> None:
        """
        Know *found*, and mark as taken up in *term* what is not.

        The mark is a write to every document, by which a new leader makes whatever a former one has
        under way conflict. What was read *in_doubt* is marked in any case: it may be what we wrote
        ourselves, on a primary that a failover discards, and no slot is fired on the strength of it.
        """
        marked = []
        for stored in found:
            if not in_doubt and not self._agenda.is_news(stored):
                continue
            task = stored.document
            if task.is_led_by_another(term):
                self._ensure_latest(term)
            if in_doubt or task.loaded_at is None or task.recurrence.term != term:
                marked.append((stored, task.taken_up(now=self._now(), term=term)))
            else:
                self._agenda.learn(stored)
        for batch in batches(marked):
            self._agenda.replace(batch, "take_up", term)

    def _ensure_latest(self, term: Version) -> None:
        """
        Pass if the lock was renewed in *term* since a later one was first met.

        A later leader would hold the lock. As none does, the number is from before the lock's index
        was deleted, and with it the count of its versions; nobody would ever lead again.

        Raises:
            NotLeading: If it was not, or not yet.
        """
        if self._met_later is None or self._met_later[0] != term:
            self._met_later = (term, self._runtime.monotonic())
        if not self._election.is_confirmed_since(self._met_later[1]):
            raise NotLeading("a later leader has written to a recurring task")
