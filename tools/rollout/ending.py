"""What is left at the end, and what servers of both kinds say of it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.accounting.client import Client, task_path
from tools.rollout.audit import Discrepancy, Fault, Found
from tools.rollout.documents import Document
from tools.rollout.fleet import Server
from tools.rollout.slots import Fired, slot_of

#: What an original's answer has; what ours says besides is left out of comparisons.
_FIELDS = (
    *("id", "queue", "retry_times", "attempted", "kind", "state", "priority"),
    *("processing_timeout", "run_at", "args", "context", "last_claimed", "last_enqueued_at"),
    *("metadata", "recurring_task_id"),
)
_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Left:
    """The tasks that Elasticsearch holds when all is over: in their queues, and in the archive."""

    queued: Sequence[Document]
    archived: Sequence[Document]

    def places(self) -> Mapping[tuple[str, str], Found]:
        """Where each task is, by its queue and id."""
        places = {(it.task.queue, it.task.id): Found(queued=it) for it in self.queued}
        for it in self.archived:
            key = it.task.queue, it.task.id
            before = places.get(key, Found())
            places[key] = Found(queued=before.queued, archived=(*before.archived, it))
        return places

    def fired(self) -> list[Fired]:
        """The tasks that recurring tasks made, each once."""
        found = {
            it.task.id: Fired(
                recurring_task_id=it.recurring_task_id,
                slot=slot_of(it.task.id),
                created_at=it.task.created_at,
            )
            for it in (*self.queued, *self.archived)
            if it.recurring_task_id is not None
        }
        return list(found.values())


@dataclass(frozen=True, kw_only=True)
class Readable:
    """How many tasks an original and ours were asked for, and for how many both said the same."""

    asked: int
    discrepancies: Sequence[Discrepancy] = ()

    @property
    def equal(self) -> int:
        """As many as are well."""
        return self.asked - len(self.discrepancies)


def read(pair: Sequence[Server], queued: Sequence[Document]) -> Readable:
    """
    Ask both for every task that is left in its queue.

    Args:
        pair: An original and ours, neither of which changes anything meanwhile.
    """
    clients = [Client([server.url], stop_at=time.monotonic() + _SECONDS) for server in pair]
    wrong = []
    for it in queued:
        path = task_path("", it.task.queue, it.task.id)
        original, ours = (client.ask("GET", path) for client in clients)
        if not (original.status == ours.status == 200 and same(original.body, ours.body)):
            text = f"{original.status} {original.body}, and of ours {ours.status} {ours.body}"
            wrong.append(Discrepancy(fault=Fault.UNREADABLE, subject=path, text=text))
    for client in clients:
        client.close()
    return Readable(asked=len(queued), discrepancies=wrong)


def same(original: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether two answers agree in everything that an original knows of a task."""
    return all(original.get(field) == ours.get(field) for field in _FIELDS)
