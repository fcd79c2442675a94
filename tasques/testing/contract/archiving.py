"""The archive: G1, G3 to G7, G10 and G11 for copies of finished tasks, in one place or in several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core.archive import ArchivedTask, ArchiveKey, StoredCopy, archive_key, plan_copy
from tasques.core.documents import Stored, Version
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    ArchiveStore,
    Backend,
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    Invalid,
    Malformed,
    Missing,
    Replace,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import State, Task, TaskKey
from tasques.testing import strategies
from tasques.testing.contract.racing import race
from tasques.testing.contract.reading import AWKWARD_IDS, AWKWARD_QUEUES, FREE_FORM
from tasques.testing.contract.store_fixtures import SHARED_STORE, Settle, StoreFixtures
from tasques.testing.examples import at, in_state

#: Lets new copies go to a new place from now on.
RollOver: TypeAlias = Callable[[], object]

#: Puts a document that is no copy where the copy of a task would lie.
PlantMalformedCopy: TypeAlias = Callable[[Task, int], None]

#: So many kinds of damage are asked for.
VARIETIES: Final = 10

_ORIGIN: Final = Version(1, 7)
_THREADS: Final = 8


def done(queue: str = "q", **changes: Any) -> Task:
    """A task that was done, with an id of its own unless *changes* says else."""
    return attrs.evolve(in_state(State.DONE, queue), **changes)


def copy_of(task: Task, origin: Version = _ORIGIN) -> ArchivedTask:
    """A copy of *task* that is not stored yet."""
    return ArchivedTask(task=task, origin=origin)


def stored_copy(outcome: WriteOutcome[ArchivedTask]) -> StoredCopy:
    """What was written; it must have been."""
    assert isinstance(outcome, Written), outcome
    return outcome.stored


def archived(archive: ArchiveStore, *tasks: Task) -> list[StoredCopy]:
    """New copies of *tasks*."""
    outcomes = archive.write([Create(document=copy_of(task)) for task in tasks])
    return [stored_copy(outcome) for outcome in outcomes]


def replaced_copy(archive: ArchiveStore, stored: StoredCopy, copy: ArchivedTask) -> StoredCopy:
    """*copy* in the place of *stored*."""
    [outcome] = archive.write([Replace(document=copy, expected=stored.version)])
    return stored_copy(outcome)


def copies_of(archive: ArchiveStore, task: Task) -> Sequence[StoredCopy | Malformed]:
    """All copies of *task*."""
    [copies] = archive.find_copies([archive_key(task)])
    return list(copies)


class _ArchiveFixtures(StoreFixtures):
    """The archive of the backend, empty at the start of a test."""

    @pytest.fixture
    def archive(self, backend: Backend) -> ArchiveStore:
        """The backend's archive."""
        return backend.archive


class _ArchiveContract(_ArchiveFixtures):
    """What holds whether there is one place or several."""

    # -------------------------------------------------------------------------------- writes

    def test_outcomes_come_in_the_order_of_the_writes(self, archive: ArchiveStore) -> None:
        """G1, G5: one outcome for each write, at its place, whatever kinds are mixed."""
        there, moved, gone = archived(archive, done(), done(), done())
        fresh = replaced_copy(archive, moved, moved.document)
        new_one, missing = copy_of(done()), copy_of(done("other"))
        writes: list[Write[ArchivedTask]] = [
            Create(document=new_one),
            Create(document=there.document),
            Replace(document=moved.document, expected=moved.version),
            Replace(document=fresh.document, expected=fresh.version),
            Replace(document=missing, expected=fresh.version),
            Delete(document=gone.document, expected=gone.version),
            Delete(document=missing, expected=gone.version),
            Delete(document=there.document, expected=fresh.version),
        ]
        outcomes = archive.write(writes)
        kinds = [Written, Exists, Conflict, Written, Conflict, Deleted, Conflict, Conflict]
        assert [type(outcome) for outcome in outcomes] == kinds
        assert stored_copy(outcomes[0]).document.task == new_one.task
        assert copies_of(archive, there.document.task) == [there]
        assert copies_of(archive, gone.document.task) == []
        assert copies_of(archive, missing.task) == []

    def test_nothing_asked_nothing_done(self, archive: ArchiveStore) -> None:
        """G1: empty batches have no outcomes."""
        assert list(archive.write([])) == []
        assert list(archive.find_copies([])) == []

    def test_a_new_copy_is_told_its_place(self, archive: ArchiveStore) -> None:
        """One that has none yet gets one, and a place given to a create means nothing."""
        [stored] = archived(archive, done())
        assert stored.document.place
        elsewhere = attrs.evolve(copy_of(done()), place="nowhere")
        [outcome] = archive.write([Create(document=elsewhere)])
        assert stored_copy(outcome).document.place == stored.document.place

    def test_a_copy_is_created_once_in_a_place(self, archive: ArchiveStore) -> None:
        """G2, as far as it goes: a second create meets the first, whatever version it copies."""
        [stored] = archived(archive, done())
        later = copy_of(stored.document.task, origin=Version(2, 1))
        assert archive.write([Create(document=later)]) == [Exists()]
        assert copies_of(archive, stored.document.task) == [stored]

    def test_a_write_that_comes_twice_in_one_call_is_done_once(self, archive: ArchiveStore) -> None:
        """G3: a caller that breaks its promise gets one ``Written`` all the same."""
        copy = copy_of(done())
        outcomes = archive.write([Create(document=copy)] * 2)
        assert sum(isinstance(outcome, Written) for outcome in outcomes) == 1
        assert len(copies_of(archive, copy.task)) == 1

    def test_a_replace_takes_the_place_of_the_version_expected(self, archive: ArchiveStore) -> None:
        """G3, G4: on the present version it is done, on any other it changes nothing."""
        [first] = archived(archive, done())
        changed = attrs.evolve(first.document.task, priority=5)
        copy = attrs.evolve(first.document, task=changed, origin=Version(1, 9))
        second = replaced_copy(archive, first, copy)
        assert second.document == copy
        assert second.version > first.version
        term, number = second.version.primary_term, second.version.seq_no
        for wrong in (first.version, Version(term, number + 1), Version(term + 1, number)):
            writes: list[Write[ArchivedTask]] = [
                Replace(document=first.document, expected=wrong),
                Delete(document=first.document, expected=wrong),
            ]
            for write in writes:
                assert archive.write([write]) == [Conflict()]
        assert copies_of(archive, changed) == [second]

    def test_a_deleted_copy_is_gone_and_may_come_again(
        self, archive: ArchiveStore, settle: Settle
    ) -> None:
        """G3, G4, G6: at once, for reads and searches; versions go on from where they were."""
        [first] = archived(archive, done())
        task = first.document.task
        delete = Delete(document=first.document, expected=first.version)
        assert archive.write([delete]) == [Deleted()]
        assert copies_of(archive, task) == []
        assert archive.write([delete]) == [Conflict()]
        assert archive.write([Replace(document=first.document, expected=first.version)]) == [
            Conflict()
        ]
        settle()
        assert archive.find_task(task.key) == Missing()
        [again] = archived(archive, task)
        assert again.version > first.version
        assert copies_of(archive, task) == [again]

    def test_where_there_is_nothing_everything_conflicts(self, archive: ArchiveStore) -> None:
        """G3: a replace or a delete makes neither a copy nor a place, wherever it says to go."""
        for place in ("", "nowhere"):
            copy = attrs.evolve(copy_of(done()), place=place)
            writes: list[Write[ArchivedTask]] = [
                Replace(document=copy, expected=Version(1, 0)),
                Delete(document=copy, expected=Version(1, 0)),
            ]
            for write in writes:
                assert archive.write([write]) == [Conflict()]
            assert copies_of(archive, copy.task) == []

    def test_what_no_store_can_hold_is_invalid_and_hurts_nobody(
        self, archive: ArchiveStore
    ) -> None:
        """G5: a number beyond 64 bits is refused for good, its neighbours are not."""
        unfit = [done(priority=2**63), done(retry_times=2**63)]
        tasks = [done(), *unfit, done()]
        outcomes = archive.write([Create(document=copy_of(task)) for task in tasks])
        kinds = [Written, Invalid, Invalid, Written]
        assert [type(outcome) for outcome in outcomes] == kinds
        for task in unfit:
            assert copies_of(archive, task) == []

    # --------------------------------------------------------------------------------- reads

    def test_copies_come_in_the_order_asked_for(self, archive: ArchiveStore) -> None:
        """G1, G6: one list for each key, as often as it is asked for, empty where there is none."""
        one, other = archived(archive, done("a"), done("b"))
        keys = [one.document.key, archive_key(done()), other.document.key, one.document.key]
        assert [list(copies) for copies in archive.find_copies(keys)] == [[one], [], [other], [one]]

    def test_an_archive_that_was_never_used_is_empty(self, archive: ArchiveStore) -> None:
        """G6: to whatever is asked of it."""
        assert copies_of(archive, done()) == []
        assert archive.find_task(done().key) == Missing()

    def test_many_are_archived_and_read_at_once(self, archive: ArchiveStore) -> None:
        """G1, G6: five hundred, of several queues."""
        stored = archived(archive, *(done("abc"[number % 3]) for number in range(500)))
        found = archive.find_copies([one.document.key for one in stored])
        assert [list(copies) for copies in found] == [[one] for one in stored]

    @settings(max_examples=20, suppress_health_check=SHARED_STORE)
    @given(copies=st.lists(strategies.archived_tasks(), max_size=15, unique_by=lambda c: c.key))
    def test_what_is_written_reads_back_equal(
        self, archive: ArchiveStore, copies: Sequence[ArchivedTask]
    ) -> None:
        """G7: every field, of any finished task with any history, and which version it copies."""
        before = archive.find_copies([copy.key for copy in copies])
        writes = [_over(copy, there) for copy, there in zip(copies, before, strict=True)]
        outcomes = [stored_copy(outcome) for outcome in archive.write(writes)]
        for outcome, copy in zip(outcomes, copies, strict=True):
            assert attrs.evolve(outcome.document, place="") == copy
        found = archive.find_copies([copy.key for copy in copies])
        assert [list(there) for there in found] == [[outcome] for outcome in outcomes]

    def test_free_form_objects_read_back_equal(self, archive: ArchiveStore) -> None:
        """G7: to the letter, whatever is inside, wherever a task carries them."""
        for value in FREE_FORM:
            [stored] = archived(archive, done(args=value, context=value))
            assert copies_of(archive, stored.document.task) == [stored]

    # ------------------------------------------------------------------------- tasks by name

    def test_an_archived_task_is_found_by_its_queue_and_id(
        self, archive: ArchiveStore, settle: Settle
    ) -> None:
        """G7: the whole task; the version is that of its copy, not the one it had in its queue."""
        [one, other] = archived(archive, done("a"), done("b"))
        settle()
        for stored in (one, other):
            task = stored.document.task
            assert archive.find_task(task.key) == Stored(document=task, version=stored.version)
        stranger = TaskKey(QueueName("b"), one.document.task.id)
        assert archive.find_task(stranger) == Missing()

    def test_every_name_names_itself(self, archive: ArchiveStore, settle: Settle) -> None:
        """G7: no character means anything, and the longest ids are found like the others."""
        args = JsonObject('{"n":1.10}')
        tasks = [done(id=TaskId(id), args=args) for id in AWKWARD_IDS]
        tasks += [done(name) for name in AWKWARD_QUEUES]
        archived(archive, *tasks)
        settle()
        for task in tasks:
            found = archive.find_task(task.key)
            assert isinstance(found, Stored)
            assert found.document == task

    def test_what_no_task_can_be_called_is_missing(
        self, archive: ArchiveStore, settle: Settle
    ) -> None:
        """G6: names that no store would take are those of nothing, and mean no pattern."""
        archived(archive, done("a", id=TaskId("t")))
        settle()
        names = [("a", "i" * 513), ("a", "i" * 40_000), ("a", "*"), ("a", ""), ("*", "t")]
        names += [
            ("A", "t"),
            ("a,a", "t"),
            ("q" * 300, "t"),
            ("", "t"),
            ("a\n", "t"),
            ("a", "\ud800"),
        ]
        for queue, id in names:
            assert archive.find_task(TaskKey(QueueName(queue), TaskId(id))) == Missing()

    def test_of_several_lives_the_last_is_found(
        self, archive: ArchiveStore, settle: Settle
    ) -> None:
        """An id may be used again once its task is archived; to the nanosecond."""
        id = TaskId("used-again")
        moments = [at(5), at(5.000000001), at(-9), at(0)]
        lives = [done(id=id, created_at=moment) for moment in moments]
        stored = archived(archive, *lives)
        assert len({one.document.key for one in stored}) == len(lives)
        settle()
        expected = Stored(document=lives[1], version=stored[1].version)
        assert archive.find_task(lives[0].key) == expected

    # ---------------------------------------------------------------------- several at a time

    def test_of_racing_creates_one_wins(self, archive: ArchiveStore) -> None:
        """G11: one ``Written``, all others ``Exists``, and the winner's copy is there."""
        for _ in range(3):
            task = done()
            mine = [copy_of(task, origin=Version(1, number)) for number in range(_THREADS)]
            outcomes = _race_writes(archive, [Create(document=copy) for copy in mine])
            winners = [outcome.stored for outcome in outcomes if isinstance(outcome, Written)]
            assert len(winners) == 1
            assert outcomes.count(Exists()) == _THREADS - 1
            assert copies_of(archive, task) == winners

    def test_of_racing_replaces_one_wins(self, archive: ArchiveStore) -> None:
        """G3, G11: one ``Written``, all others ``Conflict``, and the winner's copy is there."""
        for _ in range(3):
            [stored] = archived(archive, done())
            mine = [
                attrs.evolve(stored.document, origin=Version(2, number))
                for number in range(_THREADS)
            ]
            writes = [Replace(document=copy, expected=stored.version) for copy in mine]
            outcomes = _race_writes(archive, writes)
            winners = [outcome.stored for outcome in outcomes if isinstance(outcome, Written)]
            assert len(winners) == 1
            assert outcomes.count(Conflict()) == _THREADS - 1
            assert copies_of(archive, stored.document.task) == winners


class OnePlaceArchiveContract(_ArchiveContract):
    """An archive that has one place, for ever or as it is set up here."""

    def test_all_copies_lie_in_one_place(self, archive: ArchiveStore) -> None:
        """So a key has one copy at most, and a create settles it."""
        stored = [archived(archive, done("ab"[number % 2]))[0] for number in range(4)]
        assert len({one.document.place for one in stored}) == 1
        for one in stored:
            assert archive.write([Create(document=copy_of(one.document.task))]) == [Exists()]
            assert copies_of(archive, one.document.task) == [one]


class SeveralPlacesArchiveContract(_ArchiveContract):
    """
    An archive that begins a new place now and then.

    Beside ``backend`` and ``settle`` it needs the fixture ``roll_over``: a callable after which new
    copies go to a new place.
    """

    def test_new_copies_go_to_the_newest_place(
        self, archive: ArchiveStore, roll_over: RollOver
    ) -> None:
        """And the older ones stay where they are."""
        [old] = archived(archive, done())
        roll_over()
        [new] = archived(archive, done())
        assert old.document.place != new.document.place
        found = archive.find_copies([old.document.key, new.document.key])
        assert [list(copies) for copies in found] == [[old], [new]]

    def test_copies_in_several_places_are_all_shown_the_oldest_first(
        self, archive: ArchiveStore, roll_over: RollOver, settle: Settle
    ) -> None:
        """G2 says one ``Written`` in one place only; to a search they are one task."""
        task = done()
        stored = []
        for number in range(3):
            [outcome] = archive.write([Create(document=copy_of(task, Version(1, number)))])
            stored.append(stored_copy(outcome))
            roll_over()
        assert copies_of(archive, task) == stored
        assert len({one.document.place for one in stored}) == 3
        settle()
        found = archive.find_task(task.key)
        assert isinstance(found, Stored)
        assert found.document == task

    def test_copies_are_replaced_and_deleted_where_they_lie(
        self, archive: ArchiveStore, roll_over: RollOver
    ) -> None:
        """G3: each by its own place, and the others are left alone."""
        task = done()
        [first] = archived(archive, task)
        roll_over()
        [second] = archived(archive, task)
        roll_over()
        newer = replaced_copy(archive, first, attrs.evolve(first.document, origin=Version(3, 1)))
        assert newer.document.place == first.document.place
        assert copies_of(archive, task) == [newer, second]
        delete = Delete(document=second.document, expected=second.version)
        assert archive.write([delete]) == [Deleted()]
        assert copies_of(archive, task) == [newer]

    def test_one_copy_is_left_by_the_plan_of_the_core(
        self, archive: ArchiveStore, roll_over: RollOver
    ) -> None:
        """The oldest is brought up to date, and what a change of places left behind goes."""
        task = done()
        archived(archive, task)
        roll_over()
        archived(archive, task)
        later = attrs.evolve(task, modified_at=at(1))
        copies = [copy for copy in copies_of(archive, task) if isinstance(copy, Stored)]
        plan = plan_copy(Stored(document=later, version=Version(1, 99)), copies)
        assert plan.over is not None
        [outcome] = archive.write([Replace(document=plan.copy, expected=plan.over)])
        outcomes = archive.write(
            [Delete(document=one.document, expected=one.version) for one in plan.surplus]
        )
        assert list(outcomes) == [Deleted()]
        assert copies_of(archive, task) == [stored_copy(outcome)]
        assert stored_copy(outcome).document.origin == Version(1, 99)

    def test_of_several_lives_in_several_places_the_last_is_found(
        self, archive: ArchiveStore, roll_over: RollOver, settle: Settle
    ) -> None:
        """By when they were created, wherever they lie and whichever was archived last."""
        id = TaskId("used-again")
        for seconds in (1, 3, 2):
            archived(archive, done(id=id, created_at=at(seconds)))
            roll_over()
        settle()
        found = archive.find_task(TaskKey(QueueName("q"), id))
        assert isinstance(found, Stored)
        assert found.document.created_at == at(3)


class MalformedArchiveContract(_ArchiveFixtures):
    """
    G10, for backends whose archive can be written by others too.

    Beside ``backend`` and ``settle`` it needs the fixture ``plant_malformed_copy``: a callable that
    takes a task and a number, and puts a document that is no copy where the copy of that task would
    lie. It should still bear the task's queue and id, as far as its damage allows. Different
    numbers, from 0 on, may give different kinds of damage.
    """

    def test_a_malformed_copy_is_named_so(
        self, archive: ArchiveStore, plant_malformed_copy: PlantMalformedCopy
    ) -> None:
        """G10: with a reason; those read with it are not affected."""
        one, other = archived(archive, done(), done())
        for variety in range(VARIETIES):
            task = done()
            plant_malformed_copy(task, variety)
            keys: list[ArchiveKey] = [one.document.key, archive_key(task), other.document.key]
            first, [bad], second = archive.find_copies(keys)
            assert (list(first), list(second)) == ([one], [other])
            assert isinstance(bad, Malformed), variety
            assert bad.reason

    def test_a_bad_copy_keeps_its_key(
        self, archive: ArchiveStore, plant_malformed_copy: PlantMalformedCopy
    ) -> None:
        """G5, G10: a create does not take its place, and its neighbours are written."""
        task = done()
        archived(archive, done())
        plant_malformed_copy(task, 0)
        first, second = archive.write(
            [Create(document=copy_of(task)), Create(document=copy_of(done()))]
        )
        assert first == Exists()
        assert isinstance(second, Written)

    def test_a_good_life_is_found_beside_a_bad_one(
        self,
        archive: ArchiveStore,
        settle: Settle,
        plant_malformed_copy: PlantMalformedCopy,
    ) -> None:
        """G10: even where the bad ones are many and younger; alone, a bad one is called so."""
        good, bad = done(), done()
        for number in range(30):
            for task in (good, bad):
                plant_malformed_copy(attrs.evolve(task, created_at=at(number + 1)), 0)
        [stored] = archived(archive, good)
        settle()
        expected = Stored(document=good, version=stored.version)
        assert archive.find_task(good.key) == expected
        found = archive.find_task(bad.key)
        assert isinstance(found, Malformed)
        assert found.reason


def _over(copy: ArchivedTask, there: Sequence[StoredCopy | Malformed]) -> Write[ArchivedTask]:
    """The write that puts *copy*, in the place of what an earlier example may have left there."""
    if not there:
        return Create(document=copy)
    stored = there[0]
    assert isinstance(stored, Stored)
    return Replace(
        document=attrs.evolve(copy, place=stored.document.place), expected=stored.version
    )


def _race_writes(
    archive: ArchiveStore, writes: Sequence[Write[ArchivedTask]]
) -> list[WriteOutcome[ArchivedTask]]:
    return race(lambda number: archive.write([writes[number]])[0], len(writes))
