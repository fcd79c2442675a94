"""G1 to G7 and G11 of :class:`tasques.core.ports.DocumentStore`, for documents of any kind."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core import queues
from tasques.core.documents import Stored, Version
from tasques.core.ports import (
    Conflict,
    Create,
    Exists,
    Invalid,
    Missing,
    Replace,
    Write,
    WriteOutcome,
    Written,
)
from tasques.testing.contract.deleting import DeletingContract, Documents, deletion
from tasques.testing.contract.kinds import Kind
from tasques.testing.contract.racing import race
from tasques.testing.contract.reading import AWKWARD_IDS
from tasques.testing.contract.store_fixtures import SHARED_STORE, created, must, replaced

_THREADS = 8


class DocumentStoreContract(DeletingContract):
    """The fixtures ``documents`` and ``kind`` give a store and what its documents are like."""

    # -------------------------------------------------------------------------------- writes

    def test_outcomes_come_in_the_order_of_the_writes(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G1: one outcome for each write, at its place, whatever kinds are mixed."""
        there, moved = created(documents, kind.new(), kind.new())
        fresh = replaced(documents, moved, kind.at(moved.document, 1))
        new, missing, free = kind.new(), kind.new(), kind.new()
        [gone] = created(documents, kind.new())
        writes: list[Write[Any]] = [
            Create(document=new),
            Create(document=there.document),
            Replace(document=fresh.document, expected=fresh.version),
            Replace(document=missing, expected=fresh.version),
            Create(document=free),
            deletion(gone),
        ]
        outcomes = documents.write(writes)
        assert outcomes[1] == Exists()
        assert outcomes[3] == Conflict()
        done = [outcome.stored.document for outcome in outcomes if isinstance(outcome, Written)]
        assert done == [new, fresh.document, free]

    def test_nothing_asked_nothing_done(self, documents: Documents) -> None:
        """G1: empty batches have no outcomes."""
        assert list(documents.write([])) == []
        assert list(documents.get([])) == []

    def test_a_large_batch_has_as_many_outcomes(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G1, G5, G6: three hundred, every third of which fails, written and read at once."""
        new = [kind.new() for _ in range(300)]
        created(documents, *new[::3])
        outcomes = documents.write([Create(document=document) for document in new])
        assert [outcome == Exists() for outcome in outcomes] == [n % 3 == 0 for n in range(300)]
        found = documents.get([document.key for document in new])
        assert [outcome.document for outcome in found if isinstance(outcome, Stored)] == new

    def test_a_key_is_created_once(self, documents: Documents, kind: Kind[Any]) -> None:
        """G2: the second create changes nothing, in the same call and in a later one."""
        document = kind.new()
        first, again = documents.write([Create(document=document)] * 2)
        assert again == Exists()
        assert list(documents.write([Create(document=kind.at(document, 1))])) == [Exists()]
        assert list(documents.get([document.key])) == [must(first)]

    def test_a_replace_takes_the_place_of_the_version_expected(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G3: on the present version it is done, on any other it conflicts and changes nothing."""
        [first] = created(documents, kind.new())
        second = replaced(documents, first, kind.at(first.document, 1))
        third = kind.at(first.document, 2)
        term, number = second.version.primary_term, second.version.seq_no
        for wrong in (first.version, Version(term, number + 1), Version(term + 1, number)):
            assert list(documents.write([Replace(document=third, expected=wrong)])) == [Conflict()]
            assert list(documents.get([third.key])) == [second]
        assert replaced(documents, second, third).document == third

    def test_a_replace_of_what_is_not_there_conflicts(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G3: nothing is created by it, neither in an empty store nor in another."""
        for _ in range(2):
            replace = Replace(document=kind.new(), expected=Version(1, 0))
            assert list(documents.write([replace])) == [Conflict()]
            assert list(documents.get([replace.key])) == [Missing()]
            created(documents, kind.new())

    def test_versions_grow_and_leave_neighbours_alone(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G4, G5: each write of a document has a greater version, and that of no other moves."""
        stored, other = created(documents, kind.new(), kind.new())
        for number in range(5):
            after = replaced(documents, stored, kind.at(stored.document, number))
            assert after.version > stored.version
            assert list(documents.get([after.document.key])) == [after]
            stored = after
        assert list(documents.get([other.document.key])) == [other]

    def test_what_no_store_can_hold_is_invalid_and_hurts_nobody(
        self, documents: Documents, kind: Kind[Any]
    ) -> None:
        """G5: an id beyond the length of all stores is refused for good, its neighbours not."""
        most = queues.MAX_ID_BYTES
        unfit = [kind.named(id) for id in ("i" * (most + 1), "é" * (most // 2 + 1))]
        one, other = kind.new(), kind.new()
        outcomes = documents.write([Create(document=each) for each in (one, *unfit, other)])
        assert [type(outcome) for outcome in outcomes] == [Written, Invalid, Invalid, Written]
        left = documents.get([one.key, *(document.key for document in unfit), other.key])
        assert list(left) == [must(outcomes[0]), Missing(), Missing(), must(outcomes[3])]

    # --------------------------------------------------------------------------------- reads

    def test_reads_come_in_the_order_asked_for(self, documents: Documents, kind: Kind[Any]) -> None:
        """G1, G6: one outcome for each key, as often as it is asked for; before any write too."""
        nobody = kind.new().key
        assert list(documents.get([nobody])) == [Missing()]
        one, other = created(documents, kind.new(), kind.new())
        keys = [other.document.key, nobody, one.document.key, other.document.key]
        assert list(documents.get(keys)) == [other, Missing(), one, other]

    def test_every_id_names_itself(self, documents: Documents, kind: Kind[Any]) -> None:
        """G7: no character means anything, and none is changed into another."""
        named = created(documents, *(kind.named(id) for id in AWKWARD_IDS))
        assert list(documents.get([kind.key(id) for id in AWKWARD_IDS])) == named

    @settings(max_examples=30, suppress_health_check=SHARED_STORE)
    @given(data=st.data())
    def test_what_is_written_reads_back_equal(
        self, documents: Documents, kind: Kind[Any], data: st.DataObject
    ) -> None:
        """G7: every field, whatever it holds."""
        new = data.draw(st.lists(kind.any, max_size=10, unique_by=lambda document: document.key))
        # An id may have been drawn for an earlier example: then this one takes its place.
        before = documents.get([document.key for document in new])
        writes = [
            Replace(document=document, expected=there.version)
            if isinstance(there, Stored)
            else Create(document=document)
            for document, there in zip(new, before, strict=True)
        ]
        outcomes = [must(outcome) for outcome in documents.write(writes)]
        assert [stored.document for stored in outcomes] == new
        assert list(documents.get([document.key for document in new])) == outcomes

    # --------------------------------------------------------------------------------- races

    def test_of_racing_creates_one_wins(self, documents: Documents, kind: Kind[Any]) -> None:
        """G2, G11: one ``Written``, all others ``Exists``, and the winner's document is there."""
        for _ in range(3):
            document = kind.new()

            def create(number: int, document: Any = document) -> WriteOutcome[Any]:
                return documents.write([Create(document=kind.at(document, number))])[0]

            outcomes = race(create, _THREADS)
            [winner] = [outcome for outcome in outcomes if isinstance(outcome, Written)]
            assert outcomes.count(Exists()) == _THREADS - 1
            assert list(documents.get([document.key])) == [winner.stored]

    def test_no_update_is_lost(self, documents: Documents, kind: Kind[Any]) -> None:
        """G3, G6, G11: threads that read, add one and replace until it works, count every one."""
        [stored] = created(documents, kind.at(kind.new(), 0))
        each = 5

        def count(_: int) -> None:
            won = 0
            while won < each:
                [now] = documents.get([stored.document.key])
                assert isinstance(now, Stored)
                more = kind.at(now.document, kind.number(now.document) + 1)
                [outcome] = documents.write([Replace(document=more, expected=now.version)])
                won += isinstance(outcome, Written)

        race(count, _THREADS)
        [left] = documents.get([stored.document.key])
        assert isinstance(left, Stored)
        assert kind.number(left.document) == _THREADS * each
