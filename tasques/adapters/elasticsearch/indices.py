"""
Names of indices, and their mappings and templates as data.

A queue is an index, so that a search names the queues it means and nothing else is read. Names,
fields and types are the original's (wire contract, section 7), because both servers may share a
cluster; ours adds only ``rank``, which makes the search for work cheap, and ``ext``, which is kept
but not indexed.

There are two kinds of templates. The composable ones win and are the ones that count. The legacy
ones are the original's, word for word: it looks for them by name and does not start without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from tasques.core.queues import QueueName

#: JSON as requests hold it; not as closed as core's, because templates are read back into it too.
Json: TypeAlias = Mapping[str, object]

#: Above the 100 of Elastic's own templates and above what people usually give their catch-all.
TEMPLATE_PRIORITY: Final = 900

_NO_SETTINGS: Final[Json] = {}

# ----------------------------------------------------------------------------------- names


@attrs.frozen
class IndexNames:
    """
    The names that go with a prefix.

    Attributes:
        prefix: ``.tasques_`` for what the original shares.
    """

    prefix: str

    def queue(self, queue: QueueName) -> str:
        """The index of a queue; :meth:`queue_of` is its inverse."""
        return f"{self.prefix}queue-{queue}"

    def queue_of(self, index: str) -> QueueName | None:
        """The queue that an index holds, or None if it is not a queue's."""
        beginning = f"{self.prefix}queue-"
        if not index.startswith(beginning) or len(index) == len(beginning):
            return None
        return QueueName(index[len(beginning) :])

    @property
    def all_queues(self) -> str:
        """The pattern of every queue's index."""
        return f"{self.prefix}queue-*"

    @property
    def archive(self) -> str:
        """The archive: an index, or an alias over those that lifecycle management makes."""
        return f"{self.prefix}archive"

    @property
    def recurring_tasks(self) -> str:
        """The index of recurring tasks."""
        return f"{self.prefix}recurring_tasks"

    @property
    def leader_locks(self) -> str:
        """The index of the leader's lock."""
        return f"{self.prefix}leader_locks"

    @property
    def policies(self) -> str:
        """The index of what operators laid down for queues; ours alone."""
        return f"{self.prefix}policies"

    @property
    def is_hidden(self) -> bool:
        """
        Whether the indices are hidden.

        A pattern that begins with a dot finds hidden indices, another does not; so only where the
        names begin with a dot.
        """
        return self.prefix.startswith(".")


# -------------------------------------------------------------------------------- mappings

_KEYWORD: Final[Json] = {"type": "keyword"}
_LONG: Final[Json] = {"type": "long"}
_DATE: Final[Json] = {"type": "date"}
_BOOLEAN: Final[Json] = {"type": "boolean"}
_TEXT: Final[Json] = {
    "type": "text",
    "fields": {"keyword": {"type": "keyword", "ignore_above": 512}},
}
#: Kept, never indexed: the fields of a user's JSON must not become fields of the index.
_OPAQUE: Final[Json] = {"type": "object", "enabled": False}

_METADATA: Final[Json] = {"properties": {"created_at": _DATE, "modified_at": _DATE}}

#: The fields of a task that both servers know.
TASK_FIELDS: Final[Json] = {
    "id": _TEXT,
    "queue": _TEXT,
    "retry_times": _LONG,
    "remaining_attempts": _LONG,
    "kind": _TEXT,
    "state": _KEYWORD,
    "run_at": _DATE,
    "processing_timeout": _LONG,
    "priority": _LONG,
    "args": _OPAQUE,
    "context": _OPAQUE,
    "last_enqueued_at": _DATE,
    "last_claimed": {
        "properties": {
            "worker_id": _TEXT,
            "claimed_at": _DATE,
            "times_out_at": _DATE,
            "last_report": {"properties": {"at": _DATE, "data": _OPAQUE}},
            # The archiver of an original fails without result.at.
            "result": {"properties": {"at": _DATE, "failure": _OPAQUE, "success": _OPAQUE}},
        }
    },
    # Its .keyword is what an original counts outstanding tasks by; without it the count is 0.
    "recurring_task_id": _TEXT,
    "metadata": _METADATA,
}

RECURRING_FIELDS: Final[Json] = {
    "is_deleted": _BOOLEAN,
    "skip_if_outstanding_tasks_exist": _BOOLEAN,
    "loaded_at": _DATE,
    "metadata": _METADATA,
    "schedule_expression": _TEXT,
    "task_definition": {
        "properties": {
            "kind": _TEXT,
            "queue": _TEXT,
            "priority": _LONG,
            "processing_timeout": _LONG,
            "retry_times": _LONG,
            "args": _OPAQUE,
            "context": _OPAQUE,
        }
    },
}

_LOCK_FIELDS: Final[Json] = {"leader_id": _TEXT, "at": _DATE, "leader_lock_lease": _LONG}

#: What a queue's index maps.
QUEUE_FIELDS: Final[Json] = {**TASK_FIELDS, "rank": _LONG, "expires_at": _DATE, "ext": _OPAQUE}


@attrs.frozen(kw_only=True)
class IndexKind:
    """
    What all indices that hold the same kind of documents have in common.

    Attributes:
        what: What they are called in messages: ``queue indices``.
        pattern: Of their names.
        template: The name of the template that they are made from.
        fields: What they have to map before anything is written to them.
    """

    what: str
    pattern: str
    template: str
    fields: Json


def queue_indices(names: IndexNames) -> IndexKind:
    """The indices of queues."""
    return IndexKind(
        what="queue indices",
        pattern=names.all_queues,
        template=f"{names.prefix}queues_index_template",
        fields=QUEUE_FIELDS,
    )


def archive_indices(names: IndexNames) -> IndexKind:
    """The archive; with lifecycle management its pattern is an alias."""
    return IndexKind(
        what="the archive",
        pattern=names.archive,
        template=f"{names.prefix}archive_index_template",
        fields={**TASK_FIELDS, "ext": _OPAQUE},
    )


def recurring_indices(names: IndexNames) -> IndexKind:
    """The index of recurring tasks."""
    return IndexKind(
        what="the index of recurring tasks",
        pattern=names.recurring_tasks,
        template=f"{names.prefix}recurring_tasks_index_template",
        fields={**RECURRING_FIELDS, "ext": _OPAQUE},
    )


def lock_indices(names: IndexNames) -> IndexKind:
    """The index of leaders' locks."""
    return IndexKind(
        what="the index of leaders' locks",
        pattern=names.leader_locks,
        template=f"{names.prefix}leader_locks_index_template",
        fields={**_LOCK_FIELDS, "ext": _OPAQUE},
    )


def policy_indices(names: IndexNames) -> IndexKind:
    """The index of queues' policies; nobody searches by what is in them."""
    return IndexKind(
        what="the index of queues' policies",
        pattern=names.policies,
        template=f"{names.prefix}policies_index_template",
        fields={},
    )


# ------------------------------------------------------------------------------- templates


@attrs.frozen(kw_only=True)
class Template:
    """
    What new indices of a pattern are like.

    Attributes:
        name: The same for both kinds, which have name spaces of their own.
        composable: The body for ``_index_template``.
        legacy: The body for ``_template``; None where the original has none.
    """

    name: str
    composable: Json
    legacy: Json | None = None


def templates(names: IndexNames, *, policy_name: str | None) -> Sequence[Template]:
    """
    All templates.

    Args:
        policy_name: The lifecycle policy of the archive, or None where it is a plain index.
    """
    return tuple(_templates(names, policy_name))


def _templates(names: IndexNames, policy_name: str | None) -> Iterator[Template]:
    yield _template(names, queue_indices(names), TASK_FIELDS)
    yield _archive_template(names, policy_name)
    yield _template(names, lock_indices(names), {})
    yield _template(names, recurring_indices(names), RECURRING_FIELDS)
    policies = policy_indices(names)
    yield Template(
        name=policies.template, composable=_composable(names, policies.pattern, policies.fields)
    )


def _template(
    names: IndexNames, kind: IndexKind, original_fields: Json, settings: Json = _NO_SETTINGS
) -> Template:
    return Template(
        name=kind.template,
        composable=_composable(names, kind.pattern, kind.fields, settings),
        legacy=_legacy(kind.pattern, original_fields, settings),
    )


def _archive_template(names: IndexNames, policy_name: str | None) -> Template:
    kind = archive_indices(names)
    if policy_name is None:
        return _template(names, kind, TASK_FIELDS)
    settings = {
        "index.lifecycle.name": policy_name,
        "index.lifecycle.rollover_alias": names.archive,
    }
    managed = attrs.evolve(kind, pattern=f"{names.archive}-*")
    template = _template(names, managed, TASK_FIELDS, settings)
    # These are made by setup and by lifecycle management. One that a late write to a removed index
    # made would have no alias, and lifecycle management would stop at it.
    composable = {**template.composable, "allow_auto_create": False}
    return attrs.evolve(template, composable=composable)


def _composable(
    names: IndexNames, pattern: str, fields: Json, settings: Json = _NO_SETTINGS
) -> Json:
    # An acknowledged write is on the disk: the default, said aloud, so that a cluster's defaults or
    # somebody's catch-all template cannot take it away.
    ours: dict[str, object] = {"index.translog.durability": "request", **settings}
    if names.is_hidden:
        ours["index.hidden"] = True
    # ``dynamic: false``: a field that is not listed is kept in the source and not indexed, so that
    # no document can add fields to an index.
    mappings = {"_source": {"enabled": True}, "dynamic": False, "properties": fields}
    return {
        "index_patterns": [pattern],
        "priority": TEMPLATE_PRIORITY,
        "template": {"settings": ours, "mappings": mappings},
        "_meta": {"managed_by": "tasques"},
    }


def _legacy(pattern: str, fields: Json, settings: Json = _NO_SETTINGS) -> Json:
    mappings: dict[str, object] = {"_source": {"enabled": True}, "dynamic": True}
    if fields:
        mappings["properties"] = fields
    return {"index_patterns": [pattern], "order": 0, "settings": settings, "mappings": mappings}
