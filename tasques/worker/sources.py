"""Whether a program's source files have changed, for who is at work on them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

#: What nobody edits, besides what is hidden and what is of an environment.
_PASSED_OVER: Final = ("__pycache__", "node_modules")
_OF_ENVIRONMENT: Final = "pyvenv.cfg"

_Look = Mapping[str, tuple[int, int]]


class Sources:
    """
    The Python files below *folder*.

    Looked at again and again, which needs nothing of the system and works on every file system; for
    ten thousand files a look takes some 100 ms.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._seen = self._look()

    def have_changed(self) -> bool:
        """Whether any was written, made or removed since the last time this was asked."""
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def _look(self) -> _Look:
        return dict(_found(self._folder))


def _found(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
    except OSError:
        return  # it is gone, or nobody's business
    if any(each.name == _OF_ENVIRONMENT for each in listed):
        return
    for each in listed:
        try:
            if each.is_dir(follow_symlinks=False):
                if not each.name.startswith(".") and each.name not in _PASSED_OVER:
                    yield from _found(each.path)
            elif each.name.endswith(".py"):
                stat = each.stat()
                yield each.path, (stat.st_mtime_ns, stat.st_size)
        except OSError:
            pass  # it was removed meanwhile, which the next look sees
