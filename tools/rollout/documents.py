"""What Elasticsearch holds, read from there and not through a server."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.accounting.ledger import Facts, instant
from tools.elasticsearch_node import call

ARCHIVE = ".tasques_archive"
_LOCK = "/.tasques_leader_locks/_doc/recurring-tasks-leader"
#: As many as Elasticsearch gives at once.
MOST = 10_000
_PATIENCE_SECONDS = 20.0


class Unreadable(Exception):
    """Elasticsearch answers what cannot be worked with."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """
    A task as it is kept.

    Attributes:
        has_ext: With what only ours knows; an original's write takes it away.
        has_rank: Found by the search that sorts by one field.
    """

    task: Facts
    args: Mapping[str, Any]
    recurring_task_id: str | None
    has_ext: bool
    has_rank: bool


def kept(url: str, index: str) -> list[Document]:
    """
    The tasks in the indices of that name or pattern, with all that was written until now.

    Raises:
        Unreadable: If there are more than fit into one answer, or it is no answer.
    """
    asked(url, "POST", f"/{index}/_refresh?ignore_unavailable=true")
    body = {"size": MOST, "track_total_hits": True, "seq_no_primary_term": True}
    hits = asked(url, "POST", f"/{index}/_search?ignore_unavailable=true", body)["hits"]
    if hits["total"]["value"] > len(hits["hits"]):
        raise Unreadable(f"{index} has {hits['total']['value']} documents, more than can be read")
    return [document(hit) for hit in hits["hits"]]


def document(hit: Mapping[str, Any]) -> Document:
    """A hit of a search as a task."""
    source = hit["_source"]
    args = source.get("args") or {}
    claim = source.get("last_claimed") or {}
    result = claim.get("result")
    task = Facts(
        id=source["id"],
        queue=source["queue"],
        state=source["state"],
        attempted=source["retry_times"] + 1 - source["remaining_attempts"],
        retry_times=source["retry_times"],
        priority=source["priority"],
        version=(hit["_primary_term"], hit["_seq_no"]),
        number=args.get("number", -1),
        run=args.get("run", ""),
        run_at=instant(source["run_at"]),
        created_at=instant(source["metadata"]["created_at"]),
        worker=claim.get("worker_id", ""),
        claimed_at=instant(claim["claimed_at"]) if claim else 0,
        times_out_at=instant(claim["times_out_at"]) if claim else 0,
        result_at=None if result is None else instant(result["at"]),
        result=None if result is None else result.get("success", result.get("failure")),
    )
    return Document(
        task=task,
        args=args,
        recurring_task_id=source.get("recurring_task_id"),
        has_ext="ext" in source,
        has_rank="rank" in source,
    )


def dead_numbers(url: str, pattern: str) -> list[int]:
    """The numbers of the tasks that a search finds dead."""
    body = {"size": MOST, "_source": ["args.number"], "query": {"term": {"state": "dead"}}}
    hits = asked(url, "POST", f"/{pattern}/_search?ignore_unavailable=true", body)["hits"]["hits"]
    return [hit["_source"].get("args", {}).get("number", -1) for hit in hits]


def unfinished(url: str, index: str) -> int:
    """How many tasks of a queue's index a search finds unfinished."""
    body = {"query": {"terms": {"state": ["queued", "claimed", "failed"]}}}
    count: int = asked(url, "POST", f"/{index}/_count?ignore_unavailable=true", body)["count"]
    return count


def adopted(url: str, pattern: str) -> tuple[int, int]:
    """How many indices there are, and how many of them have the fields that ours adds."""
    mappings = [it["mappings"] for it in asked(url, "GET", f"/{pattern}/_mapping").values()]
    ready = [m for m in mappings if {"rank", "ext"} <= m.get("properties", {}).keys()]
    return len(mappings), len(ready)


def has_indices(url: str) -> bool:
    """Whether somebody has put tasks there before."""
    return bool(asked(url, "GET", "/.tasques_*/_mapping?expand_wildcards=all"))


def leader(url: str) -> tuple[str, bool, bool] | None:
    """The id of the lock's holder, whether it is an original, and whether it let go of the lock."""
    status, answer = call(url, "GET", _LOCK)
    if status != 200:
        return None
    source = answer["_source"]
    is_released = bool(source.get("ext", {}).get("released"))
    return source["leader_id"], "ext" not in source, is_released


def recurring_tasks(url: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """The recurring tasks that there are, by id; sees the last write."""
    status, answer = call(url, "POST", "/.tasques_recurring_tasks/_mget", {"ids": list(ids)})
    if status != 200:
        return {}
    return {it["_id"]: it["_source"] for it in answer["docs"] if it.get("found")}


def allow_ids_to_be_sorted(url: str) -> None:
    """What an original needs for its list of recurring tasks, on Elasticsearch 8 and later."""
    settings = {"persistent": {"indices.id_field_data.enabled": True}}
    asked(url, "PUT", "/_cluster/settings", settings)


def asked(url: str, method: str, path: str, body: object = None) -> Any:
    """
    The answer to a request of Elasticsearch.

    Raises:
        Unreadable: If it is not one of success; 503 is asked again for a while, since it is what a
            search of an index that is being made is answered.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        status, answer = call(url, method, path, body, timeout_seconds=60)
        if status == 200:
            return answer
        if status != 503 or time.monotonic() > deadline:
            raise Unreadable(f"{method} {path} was answered {status}: {answer}")
        time.sleep(0.2)
