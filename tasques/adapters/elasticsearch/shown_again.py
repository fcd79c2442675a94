"""
Tasks that searches have shown, so that what is shown again is not read again.

A search shows tasks that were claimed since, until Elasticsearch has noticed, and searches for those who
wait come several times in that time. So where there is much to do, five of six hits were in an
answer before: reading them took a fifth of what a claim costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from tasques.adapters.elasticsearch.answers import Hit
from tasques.core.tasks import StoredTask

#: So many bytes of documents are remembered, in each of two generations.
_GENERATION_BYTES: Final = 2**20

#: By index and id: the document, and what it was read as.
_Generation: TypeAlias = dict[tuple[str, str], tuple[bytes, StoredTask]]


class ShownAgain:
    """
    Remembers what hits were read as; safe for several threads.

    It is asked with a hit's whole document, and gives what was made of the very same bytes with the
    same version. A version alone would not do: an index that was deleted and made anew counts from the
    beginning again.

    Args:
        read: Reads a hit; None if it is no task.
    """

    def __init__(self, read: Callable[[Hit], StoredTask | None]) -> None:
        self._read = read
        # The younger generation, and the one before it, which goes when the younger is full.
        self._young: _Generation = {}
        self._old: _Generation = {}
        self._bytes = 0

    def stored(self, hit: Hit) -> StoredTask | None:
        """The task that was found; None if it is none."""
        key, source = (hit.index, hit.id), bytes(hit.source)
        stored = self._known(self._young, key, source, hit)
        if stored is not None:
            return stored
        stored = self._known(self._old, key, source, hit) or self._read(hit)
        if stored is not None:
            self._keep(key, source, stored)
        return stored

    @staticmethod
    def _known(
        generation: _Generation, key: tuple[str, str], source: bytes, hit: Hit
    ) -> StoredTask | None:
        known = generation.get(key)
        if known is None or known[0] != source:
            return None
        version = known[1].version
        is_same = (version.primary_term, version.seq_no) == (hit.primary_term, hit.seq_no)
        return known[1] if is_same else None

    def _keep(self, key: tuple[str, str], source: bytes, stored: StoredTask) -> None:
        # Threads may get in each other's way; what is lost by that is read once more.
        if self._bytes + len(source) > _GENERATION_BYTES:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[key] = (source, stored)
        self._bytes += len(source)
