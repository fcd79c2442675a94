"""What a search shows again is not read again, unless it is anything else than it was."""

from __future__ import annotations

import attrs
import msgspec
import pytest

from tasques.adapters.elasticsearch import shown_again
from tasques.adapters.elasticsearch.answers import Hit
from tasques.adapters.elasticsearch.shown_again import ShownAgain
from tasques.core.documents import Stored, Version
from tasques.core.tasks import StoredTask
from tasques.testing.examples import queued


def hit(id: str, source: bytes = b'{"a":1}', *, seq_no: int = 7, term: int = 1) -> Hit:
    """One hit of a search."""
    return Hit(
        index="tasques-q", id=id, source=msgspec.Raw(source), seq_no=seq_no, primary_term=term
    )


class Reader:
    """Reads hits, and counts them; one whose document is null is no task."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, found: Hit) -> StoredTask | None:
        self.read.append(found.id)
        if bytes(found.source) == b"null":
            return None
        task = attrs.evolve(queued(), kind=bytes(found.source).decode())
        return Stored(document=task, version=Version(found.primary_term, found.seq_no))


def test_the_same_is_read_once() -> None:
    """And each hit gives its own task."""
    reader = Reader()
    shown = ShownAgain(reader)
    first = [shown.stored(hit(id)) for id in "abc"]
    assert [shown.stored(hit(id)) for id in "abc"] == first
    assert reader.read == ["a", "b", "c"]


@pytest.mark.parametrize(
    "other",
    [
        hit("a", b'{"a":2}'),
        hit("a", seq_no=8),
        hit("a", term=2),
        Hit(index="tasques-r", id="a", source=msgspec.Raw(b'{"a":1}'), seq_no=7, primary_term=1),
    ],
    ids=["another document", "a later write", "after an election", "of another queue"],
)
def test_what_differs_is_read(other: Hit) -> None:
    """An index that was deleted and made anew counts from the beginning: versions alone lie."""
    reader = Reader()
    shown = ShownAgain(reader)
    shown.stored(hit("a"))
    stored = shown.stored(other)
    assert reader.read == ["a", "a"]
    assert stored is not None
    assert stored.document.kind == bytes(other.source).decode()
    assert stored.version == Version(other.primary_term, other.seq_no)


def test_what_is_no_task_is_read_each_time() -> None:
    """Whoever reads it takes note of it."""
    reader = Reader()
    shown = ShownAgain(reader)
    assert [shown.stored(hit("a", b"null")) for _ in range(2)] == [None, None]
    assert reader.read == ["a", "a"]


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was shown lately stays; the oldest goes first."""
    monkeypatch.setattr(shown_again, "_GENERATION_BYTES", 10 * len(b'{"a":1}'))
    reader = Reader()
    shown = ShownAgain(reader)
    for number in range(1000):
        shown.stored(hit(f"t{number}"))
        shown.stored(hit("often"))
    assert reader.read.count("often") == 1
    assert len(shown._young) + len(shown._old) <= 20
    shown.stored(hit("t0"))
    assert reader.read.count("t0") == 2
