"""Pausing queues: known everywhere soon, asked for only while somebody claims."""

from __future__ import annotations

import pytest

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core import errors
from tasques.core.ports import Create
from tasques.core.queues import QueueName
from tasques.core.service.queue_limits import QueueLimits
from tasques.core.service.queue_policies import QueuePolicies
from tasques.core.values import Duration
from tasques.testing.examples import queued
from tasques.testing.fake_runtime import FakeRuntime

MAIL = QueueName("mail")


class _Store:
    """The memory store, whose reads are counted and can fail."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._store = backend.policies
        self.reads = 0
        self.is_down = False

    def write(self, writes):
        return self._store.write(writes)

    def get(self, keys):
        return self._store.get(keys)

    def find_all(self):
        self.reads += 1
        if self.is_down:
            raise errors.StoreUnavailable("down")
        return self._store.find_all()


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def store(runtime: FakeRuntime) -> _Store:
    return _Store(MemoryBackend(runtime))


def is_paused(policies: QueuePolicies) -> bool:
    policy = policies.known().get(MAIL)
    return policy is not None and policy.is_paused


def test_the_policies_as_they_are_now(store: _Store, runtime: FakeRuntime) -> None:
    """Read anew each time, whoever changed them; trouble is told."""
    here, there = QueuePolicies(store, runtime), QueuePolicies(store, runtime)
    assert here.read() == {}
    there.pause(MAIL)
    assert here.read()[MAIL].is_paused
    store.is_down = True
    with pytest.raises(errors.StoreUnavailable):
        here.read()


def test_a_pause_is_known_here_at_once_and_elsewhere_after_a_poll(
    store: _Store, runtime: FakeRuntime
) -> None:
    """So does a resumption; doing it twice is no fault, and keeps the time of the first."""
    here, there = QueuePolicies(store, runtime), QueuePolicies(store, runtime)
    there.ensure_fresh()
    first = here.pause(MAIL)
    assert is_paused(here)
    assert not is_paused(there)
    runtime.advance(there.step())
    assert is_paused(there)
    assert here.pause(MAIL).paused_at == first.paused_at
    here.resume(MAIL)
    there.step()
    assert not is_paused(here)
    assert not is_paused(there)


def test_nothing_is_handed_out_before_they_were_read(store: _Store, runtime: FakeRuntime) -> None:
    """A server that starts while the store is down does not take paused queues for open ones."""
    store.is_down = True
    policies = QueuePolicies(store, runtime)
    with pytest.raises(errors.StoreUnavailable):
        policies.ensure_fresh()
    store.is_down = False
    policies.pause(MAIL)
    store.is_down = True
    runtime.advance(Duration.of_seconds(60))
    policies.ensure_fresh()
    assert is_paused(policies)


def test_they_are_read_only_while_somebody_claims(store: _Store, runtime: FakeRuntime) -> None:
    """A server that nobody asks for work asks nobody, and begins again with the next claim."""
    policies = QueuePolicies(store, runtime)
    for _ in range(30):
        runtime.advance(policies.step())
    assert store.reads == 0
    policies.ensure_fresh()
    for _ in range(30):
        runtime.advance(policies.step())
    assert 5 <= store.reads <= 15
    before = store.reads
    policies.ensure_fresh()
    policies.ensure_fresh()
    assert store.reads == before + 1


def test_who_may_not_wait_is_told_a_moment_before_they_are_read(
    store: _Store, runtime: FakeRuntime
) -> None:
    """So that nothing is read for a claim that follows soon after; and never read is not fresh."""
    policies = QueuePolicies(store, runtime)
    assert not policies.stay_fresh()
    policies.ensure_fresh()
    before = store.reads
    answers = []
    for _ in range(40):
        may_go_on = policies.stay_fresh()
        answers.append(may_go_on)
        runtime.advance(Duration.of_seconds(0.1))
        if may_go_on:
            policies.ensure_fresh()
            assert store.reads == before
    assert answers == sorted(answers, reverse=True)
    assert set(answers) == {True, False}


def test_a_queue_that_is_there_may_always_be_used() -> None:
    """A new one has to fit a pattern, and find room."""
    runtime = FakeRuntime()
    tasks = MemoryBackend(runtime).tasks
    tasks.write([Create(document=queued("legacy"))])
    limits = QueueLimits(tasks, allow=["mail-*"], maximum=2)
    limits.ensure_allowed(QueueName("legacy"))
    limits.ensure_allowed(QueueName("mail-a"))
    with pytest.raises(errors.InvalidInput, match=r"queues\.allow \(mail-\*\)"):
        limits.ensure_allowed(QueueName("mial-a"))
    tasks.write([Create(document=queued("mail-a"))])
    with pytest.raises(errors.InvalidInput, match=r"queues\.max"):
        limits.ensure_allowed(QueueName("mail-b"))
    limits.ensure_allowed(QueueName("mail-a"))


def test_without_rules_nothing_is_asked() -> None:
    """The ordinary creation costs nothing more."""
    runtime = FakeRuntime()

    class Unasked:
        def queue_names(self):
            raise AssertionError

    QueueLimits(Unasked()).ensure_allowed(MAIL)  # type: ignore[arg-type]
    del runtime
