"""
Documents that are not of their kind, remembered, so that each is logged once and not read again and
again.

What poisons a queue is one version of a document. Once it is changed, it is looked at anew.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from tasques.adapters.elasticsearch.queries import Excluded
from tasques.core.ports import Runtime

_log = logging.getLogger(__name__)

#: Documents remembered; beyond, the one met longest ago is forgotten, and may be logged again.
CAPACITY: Final = 1000
#: Documents left out of one search; those beyond are read and passed over.
MAX_EXCLUDED: Final = 50


class Quarantine:
    """
    What was found to be no task, or whatever it should be; safe for several threads.

    Attributes:
        met: How many versions of documents were put here.
    """

    def __init__(self, runtime: Runtime, capacity: int = CAPACITY) -> None:
        self._lock = runtime.condition()
        self._capacity = capacity
        self._documents: OrderedDict[tuple[str, str], int] = OrderedDict()
        self.met = 0

    def put(self, index: str, id: str, seq_no: int, reason: str) -> None:
        """Remember a version of a document, and log it unless it is known."""
        with self._lock:
            known = self._documents.get((index, id)) == seq_no
            self._documents[index, id] = seq_no
            self._documents.move_to_end((index, id))
            if len(self._documents) > self._capacity:
                self._documents.popitem(last=False)
            self.met += not known
        if not known:
            _log.warning(
                "document [%s] in index [%s] is not what it should be and is left alone: %s",
                id,
                index,
                reason,
            )

    def excluded(self, indices: Collection[str]) -> Sequence[Excluded]:
        """
        What a search of *indices* should leave out, the latest met first.

        Args:
            indices: Names of indices; empty for all.
        """
        if not self._documents:
            return ()
        with self._lock:
            documents = [
                Excluded(index=index, id=id, seq_no=seq_no)
                for (index, id), seq_no in reversed(self._documents.items())
                if not indices or index in indices
            ]
        return documents[:MAX_EXCLUDED]
