"""
What the model claims of Elasticsearch, as tests that run on the model and on the real one.

Each fact is a row of the table in the reliability notes, 1.2, or a sentence of 1.5. A *subject* is
asked in raw terms: indices, ids, sequence numbers, statuses. What cannot be provoked on one node,
isolated primaries, failovers and writes that land late, is not here: it is assumed, from the contract
that Elastic's own test states (reliability notes 1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class Call:
    """
    One write.

    Attributes:
        verb: ``create``, ``index`` or ``delete``.
        seq_no: The condition; None for none.
    """

    verb: str
    index: str
    id: str
    seq_no: int | None = None
    term: int = 1


@attrs.frozen(kw_only=True)
class Answer:
    """A status, with the version where it was written."""

    status: int
    seq_no: int = -1
    term: int = 0


class Subject(Protocol):
    """What is asked: the model, or an Elasticsearch."""

    def bulk(self, calls: Sequence[Call]) -> list[Answer]:
        """All in one request."""

    def get(self, index: str, id: str) -> Answer:
        """200 with the version, or 404; realtime."""

    def search(self, index: str) -> list[str]:
        """The ids that a search finds, sorted."""

    def refresh(self, index: str) -> None:
        """Let searches see everything."""

    def exists(self, index: str) -> bool:
        """Whether there is such an index."""

    def block(self, index: str, blocked: bool) -> None:
        """Let the index refuse writes as that of a full disk, or no more."""


class Facts:
    """The facts; the fixture ``subject`` brings one without any index."""

    def test_an_id_is_created_once(self, subject: Subject) -> None:
        """A create of an existing id is 409; so is one of a deleted and created one."""
        assert one(subject, Call(verb="create", index="a", id="1")).status == 201
        assert one(subject, Call(verb="create", index="a", id="1")).status == 409

    def test_ids_are_unique_within_their_index_only(self, subject: Subject) -> None:
        """Another index takes the same id."""
        assert one(subject, Call(verb="create", index="a", id="1")).status == 201
        assert one(subject, Call(verb="create", index="b", id="1")).status == 201

    def test_sequence_numbers_count_the_writes_of_an_index(self, subject: Subject) -> None:
        """From 0 on, whichever document; a refused write takes none."""
        made = [one(subject, Call(verb="create", index="a", id=id)) for id in "123"]
        assert [(answer.seq_no, answer.term) for answer in made] == [(0, 1), (1, 1), (2, 1)]
        one(subject, Call(verb="create", index="a", id="1"))
        assert one(subject, Call(verb="create", index="a", id="4")).seq_no == 3

    def test_a_write_on_its_condition_takes_place_once(self, subject: Subject) -> None:
        """Sent twice, the second conflicts with the first: with one's own write."""
        made = one(subject, Call(verb="create", index="a", id="1"))
        again = Call(verb="index", index="a", id="1", seq_no=made.seq_no)
        first, second = one(subject, again), one(subject, again)
        assert (first.status, first.seq_no) == (200, 1)
        assert second.status == 409
        assert subject.get("a", "1") == Answer(status=200, seq_no=1, term=1)

    def test_another_term_is_another_version(self, subject: Subject) -> None:
        """The same number under another primary is refused."""
        one(subject, Call(verb="create", index="a", id="1"))
        assert one(subject, Call(verb="index", index="a", id="1", seq_no=0, term=2)).status == 409

    def test_a_missing_document_conflicts(self, subject: Subject) -> None:
        """409, not 404; to be replaced and to be deleted."""
        one(subject, Call(verb="create", index="a", id="1"))
        for verb in ("index", "delete"):
            assert one(subject, Call(verb=verb, index="a", id="2", seq_no=0)).status == 409

    def test_a_missing_index_conflicts_and_comes_to_be(self, subject: Subject) -> None:
        """A write on a condition makes the index, and conflicts in it."""
        assert one(subject, Call(verb="index", index="a", id="1", seq_no=0)).status == 409
        assert subject.exists("a")
        assert subject.get("a", "1").status == 404

    def test_a_deletion_makes_no_index(self, subject: Subject) -> None:
        """404, and nothing there afterwards."""
        assert one(subject, Call(verb="delete", index="a", id="1", seq_no=0)).status == 404
        assert not subject.exists("a")

    def test_an_id_can_be_used_again_after_its_deletion(self, subject: Subject) -> None:
        """Under a later version than any before."""
        one(subject, Call(verb="create", index="a", id="1"))
        gone = one(subject, Call(verb="delete", index="a", id="1", seq_no=0))
        assert (gone.status, gone.seq_no) == (200, 1)
        assert subject.get("a", "1").status == 404
        assert one(subject, Call(verb="create", index="a", id="1")).seq_no == 2

    def test_each_item_of_a_bulk_has_its_own_outcome(self, subject: Subject) -> None:
        """In their order; neighbours of one that fails are unharmed."""
        one(subject, Call(verb="create", index="a", id="1"))
        answers = subject.bulk(
            [
                Call(verb="create", index="a", id="2"),
                Call(verb="create", index="a", id="1"),
                Call(verb="index", index="a", id="1", seq_no=7),
                Call(verb="create", index="b", id="1"),
                Call(verb="index", index="a", id="1", seq_no=0),
                Call(verb="delete", index="a", id="3", seq_no=0),
            ]
        )
        assert [answer.status for answer in answers] == [201, 409, 409, 201, 200, 409]

    def test_of_two_writes_of_one_document_in_a_bulk_the_second_conflicts(
        self, subject: Subject
    ) -> None:
        """So a batch must never hold two of them."""
        made = one(subject, Call(verb="create", index="a", id="1"))
        again = Call(verb="index", index="a", id="1", seq_no=made.seq_no)
        assert [answer.status for answer in subject.bulk([again, again])] == [200, 409]

    def test_a_read_by_key_sees_what_a_search_does_not(self, subject: Subject) -> None:
        """Until the next refresh."""
        one(subject, Call(verb="create", index="a", id="1"))
        subject.refresh("a")
        one(subject, Call(verb="create", index="a", id="2"))
        one(subject, Call(verb="delete", index="a", id="1", seq_no=0))
        assert (subject.get("a", "1").status, subject.get("a", "2").status) == (404, 200)
        assert subject.search("a") == ["1"]
        subject.refresh("a")
        assert subject.search("a") == ["2"]

    def test_a_full_disk_refuses_writes_and_deletions_alike(self, subject: Subject) -> None:
        """429 for both; reads, searches and refreshes go on."""
        one(subject, Call(verb="create", index="a", id="1"))
        subject.block("a", True)
        answers = subject.bulk(
            [
                Call(verb="create", index="a", id="2"),
                Call(verb="index", index="a", id="1", seq_no=0),
                Call(verb="delete", index="a", id="1", seq_no=0),
            ]
        )
        assert [answer.status for answer in answers] == [429, 429, 429]
        subject.refresh("a")
        assert subject.get("a", "1").status == 200
        assert subject.search("a") == ["1"]
        subject.block("a", False)
        assert one(subject, Call(verb="index", index="a", id="1", seq_no=0)).status == 200


def one(subject: Subject, call: Call) -> Answer:
    """The answer to a bulk of one."""
    [answer] = subject.bulk([call])
    return answer
