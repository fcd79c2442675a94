"""Many at once obey the rules that each would obey alone, and tell the truth in any trouble."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core import errors, lifecycle
from tasques.core.documents import Stored
from tasques.core.ports import Replace, TaskStore, Written
from tasques.core.queues import WorkerId
from tasques.core.service.batches import Outcome
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.service.creations import Creation
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import ClaimId, StoredTask, Task
from tasques.core.values import Duration
from tasques.testing.fake_runtime import FakeRuntime
from tasques.testing.faulty import FaultyTaskStore, WriteFault, seeded, seeded_reads
from tests.service.conftest import MINUTE
from tests.service.test_batches import DATA, WORKER, creation, key

IDS = st.sampled_from(["a", "b", "c", "d"])
CREATIONS = st.builds(
    creation, IDS | st.none(), key=IDS | st.none(), kind=st.sampled_from(["send", "else"])
).filter(lambda made: (made.new.id is None) != (made.idempotency_key is None))
OBJECTS = st.sampled_from([None, DATA])
WORKERS = st.sampled_from([WORKER, WORKER, WorkerId("other")])
CLAIMS = st.sampled_from([None, None, ClaimId("first"), ClaimId("second")])
WAITS = st.sampled_from([None, Duration(0), MINUTE])
OF_HELD = {"key": IDS.map(key), "worker": WORKERS, "claim_id": CLAIMS}
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(Complete, data=OBJECTS, **OF_HELD),
    st.builds(Report, data=OBJECTS, **OF_HELD),
    st.builds(Fail, data=OBJECTS, retry_in=WAITS, give_up=st.booleans(), **OF_HELD),
    st.builds(Unclaim, run_in=WAITS, **OF_HELD),
)


class EvenRuntime(FakeRuntime):
    """Its random numbers are all the same, in whatever order they are drawn."""

    def random(self) -> float:
        return 0.5


class Side:
    """A service on memory, with tasks that were claimed."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.runtime = EvenRuntime()
        self.store: TaskStore = MemoryBackend(self.runtime).tasks
        self.held = HeldTasks(self.runtime)
        self.tasks = TaskService(self.store, self.runtime, held=self.held)
        for id in ids:
            self._hold(id)

    def _hold(self, id: str) -> None:
        made = self.tasks.create(creation(id).new)
        task = lifecycle.claim(
            made.document, worker=WORKER, now=self.runtime.wall(), claim_id=ClaimId("first")
        )
        (replaced,) = self.store.write([Replace(document=task, expected=made.version)])
        assert isinstance(replaced, Written)
        # One of them was claimed elsewhere, as far as this server knows.
        if id != "a":
            self.held.keep(replaced.stored)

    def documents(self) -> list[object]:
        read = self.store.get([key(id) for id in "abcd"])
        return [comparable(each) if isinstance(each, Stored) else each for each in read]


def comparable(outcome: Outcome) -> object:
    """*outcome* without what is drawn at random."""
    if isinstance(outcome, Exception):
        return type(outcome), str(outcome)
    extensions = attrs.evolve(outcome.document.extensions, operation=None, created_digest=None)
    return attrs.evolve(outcome.document, extensions=extensions)


def alone(do: Callable[[], StoredTask]) -> Outcome:
    try:
        return do()
    except errors.TasquesError as error:
        return error


@given(st.lists(IDS, unique=True), st.lists(CREATIONS, max_size=8))
def test_many_creations_are_what_each_would_be(ids: list[str], wanted: list[Creation]) -> None:
    """The same outcomes, in order, and the same tasks afterwards."""
    one, many = Side(ids), Side(ids)
    single = [
        alone(lambda each=each: one.tasks.create(each.new, idempotency_key=each.idempotency_key))  # type: ignore[misc]
        for each in wanted
    ]
    together = many.tasks.create_many(wanted)
    assert [comparable(each) for each in together] == [comparable(each) for each in single]
    assert many.documents() == one.documents()


def change(tasks: TaskService, asked: Change) -> StoredTask:
    """*asked* as a request of its own."""
    match asked:
        case Complete(key=key, worker=worker, data=data, claim_id=claim_id):
            return tasks.complete(key, worker=worker, data=data, claim_id=claim_id)
        case Report(key=key, worker=worker, data=data, claim_id=claim_id):
            return tasks.report(key, worker=worker, data=data, claim_id=claim_id)
        case Unclaim(key=key, worker=worker, run_in=run_in, claim_id=claim_id):
            return tasks.unclaim(key, worker=worker, run_in=run_in, claim_id=claim_id)
        case Fail(key=key, worker=worker, claim_id=claim_id):
            return tasks.fail(
                key,
                worker=worker,
                data=asked.data,
                retry_in=asked.retry_in,
                give_up=asked.give_up,
                claim_id=claim_id,
            )


@given(st.lists(IDS, unique=True), st.lists(CHANGES, max_size=8))
def test_many_changes_are_what_each_would_be(ids: list[str], asked: list[Change]) -> None:
    """The same outcomes, in order, and the same tasks afterwards; twice over, as a client would."""
    one, many = Side(ids), Side(ids)
    for _ in range(2):
        single = [alone(lambda each=each: change(one.tasks, each)) for each in asked]  # type: ignore[misc]
        together = many.tasks.change_many(asked)
        assert [comparable(each) for each in together] == [comparable(each) for each in single]
        assert many.documents() == one.documents()


RATES = {fault: 0.07 for fault in WriteFault}


@given(st.integers(0, 2**32), st.lists(IDS, unique=True), st.lists(CREATIONS, max_size=6))
def test_no_outcome_of_a_creation_lies(seed: int, ids: list[str], wanted: list[Creation]) -> None:
    """Whatever goes wrong: what is said to be there is, and what is said not to be is not."""
    side = Side(ids)
    before = dict(zip("abcd", side.documents(), strict=True))
    faulty = FaultyTaskStore(side.store, writes=seeded(seed, RATES), reads=seeded_reads(seed, 0.1))
    outcomes = TaskService(faulty, side.runtime).create_many(wanted)
    assert len(outcomes) == len(wanted)
    for each, outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, Stored):
            (read,) = side.store.get([outcome.document.key])
            assert isinstance(read, Stored)
            assert outcome.document.kind == each.new.kind
            assert read.document.extensions.created_digest is not None
        elif isinstance(outcome, errors.TaskAlreadyExists) and each.new.id is not None:
            made = [
                other
                for item, other in zip(wanted, outcomes, strict=True)
                if item.new.id == each.new.id and not isinstance(other, errors.TaskAlreadyExists)
            ]
            # Somebody has it: an older task, or another item that may have been made.
            assert isinstance(before[each.new.id], Task) or made


@given(st.integers(0, 2**32), st.lists(CHANGES, max_size=6, unique_by=lambda c: c.key))
def test_no_outcome_of_a_change_lies(seed: int, asked: list[Change]) -> None:
    """Whatever goes wrong: done is done, and refused was not done."""
    side = Side("abcd")
    before = dict(zip("abcd", side.documents(), strict=True))
    faulty = FaultyTaskStore(side.store, writes=seeded(seed, RATES), reads=seeded_reads(seed, 0.1))
    service = TaskService(faulty, side.runtime, held=side.held)
    outcomes = service.change_many(asked)
    after = dict(zip("abcd", side.documents(), strict=True))
    for each, outcome in zip(asked, outcomes, strict=True):
        if isinstance(outcome, Stored):
            assert comparable(outcome) == after[each.key.id]
            assert comparable(outcome) != before[each.key.id]
        elif not isinstance(outcome, errors.OutcomeUnknown):
            assert after[each.key.id] == before[each.key.id]
    untouched = set("abcd") - {each.key.id for each in asked}
    for id in untouched:
        assert after[id] == before[id]


def test_trouble_is_really_met() -> None:
    """The two above would prove nothing where nothing goes wrong."""
    side = Side("abcd")
    faulty = FaultyTaskStore(side.store, writes=seeded(1, RATES))
    TaskService(faulty, side.runtime).create_many([creation() for _ in range(200)])
    assert set(faulty.injected) == set(WriteFault)
