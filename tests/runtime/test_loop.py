"""The thread runtime and its loops: work goes on whatever happens, and ends when it is told to."""

from __future__ import annotations

import threading

import pytest

from tasques.core.values import Duration
from tasques.runtime import Loop, ThreadRuntime

SECOND = Duration.of_seconds(1)
MOMENT = Duration.of_seconds(0.001)


def test_a_loop_steps_until_it_is_stopped() -> None:
    """And no more after that."""
    steps = threading.Semaphore(0)

    def step() -> Duration:
        steps.release()
        return MOMENT

    loop = Loop("test", step, ThreadRuntime())
    loop.start()
    for _ in range(3):
        assert steps.acquire(timeout=60)
    assert loop.stop(Duration.of_seconds(60))
    while steps.acquire(blocking=False):
        pass
    assert not steps.acquire(timeout=0.05)


def test_stopping_does_not_wait_for_a_pause() -> None:
    """A loop that would sleep for an hour ends at once."""
    stepped = threading.Event()

    def step() -> Duration:
        stepped.set()
        return Duration.of_seconds(3600)

    loop = Loop("test", step, ThreadRuntime())
    loop.start()
    assert stepped.wait(60)
    assert loop.stop(Duration.of_seconds(60))


def test_a_step_that_does_not_end_is_not_waited_for_beyond_the_limit() -> None:
    """Whoever stops the server is told so."""
    hold = threading.Event()
    began = threading.Event()

    def step() -> Duration:
        began.set()
        hold.wait(60)
        return MOMENT

    loop = Loop("test", step, ThreadRuntime())
    loop.start()
    assert began.wait(60)
    assert not loop.stop(Duration.of_seconds(0.01))
    hold.set()
    assert loop.stop(Duration.of_seconds(60))


def test_a_step_that_fails_is_logged_counted_shown_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With its traceback; what it showed is gone once it works again."""
    recovered = threading.Event()
    attempts = iter([ValueError("bad moment")])

    def step() -> Duration:
        for error in attempts:
            raise error
        recovered.set()
        return SECOND

    loop = Loop("test", step, ThreadRuntime(), after_error=MOMENT)
    loop.start()
    assert recovered.wait(60)
    assert loop.stop(Duration.of_seconds(60))
    assert loop.errors == 1
    assert loop.last_error is None
    (record,) = [r for r in caplog.records if r.name == "tasques.runtime"]
    assert record.exc_info is not None
    assert "test" in record.getMessage()


def test_ids_are_32_hexadecimal_digits_and_new_each_time() -> None:
    """As the original makes them."""
    ids = {ThreadRuntime().new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(id) == 32 and set(id) <= set("0123456789abcdef") for id in ids)


def test_conditions_can_share_a_lock() -> None:
    """Who holds one holds the other; locks of another runtime are refused."""
    runtime = ThreadRuntime()
    first = runtime.condition()
    second = runtime.condition(first)
    entered = threading.Event()

    def enter() -> None:
        with second:
            entered.set()

    with first:
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.05)
    assert entered.wait(60)
    thread.join()
    with pytest.raises(TypeError):
        runtime.condition(object())  # type: ignore[arg-type]
