"""Recurring tasks and leaders' locks: what their stores say beside that of all documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import attrs
import pytest

from tasques.core.documents import Version
from tasques.core.leadership import LOCK_NAME, LeaderLock
from tasques.core.ports import (
    Backend,
    Create,
    Exists,
    LeaderLockStore,
    Malformed,
    RecurringTaskStore,
    Written,
)
from tasques.core.recurring import RecurringTask, StoredRecurringTask
from tasques.testing.contract.deleting import Documents, deletion
from tasques.testing.contract.documents import DocumentStoreContract
from tasques.testing.contract.kinds import LEADER_LOCKS, RECURRING_TASKS, Kind
from tasques.testing.contract.reading import FREE_FORM
from tasques.testing.contract.store_fixtures import (
    Settle,
    StoreFixtures,
    created,
    replaced,
)
from tasques.testing.examples import NOW, at, leader_lock, recurring

#: Puts a document that is not of its kind under an id; see the contracts about malformed documents.
PlantMalformedDocument: TypeAlias = Callable[[str, int], None]

#: So many kinds of damage are asked for.
VARIETIES: Final = 8

_TERM: Final = Version(1, 1)

#: Ids of which each comes before the next, byte by byte in UTF-8; by UTF-16 or by a collation they
#: would not.
IN_ORDER: Final = ["A", "B", "a", "a b", "a/b", "aa", "b", "z", "\u00e9", "日本", "\uff5a", "🜚"]


def taken_up(document: RecurringTask) -> RecurringTask:
    """As a leader takes it up."""
    return document.taken_up(now=at(1), term=_TERM)


class _RecurringFixtures(StoreFixtures):
    @pytest.fixture
    def kind(self) -> Kind[Any]:
        """Recurring tasks."""
        return RECURRING_TASKS

    @pytest.fixture
    def documents(self, backend: Backend) -> Documents:
        """The backend's store of recurring tasks."""
        return backend.recurring_tasks

    @pytest.fixture
    def recurring_tasks(self, documents: RecurringTaskStore) -> RecurringTaskStore:
        """The same, with what can be searched for."""
        return documents


class RecurringTaskStoreContract(_RecurringFixtures, DocumentStoreContract):
    """What :class:`tasques.core.ports.RecurringTaskStore` says; G10 apart."""

    def test_all_are_found_sorted_by_id(self, recurring_tasks: RecurringTaskStore) -> None:
        """Bytewise in UTF-8, at once after the write, without settling."""
        stored = created(recurring_tasks, *(recurring(id) for id in reversed(IN_ORDER)))
        assert list(recurring_tasks.find_all()) == stored[::-1]

    def test_deleted_ones_are_not_among_all(self, recurring_tasks: RecurringTaskStore) -> None:
        """As soon as the deletion is acknowledged; the document stays."""
        one, other = created(recurring_tasks, recurring(), recurring())
        gone = replaced(recurring_tasks, one, one.document.deleted(now=NOW))
        assert list(recurring_tasks.find_all()) == [other]
        assert list(recurring_tasks.get([one.document.id])) == [gone]
        again = replaced(recurring_tasks, gone, recurring(one.document.id))
        assert list(recurring_tasks.find_all()) == [again, other]
        recurring_tasks.write([deletion(other)])
        assert list(recurring_tasks.find_all()) == [again]

    def test_however_many_there_are_all_are_found(
        self, recurring_tasks: RecurringTaskStore, settle: Settle
    ) -> None:
        """Twelve hundred, each once."""
        stored = created(recurring_tasks, *(recurring() for _ in range(1200)))
        assert list(recurring_tasks.find_all()) == stored
        settle()
        changed = sorted(recurring_tasks.find_changed(), key=_by_id)
        assert changed == stored

    def test_nothing_is_found_in_an_empty_store(self, recurring_tasks: RecurringTaskStore) -> None:
        """Before anything was ever written, searches find nothing and do not fail."""
        assert list(recurring_tasks.find_all()) == []
        assert list(recurring_tasks.find_changed()) == []

    def test_what_no_leader_has_taken_up_is_changed(
        self, recurring_tasks: RecurringTaskStore, settle: Settle
    ) -> None:
        """From a create, an update or a delete on, until a leader takes it up."""
        [stored] = created(recurring_tasks, recurring())

        def changed() -> list[StoredRecurringTask]:
            settle()
            return list(recurring_tasks.find_changed())

        assert changed() == [stored]
        stored = replaced(recurring_tasks, stored, taken_up(stored.document))
        assert changed() == []
        stored = replaced(recurring_tasks, stored, stored.document.updated(now=NOW))
        assert changed() == [stored]
        stored = replaced(recurring_tasks, stored, taken_up(stored.document))
        gone = replaced(recurring_tasks, stored, stored.document.deleted(now=NOW))
        assert changed() == [gone]
        replaced(recurring_tasks, gone, taken_up(gone.document))
        assert changed() == []

    def test_searches_give_whole_documents(
        self, recurring_tasks: RecurringTaskStore, settle: Settle
    ) -> None:
        """G7: with their versions, and free-form objects to the letter, as a read by id does."""
        new = [recurring() for _ in FREE_FORM]
        new = [
            attrs.evolve(one, definition=attrs.evolve(one.definition, args=value, context=value))
            for one, value in zip(new, FREE_FORM, strict=True)
        ]
        stored = created(recurring_tasks, *new)
        settle()
        assert list(recurring_tasks.find_all()) == stored
        assert sorted(recurring_tasks.find_changed(), key=_by_id) == stored
        assert list(recurring_tasks.get([one.id for one in new])) == stored


class _LockFixtures(StoreFixtures):
    @pytest.fixture
    def kind(self) -> Kind[Any]:
        """Locks."""
        return LEADER_LOCKS

    @pytest.fixture
    def documents(self, backend: Backend) -> Documents:
        """The backend's store of leaders' locks."""
        return backend.leader_locks


class LeaderLockStoreContract(_LockFixtures, DocumentStoreContract):
    """What :class:`tasques.core.ports.LeaderLockStore` says; G10 apart."""

    def test_a_lock_is_read_by_its_name(self, documents: LeaderLockStore) -> None:
        """The one of the original has a name of its own, and locks beside it are others."""
        lock: LeaderLock = leader_lock(LOCK_NAME)
        ours, other = created(documents, lock, leader_lock())
        assert list(documents.get([LOCK_NAME, other.document.name])) == [ours, other]


class _MalformedDocumentContract(StoreFixtures):
    """
    G10 for a kind of documents that others can write too.

    Beside the fixtures of :class:`DocumentStoreContract` it needs ``plant_malformed_document``: a
    callable that takes an id and a number, and puts there a document that is not of its kind.
    Different numbers, from 0 on, may give different kinds of damage.
    """

    def test_a_malformed_document_is_named_so(
        self,
        documents: Documents,
        kind: Kind[Any],
        plant_malformed_document: PlantMalformedDocument,
    ) -> None:
        """G10: to a get, with a reason; those read with it are not affected."""
        one, other = created(documents, kind.new(), kind.new())
        for variety in range(VARIETIES):
            plant_malformed_document(f"bad{variety}", variety)
            keys = [one.document.key, kind.key(f"bad{variety}"), other.document.key]
            first, bad, second = documents.get(keys)
            assert (first, second) == (one, other)
            assert isinstance(bad, Malformed), variety
            assert bad.reason

    def test_a_bad_one_keeps_its_id(
        self,
        documents: Documents,
        kind: Kind[Any],
        plant_malformed_document: PlantMalformedDocument,
    ) -> None:
        """G2, G10: a create does not take its place, and its neighbours are written."""
        created(documents, kind.new())
        plant_malformed_document("bad", 0)
        writes = [Create(document=kind.named("bad")), Create(document=kind.new())]
        first, second = documents.write(writes)
        assert first == Exists()
        assert isinstance(second, Written)
        assert isinstance(documents.get([kind.key("bad")])[0], Malformed)


class MalformedRecurringTaskContract(_RecurringFixtures, _MalformedDocumentContract):
    """G10 for recurring tasks."""

    def test_malformed_documents_are_left_out_of_searches(
        self,
        recurring_tasks: RecurringTaskStore,
        settle: Settle,
        plant_malformed_document: PlantMalformedDocument,
    ) -> None:
        """G10: however many there are, the good ones are found, the first time and the second."""
        one, other = created(recurring_tasks, recurring("a"), recurring("z"))
        for number in range(100):
            plant_malformed_document(f"bad{number}", number)
        settle()
        for _ in range(2):
            assert list(recurring_tasks.find_all()) == [one, other]
            assert sorted(recurring_tasks.find_changed(), key=_by_id) == [one, other]


class MalformedLeaderLockContract(_LockFixtures, _MalformedDocumentContract):
    """G10 for leaders' locks."""


def _by_id(stored: StoredRecurringTask) -> str:
    return stored.document.id
