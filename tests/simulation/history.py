"""
One seed, one history, one verdict.

:func:`run` plays a history: servers come up, clients work while faults happen, then everything heals
and the rest is done in quiet; the auditor has the last word. :func:`tell` plays it once more and
writes down who did what, when, and with what outcome.
"""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

import attrs

from tasques.core import retry
from tasques.core.values import Instant
from tests.simulation.faults import Fault
from tests.simulation.properties import LEGAL_WAIT, WAITING, Violation
from tests.simulation.runtime import EPOCH
from tests.simulation.workload import Size, Workload
from tests.simulation.world import FAULTS_UNTIL, SHARDS_ONLY_EVERY, SLOTS_SETTLE_WITHIN, World

#: After these, an archiver may have left two copies behind, which nobody meets any more.
_INTERRUPTING: Final = (Fault.KILL, Fault.DRAIN, Fault.PAUSE, Fault.CUT, Fault.RESTART)

#: A backoff as short as everything else is: one of 15 to 45 s would outlast most histories.
_BACKOFF: Final = {"BASE_SECONDS": 2, "SPREAD_SECONDS": 5}

#: After healing, so long at most until everything has drained.
QUIET: Final = LEGAL_WAIT + 10.0


@attrs.frozen
class Verdict:
    """
    What came of one history.

    Attributes:
        writes: Audited.
        kinds: The same by what was written.
        steps: Switch points.
        trace: The same for the same seed, in every process.
    """

    seed: int
    violation: Violation | None
    writes: int
    steps: int
    trace: int
    seconds: float
    faults: Counter[Fault]
    answers: Counter[str]
    kinds: Counter[str]
    longest: dict[str, float]


def run(seed: int, size: Size | None = None, note: Callable[[str], None] | None = None) -> Verdict:
    """Play the history of *seed*."""
    world = World(seed, note)
    with _Quietly(world):
        return _play(world, size or _size(seed))


def _size(seed: int) -> Size:
    if seed % SHARDS_ONLY_EVERY == 0:
        # Who is delayed has to be under way with others; and they have little else to do.
        return Size(producers=6, workers=6)
    return Size(servers=2 + seed % 2, owners=(seed // 2) % 2)


def _play(world: World, size: Size) -> Verdict:
    scheduler, auditor = world.scheduler, world.auditor
    workload = Workload(world, size)
    for place in range(size.servers):
        world.boot(place)
    workload.start()
    world.plan(world.faults.happenings)
    scheduler.run(FAULTS_UNTIL)
    if not scheduler.stopped:
        workload.is_quiet = True
        world.heal()
        workload.hire_up_to(3)
        until = FAULTS_UNTIL
        earliest = until + (SLOTS_SETTLE_WITHIN + 1.0 if size.owners else 0.0)
        while until < FAULTS_UNTIL + QUIET and not scheduler.stopped:
            until += 1.0
            scheduler.run(until)
            if not workload.producing and until >= earliest and _is_at_rest(world):
                break
        if not scheduler.stopped:
            wall = EPOCH + round(scheduler.now * 1e9)
            auditor.close(healed_at=FAULTS_UNTIL, wall=wall)
            world.background.close(
                healed_at=FAULTS_UNTIL,
                now=scheduler.now,
                wall=wall,
                undisturbed=not any(world.faults.counts[fault] for fault in _INTERRUPTING),
            )
    verdict = Verdict(
        seed=world.seed,
        violation=auditor.violation,
        writes=auditor.writes,
        steps=scheduler.steps,
        trace=scheduler.trace,
        seconds=scheduler.now,
        faults=world.faults.counts,
        answers=auditor.answers,
        kinds=auditor.kinds,
        longest=auditor.longest,
    )
    scheduler.close()
    return verdict


def _is_at_rest(world: World) -> bool:
    """Whether nothing more can happen that is not as it was: all is done, or later than the end."""
    end = Instant(EPOCH + round((FAULTS_UNTIL + QUIET) * 1e9))
    return not world.cluster.landing and all(
        task.state.is_final
        or task.recurring_task_id is not None
        or (task.state in WAITING and task.run_at > end)
        for task in (stored.document for stored in world.auditor.all_tasks())
    )


def tell(seed: int) -> list[str]:
    """The history of *seed*, line by line."""
    lines: list[str] = []
    world = World(seed, None)

    def note(text: str) -> None:
        lines.append(f"{world.scheduler.now:9.3f}  {text}")

    world = World(seed, note)
    with _Quietly(world):
        verdict = _play(world, _size(seed))
    lines.append(f"writes {verdict.writes}, steps {verdict.steps}, trace {verdict.trace:016x}")
    if verdict.violation is not None:
        lines.append(f"VIOLATION {verdict.violation}")
    return lines


class _Watch(logging.Handler):
    """What the services log: a traceback there is an error that nobody expected."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._world.auditor.crashed(None, record.exc_info[1], record.getMessage())


class _Quietly:
    """While a history runs nothing is logged, no garbage collected, and retries come soon."""

    def __init__(self, world: World) -> None:
        self._watch = _Watch(world)

    def __enter__(self) -> None:
        logger = logging.getLogger("tasques")
        self._before = (logger.level, logger.propagate)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        logger.addHandler(self._watch)
        self._backoff = {name: getattr(retry, name) for name in _BACKOFF}
        for name, seconds in _BACKOFF.items():
            setattr(retry, name, seconds)
        # Greenlets that are collected unwind: at a time that no seed decides.
        self._collects = gc.isenabled()
        gc.disable()

    def __exit__(self, *error: object) -> None:
        logger = logging.getLogger("tasques")
        logger.level, logger.propagate = self._before
        logger.setLevel(self._before[0])
        logger.removeHandler(self._watch)
        for name, seconds in self._backoff.items():
            setattr(retry, name, seconds)
        if self._collects:
            gc.enable()
