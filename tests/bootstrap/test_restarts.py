"""How soon a process that ended is replaced."""

from tasques.bootstrap.restarts import Restarts


def test_pauses_grow_and_begin_anew_after_a_long_life() -> None:
    """None for one that ended in order, which changes nothing for the others."""
    restarts = Restarts()
    assert restarts.pause(0, lived=0.0) == 0
    pauses = [restarts.pause(1, lived=1.0) for _ in range(8)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert restarts.pause(0, lived=1.0) == 0
    assert restarts.pause(-9, lived=59.0) == 30
    assert restarts.pause(-9, lived=61.0) == 0.5
    assert restarts.pause(-9, lived=1.0) == 1
