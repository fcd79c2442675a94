"""Ids come from a store of random bits; nobody gets one that somebody else has."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

from tasques.runtime import new_id

MANY = 1_000


def test_they_are_32_hexadecimal_digits() -> None:
    """Also the first and the last of a store."""
    assert all(re.fullmatch("[0-9a-f]{32}", new_id()) for _ in range(MANY))


def test_threads_do_not_share_them() -> None:
    """However they get into each other's way as the store runs out."""
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: [new_id() for _ in range(MANY)], range(32)))
    ids = [id for each in given for id in each]
    assert len(set(ids)) == len(ids)


def test_a_child_of_a_fork_has_its_own() -> None:
    """What its parent had in store is the parent's alone."""
    new_id()  # so that there is something in store
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    theirs = {text[at : at + 32] for at in range(0, len(text), 32)}
    assert len(theirs) == 100
    assert not theirs & {new_id() for _ in range(100)}
