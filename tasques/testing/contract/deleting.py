"""G1 to G6 and G11 for deletes: of documents of any kind."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest

from tasques.core.documents import Version
from tasques.core.ports import (
    Conflict,
    Create,
    Delete,
    Deleted,
    DocumentStore,
    Exists,
    Missing,
    Replace,
    Write,
    WriteOutcome,
    Written,
)
from tasques.testing.contract.kinds import TASKS, Kind
from tasques.testing.contract.racing import race
from tasques.testing.contract.store_fixtures import StoreFixtures, created, replaced

#: A store of any kind, since the suites mean the same for all.
Documents: TypeAlias = DocumentStore[Any, Any]

_THREADS = 8


def deletion(stored: Any) -> Delete[Any]:
    """The write that deletes *stored*."""
    return Delete(document=stored.document, expected=stored.version)


class DeletingContract(StoreFixtures):
    """Deletes; of tasks, unless the fixtures say else."""

    @pytest.fixture
    def kind(self) -> Kind[Any]:
        """What the documents are like."""
        return TASKS

    @pytest.fixture
    def documents(self, store: Documents) -> Documents:
        """The store of that kind."""
        return store

    def test_what_is_deleted_is_gone_at_once(self, documents: Documents, kind: Kind[Any]) -> None:
        """G3, G6: on the version expected; its neighbour stays."""
        one, other = created(documents, kind.new(), kind.new())
        assert list(documents.write([deletion(one)])) == [Deleted()]
        assert list(documents.get([one.document.key, other.document.key])) == [Missing(), other]

    def test_a_version_that_has_moved_is_not_deleted(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G3: it conflicts, and changes nothing."""
        [first] = created(documents, kind.new())
        second = replaced(documents, first, kind.at(first.document, 1))
        term, number = second.version.primary_term, second.version.seq_no
        for wrong in (first.version, Version(term, number + 1), Version(term + 1, number)):
            delete = Delete(document=second.document, expected=wrong)
            assert list(documents.write([delete])) == [Conflict()]
            assert list(documents.get([second.document.key])) == [second]

    def test_what_is_not_there_cannot_be_deleted(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G3: before anything was ever written, beside others, and a second time."""
        never = kind.new()
        delete = Delete(document=never, expected=Version(1, 0))
        assert list(documents.write([delete])) == [Conflict()]
        [there] = created(documents, kind.new())
        assert list(documents.write([delete])) == [Conflict()]
        assert list(documents.write([deletion(there)])) == [Deleted()]
        assert list(documents.write([deletion(there)])) == [Conflict()]
        assert list(documents.get([never.key, there.document.key])) == [Missing()] * 2

    def test_a_key_is_free_again_and_its_versions_go_on(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G2, G3, G4: whoever still holds a version of the former document writes nothing."""
        [stored] = created(documents, kind.new())
        for number in range(1, 4):
            assert list(documents.write([deletion(stored)])) == [Deleted()]
            replace = Replace(document=kind.at(stored.document, 99), expected=stored.version)
            assert list(documents.write([replace])) == [Conflict()]
            [again] = created(documents, kind.at(stored.document, number))
            assert again.version > stored.version
            assert list(documents.write([deletion(stored), replace])) == [Conflict()] * 2
            assert list(documents.write([Create(document=stored.document)])) == [Exists()]
            assert list(documents.get([stored.document.key])) == [again]
            stored = again

    def test_deletes_go_together_with_other_writes(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G1, G5: each has its own outcome, at its place."""
        gone, moved, kept = created(documents, kind.new(), kind.new(), kind.new())
        fresh = replaced(documents, moved, kind.at(moved.document, 1))
        new = kind.new()
        writes: list[Write[Any]] = [
            deletion(gone),
            Create(document=new),
            deletion(moved),
            Replace(document=kind.at(kept.document, 2), expected=kept.version),
            deletion(fresh),
        ]
        # One write for a key in a call, so the last goes alone.
        outcomes = [*documents.write(writes[:-1]), *documents.write(writes[-1:])]
        kinds = [Deleted, Written, Conflict, Written, Deleted]
        assert [type(outcome) for outcome in outcomes] == kinds
        left = documents.get([gone.document.key, new.key, moved.document.key])
        assert [type(outcome) for outcome in left][::2] == [Missing, Missing]

    def test_of_racing_deletes_and_replaces_one_wins(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G3, G11: one write takes place on a version, and what is read afterwards is its work."""
        for _ in range(5):
            [stored] = created(documents, kind.new())
            writes: list[Write[Any]] = [
                deletion(stored)
                if number % 2
                else Replace(document=kind.at(stored.document, number + 1), expected=stored.version)
                for number in range(_THREADS)
            ]

            def write(number: int, writes: list[Write[Any]] = writes) -> WriteOutcome[Any]:
                return documents.write([writes[number]])[0]

            outcomes = race(write, _THREADS)
            assert outcomes.count(Conflict()) == _THREADS - 1
            [winner] = [outcome for outcome in outcomes if outcome != Conflict()]
            [left] = documents.get([stored.document.key])
            assert left == (winner.stored if isinstance(winner, Written) else Missing())

    def test_a_key_that_is_created_and_deleted_by_many_is_consistent(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G2, G3, G4, G11: its versions tell the order of what was acknowledged."""
        document = kind.new()

        def work(number: int) -> list[tuple[Version, bool]]:
            done: list[tuple[Version, bool]] = []
            for _ in range(5):
                [outcome] = documents.write([Create(document=kind.at(document, number + 1))])
                if isinstance(outcome, Written):
                    done.append((outcome.stored.version, True))
                    [gone] = documents.write([deletion(outcome.stored)])
                    # Only who created it knows the version, so nobody can come between.
                    assert gone == Deleted()
                    done.append((outcome.stored.version, False))
            return done

        lives = [version for done in race(work, 4) for version, is_new in done if is_new]
        assert len(lives) == len(set(lives)) >= 1
        [last] = created(documents, document)
        assert all(last.version > version for version in lives)
