"""
What documents of every kind are made of: times, free-form objects, the mark of the last write.

Free-form objects pass as their text, never parsed here: what is inside cannot change, not even an
integer of a thousand digits.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from tasques.adapters.elasticsearch import nesting
from tasques.core.documents import Operation, Version
from tasques.core.json_object import MAX_DEPTH, JsonObject
from tasques.core.values import Instant

#: The version of ``ext`` that is written. Any version is read for the keys that are known here.
EXT_VERSION: Final = 1

Raw: TypeAlias = msgspec.Raw
ABSENT: Final = msgspec.Raw()


class MalformedDocument(ValueError):
    """A document that is not of its kind; the message says why."""


class Metadata(msgspec.Struct):
    """When a document was made and last changed."""

    created_at: str
    modified_at: str


class Op(msgspec.Struct, omit_defaults=True):
    """The write that made a version of a document; under ``ext``."""

    token: str
    verb: str
    digest: str = ""


def encoded_operation(operation: Operation | None) -> Op | None:
    """*operation* as ``ext.op``."""
    return None if operation is None else Op(operation.token, operation.verb, operation.digest)


def operation(op: Op | None) -> Operation | None:
    """What ``ext.op`` says."""
    return None if op is None else Operation(token=op.token, verb=op.verb, digest=op.digest)


class VersionPart(msgspec.Struct):
    """A version that a document remembers, of itself or of another."""

    primary_term: int
    seq_no: int


def encoded_version(version: Version | None) -> VersionPart | None:
    """*version* as documents hold it, or nothing."""
    return None if version is None else VersionPart(version.primary_term, version.seq_no)


def version(part: VersionPart | None) -> Version | None:
    """The version that a document remembers, if it does."""
    return None if part is None else Version(part.primary_term, part.seq_no)


# ------------------------------------------------------------------------- free-form objects


def raw(value: JsonObject | None) -> Raw:
    """The text of *value*, to be put into a document as it is."""
    return ABSENT if value is None else msgspec.Raw(value.text.encode())


def free_form(text: Raw, name: str, is_ours: bool) -> JsonObject | None:
    """
    A free-form object out of a document.

    Args:
        name: For the message of an error.
        is_ours: Whether a server of ours wrote it, and so without white space between its parts.

    Raises:
        ValueError: If it is none, or nested more deeply than Tasques accepts.
    """
    content = bytes(text)
    if not content or content == b"null":
        return None
    if not content.startswith(b"{"):
        raise ValueError(f"{name} is not an object")
    # Deeper than anything Tasques accepts, though Elasticsearch does; nothing after us could read it.
    if nesting.is_deeper(content, MAX_DEPTH):
        raise ValueError(f"{name} is nested deeper than {MAX_DEPTH} levels")
    return JsonObject((content if is_ours else _compact(content)).decode())


def on_one_line(encoded: bytes) -> bytes:
    """A document without line breaks: a bulk request is read line by line."""
    # An object's text is taken on trust, so one may be in it.
    return _compact(encoded) if b"\n" in encoded else encoded


def _compact(text: bytes) -> bytes:
    # Only moves between parts: numbers and strings stay as they were written.
    return msgspec.json.format(text, indent=-1)


# ----------------------------------------------------------------------------------- times


def optional_text(instant: Instant | None) -> str | None:
    """*instant* as documents hold it, or nothing."""
    return None if instant is None else str(instant)


def optional_instant(text: str | None) -> Instant | None:
    """The instant that a document holds, if it does."""
    return None if text is None else Instant.parse(text)
