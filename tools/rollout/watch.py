"""Looks who leads, and what recurring tasks say of their slots, several times a second."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from tools.accounting.ledger import NANOSECONDS, instant
from tools.rollout import documents
from tools.rollout.slots import Lead, PassedOver

_LOOK_EVERY_SECONDS = 0.25


class LeaderWatch:
    """
    Looks at the lock and at recurring tasks until it is stopped, on a thread of its own.

    By reads of Elasticsearch, so that it depends on no server. Usable as a context manager.

    Args:
        ids: The recurring tasks.
    """

    def __init__(self, elasticsearch_url: str, ids: Sequence[str]) -> None:
        self._url = elasticsearch_url
        self._ids = ids
        self._lock = threading.Lock()
        self._leads: list[Lead] = []
        self._current: str | None = None
        self._is_original = False
        self._began = 0
        self._seen = 0
        self._gone: set[str] = set()
        self._passed_over: set[PassedOver] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="leader watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()
        with self._lock:
            self._close()

    def leads(self) -> list[Lead]:
        """Every stretch that is over, in order."""
        with self._lock:
            return list(self._leads)

    def passed_over(self) -> list[PassedOver]:
        """Every record of slots that came to nothing; each is kept until the next slot only."""
        with self._lock:
            return sorted(self._passed_over, key=lambda it: (it.recurring_task_id, it.slot))

    def stopping(self, *, is_original: bool) -> None:
        """The servers of that kind stop: if one of them leads, its lead is over now."""
        with self._lock:
            if self._current is not None and self._is_original is is_original:
                self._gone.add(self._current)
                self._close()

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_SECONDS):
            try:
                found = documents.leader(self._url)
                records = passed_over(documents.recurring_tasks(self._url, self._ids))
            except OSError:
                continue
            with self._lock:
                self._note(found)
                self._passed_over.update(records)

    def _note(self, found: tuple[str, bool, bool] | None) -> None:
        holder = None if found is None or found[2] or found[0] in self._gone else found[0]
        if holder != self._current:
            self._close()
            if found is not None and holder is not None:
                self._current, self._is_original = holder, found[1]
                self._began = time.time_ns()
        self._seen = time.time_ns()

    def _close(self) -> None:
        if self._current is not None:
            self._leads.append(
                Lead(is_original=self._is_original, began=self._began, ended=self._seen)
            )
        self._current = None


def passed_over(found: Mapping[str, Mapping[str, Any]]) -> list[PassedOver]:
    """What recurring tasks, as they are kept, say of the slots before their latest one."""
    return [
        PassedOver(
            recurring_task_id=id,
            slot=instant(latest["at"]) // NANOSECONDS,
            left_out=latest["left_out"],
        )
        for id, source in found.items()
        for latest in [source.get("ext", {}).get("last_slot")]
        if latest is not None and latest.get("left_out")
    ]
