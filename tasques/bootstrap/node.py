"""One server's use cases on a backend, with its background work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from tasques.bootstrap.measurements import background_counts, present_state
from tasques.core.ports import Backend, Neighbours, Runtime, TaskStore
from tasques.core.service.archiver import Archiver, ArchiverOptions
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.clock import ClockLimits, ClockWatch
from tasques.core.service.defaults import Defaults
from tasques.core.service.election import Election, Leadership
from tasques.core.service.filters import Filter, Filters
from tasques.core.service.group_commit import GroupCommit, HandIn
from tasques.core.service.health import Health
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.measured_store import MeasuredTaskStore
from tasques.core.service.meter import Meter
from tasques.core.service.nudges import Nudges
from tasques.core.service.observed_store import ObservedTaskStore
from tasques.core.service.observers import Observer, Observers
from tasques.core.service.operator_service import OperatorService
from tasques.core.service.queue_depths import QueueDepths
from tasques.core.service.queue_limits import QueueLimits
from tasques.core.service.queue_policies import QueuePolicies
from tasques.core.service.reaper import Reaper, ReaperOptions
from tasques.core.service.recurring_scheduler import RecurringScheduler, SchedulerOptions
from tasques.core.service.recurring_service import RecurringService
from tasques.core.service.services import Services
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration
from tasques.runtime import Loop, local_zone
from tasques.settings import Settings

_log = logging.getLogger(__name__)

#: Told of every task that began to wait here.
_OnWaiting: TypeAlias = Callable[[StoredTask], None]

_NONE: Final[Mapping[str, Observer]] = MappingProxyType({})
_LOOPS_STOP_WITHIN: Final = Duration.of_seconds(1)
#: How long plugins get to hear what happened last.
_REST_WITHIN: Final = Duration.of_seconds(2)
_OBSERVERS_STOP_WITHIN: Final = Duration.of_seconds(1)
#: Leadership is lost in seconds, so what concerns it does not wait longer after an error.
_LEADERS_AFTER_ERROR: Final = Duration.of_seconds(1)


@attrs.frozen(kw_only=True)
class Node:
    """
    One server's use cases on a backend, with its background work.

    Attributes:
        store: The backend's, with writes going together.
        loops: Started by :meth:`start`; without them nobody ends claims that time out, archives or
            stands for election, and health knows nothing.
    """

    backend: Backend
    store: TaskStore
    services: Services
    election: Election
    observers: Observers
    loops: tuple[Loop, ...]
    neighbours: Neighbours | None = None

    def start(self) -> None:
        """Begin the background work."""
        for loop in self.loops:
            loop.start()

    def stop(self) -> None:
        """End the background work and let go of the backend; the front has stopped before."""
        for loop in self.loops:
            if not loop.stop(_LOOPS_STOP_WITHIN):
                _log.warning("the loop %s did not end in time", loop.name)
        # After the loops: what a leader had under way is written, and nothing more will be.
        self.election.resign()
        if not self.observers.close(_OBSERVERS_STOP_WITHIN):
            _log.warning("plugins did not hear everything that happened")
        if self.neighbours is not None:
            self.neighbours.close()
        # Such as tasks of claims whose workers went while the server stopped: they wait at once then,
        # and not after their time-out.
        if isinstance(self.store, GroupCommit) and not self.store.come_to_rest(within=_REST_WITHIN):
            _log.warning("some writes that nobody waits for did not end in time")
        self.backend.close()


@attrs.frozen(kw_only=True)
class _Parts:
    """What everything else is put together from."""

    settings: Settings
    backend: Backend
    runtime: Runtime
    meter: Meter
    observers: Observers
    filters: Filters
    store: TaskStore
    hand_in: HandIn | None
    clock: ClockWatch


def _nobody(leadership: Leadership) -> None:
    """Nobody wants to know."""


def build(
    settings: Settings,
    backend: Backend,
    runtime: Runtime,
    *,
    on_leadership: Callable[[Leadership], None] = _nobody,
    observers: Mapping[str, Observer] = _NONE,
    filters: Sequence[Filter] = (),
    neighbours: Neighbours | None = None,
) -> Node:
    """
    Put one server's use cases together; starts and sends nothing.

    Args:
        on_leadership: Told when another leads than before; must not block.
        observers: Told what happens to tasks, by the name of each.
        filters: What producers and workers ask for goes through them.
        neighbours: Told of tasks that nobody waits for here; closed in the end.
    """
    parts = _parts(settings, backend, runtime, observers, filters)
    policies = QueuePolicies(
        backend.policies,
        runtime,
        patience=settings.tasks.completion_deadline,
        meter=parts.meter,
    )
    held = HeldTasks(runtime)
    claims = ClaimDispatcher(
        parts.store,
        runtime,
        policies=policies.known,
        is_prepared=policies.stay_fresh,
        prepare=policies.ensure_fresh,
        gate=parts.clock.ensure_trusted,
        let_pass=parts.filters.claim,
        held=held,
        hand_in=parts.hand_in,
        meter=parts.meter,
    )
    on_waiting, talking = _nudging(parts, claims, neighbours)
    tasks = _tasks(parts, on_waiting, held)
    reaper, archiver = _reaper(parts, on_waiting), _archiver(parts)
    election = _election(parts, on_leadership)
    scheduler = _scheduler(parts, on_waiting, election)
    health = Health(backend, runtime, parts.clock, leadership=lambda: election.leadership)
    depths = QueueDepths(parts.store, runtime)
    loops = (
        Loop("clock", parts.clock.step, runtime),
        Loop("health", health.step, runtime),
        Loop("reaper", reaper.step, runtime),
        Loop("policies", policies.step, runtime),
        Loop("queue depths", depths.step, runtime),
        Loop("archiver", archiver.step, runtime),
        Loop("election", election.step, runtime, after_error=_LEADERS_AFTER_ERROR),
        Loop("recurring tasks", scheduler.step, runtime, after_error=_LEADERS_AFTER_ERROR),
        *talking,
    )
    health.watch(loops)
    parts.meter.watch(depths.families)
    parts.meter.watch(lambda: present_state(claims, parts.clock, election, health))
    parts.meter.watch(lambda: background_counts(reaper, archiver, scheduler))
    parts.meter.watch(backend.measurements)
    services = Services(
        tasks=tasks,
        claims=claims,
        recurring=_recurring(parts, tasks),
        operators=_operators(parts, on_waiting),
        policies=policies,
        health=health,
        defaults=_defaults(settings),
        clock=parts.clock,
        reaper=reaper,
        meter=parts.meter,
        hand_in=parts.hand_in,
    )
    return Node(
        backend=backend,
        store=parts.store,
        services=services,
        election=election,
        observers=parts.observers,
        loops=loops,
        neighbours=neighbours,
    )


def _parts(
    settings: Settings,
    backend: Backend,
    runtime: Runtime,
    observers: Mapping[str, Observer],
    filters: Sequence[Filter],
) -> _Parts:
    meter = Meter(runtime)
    telling = Observers(observers, runtime, meter)
    store: TaskStore = MeasuredTaskStore(backend.tasks, runtime, meter)
    if observers:
        store = ObservedTaskStore(store, runtime, telling.tell)
    hand_in: HandIn | None = None
    if store.traits.is_remote:
        # Writes go together where a call costs a round trip.
        store = committing = GroupCommit(store, runtime)
        hand_in = committing.hand_in
        meter.watch(committing.families)
    return _Parts(
        settings=settings,
        backend=backend,
        runtime=runtime,
        meter=meter,
        observers=telling,
        filters=Filters(filters, runtime, meter),
        store=store,
        hand_in=hand_in,
        clock=ClockWatch(
            backend.server_time,
            runtime,
            ClockLimits(amber=settings.clock.amber, red=settings.clock.red),
        ),
    )


def _nudging(
    parts: _Parts, claims: ClaimDispatcher, neighbours: Neighbours | None
) -> tuple[_OnWaiting, Sequence[Loop]]:
    """Who hears of tasks, and what is to be done for that; all stay here where nobody else is known."""
    if neighbours is None:
        return claims.offer, ()
    nudges = Nudges(neighbours, claims, parts.store, parts.runtime, parts.meter)
    parts.meter.watch(neighbours.measurements)
    return nudges.offer, (
        Loop("told by neighbours", nudges.listen, parts.runtime),
        Loop("telling neighbours", nudges.speak, parts.runtime),
        Loop("whereabouts of neighbours", neighbours.look_up, parts.runtime),
    )


def _tasks(parts: _Parts, on_waiting: _OnWaiting, held: HeldTasks) -> TaskService:
    queues = parts.settings.queues
    limits = QueueLimits(parts.store, allow=queues.allow, maximum=queues.max or None)
    return TaskService(
        parts.store,
        parts.runtime,
        conflict_retries=parts.settings.tasks.defaults.version_conflict_retry_times,
        patience=parts.settings.tasks.completion_deadline,
        on_waiting=on_waiting,
        held=held,
        archive=parts.backend.archive,
        ensure_allowed=limits.ensure_allowed,
        let_pass=parts.filters.enqueue,
        meter=parts.meter,
    )


def _operators(parts: _Parts, on_waiting: _OnWaiting) -> OperatorService:
    return OperatorService(
        parts.store,
        parts.backend.archive,
        parts.runtime,
        on_waiting=on_waiting,
        patience=parts.settings.tasks.completion_deadline,
        meter=parts.meter,
    )


def _recurring(parts: _Parts, tasks: TaskService) -> RecurringService:
    return RecurringService(
        parts.backend.recurring_tasks,
        tasks,
        parts.runtime,
        conflict_retries=parts.settings.tasks.defaults.version_conflict_retry_times,
        patience=parts.settings.tasks.completion_deadline,
        local=local_zone(),
        meter=parts.meter,
    )


def _reaper(parts: _Parts, on_waiting: _OnWaiting) -> Reaper:
    reaping = parts.settings.recurring.timed_out_tasks_reaper
    return Reaper(
        parts.store,
        parts.runtime,
        options=ReaperOptions(
            interval=reaping.run_interval, margin=reaping.margin, page_size=reaping.scroll_size
        ),
        gate=parts.clock.ensure_steady,
        on_waiting=on_waiting,
    )


def _archiver(parts: _Parts) -> Archiver:
    archiving = parts.settings.recurring.tasks_archiver
    return Archiver(
        parts.store,
        parts.backend.archive,
        parts.backend.recurring_tasks,
        parts.runtime,
        options=ArchiverOptions(
            interval=archiving.run_interval,
            older_than=archiving.archive_older_than,
            page_size=archiving.scroll_size,
        ),
        gate=parts.clock.ensure_steady,
    )


def _election(parts: _Parts, on_leadership: Callable[[Leadership], None]) -> Election:
    lock = parts.settings.recurring.leader_lock

    def on_change(leadership: Leadership) -> None:
        _log_leadership(leadership)
        on_leadership(leadership)

    return Election(
        parts.backend.leader_locks,
        parts.runtime,
        lease=lock.leader_lock_lease,
        interval=lock.run_interval,
        gate=parts.clock.ensure_trusted,
        on_change=on_change,
        meter=parts.meter,
    )


def _log_leadership(leadership: Leadership) -> None:
    if leadership.is_here:
        _log.info("this server leads, as [%s]", leadership.leader_id)
    elif leadership.leader_id is not None:
        _log.info("[%s] leads", leadership.leader_id)
    else:
        _log.info("nobody is known to lead")


def _scheduler(parts: _Parts, on_waiting: _OnWaiting, election: Election) -> RecurringScheduler:
    syncing = parts.settings.recurring.recurring_tasks
    lease = parts.settings.recurring.leader_lock.leader_lock_lease
    return RecurringScheduler(
        parts.backend.recurring_tasks,
        parts.store,
        election,
        parts.runtime,
        options=SchedulerOptions(
            sync_interval=syncing.sync_run_interval,
            enforce_interval=syncing.enforce_sync_run_interval,
            # As long as it may take from one leader's death to the next one's first slot.
            on_time=Duration.of_seconds(2 * lease.seconds + 5),
        ),
        gate=parts.clock.ensure_steady,
        on_waiting=on_waiting,
        local=local_zone(),
        meter=parts.meter,
    )


def _defaults(settings: Settings) -> Defaults:
    defaults = settings.tasks.defaults
    amount = defaults.min_amount
    return Defaults(
        retry_times=defaults.retry_times,
        processing_timeout=defaults.worker_processing_timeout,
        claim_amount=defaults.claim_amount,
        min_amount=None if amount == "amount" else amount,
        block_for=defaults.block_for,
    )
