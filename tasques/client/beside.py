"""What is said beside the requests that are made meanwhile, such as the trace that they belong to."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final, TypeAlias

Headers: TypeAlias = Mapping[str, str]

_log: Final = logging.getLogger(__name__)
_NOTHING: Final[Headers] = MappingProxyType({})

_source: Final[ContextVar[Callable[[], Headers] | None]] = ContextVar(
    "tasques_beside", default=None
)


@contextlib.contextmanager
def saying(headers: Callable[[], Headers]) -> Iterator[None]:
    """
    Have *headers* sent along with every request to a server, in this thread or asyncio task.

    It is asked anew for each. What it raises is logged, and the request goes without. An outer one is
    not asked meanwhile.
    """
    token = _source.set(headers)
    try:
        yield
    finally:
        _source.reset(token)


def beside() -> Headers:
    """What is to be sent along with a request that is made now."""
    source = _source.get()
    if source is None:
        return _NOTHING
    try:
        return source()
    except Exception:  # noqa: BLE001 - somebody else's code
        _log.exception("headers for a request cannot be had")
        return _NOTHING
