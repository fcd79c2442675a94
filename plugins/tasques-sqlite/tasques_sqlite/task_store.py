"""The tasks, and what finds them."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from tasques.core import errors, queues
from tasques.core.documents import Stored, Version
from tasques.core.listing import QueueSummary, TaskQuery
from tasques.core.ports import (
    ClaimableQuery,
    Conflict,
    Create,
    Delete,
    Deleted,
    Exists,
    FinishedQuery,
    Invalid,
    Missing,
    ReadOutcome,
    StoreTraits,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import State, StoredTask, Task, TaskKey
from tasques.core.values import ZERO, Instant
from tasques_sqlite import rows
from tasques_sqlite.database import Database, next_number
from tasques_sqlite.document_store import (
    fits_as_id,
    is_text,
    stored_or_malformed,
    written_together,
)
from tasques_sqlite.encoding import encode

#: What is written is found at once; a commit waits for the disk, so writes had better go together.
_TRAITS: Final = StoreTraits(visibility_lag=ZERO, is_remote=True)

_ORDER: Final = "ORDER BY priority DESC, run_at, remaining DESC, id"


class SqliteTaskStore:
    """A :class:`~tasques.core.ports.TaskStore` in a file; see there for what it guarantees."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def traits(self) -> StoreTraits:
        """Every write is found at once."""
        return _TRAITS

    # -------------------------------------------------------------------------------- writes

    def write(self, writes: Sequence[Write[Task]]) -> Sequence[WriteOutcome[Task]]:
        """Try each write, in order, and have the disk take them together."""
        return written_together(self._database, writes, self._write)

    def _write(self, connection: sqlite3.Connection, write: Write[Task]) -> WriteOutcome[Task]:
        task = write.document
        if (reason := _fault(task)) is not None:
            return Invalid(reason)
        row = connection.execute(
            "SELECT version FROM tasks WHERE queue = ? AND id = ?", (task.queue, task.id)
        ).fetchone()
        if isinstance(write, Create):
            if row is not None:
                return Exists()
        elif row is None or Version(1, row[0]) != write.expected:
            return Conflict()
        number = next_number(connection)
        if isinstance(write, Delete):
            connection.execute(
                "DELETE FROM tasks WHERE queue = ? AND id = ?", (task.queue, task.id)
            )
            return Deleted()
        if row is None:
            connection.execute("INSERT OR IGNORE INTO queues (name) VALUES (?)", (task.queue,))
        key = {"queue": task.queue, "id": task.id}
        body = {"version": number, "body": encode(task)}
        rows.put(connection, "tasks", {**key, **body, **rows.columns(task)})
        return Written(Stored(document=task, version=Version(1, number)))

    # --------------------------------------------------------------------------------- reads

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        """Read the present versions."""
        with self._database.reading() as connection:
            return [self._get(connection, key) for key in keys]

    def _get(self, connection: sqlite3.Connection, key: TaskKey) -> ReadOutcome[Task]:
        if not (is_text(key.queue) and is_text(key.id)):
            return Missing()
        row = connection.execute(
            "SELECT version, body FROM tasks WHERE queue = ? AND id = ?", (key.queue, key.id)
        ).fetchone()
        return Missing() if row is None else stored_or_malformed(Task, *row)

    def find_claimable(self, queries: Sequence[ClaimableQuery]) -> Sequence[Sequence[StoredTask]]:
        """The first of each query's tasks; those of one place in the order go by queue."""
        with self._database.reading() as connection:
            return [self._claimable(connection, query) for query in queries]

    def _claimable(self, connection: sqlite3.Connection, query: ClaimableQuery) -> list[StoredTask]:
        names = query.queues or _names(connection)
        found = [
            _waiting(connection, queue, query.now)
            for queue in sorted(names)
            if queue not in query.paused
        ]
        merged = heapq.merge(*found, key=lambda stored: stored.document.claim_order)
        return list(islice(merged, query.limit))

    def find_timed_out(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """Those whose time has been over for the longest, first."""
        return self._first(
            "WHERE times_out_at <= ? ORDER BY times_out_at, id, queue",
            [rows.sortable(before)],
            limit,
        )

    def find_expired(self, *, before: Instant, limit: int) -> Sequence[StoredTask]:
        """Those whose time to be started has been over for the longest, first."""
        return self._first(
            "WHERE expires_at <= ? ORDER BY expires_at, id, queue", [rows.sortable(before)], limit
        )

    def find_finished(self, query: FinishedQuery) -> Sequence[StoredTask]:
        """Those that have been finished for the longest, first."""
        but = {stored.version for stored in query.but}
        with self._database.reading() as connection:
            cursor = connection.execute(
                "SELECT version, body FROM tasks WHERE finished_at <= "
                "(CASE WHEN recurring IS NULL THEN ? ELSE ? END) "
                "AND finished_at IS NOT NULL ORDER BY finished_at, id, queue",
                (rows.sortable(query.before), rows.sortable(query.recurring_before)),
            )
            found = (each for each in rows.good(cursor, Task) if each.version not in but)
            return list(islice(found, query.limit))

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """The next of a listing."""
        conditions, values = rows.listing(query)
        return self._first(conditions, values, query.limit)

    def _first(self, conditions: str, values: Sequence[Any], limit: int) -> list[StoredTask]:
        with self._database.reading() as connection:
            cursor = connection.execute(f"SELECT version, body FROM tasks {conditions}", values)
            return list(islice(rows.good(cursor, Task), limit))

    def queue_names(self) -> frozenset[QueueName]:
        """Those that were ever written to."""
        with self._database.reading() as connection:
            return frozenset(_names(connection))

    def summarise(self, *, now: Instant) -> Sequence[QueueSummary]:
        """How every queue stands."""
        with self._database.reading() as connection:
            return [_summary(connection, queue, now) for queue in sorted(_names(connection))]

    def count_outstanding(self, queue: QueueName, recurring_task_id: RecurringTaskId) -> int:
        """Those that are there now."""
        with self._database.reading() as connection:
            count: int = connection.execute(
                "SELECT count(*) FROM tasks "
                "WHERE queue = ? AND recurring = ? AND recurring IS NOT NULL "
                "AND finished_at IS NULL",
                (queue, recurring_task_id),
            ).fetchone()[0]
        return count


def _fault(task: Task) -> str | None:
    try:
        queues.queue_name(task.queue)
    except errors.InvalidInput as error:
        return str(error)
    texts = (task.kind, task.recurring_task_id or "", _worker(task))
    if not all(map(is_text, texts)):
        return "a name holds half of a surrogate pair"
    if not fits_as_id(task.id):
        return f"an id must have 1 to {queues.MAX_ID_BYTES} bytes in UTF-8"
    return rows.fault(task)


def _worker(task: Task) -> str:
    return "" if task.last_claim is None else task.last_claim.worker_id


def _names(connection: sqlite3.Connection) -> list[QueueName]:
    return [QueueName(name) for (name,) in connection.execute("SELECT name FROM queues")]


def _waiting(
    connection: sqlite3.Connection, queue: QueueName, now: Instant
) -> Iterator[StoredTask]:
    # Read as far as it is wanted: what waits for later under a high priority is passed over.
    cursor = connection.execute(
        f"SELECT version, body FROM tasks WHERE waits AND queue = ? AND run_at <= ? {_ORDER}",
        (queue, rows.sortable(now)),
    )
    return rows.good(cursor, Task)


def _summary(connection: sqlite3.Connection, queue: QueueName, now: Instant) -> QueueSummary:
    counts = connection.execute(
        "SELECT state, count(*) FROM tasks WHERE queue = ? GROUP BY state", (queue,)
    ).fetchall()
    ready, oldest = connection.execute(
        "SELECT count(*), min(run_at) FROM tasks WHERE waits AND queue = ? AND run_at <= ?",
        (queue, rows.sortable(now)),
    ).fetchone()
    return QueueSummary(
        queue=queue,
        counts={State(state): count for state, count in counts},
        ready=ready,
        oldest_ready=None if oldest is None else _to_the_millisecond(rows.instant_of(oldest)),
    )


def _to_the_millisecond(instant: Instant) -> Instant:
    # As finely as any store can say it.
    return Instant(instant.nanoseconds - instant.nanoseconds % 1_000_000)
