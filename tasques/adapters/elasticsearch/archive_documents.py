"""
A copy of a finished task as a document, and back; nothing is sent from here.

It is the task's own document, so that an original server and whoever looks into the archive read it
like any other. Under ``ext.origin`` it says which version of the task it copies. It has no ``rank``
and no ``expires_at`` of its own: nobody claims or sweeps what is archived.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tasques.adapters.elasticsearch import documents
from tasques.adapters.elasticsearch.parts import (
    EXT_VERSION,
    MalformedDocument,
    Raw,
    VersionPart,
    encoded_version,
    version,
)
from tasques.core.archive import ArchivedTask, ArchiveKey, archive_key
from tasques.core.queues import QueueName


class _Ext(msgspec.Struct, omit_defaults=True):
    origin: VersionPart | None = None


class _Named(msgspec.Struct):
    """What a copy says of itself before it is read as a task."""

    id: str
    queue: str
    ext: _Ext | None = None


_ENCODER: Final = msgspec.json.Encoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_NAMED: Final = msgspec.json.Decoder(_Named)


def encode(copy: ArchivedTask) -> bytes:
    """
    The document of *copy*, as compact JSON without a line break.

    Raises:
        ValueError: If it holds what JSON in UTF-8 cannot say.
    """
    # Made of the task's document rather than beside it: whatever that may hold, the copy has.
    fields = _OBJECT.decode(documents.encode(copy.task))
    fields.pop("rank", None)
    fields.pop("expires_at", None)
    ext = _OBJECT.decode(fields["ext"]) if "ext" in fields else {}
    ext["origin"] = _raw(encoded_version(copy.origin))
    ext["v"] = _raw(EXT_VERSION)
    return _ENCODER.encode({**fields, "ext": ext})


def decode(source: Raw, *, key: ArchiveKey, place: str) -> ArchivedTask:
    """
    The copy that a document holds.

    Args:
        source: The document's ``_source``.
        key: Its ``_id``; the document has to agree.
        place: The index it is in.

    Raises:
        MalformedDocument: If it is no copy of a task.
    """
    try:
        named = _NAMED.decode(source)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise MalformedDocument(str(error)) from error
    task = documents.decode(source, queue=QueueName(named.queue), id=named.id)
    if archive_key(task) != key:
        raise MalformedDocument("its id is not that of a copy of this task")
    origin = version(None if named.ext is None else named.ext.origin)
    if origin is None:
        raise MalformedDocument("it does not say which version of the task it copies")
    return ArchivedTask(task=task, origin=origin, place=place)


def _raw(value: object) -> Raw:
    return msgspec.Raw(_ENCODER.encode(value))
