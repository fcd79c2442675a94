"""A store that fails on purpose, and only as a real one may."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core import lifecycle
from tasques.core.documents import Stored
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import (
    Blocked,
    ClaimableQuery,
    Conflict,
    Create,
    Exists,
    Malformed,
    Missing,
    Rejected,
    Replace,
    TaskStore,
    Unknown,
    Write,
    Written,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import NewTask, Task
from tasques.core.values import Duration
from tasques.testing.fake_runtime import START, FakeRuntime
from tasques.testing.faulty import FaultyTaskStore, WriteFault, scripted, seeded, seeded_reads


@pytest.fixture
def store() -> TaskStore:
    return MemoryBackend(FakeRuntime()).tasks


def queued(id: str = "t") -> Task:
    """A task that waits."""
    new = NewTask(
        queue=QueueName("q"), kind="k", retry_times=3, processing_timeout=Duration.of_seconds(1)
    )
    return lifecycle.create(new, id=TaskId(id), now=START)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (WriteFault.CONFLICT, Exists),
        (WriteFault.APPLIED_CONFLICT, Exists),
        (WriteFault.LOST_REPLY, Unknown),
        (WriteFault.LOST_REQUEST, Unknown),
        (WriteFault.REJECTED, Rejected),
        (WriteFault.BLOCKED, Blocked),
    ],
)
def test_what_happens_to_a_create(store: TaskStore, fault: WriteFault, told: type[object]) -> None:
    """Each fault tells its outcome, and the write took place or not as it says."""
    faulty = FaultyTaskStore(store, writes=scripted([fault]))
    [outcome] = faulty.write([Create(document=queued())])
    assert isinstance(outcome, told)
    [found] = store.get([queued().key])
    assert isinstance(found, Stored) is fault.is_applied
    assert faulty.injected == Counter({fault: 1})


@pytest.mark.parametrize("fault", [WriteFault.CONFLICT, WriteFault.APPLIED_CONFLICT])
def test_what_happens_to_a_replace(store: TaskStore, fault: WriteFault) -> None:
    """A lost race, or what looks like one."""
    [created] = store.write([Create(document=queued())])
    assert isinstance(created, Written)
    changed = attrs.evolve(queued(), priority=7)
    faulty = FaultyTaskStore(store, writes=scripted([fault]))
    write = Replace(document=changed, expected=created.stored.version)
    assert faulty.write([write]) == [Conflict()]
    [found] = store.get([queued().key])
    assert isinstance(found, Stored)
    assert found.document == (changed if fault.is_applied else queued())


def test_a_fault_leaves_its_neighbours_alone(store: TaskStore) -> None:
    """The others of a batch are written in one call, and outcomes keep their order."""
    script = [None, WriteFault.REJECTED, None, WriteFault.LOST_REPLY, None]
    faulty = FaultyTaskStore(store, writes=scripted(script))
    outcomes = faulty.write([Create(document=queued(id)) for id in "abcde"])
    kinds = [Written, Rejected, Written, Unknown, Written]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert [o.stored.document.id for o in outcomes if isinstance(o, Written)] == ["a", "c", "e"]
    assert [type(o) for o in faulty.get([queued(id).key for id in "abcde"])] == [
        Stored,
        Missing,
        Stored,
        Stored,
        Stored,
    ]


def test_a_script_ends(store: TaskStore) -> None:
    """Afterwards everything works."""
    faulty = FaultyTaskStore(store, writes=scripted([WriteFault.BLOCKED]))
    assert isinstance(faulty.write([Create(document=queued())])[0], Blocked)
    assert isinstance(faulty.write([Create(document=queued())])[0], Written)


def test_a_seed_gives_the_same_faults_at_about_the_rate_asked_for() -> None:
    """Chance that can be repeated."""
    rates = {WriteFault.CONFLICT: 0.2, WriteFault.LOST_REPLY: 0.1}
    write: Write[Task] = Create(document=queued())
    one, same = seeded(5, rates), seeded(5, rates)
    drawn = [one(write) for _ in range(2000)]
    assert drawn == [same(write) for _ in range(2000)]
    counts = Counter(drawn)
    assert counts[WriteFault.CONFLICT] == pytest.approx(400, rel=0.25)
    assert counts[WriteFault.LOST_REPLY] == pytest.approx(200, rel=0.25)
    assert counts[None] == pytest.approx(1400, rel=0.1)


@pytest.mark.parametrize(
    "rates", [{WriteFault.CONFLICT: 1.1}, {WriteFault.CONFLICT: -0.1, WriteFault.BLOCKED: 0.5}]
)
def test_chances_are_chances(rates: dict[WriteFault, float]) -> None:
    """Nothing is more likely than certain."""
    with pytest.raises(ValueError, match="rates"):
        seeded(0, rates)


def test_reads_fail_too(store: TaskStore) -> None:
    """Gets and searches find the store out of reach, writes do not."""
    faulty = FaultyTaskStore(store, reads=lambda: True)
    query = ClaimableQuery(queues=(), now=START, limit=1)
    for read in (
        lambda: faulty.get([queued().key]),
        lambda: faulty.find_claimable([query]),
        lambda: faulty.find_timed_out(before=START, limit=1),
    ):
        with pytest.raises(StoreUnavailable):
            read()
    assert isinstance(faulty.write([Create(document=queued())])[0], Written)
    failing = seeded_reads(3, 0.25)
    assert sum(failing() for _ in range(1000)) == pytest.approx(250, rel=0.25)


def test_a_document_can_be_poison(store: TaskStore) -> None:
    """Malformed to a get, not there for searches, in the way of writes; no good one is hidden."""
    tasks = [queued(id) for id in "abc"]
    faulty = FaultyTaskStore(store)
    faulty.write([Create(document=task) for task in tasks])
    faulty.plant_malformed(tasks[0].key, "no state")
    assert faulty.get([tasks[0].key]) == [Malformed("no state")]
    [found] = faulty.find_claimable([ClaimableQuery(queues=(), now=START, limit=2)])
    assert [stored.document.id for stored in found] == ["b", "c"]
    assert faulty.write([Create(document=tasks[0])]) == [Exists()]


def test_it_is_like_what_it_wraps(store: TaskStore) -> None:
    """The traits are the store's."""
    assert FaultyTaskStore(store).traits == store.traits
