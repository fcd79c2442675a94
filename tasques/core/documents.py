"""
What all stored documents have in common, whatever they say.

A document has a key, a version that every write moves, and the mark of the write that made it, by
which the author of that write can recognise it later.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import attrs


class Version(NamedTuple):
    """
    Which write of a document this is; every write gives a greater one.

    Attributes:
        primary_term: Counts the elections of the document's shard in Elasticsearch; else 1.
        seq_no: Counts the writes of the shard.
    """

    primary_term: int
    seq_no: int


@attrs.frozen(kw_only=True)
class Operation:
    """
    The write that made this document, so that its author can recognise it.

    Attributes:
        token: 128 random bits in hexadecimal, new for each decision; a repeated write repeats it.
        verb: ``create``, ``claim``, ``done`` …
        digest: SHA-256 of verb, worker and body: what makes two requests the same.
    """

    token: str
    verb: str
    digest: str = ""


class Document(Protocol):
    """Anything that a store keeps: a task, a recurring task, a lock."""

    @property
    def key(self) -> Hashable:
        """What names it in its store."""

    @property
    def operation(self) -> Operation | None:
        """The write that made it, or None where somebody else wrote it and did not say."""

    @property
    def approximate_bytes(self) -> int:
        """About what it takes in the store; for bounding batches and memories."""

    def stamped(self, operation: Operation, /) -> Self:
        """This document with the mark of the write that is about to make it."""


D = TypeVar("D", bound=Document)
D_co = TypeVar("D_co", bound=Document, covariant=True)


@attrs.frozen(kw_only=True)
class Stored(Generic[D]):
    """A document as a store holds it, with the version to condition the next write on."""

    document: D
    version: Version
