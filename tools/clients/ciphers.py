"""
The tasks of the original's example, and what a worker has to make of each.

A message is enciphered in four ways, each of which is a task: ``Rot1``, ``Rot13``, ``Base64`` and
``Md5``.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: The queue, as in the example's own configuration.
QUEUE = "messages_and_ciphers"


def _rotated(text: str, by: int) -> str:
    return "".join(_rotated_letter(letter, by) for letter in text)


def _rotated_letter(letter: str, by: int) -> str:
    for first in "Aa":
        place = ord(letter) - ord(first)
        if 0 <= place < 26:
            return chr(ord(first) + (place + by) % 26)
    return letter


#: By kind of task.
CIPHERS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "Rot1": lambda plain: _rotated(plain, 1),
        "Rot13": lambda plain: _rotated(plain, 13),
        "Base64": lambda plain: base64.b64encode(plain.encode()).decode(),
        "Md5": lambda plain: hashlib.md5(plain.encode(), usedforsecurity=False).hexdigest(),
    }
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A task that is to be created: a message, and a kind of cipher."""

    number: int
    kind: str
    plain: str

    @property
    def ciphered(self) -> str:
        """What a worker makes of it."""
        return CIPHERS[self.kind](self.plain)


def jobs(count: int) -> Iterator[Job]:
    """So many jobs: each message in all four ways, before the next one."""
    kinds = list(CIPHERS)
    for number in range(count):
        message, kind = divmod(number, len(kinds))
        yield Job(number=number, kind=kinds[kind], plain=message_text(message))


def message_text(number: int) -> str:
    """A message; no two are equal, and each has letters of both cases and others."""
    return f"Zebra & Quagga no. {number}: crossing the zoo, für Elise"
