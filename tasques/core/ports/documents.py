"""
Stores of versioned documents: what can be written, and what may become of it.

A store does one atomic thing: it writes one document on condition of its version. So the store
*proposes*, the core *decides*, and the store *confirms each write or not*. No rule lives in a store.

Every method takes and returns sequences, one outcome for each item, in order. An outcome is a
value, since a batch of a hundred has a hundred of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, Protocol, TypeAlias, TypeVar

import attrs

from tasques.core.documents import D, Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.values import Duration

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)

#: What the name of a deletion takes.
_DELETION_BYTES = 200

# ---------------------------------------------------------------------------------- writes


@attrs.frozen(kw_only=True)
class _OfDocument(Generic[D]):
    """What all writes have in common: a document that they are about."""

    document: D

    @property
    def key(self) -> Hashable:
        """What this writes."""
        return self.document.key

    @property
    def approximate_bytes(self) -> int:
        """What it takes on its way."""
        return self.document.approximate_bytes


@attrs.frozen(kw_only=True)
class Create(_OfDocument[D]):
    """Store *document* as new; refused if its key is in use."""


@attrs.frozen(kw_only=True)
class Replace(_OfDocument[D]):
    """Store *document* in the place of the version *expected*; refused if that has moved."""

    expected: Version


@attrs.frozen(kw_only=True)
class Delete(_OfDocument[D]):
    """Remove *document* at the version *expected*; refused if that has moved."""

    expected: Version

    @property
    def approximate_bytes(self) -> int:
        """What it takes on its way, without the document."""
        return _DELETION_BYTES


Write: TypeAlias = Create[D] | Replace[D] | Delete[D]


@attrs.frozen
class Written(Generic[D]):
    """The write took place, between call and answer, and will not be lost."""

    stored: Stored[D]


@attrs.frozen
class Deleted:
    """The deletion took place, between call and answer."""


@attrs.frozen
class Exists:
    """Not known to be created by us: the key is in use, perhaps from an earlier try of ours."""


@attrs.frozen
class Conflict:
    """
    Not known to be ours: the version has moved, perhaps by an earlier try of ours.

    A document that is not there conflicts too.
    """


@attrs.frozen
class Rejected:
    """
    Definitely not done, for now: the store is too busy or not there. May be repeated.

    Attributes:
        is_local: As of :class:`Unknown`.
    """

    reason: str
    is_local: bool = False


@attrs.frozen
class Blocked:
    """Definitely not done, until somebody acts: the store refuses writes (disk full)."""

    reason: str


@attrs.frozen
class Invalid:
    """Definitely not done, and never will be: the store does not accept this document."""

    reason: str


@attrs.frozen
class Unknown:
    """
    Sent, but not known to be done or not; it may still happen later.

    Attributes:
        is_local: Whether only the place where this document lies is in trouble, as a queue whose
            shard is missing; others may be well, and should not wait for it.
    """

    reason: str
    is_local: bool = False


#: Of a write that did not take place, or is not known to have.
Failure: TypeAlias = Exists | Conflict | Rejected | Blocked | Invalid | Unknown
WriteOutcome: TypeAlias = (
    Written[D] | Deleted | Exists | Conflict | Rejected | Blocked | Invalid | Unknown
)

# ----------------------------------------------------------------------------------- reads


@attrs.frozen
class Missing:
    """There is no such document."""


@attrs.frozen
class Malformed:
    """There is a document, and it is not what it should be; *reason* says why."""

    reason: str


@attrs.frozen
class Unreadable:
    """There may be such a document or not: the place where it would be is not there at present."""

    reason: str


#: What a read that took place says.
Seen: TypeAlias = Stored[D] | Missing | Malformed
ReadOutcome: TypeAlias = Seen[D] | Unreadable


def seen(outcomes: Iterable[ReadOutcome[D]]) -> list[Seen[D]]:
    """
    *outcomes*, all of which took place.

    Raises:
        StoreUnavailable: If one did not.
    """
    found: list[Seen[D]] = []
    for outcome in outcomes:
        if isinstance(outcome, Unreadable):
            raise StoreUnavailable(outcome.reason)
        found.append(outcome)
    return found


@attrs.frozen(kw_only=True)
class StoreTraits:
    """
    In what stores differ, declared rather than asked by name.

    Attributes:
        visibility_lag: How long a write may take to be found by a search; zero: at once.
        is_remote: Whether a call costs a round trip, so that writes should go together.
    """

    visibility_lag: Duration
    is_remote: bool = True


class DocumentStore(Protocol[K_contra, D]):
    """
    Where documents of one kind are kept.

    Guarantees, each tested for every store by the contract suite:

    - G1. Outcomes come one for each item, in the order of the items.
    - G2. Of any number of creates of one key, at most one is ``Written``.
    - G3. ``Written`` for a replace, ``Deleted`` for a delete, means that the version before was
      *expected*, and that no other write came between.
    - G4. A write's version is greater than every earlier version of that document, also where it was
      deleted in between.
    - G5. One item's failure leaves its neighbours alone.
    - G6. ``get`` sees the last ``Written`` or ``Deleted`` of every writer at once.
    - G7. What was ``Written`` reads back equal in every field.
    - G10. A document that is not of this kind is ``Malformed`` to ``get``, left out by searches, and
      hinders no other.
    - G11. All methods may be called from several threads at once.
    - G13. Where only some of what is asked for cannot be read, that alone is ``Unreadable`` to
      ``get``; it never stands for a document that is not there.

    Reads raise :class:`~tasques.core.errors.StoreUnavailable` where nothing can be read; writes never
    raise, their outcomes say it.
    """

    def write(self, writes: Sequence[Write[D]]) -> Sequence[WriteOutcome[D]]:
        """Try each write, at most one for a key in one call; no outcome depends on another."""

    def get(self, keys: Sequence[K_contra]) -> Sequence[ReadOutcome[D]]:
        """Read the present versions."""
