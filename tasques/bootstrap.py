"""
The one place where everything is put together.

Adapters and fronts are imported only inside the functions that need them, so that a library with
the in-memory backend needs neither a web server nor a database client.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Final

import attrs
import pluggy

from tasques import hookspecs
from tasques.core import errors
from tasques.core.metrics import MetricFamily, MetricKind, Sample, counter, gauge
from tasques.core.ports import Backend, Runtime, TaskStore
from tasques.core.service.archiver import Archiver, ArchiverOptions
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.clock import ClockLimits, ClockWatch
from tasques.core.service.defaults import Defaults
from tasques.core.service.election import Election, Leadership
from tasques.core.service.group_commit import GroupCommit
from tasques.core.service.health import Health
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.measured_store import MeasuredTaskStore
from tasques.core.service.meter import Meter
from tasques.core.service.operator_service import OperatorService
from tasques.core.service.queue_depths import QueueDepths
from tasques.core.service.queue_limits import QueueLimits
from tasques.core.service.queue_policies import QueuePolicies
from tasques.core.service.reaper import Reaper, ReaperOptions
from tasques.core.service.recurring_scheduler import RecurringScheduler, SchedulerOptions
from tasques.core.service.recurring_service import RecurringService
from tasques.core.service.services import Services
from tasques.core.service.task_service import TaskService
from tasques.core.values import Duration
from tasques.runtime import Loop, ThreadRuntime, local_zone
from tasques.settings import Settings, backend_url

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from tasques.server.front import Front

_log = logging.getLogger(__name__)

_LOOPS_STOP_WITHIN: Final = Duration.of_seconds(1)
_ELECTION_AFTER_ERROR: Final = Duration.of_seconds(1)


def plugins() -> pluggy.PluginManager:
    """
    Every plugin that is installed, the built-in backends among them.

    Raises:
        pluggy.PluginValidationError: If one has a hook that there is not, or another signature.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.load_setuptools_entrypoints(hookspecs.PROJECT)
    manager.check_pending()
    return manager


def open_backend(settings: Settings, runtime: Runtime) -> Backend:
    """
    The backend that the settings name; nothing is sent to it yet.

    Raises:
        InvalidInput: If no plugin knows the scheme, or the rest of the URL makes no sense.
    """
    url = backend_url(settings)
    backend: Backend | None = plugins().hook.tasques_backend(
        url=url, options=settings.as_options(), runtime=runtime
    )
    if backend is None:
        scheme = url.partition(":")[0]
        raise errors.InvalidInput(
            [errors.Fault("backend", "backend", f"no plugin is installed for [{scheme}:]")]
        )
    return backend


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
    loops: tuple[Loop, ...]

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
        self.backend.close()


def build(settings: Settings, backend: Backend, runtime: Runtime) -> Node:
    """Put one server's use cases together; starts and sends nothing."""
    meter = Meter(runtime)
    store = _write_path(MeasuredTaskStore(backend.tasks, runtime, meter), runtime)
    clock = ClockWatch(
        backend.server_time,
        runtime,
        ClockLimits(amber=settings.clock.amber, red=settings.clock.red),
    )
    held = HeldTasks(runtime)
    policies = QueuePolicies(backend.policies, runtime, patience=settings.tasks.completion_deadline)
    claims = ClaimDispatcher(
        store,
        runtime,
        policies=policies.known,
        prepare=policies.ensure_fresh,
        gate=clock.ensure_trusted,
        held=held,
        meter=meter,
    )
    limits = QueueLimits(store, allow=settings.queues.allow, maximum=settings.queues.max or None)
    tasks = TaskService(
        store,
        runtime,
        conflict_retries=settings.tasks.defaults.version_conflict_retry_times,
        patience=settings.tasks.completion_deadline,
        on_waiting=claims.offer,
        held=held,
        archive=backend.archive,
        ensure_allowed=limits.ensure_allowed,
        meter=meter,
    )
    operators = OperatorService(
        store,
        backend.archive,
        runtime,
        on_waiting=claims.offer,
        patience=settings.tasks.completion_deadline,
        meter=meter,
    )
    reaping = settings.recurring.timed_out_tasks_reaper
    reaper = Reaper(
        store,
        runtime,
        options=ReaperOptions(
            interval=reaping.run_interval, margin=reaping.margin, page_size=reaping.scroll_size
        ),
        gate=clock.ensure_steady,
        on_waiting=claims.offer,
    )
    election = _election(settings, backend, runtime, clock, meter)
    scheduler = RecurringScheduler(
        backend.recurring_tasks,
        store,
        election,
        runtime,
        options=_scheduler_options(settings),
        gate=clock.ensure_steady,
        on_waiting=claims.offer,
        local=local_zone(),
        meter=meter,
    )
    recurring = RecurringService(
        backend.recurring_tasks,
        tasks,
        runtime,
        conflict_retries=settings.tasks.defaults.version_conflict_retry_times,
        patience=settings.tasks.completion_deadline,
        local=local_zone(),
        meter=meter,
    )
    archiver = _archiver(settings, backend, store, runtime, clock)
    depths = QueueDepths(store, runtime)
    health = Health(backend, runtime, clock, leadership=lambda: election.leadership)
    loops = (
        Loop("clock", clock.step, runtime),
        Loop("health", health.step, runtime),
        Loop("reaper", reaper.step, runtime),
        Loop("policies", policies.step, runtime),
        Loop("queue depths", depths.step, runtime),
        Loop("archiver", archiver.step, runtime),
        # Leadership is lost in seconds, so its loop does not wait longer after an error.
        Loop("election", election.step, runtime, after_error=_ELECTION_AFTER_ERROR),
        Loop("recurring tasks", scheduler.step, runtime, after_error=_ELECTION_AFTER_ERROR),
    )
    health.watch(loops)
    meter.watch(depths.families)
    meter.watch(lambda: _present_state(claims, clock, election, health))
    meter.watch(lambda: _background_counts(reaper, archiver, scheduler))
    meter.watch(backend.measurements)
    services = Services(
        tasks=tasks,
        claims=claims,
        recurring=recurring,
        operators=operators,
        policies=policies,
        health=health,
        defaults=_defaults(settings),
        clock=clock,
        reaper=reaper,
        meter=meter,
    )
    return Node(backend=backend, store=store, services=services, election=election, loops=loops)


def _present_state(
    claims: ClaimDispatcher, clock: ClockWatch, election: Election, health: Health
) -> Iterator[MetricFamily]:
    """What can be read off the services at any moment."""
    yield gauge("tasques_waiting_claims", "Claims that wait for tasks here.", claims.waiting)
    if (skew := clock.skew) is not None:
        yield gauge(
            "tasques_clock_skew_seconds",
            "How far this server's clock is ahead of the store's.",
            skew.seconds,
        )
    yield gauge("tasques_leading", "1 on the server that leads.", election.term() is not None)
    ready = health.readiness()
    yield gauge("tasques_ready", "1 while requests should be sent here.", ready.ready)
    yield MetricFamily(
        name="tasques_problems",
        kind=MetricKind.GAUGE,
        help="1 for each problem that health names.",
        samples=tuple(
            Sample((("code", code),), 1) for code in sorted({p.code for p in ready.problems})
        ),
    )


def _background_counts(
    reaper: Reaper, archiver: Archiver, scheduler: RecurringScheduler
) -> Iterator[MetricFamily]:
    """What the work in the background has done here so far."""
    yield counter("tasques_reaped_total", "Claims ended here by the clock.", reaper.reaped)
    yield counter(
        "tasques_expired_total", "Tasks ended here that nobody started in time.", reaper.expired
    )
    yield counter("tasques_archived_total", "Tasks moved to the archive here.", archiver.archived)
    yield counter(
        "tasques_slots_fired_total", "Slots of recurring tasks fired here.", scheduler.fired
    )
    yield counter(
        "tasques_slots_left_out_total", "Slots decided here to no task.", scheduler.left_out
    )


def _election(
    settings: Settings, backend: Backend, runtime: Runtime, clock: ClockWatch, meter: Meter
) -> Election:
    lock = settings.recurring.leader_lock
    return Election(
        backend.leader_locks,
        runtime,
        lease=lock.leader_lock_lease,
        interval=lock.run_interval,
        gate=clock.ensure_trusted,
        on_change=_log_leadership,
        meter=meter,
    )


def _log_leadership(leadership: Leadership) -> None:
    if leadership.is_here:
        _log.info("this server leads, as [%s]", leadership.leader_id)
    elif leadership.leader_id is not None:
        _log.info("[%s] leads", leadership.leader_id)
    else:
        _log.info("nobody is known to lead")


def _scheduler_options(settings: Settings) -> SchedulerOptions:
    syncing = settings.recurring.recurring_tasks
    lease = settings.recurring.leader_lock.leader_lock_lease
    return SchedulerOptions(
        sync_interval=syncing.sync_run_interval,
        enforce_interval=syncing.enforce_sync_run_interval,
        # As long as it may take from one leader's death to the next one's first slot.
        on_time=Duration.of_seconds(2 * lease.seconds + 5),
    )


def _archiver(
    settings: Settings, backend: Backend, store: TaskStore, runtime: Runtime, clock: ClockWatch
) -> Archiver:
    archiving = settings.recurring.tasks_archiver
    return Archiver(
        store,
        backend.archive,
        backend.recurring_tasks,
        runtime,
        options=ArchiverOptions(
            interval=archiving.run_interval,
            older_than=archiving.archive_older_than,
            page_size=archiving.scroll_size,
        ),
        gate=clock.ensure_steady,
    )


def _write_path(store: TaskStore, runtime: Runtime) -> TaskStore:
    return GroupCommit(store, runtime) if store.traits.is_remote else store


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


def serve(settings: Settings, *, announce: Callable[[str], None]) -> int:
    """
    Serve HTTP until SIGINT or SIGTERM, which must be the business of this thread.

    Args:
        announce: Told the address, once requests are answered there.

    Returns:
        The exit status: 0, or 1 if requests under way did not finish in time.

    Raises:
        TasquesError: If the backend cannot be used as it is, or the address cannot be listened on.
    """
    from tasques.server.app import create_app
    from tasques.server.front import Front
    from tasques.server.options import ServerOptions

    runtime = ThreadRuntime()
    backend = open_backend(settings, runtime)
    try:
        _refuse_unusable(backend)
        node = build(settings, backend, runtime)
        options = ServerOptions(
            address=settings.bind_address,
            users=settings.auth.basic_auth,
            waiting_claims=settings.http.waiting_claims,
            max_body_size=settings.http.max_body_size,
            max_header_size=settings.http.max_header_size,
            request_timeout=settings.http.request_timeout,
        )
        front = Front(create_app(node.services, options, mounted=_mounted(node)), options)
    except BaseException:
        backend.close()
        raise
    return _serve_until_told(node, front, settings.shutdown_timeout, announce)


def _mounted(node: Node) -> Mapping[str, WSGIApplication]:
    """What plugins serve beside the API, once they know where the measurements are."""
    from tasques.server.mounted import gathered

    hook = plugins().hook
    hook.tasques_metrics(collect=node.services.meter.collect)
    return gathered(hook.tasques_wsgi())


def _refuse_unusable(backend: Backend) -> None:
    # As the original: a server that could only say 503 had better not start, so that whoever
    # rolls it out notices. What goes wrong later turns readiness red, and heals by itself.
    fatal = [problem for problem in backend.check() if problem.fatal]
    if fatal:
        raise errors.StoreUnavailable("; ".join(f"{p.code}: {p.message}" for p in fatal))


def _serve_until_told(
    node: Node, front: Front, grace: Duration, announce: Callable[[str], None]
) -> int:
    stop = threading.Event()
    finished: list[bool] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            # Asked twice: whatever is under way is safe to be cut off, that is what compare-and-set
            # and time-outs are for.
            os._exit(1)
        stop.set()

    def drain() -> None:
        stop.wait()
        _log.info("stopping; requests under way have %s to finish", grace)
        node.services.health.start_draining()
        node.services.claims.close()
        finished.append(front.drain(grace))

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    node.services.clock.step()
    node.services.health.step()
    node.start()
    draining = threading.Thread(target=drain, name="drain")
    draining.start()
    announce(front.url)
    _log.info("listening on %s, with tasks in %s", front.url, node.backend.url)
    try:
        front.run()
    finally:
        stop.set()
        draining.join()
        node.stop()
    _log.info("stopped")
    return 0 if all(finished) else 1
