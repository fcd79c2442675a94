"""
What may name a queue, a task and a worker.

A queue's name becomes part of an index's name, and a task's id the id of a document, so the rules
are Elasticsearch's (and the original's), checked here for every backend alike: what one store
would refuse, none accepts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NewType

from tasques.core.errors import Fault, InvalidInput

QueueName = NewType("QueueName", str)
TaskId = NewType("TaskId", str)
WorkerId = NewType("WorkerId", str)

#: An index's name may have 255 bytes, of which ``.tasques_queue-`` takes fifteen.
MAX_QUEUE_BYTES: Final = 240
#: Elasticsearch's limit for the id of a document.
MAX_ID_BYTES: Final = 512

_ILLEGAL_CHARACTERS: Final = '\\/*?"<>| ,#:'
_ILLEGAL_STARTS: Final = ("_", "-", "+")


# The same few names come with every request; a fault is worded anew each time.
@lru_cache(maxsize=4096)
def queue_name(text: str) -> QueueName:
    """
    *text* as a queue's name.

    Raises:
        InvalidInput: With every rule that it breaks.
    """
    problems = list(_queue_problems(text))
    if problems:
        listed = ", ".join(f"[{problem}]" for problem in problems)
        faults = [Fault("queue", "queueName", problem) for problem in problems]
        raise InvalidInput(faults, f"Illegal Queue name: [{listed}]")
    return QueueName(text)


def _queue_problems(name: str) -> Iterator[str]:
    if not name:
        yield "is empty"
        return
    if not _is_encodable(name):
        yield "is not valid Unicode"
        return
    found = "".join(c for c in _ILLEGAL_CHARACTERS if c in name)
    if found:
        yield f"contains illegal characters [{found}]"
    if any(unicodedata.category(c) == "Cc" for c in name):
        yield "contains control characters"
    if name.startswith(_ILLEGAL_STARTS):
        yield f"starts with [{name[0]}]"
    if name in (".", ".."):
        yield f"is [{name}]"
    if name != name.lower():
        yield f"not lower case [{name}]"
    if len(name.encode()) > MAX_QUEUE_BYTES:
        yield f"is longer than {MAX_QUEUE_BYTES} bytes"


def task_id(text: str) -> TaskId:
    """
    *text* as a task's id.

    A ``/`` is refused, because an id that holds one could be stored but never addressed; so are
    ``.`` and ``..``, which every URL library takes for a way up.

    Raises:
        InvalidInput: If it cannot be stored and addressed.
    """
    problem = _id_problem(text)
    if problem:
        raise InvalidInput([Fault("id", "taskId", problem)], f"Illegal Task id: {problem}")
    return TaskId(text)


def _id_problem(text: str) -> str | None:
    if not text:
        return "is empty"
    if not _is_encodable(text):
        return "is not valid Unicode"
    if len(text.encode()) > MAX_ID_BYTES:
        return f"is longer than {MAX_ID_BYTES} bytes"
    if "/" in text:
        return "contains a [/]"
    if text in (".", ".."):
        return f"is [{text}]"
    return None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
