"""How often a server looks for garbage that only refers to itself."""

import gc
import weakref

import pytest

from tasques.bootstrap.garbage import rare_collections


class _Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_not_looked_through():
    """What a server is made of is set aside, and garbage is looked for less often than by default."""
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_threshold()[1:] == before[1:]


def test_garbage_is_found():
    """What is made while it serves is found, if it only refers to itself."""
    with rare_collections():
        ring = weakref.ref(_Ring())
        assert ring() is not None
        gc.collect()
        assert ring() is None


def test_afterwards_all_is_as_before():
    """Who served and goes on in the same process, as a test does, has it as it was; after an error too."""
    before = gc.get_threshold()
    with pytest.raises(RuntimeError), rare_collections():
        raise RuntimeError
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
