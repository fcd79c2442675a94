"""What stands in columns beside a document, so that it is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from tasques.core.archive import finished_at
from tasques.core.documents import D, Stored
from tasques.core.listing import ListOrder, TaskQuery
from tasques.core.tasks import MAX_PRIORITY, MAX_RETRY_TIMES, MIN_PRIORITY, State, Task
from tasques.core.values import Instant
from tasques_sqlite.document_store import stored_or_malformed

#: Makes every instant's nanoseconds positive; a column for them would need more than 64 bits.
_OFFSET: Final = 10**20


def sortable(instant: Instant) -> str:
    """*instant* as a text that sorts as it does, and as all others do."""
    return f"{instant.nanoseconds + _OFFSET:021d}"


def instant_of(text: str) -> Instant:
    """The instant that :func:`sortable` made a text of."""
    return Instant(int(text) - _OFFSET)


def columns(task: Task) -> dict[str, object]:
    """By name, all but the key, the version and the body."""
    claim = task.last_claim
    waiting = task.state.is_claimable
    expires_at = task.extensions.expires_at if waiting else None
    return {
        **listed_columns(task),
        "priority": task.priority,
        "run_at": sortable(task.run_at),
        "remaining": task.remaining_attempts,
        "waits": waiting and task.remaining_attempts > 0,
        "times_out_at": sortable(claim.times_out_at)
        if task.state is State.CLAIMED and claim is not None
        else None,
        "expires_at": None if expires_at is None else sortable(expires_at),
        "finished_at": sortable(finished_at(task)) if task.state.is_final else None,
        "recurring": task.recurring_task_id,
    }


def listed_columns(task: Task) -> dict[str, object]:
    """What a listing asks for."""
    return {
        "state": task.state.value,
        "kind": task.kind,
        "worker": None if task.last_claim is None else task.last_claim.worker_id,
        "created_ms": task.created_at.milliseconds,
        "created_at": sortable(task.created_at),
    }


def fault(task: Task) -> str | None:
    """Why no store would take *task*, whatever its names; None if they would."""
    if not MIN_PRIORITY <= task.priority <= MAX_PRIORITY:
        return "a priority must fit in 64 bits"
    if not 0 <= task.retry_times <= MAX_RETRY_TIMES:
        return "the attempts must fit in 64 bits"
    return None


def put(connection: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    """Store a row, in the place of the one of its key if there is one."""
    names, places = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(
        f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})",
        tuple(values.values()),
    )


def good(cursor: sqlite3.Cursor, kind: type[D]) -> Iterator[Stored[D]]:
    """Of rows of version and body, those that are documents; the cursor is read as far as needed."""
    for row in cursor:
        found = stored_or_malformed(kind, *row)
        if isinstance(found, Stored):
            yield found


def listing(query: TaskQuery) -> tuple[str, list[Any]]:
    """The conditions and the order of a listing, with their values."""
    meant, newest = query.filter, query.order is ListOrder.NEWEST
    conditions: list[str] = ["queue = ?"]
    values: list[Any] = [meant.queue]
    if meant.states:
        conditions.append(f"state IN ({', '.join('?' * len(meant.states))})")
        values += sorted(state.value for state in meant.states)
    for column, value in (("kind", meant.kind), ("worker", meant.worker)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    if meant.created_from is not None:
        conditions.append("created_at >= ?")
        values.append(sortable(meant.created_from))
    if meant.created_before is not None:
        conditions.append("created_at < ?")
        values.append(sortable(meant.created_before))
    if query.after is not None:
        conditions.append(f"(created_ms, id) {'<' if newest else '>'} (?, ?)")
        values += [query.after.milliseconds, query.after.id]
    direction = "DESC" if newest else "ASC"
    order = f"ORDER BY created_ms {direction}, id {direction}"
    return f"WHERE {' AND '.join(conditions)} {order}", values
