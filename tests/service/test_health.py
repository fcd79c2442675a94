"""Health: what is wrong, and whether requests should still be sent here."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.ports import Problem
from tasques.core.service.clock import ClockWatch
from tasques.core.service.election import Leadership
from tasques.core.service.health import Health
from tasques.core.values import Duration, Instant
from tests.service.conftest import START, QuickRuntime


class Ailing(MemoryBackend):
    """A backend whose problems and clock a test sets."""

    def __init__(self, runtime: QuickRuntime) -> None:
        super().__init__(runtime)
        self.problems: list[Problem] = []
        self.clock: Instant | None = None

    def check(self) -> Sequence[Problem]:
        return self.problems

    def server_time(self) -> Instant | None:
        return self.clock


@attrs.define
class Work:
    """Something in the background."""

    name: str = "reaper"
    last_error: str | None = None


@pytest.fixture
def backend(runtime: QuickRuntime) -> Ailing:
    return Ailing(runtime)


@pytest.fixture
def clock(backend: Ailing, runtime: QuickRuntime) -> ClockWatch:
    return ClockWatch(backend.server_time, runtime)


@pytest.fixture
def health(backend: Ailing, runtime: QuickRuntime, clock: ClockWatch) -> Health:
    return Health(backend, runtime, clock)


def codes(health: Health) -> list[str]:
    return [problem.code for problem in health.readiness().problems]


def test_nobody_is_sent_to_a_server_that_has_not_looked_yet(health: Health) -> None:
    """Ready only once the backend was found well."""
    assert not health.readiness().ready
    health.step()
    assert health.readiness().ready
    assert codes(health) == []


def test_it_turns_red_and_green_with_the_backend(health: Health, backend: Ailing) -> None:
    """By itself, at the next look."""
    health.step()
    backend.problems = [Problem(code="unreachable", message="no answer")]
    health.step()
    assert not health.readiness().ready
    assert codes(health) == ["unreachable"]
    backend.problems = []
    health.step()
    assert health.readiness().ready


def test_what_is_not_fatal_is_said_and_serves_on(health: Health, backend: Ailing) -> None:
    """Somebody should look, and requests go on."""
    backend.problems = [Problem(code="mapping_drift", message="…", fatal=False)]
    health.step()
    assert health.readiness().ready
    assert codes(health) == ["mapping_drift"]


def test_a_clock_that_is_far_off_is_red(
    health: Health, backend: Ailing, clock: ClockWatch, runtime: QuickRuntime
) -> None:
    """It shows by how much."""
    backend.clock = START
    runtime.now = START.plus(Duration.of_seconds(3600))
    clock.step()
    health.step()
    readiness = health.readiness()
    assert not readiness.ready
    assert codes(health) == ["clock_skew"]
    assert readiness.clock_skew is not None
    assert round(readiness.clock_skew.seconds) == 3600


def test_draining_is_red_for_good(health: Health) -> None:
    """Whatever the backend says."""
    health.step()
    health.start_draining()
    health.step()
    assert not health.readiness().ready
    assert codes(health) == ["draining"]


def test_background_work_that_fails_is_shown(health: Health) -> None:
    """As long as it fails; requests go on."""
    work = Work()
    health.watch([work])
    health.step()
    work.last_error = "ValueError: no"
    assert codes(health) == ["background_work"]
    assert health.readiness().ready
    work.last_error = None
    assert codes(health) == []


def test_it_is_known_who_leads(backend: Ailing, runtime: QuickRuntime, clock: ClockWatch) -> None:
    """As of when it is asked for; nothing is known where nobody stands for election."""
    known = [Leadership(), Leadership(leader_id="leader-7f", is_here=True, since=START)]
    health = Health(backend, runtime, clock, leadership=lambda: known[0])
    assert health.readiness().leadership == Leadership()
    known.pop(0)
    assert health.readiness().leadership == known[0]
    assert Health(backend, runtime, clock).readiness().leadership is None
