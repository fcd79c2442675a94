"""
The id of the request that this thread works on: in the answer and in every line of the log.

A caller may bring its own, so that one id runs through the logs of several services.
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from typing import Final

from tasques.runtime import new_id

# Short and plain, since it comes back in a header and goes into logs.
_SANE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)

_current: Final[ContextVar[str | None]] = ContextVar("tasques_request_id", default=None)


def begin(brought: str | None) -> str:
    """The id for a request that begins: the one *brought*, if it is sane, or a new one."""
    chosen = brought if brought and _SANE.fullmatch(brought) else new_id()
    _current.set(chosen)
    return chosen


def current() -> str | None:
    """The id of the request under way in this thread; None between requests."""
    return _current.get()


def end() -> None:
    """Forget the id."""
    _current.set(None)


class RequestIdFilter(logging.Filter):
    """Gives every record of the log the attribute ``request_id``, where there is one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if not hasattr(record, "request_id"):
            record.request_id = _current.get()
        return True
