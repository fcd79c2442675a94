"""
The limit of open files, which is a limit of connections too.

waitress at its limit of connections stops accepting; a process at its limit of files fails at
whatever it does next. So the former has to be reached first.
"""

from __future__ import annotations

import logging
import resource
from typing import Final

_log: Final = logging.getLogger(__name__)

#: Fewer connections than this, and something is wrong with the machine's configuration.
_FEW: Final = 64


def allow_open_files(connections: int, *, others: int) -> int:
    """
    Have room for so many connections, raising the soft limit where that is allowed.

    Args:
        connections: How many are wanted.
        others: Files that are needed beside them.

    Returns:
        How many connections there is room for: all, or fewer with a warning.
    """
    wanted = connections + others
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_below(soft, wanted):
        soft = wanted if not _is_below(hard, wanted) else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if not _is_below(soft, wanted):
        return connections
    room = max(soft - others, _FEW)
    _log.warning(
        "only %d files may be open (ulimit -n), which is room for %d connections instead of %d;"
        " slow or waiting clients may keep others from connecting",
        soft,
        room,
        connections,
    )
    return room


def _is_below(limit: int, wanted: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < wanted
