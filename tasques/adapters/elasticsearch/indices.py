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
    def queues_template(self) -> str:
        """The template that a queue's index is made from."""
        return f"{self.prefix}queues_index_template"

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
QUEUE_FIELDS: Final[Json] = {**TASK_FIELDS, "rank": _LONG, "ext": _OPAQUE}


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
    archive_settings: dict[str, object] = {}
    if policy_name is not None:
        archive_settings = {
            "index.lifecycle.name": policy_name,
            "index.lifecycle.rollover_alias": names.archive,
        }
    yield Template(
        name=names.queues_template,
        composable=_composable(names, names.all_queues, QUEUE_FIELDS),
        legacy=_legacy(names.all_queues, TASK_FIELDS),
    )
    archive_pattern = f"{names.archive}-*" if policy_name is not None else names.archive
    yield Template(
        name=f"{names.prefix}archive_index_template",
        composable=_composable(
            names, archive_pattern, {**TASK_FIELDS, "ext": _OPAQUE}, archive_settings
        ),
        legacy=_legacy(archive_pattern, TASK_FIELDS, archive_settings),
    )
    yield Template(
        name=f"{names.prefix}leader_locks_index_template",
        composable=_composable(names, names.leader_locks, {**_LOCK_FIELDS, "ext": _OPAQUE}),
        legacy=_legacy(names.leader_locks, {}),
    )
    yield Template(
        name=f"{names.prefix}recurring_tasks_index_template",
        composable=_composable(names, names.recurring_tasks, {**RECURRING_FIELDS, "ext": _OPAQUE}),
        legacy=_legacy(names.recurring_tasks, RECURRING_FIELDS),
    )
    yield Template(
        name=f"{names.prefix}policies_index_template",
        composable=_composable(names, names.policies, {}),
    )


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


# ------------------------------------------------------------------- comparing what is there


@attrs.frozen(kw_only=True)
class FieldsCompared:
    """
    An index's mapping against the fields it should have.

    Attributes:
        missing: The fields that are not mapped, ready to be put into the mapping.
        wrong: Dotted names that are mapped as something else, which nothing can change.
    """

    missing: Json
    wrong: tuple[str, ...]


def properties_of(mappings: object) -> Mapping[str, Json]:
    """The fields of each index in the answer to ``GET /<index>/_mapping``."""
    if not isinstance(mappings, Mapping):
        return {}
    return {
        str(index): _mapping_at(_mapping_at(content, "mappings"), "properties")
        for index, content in mappings.items()
        if isinstance(content, Mapping)
    }


def compare_fields(actual: Json, wanted: Json, path: str = "") -> FieldsCompared:
    """
    What *actual* (``properties`` of a mapping) lacks of *wanted*, and what differs.

    Extra fields are no difference; nor is an option that *wanted* does not name.
    """
    missing: dict[str, object] = {}
    wrong: list[str] = []
    for name, definition in wanted.items():
        assert isinstance(definition, Mapping)
        found = actual.get(name)
        if not isinstance(found, Mapping):
            missing[name] = definition
        elif _type(found) != _type(definition):
            wrong.append(path + name)
        else:
            # Sub-fields of a field and fields of an object alike.
            for key in ("properties", "fields"):
                inner = compare_fields(
                    _mapping_at(found, key), _mapping_at(definition, key), f"{path}{name}."
                )
                wrong.extend(inner.wrong)
                if inner.missing:
                    kept = {} if key == "properties" else {"type": definition.get("type")}
                    missing[name] = {**kept, key: inner.missing}
    return FieldsCompared(missing=missing, wrong=tuple(wrong))


def _type(definition: Json) -> tuple[object, bool]:
    kind = definition.get("type", "object")
    return kind, kind == "object" and str(definition.get("enabled", True)).lower() == "true"


def _mapping_at(definition: Mapping[str, object], key: str) -> Json:
    value = definition.get(key)
    return value if isinstance(value, Mapping) else {}


def says_as_much(actual: object, wanted: object) -> bool:
    """
    Whether *actual*, a template as Elasticsearch gives it back, has all that *wanted* says.

    What it says more is not ours: somebody may have added replicas. Elasticsearch gives settings
    back nested under ``index`` and as texts; both are made flat and texts before comparing.
    """
    theirs, ours = dict(_leaves(actual, "")), dict(_leaves(wanted, ""))
    return all(theirs.get(path) == value for path, value in ours.items())


def flat_settings(settings: object) -> Json:
    """Settings by dotted name, however they were nested."""
    return {path.removeprefix("."): value for path, value in _leaves(settings, "") if path}


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield path, sorted(_scalar(inner) for inner in value)
    elif not isinstance(value, Mapping):
        yield path, _scalar(value)


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
