"""What can be read off one server's services at any moment."""

from __future__ import annotations

from collections.abc import Iterator

from tasques.core.metrics import MetricFamily, MetricKind, Sample, counter, gauge
from tasques.core.service.archiver import Archiver
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.clock import ClockWatch
from tasques.core.service.election import Election
from tasques.core.service.health import Health
from tasques.core.service.reaper import Reaper
from tasques.core.service.recurring_scheduler import RecurringScheduler


def present_state(
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


def background_counts(
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
