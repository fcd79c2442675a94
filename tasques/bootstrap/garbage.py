"""
How often a server looks for garbage that only refers to itself.

CPython looks whenever 700 objects more were made than have gone, and looks through all there are once
a quarter of them is new. A request for a hundred tasks makes some thousands, which are gone with its
answer, by their count of references alone; so nearly all that looking finds nothing, took a fifth of
a task's processor time, and 44 ms at once when it was through everything (explanation/hot-path.md).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: About as many objects as a few large requests have at one time, a few megabytes.
_YOUNG: Final = 10_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """
    Look seldom, and never through what is there already: it stays as long as the server.

    For the process as a whole, so for a process that is a server and nothing else.
    """
    young, *older = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)
        gc.unfreeze()
