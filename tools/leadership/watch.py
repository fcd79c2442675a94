"""
Looks at the lock and at the recurring tasks many times a second, and notes each version that it meets.

By realtime reads of Elasticsearch, so that it depends on no server. What is between two looks is not
seen; the number of writes that a document counts says whether something was.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.accounting.client import Client
from tools.accounting.ledger import NANOSECONDS, instant

_LOCK = "recurring-tasks-leader"
_LOOK_EVERY_SECONDS = 0.04
#: Elasticsearch wants to be told.
JSON = {"Content-Type": "application/json"}

Version = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class LockSeen:
    """
    A version of the lock; times are seconds since 1970, of this machine.

    Attributes:
        seen_at: When the look at it was over.
        term: Of its holder, greater for each later one; None for an original's.
    """

    seen_at: float
    version: Version
    leader_id: str
    term: Version | None
    is_released: bool = False

    @property
    def is_original(self) -> bool:
        """Whether an original server wrote it."""
        return self.term is None


@dataclass(frozen=True, kw_only=True)
class Record:
    """
    What a recurring task says of a slot.

    Attributes:
        slot: Seconds since 1970.
        outcome: In the server's words; of a slot under way, ``pending``.
        left_out: So many slots right before it came to nothing.
    """

    slot: int
    outcome: str
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class RecurringSeen:
    """
    A version of a recurring task.

    Attributes:
        writes: How often it was written by then.
        decided_until: All slots up to here are decided, in nanoseconds since 1970; None if an original
            server wrote it.
        records: Of the latest decided slot and of the one under way, where there are such.
        term: Of the leader that wrote it last.
    """

    seen_at: float
    version: Version
    writes: int
    decided_until: int | None
    records: tuple[Record, ...] = ()
    term: Version | None = None

    @property
    def pending(self) -> Record | None:
        """The slot under way."""
        return next((record for record in self.records if record.outcome == "pending"), None)


class Watcher:
    """
    Looks until it is stopped, on a thread of its own; usable as a context manager.

    Args:
        prefix: What the names of the indices begin with.
        ids: The recurring tasks.
    """

    def __init__(self, elasticsearch_url: str, prefix: str, ids: Sequence[str]) -> None:
        self._client = Client([elasticsearch_url], stop_at=float("inf"))
        addresses = [(f"{prefix}leader_locks", _LOCK)]
        addresses += [(f"{prefix}recurring_tasks", id) for id in ids]
        self._body = {"docs": [{"_index": index, "_id": id} for index, id in addresses]}
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._locks: list[LockSeen] = []
        self._recurring: dict[str, list[RecurringSeen]] = {id: [] for id in ids}

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_stopped = True
        self._thread.join()
        self._client.close()

    @property
    def locks(self) -> Sequence[LockSeen]:
        """Every version of the lock that was met, in order."""
        with self._changed:
            return tuple(self._locks)

    @property
    def recurring(self) -> Mapping[str, Sequence[RecurringSeen]]:
        """Every version of each recurring task that was met, in order."""
        with self._changed:
            return {id: tuple(seen) for id, seen in self._recurring.items()}

    def wait_for_lock(
        self, condition: Callable[[LockSeen], bool], seconds: float, *, after: float = 0.0
    ) -> LockSeen | None:
        """
        The first version of the lock that is as wanted; None if none comes in time.

        Args:
            after: Seconds since 1970; versions seen before are not looked at.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for seen in self._locks:
                    if seen.seen_at > after and condition(seen):
                        return seen
                if (left := deadline - time.monotonic()) <= 0:
                    return None
                self._changed.wait(left)

    def latest_lock(self) -> LockSeen | None:
        """The lock as it was last seen."""
        with self._changed:
            return self._locks[-1] if self._locks else None

    def latest(self) -> Mapping[str, RecurringSeen]:
        """Each recurring task as it was last seen; those that were not are left out."""
        with self._changed:
            return {id: seen[-1] for id, seen in self._recurring.items() if seen}

    # ---------------------------------------------------------------------------- looking

    def _watch(self) -> None:
        while not self._is_stopped:
            began = time.monotonic()
            self._look()
            time.sleep(max(0.0, began + _LOOK_EVERY_SECONDS - time.monotonic()))

    def _look(self) -> None:
        try:
            answer = self._client.once("POST", "/_mget", self._body, JSON, timeout_seconds=60)
        except ConnectionRefusedError:
            return
        if answer is None or answer.status != 200:
            return
        now = time.time()
        with self._changed:
            for document in answer.body["docs"]:
                if document.get("found"):
                    self._note(document, now)
            self._changed.notify_all()

    def _note(self, document: Mapping[str, Any], now: float) -> None:
        if document["_id"] == _LOCK:
            lock = _lock(document, now, self._locks[-1] if self._locks else None)
            if not self._locks or self._locks[-1].version < lock.version:
                self._locks.append(lock)
            return
        history = self._recurring[document["_id"]]
        if not history or history[-1].version < _version(document):
            history.append(_recurring(document, now))


def _version(document: Mapping[str, Any]) -> Version:
    return document["_primary_term"], document["_seq_no"]


def _lock(document: Mapping[str, Any], now: float, before: LockSeen | None) -> LockSeen:
    source = document["_source"]
    ext = source.get("ext")
    term = None
    if ext is not None and "term" in ext:
        term = _term(ext["term"])
    elif ext is not None:
        # The write that takes the lock cannot know its own version, which is the term.
        is_first = before is None or before.leader_id != source["leader_id"]
        term = _version(document) if is_first or before is None else before.term
    return LockSeen(
        seen_at=now,
        version=_version(document),
        leader_id=source["leader_id"],
        term=term,
        is_released=bool(ext and ext.get("released")),
    )


def _recurring(document: Mapping[str, Any], now: float) -> RecurringSeen:
    ext = document["_source"].get("ext") or {}
    decided_until = ext.get("decided_until")
    records = [
        Record(slot=_seconds(part[key]), outcome=outcome, left_out=part.get("left_out", 0))
        for part, key, outcome in (
            (ext.get("last_slot"), "at", None),
            (ext.get("pending"), "slot", "pending"),
        )
        if part is not None
        for outcome in [outcome or part["outcome"]]
    ]
    return RecurringSeen(
        seen_at=now,
        version=_version(document),
        writes=document["_version"],
        decided_until=None if decided_until is None else instant(decided_until),
        records=tuple(records),
        term=_term(ext["term"]) if "term" in ext else None,
    )


def _term(part: Mapping[str, int]) -> Version:
    return part["primary_term"], part["seq_no"]


def _seconds(text: str) -> int:
    return instant(text) // NANOSECONDS
