"""
Words as datagrams, and back.

A datagram is a mark with the number of this form, 16 bytes of HMAC-SHA256 over everything else, and
MessagePack: who says it (8 bytes that a server chooses at its start), appetites as pairs of queue and
number, and tasks as pairs of queue and id; an empty queue stands for all. Nothing is encrypted.

Whoever has the secret is believed to be a server; others can at most send again what a server said.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

from tasques.core.errors import InvalidInput
from tasques.core.ports import Appetite, Words
from tasques.core.queues import QueueName, queue_name, task_id
from tasques.core.tasks import TaskKey

#: What goes through every network in one piece (RFC 8085, 3.2, and the IPv6 minimum of 1,280).
_LARGEST: Final = 1200
_MARK: Final = b"TQ1"
_SEAL_BYTES: Final = 16
SENDER_BYTES: Final = 8

_Pairs: TypeAlias = list[tuple[str, int]]
_Names: TypeAlias = list[tuple[str, str]]


class Forged(ValueError):
    """Nobody who knows the secret said this."""


class Malformed(ValueError):
    """This is none of our datagrams."""


def encode(words: Words, *, sender: bytes, secret: bytes) -> Iterator[bytes]:
    """*words*, in as many datagrams as it takes."""
    appetites: _Pairs = []
    waiting: _Names = []
    size = 0
    items: tuple[Appetite | TaskKey, ...] = (*words.appetites, *words.waiting)
    for item in items:
        took = _size(item)
        if size and size + took > _LARGEST:
            yield _sealed(sender, appetites, waiting, secret)
            appetites, waiting, size = [], [], 0
        size += took
        if isinstance(item, Appetite):
            appetites.append((item.queue or "", item.tasks))
        else:
            waiting.append((item.queue, item.id))
    if size:
        yield _sealed(sender, appetites, waiting, secret)


def _size(item: Appetite | TaskKey) -> int:
    names = (item.queue or "") if isinstance(item, Appetite) else item.queue + item.id
    return len(names.encode()) + 10


def _sealed(sender: bytes, appetites: _Pairs, waiting: _Names, secret: bytes) -> bytes:
    content = msgspec.msgpack.encode((sender, appetites, waiting))
    return _MARK + _seal(content, secret) + content


def _seal(content: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, _MARK + content, "sha256")[:_SEAL_BYTES]


_DECODER: Final = msgspec.msgpack.Decoder(tuple[bytes, _Pairs, _Names])


def decode(datagram: bytes, *, secret: bytes) -> tuple[bytes, Words]:
    """
    Who said it, and what.

    Raises:
        Malformed: If it is none of ours, or of another version.
        Forged: If it was made without the secret.
    """
    begin = len(_MARK) + _SEAL_BYTES
    if not datagram.startswith(_MARK) or len(datagram) <= begin:
        raise Malformed
    content = datagram[begin:]
    if not hmac.compare_digest(datagram[len(_MARK) : begin], _seal(content, secret)):
        raise Forged
    try:
        sender, appetites, waiting = _DECODER.decode(content)
        return sender, Words(
            appetites=tuple(Appetite(queue=_queue(name), tasks=n) for name, n in appetites),
            waiting=tuple(TaskKey(queue=queue_name(name), id=task_id(id)) for name, id in waiting),
        )
    except (msgspec.DecodeError, InvalidInput) as error:
        raise Malformed from error


def _queue(name: str) -> QueueName | None:
    return queue_name(name) if name else None
