"""
A leader's lock as a document, and back; nothing is sent from here.

The document is the original server's (wire contract, section 7), its name ``_id`` alone. ``ext``
holds what the original does not know, and drops when it takes or renews the lock.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tasques.adapters.elasticsearch.parts import (
    EXT_VERSION,
    MalformedDocument,
    Op,
    VersionPart,
    encoded_operation,
    encoded_version,
    operation,
    optional_instant,
    optional_text,
    version,
)
from tasques.core.leadership import LeaderLock
from tasques.core.values import Duration, Instant


class _Ext(msgspec.Struct, omit_defaults=True):
    op: Op | None = None
    taken_at: str | None = None
    term: VersionPart | None = None
    released: bool = False
    # Last and without a fitting default, so that it is always written.
    v: int = 0


class _LockDocument(msgspec.Struct, omit_defaults=True):
    leader_id: str
    at: str
    leader_lock_lease: int
    ext: _Ext | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_LockDocument)
_NO_EXT: Final = _Ext()


def encode(lock: LeaderLock) -> bytes:
    """
    The document of *lock*, as compact JSON without a line break.

    Raises:
        ValueError: If it holds what JSON in UTF-8 cannot say.
    """
    ext = _Ext(
        op=encoded_operation(lock.operation),
        taken_at=optional_text(lock.taken_at),
        term=encoded_version(lock.term),
        released=lock.released,
    )
    document = _LockDocument(
        leader_id=lock.leader_id,
        at=str(lock.at),
        leader_lock_lease=lock.lease.nanoseconds,
        ext=None if ext == _NO_EXT else msgspec.structs.replace(ext, v=EXT_VERSION),
    )
    return _ENCODER.encode(document)


def decode(source: bytes | msgspec.Raw, *, name: str) -> LeaderLock:
    """
    The lock that a document holds.

    Args:
        source: The document's ``_source``.
        name: Its ``_id``.

    Raises:
        MalformedDocument: If it is none.
    """
    try:
        document = _DECODER.decode(source)
        ext = document.ext or _NO_EXT
        return LeaderLock(
            name=name,
            leader_id=document.leader_id,
            at=Instant.parse(document.at),
            lease=Duration(document.leader_lock_lease),
            taken_at=optional_instant(ext.taken_at),
            term=version(ext.term),
            released=ext.released,
            operation=operation(ext.op),
        )
    except RecursionError as error:
        raise MalformedDocument("nested too deeply") from error
    # Those of msgspec are among them.
    except ValueError as error:
        raise MalformedDocument(str(error)) from error
