"""Conditions of the real runtime: their lock is held within ``with``, and let go whatever happens."""

from __future__ import annotations

import threading

import pytest

from tasques.runtime import ThreadRuntime


def test_with_holds_the_lock_and_lets_it_go() -> None:
    """Also where the block raises; and those that share a lock exclude each other."""
    condition = ThreadRuntime().condition()
    sharing = ThreadRuntime().condition(condition)
    assert isinstance(condition, threading.Condition)
    assert isinstance(sharing, threading.Condition)
    for one, other in ((condition, sharing), (sharing, condition)):
        with one:
            assert not other.acquire(blocking=False)
        with pytest.raises(ValueError, match="x"), one:
            raise ValueError("x")
        assert other.acquire(blocking=False)
        other.release()


def test_waiting_lets_the_lock_go_meanwhile() -> None:
    """Whoever notifies has to have it."""
    condition = ThreadRuntime().condition()
    seen: list[str] = []

    def notify() -> None:
        with condition:
            seen.append("notified")
            condition.notify_all()

    with condition:
        threading.Thread(target=notify).start()
        while not seen:
            condition.wait()
    assert seen == ["notified"]
