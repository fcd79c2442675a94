"""Real threads and a real event loop, over the memory of this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

import pytest

from tasques.app import Context, DeclaredTask, GiveUp, Snooze, Tasques, current_context
from tasques.client import Task
from tasques.core.tasks import EndReason, State
from tasques.worker import SoftTimeLimitExceeded, TaskFilter, Worker
from tests.worker.conftest import PATIENCE, Start, burst

#: So soon that a test can wait for it; not before a busy machine has come to begin a body.
LIMIT = "1s"


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether *condition* comes to hold."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def failure(task: Task) -> dict[str, object]:
    """What is stored of the last failure."""
    claim = task.last_claimed
    assert claim is not None
    assert claim.result is not None
    assert claim.result.failure is not None
    return dict(claim.result.failure.value())


# --------------------------------------------------------------------------------- bodies


def test_it_runs_functions_and_coroutines(app: Tasques) -> None:
    """The first in threads, the others in one event loop; their results are stored."""
    threads = set()

    @app.task()
    def plus(a: int, b: int) -> int:
        threads.add(threading.current_thread().name)
        return a + b

    @app.task()
    async def times(a: int, b: int) -> int:
        await asyncio.sleep(0)
        threads.add(threading.current_thread().name)
        return a * b

    sums = [plus.enqueue(a=i, b=1) for i in range(20)]
    products = [times.enqueue(a=i, b=2) for i in range(20)]
    worker = burst(app, concurrency=4)
    assert [handle.result(0) for handle in sums] == list(range(1, 21))
    assert [handle.result(0) for handle in products] == list(range(0, 40, 2))
    assert "tasques-event-loop" in threads
    assert len(threads) <= 5
    assert worker.seen().counters.done == 40
    assert worker.seen().running == ()


def test_as_many_at_a_time_as_it_is_told(app: Tasques) -> None:
    """All slots are used, and no more: each body waits for the others."""
    together = threading.Barrier(3)

    @app.task()
    def meet() -> None:
        together.wait(PATIENCE)

    handles = [meet.enqueue() for _ in range(9)]
    burst(app, concurrency=3)
    assert {handle.get().state for handle in handles} == {State.DONE}


def test_what_a_body_raises_is_stored(app: Tasques) -> None:
    """A failure with its traceback; giving up; a snooze, which costs no attempt."""

    @app.task()
    def fails() -> None:
        raise OSError("no connection")

    @app.task()
    async def gives_up() -> None:
        raise GiveUp("no such address")

    @app.task()
    def snoozes() -> None:
        raise Snooze("1h")

    failed, dead, later = fails.enqueue(), gives_up.enqueue(), snoozes.enqueue()
    worker = burst(app)
    assert failed.get().state is State.FAILED
    assert failure(failed.get())["type"] == "OSError"
    assert "fails" in str(failure(failed.get())["traceback"])
    ended = dead.get().ended
    assert ended is not None
    assert ended.reason is EndReason.GAVE_UP
    assert (later.get().state, later.get().attempted) == (State.QUEUED, 0)
    counters = worker.seen().counters
    assert (counters.failed, counters.returned) == (2, 1)


def test_a_kind_that_is_not_declared_here_fails(app: Tasques) -> None:
    """So that it is seen, and another worker may get it."""
    handle = app.enqueue("unheard-of")
    burst(app)
    assert handle.get().state is State.FAILED
    assert "unheard-of" in str(failure(handle.get())["message"])


def test_a_result_that_json_cannot_say_is_a_failure(app: Tasques) -> None:
    """Not of the worker's: of the attempt."""

    @app.task()
    def odd() -> object:
        return {1, 2}

    handle = odd.enqueue()
    burst(app)
    assert handle.get().state is State.FAILED


@pytest.mark.parametrize("is_async", [False, True])
def test_a_fault_of_ours_ends_the_attempt_all_the_same(
    app: Tasques, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    """Else it would be kept alive for ever."""

    @app.task()
    def thread() -> None:
        pass

    @app.task()
    async def coroutine() -> None:
        pass

    def fails(self: object, result: object) -> None:
        raise MemoryError

    monkeypatch.setattr(DeclaredTask, "ending", fails)
    handle = (coroutine if is_async else thread).enqueue()
    burst(app)
    assert failure(handle.get())["type"] == "MemoryError"


def test_a_body_knows_its_attempt_and_the_log_too(
    app: Tasques, caplog: pytest.LogCaptureFixture
) -> None:
    """Its context is at hand, and every line that is logged meanwhile says which task it is."""
    log = logging.getLogger("tests.bodies")
    caplog.handler.addFilter(TaskFilter())
    caplog.set_level(logging.INFO)

    @app.task(pass_context=True)
    def tells(context: Context) -> str:
        assert current_context() is context
        log.info("at work")
        return context.id

    @app.task()
    async def tells_too() -> str:
        log.info("at work")
        return current_context().id

    handles = [tells.enqueue(), tells_too.enqueue()]
    burst(app)
    assert [handle.result(0) for handle in handles] == [handle.id for handle in handles]
    lines = {
        (record.task_id, record.kind, record.queue, record.attempt)  # type: ignore[attr-defined]
        for record in caplog.records
        if record.name == "tests.bodies"
    }
    assert lines == {
        (handle.id, kind, "mail", 1)
        for handle, kind in zip(handles, ["tells", "tells_too"], strict=True)
    }


# ------------------------------------------------------------------------ while they run


def test_a_long_task_is_kept_alive_and_tells_how_far_it_is(app: Tasques, start: Start) -> None:
    """What it reports is there for all to see while it runs."""
    release = threading.Event()

    @app.task(timeout="3s", pass_context=True)
    def long(context: Context) -> None:
        context.report(percent=40, data={"file": "b"})
        release.wait(PATIENCE)

    handle = long.enqueue()
    start()

    def reported() -> bool:
        claim = handle.get().last_claimed
        return claim is not None and claim.last_report is not None

    assert eventually(reported)
    claim = handle.get().last_claimed
    assert claim is not None
    assert claim.last_report is not None
    assert claim.last_report.data is not None
    assert claim.last_report.data.value() == {"file": "b", "percent": 40}
    release.set()
    handle.wait(PATIENCE)


@pytest.mark.parametrize("is_async", [False, True])
def test_cancelled_work_ends(app: Tasques, start: Start, is_async: bool) -> None:
    """A coroutine is cancelled; a thread sees it in its context. The task is dead, and cancelled."""
    begun = threading.Event()

    @app.task(timeout="2s", pass_context=True)
    def thread(context: Context) -> None:
        begun.set()
        while not context.cancelled:
            time.sleep(0.005)
        raise RuntimeError("stopped halfway")

    @app.task(timeout="2s")
    async def coroutine() -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    handle = (coroutine if is_async else thread).enqueue()
    worker = start()
    assert begun.wait(PATIENCE)
    handle.cancel()
    task = handle.wait(PATIENCE)
    assert task.ended is not None
    assert task.ended.reason is EndReason.CANCELLED
    assert eventually(lambda: worker.seen().counters.cancelled == 1)


def test_work_whose_claim_is_lost_ends_and_its_result_counts_for_nothing(
    app: Tasques, start: Start
) -> None:
    """Somebody else has ended the claim: what is stored stays as it is."""
    begun, noticed = threading.Event(), threading.Event()

    @app.task(timeout="2s", pass_context=True)
    def slow(context: Context) -> str:
        begun.set()
        assert eventually(lambda: context.cancelled)
        noticed.set()
        return "mine"

    handle = slow.enqueue()
    worker = start(max_tasks=1)
    assert begun.wait(PATIENCE)
    app.done(handle.get(), {"result": "somebody else's"})
    assert noticed.wait(PATIENCE)
    assert worker.join(PATIENCE)
    assert handle.result(0) == "somebody else's"
    counters = worker.seen().counters
    assert (counters.lost, counters.done) == (1, 0)


# ---------------------------------------------------------------------------------- limits


def test_the_soft_limit_is_an_exception_in_a_thread(app: Tasques) -> None:
    """The body may tidy up, and say how it ended."""

    @app.task()
    def endless() -> str:
        try:
            while True:
                time.sleep(0.005)
        except SoftTimeLimitExceeded:
            return "tidied up"

    handle = endless.enqueue()
    burst(app, soft_limit=LIMIT)
    assert handle.result(0) == "tidied up"


def test_the_soft_limit_is_an_exception_in_a_coroutine(app: Tasques) -> None:
    """Where it awaits; and one that lets it pass has failed with it."""

    @app.task()
    async def endless() -> str:
        try:
            await asyncio.sleep(PATIENCE)
        except SoftTimeLimitExceeded:
            # The loop has forgotten about it: what is awaited now is not cancelled.
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0.001)
            return "tidied up"
        return "nothing happened"

    @app.task()
    async def careless() -> None:
        await asyncio.sleep(PATIENCE)

    tidy, failed = endless.enqueue(), careless.enqueue()
    burst(app, soft_limit=LIMIT)
    assert tidy.result(0) == "tidied up"
    assert str(failure(failed.get())["type"]).endswith("SoftTimeLimitExceeded")


def test_the_hard_limit_fails_what_does_not_end(app: Tasques, start: Start) -> None:
    """Its slot is free for the next; what it returns in the end is of no interest."""
    release = threading.Event()

    @app.task()
    def stubborn() -> str:
        release.wait(PATIENCE)
        return "late"

    @app.task(hard_limit="10m")
    def quick() -> str:
        return "done"

    first = stubborn.enqueue()
    worker = start(concurrency=1, hard_limit=LIMIT)
    assert eventually(lambda: first.get().state is State.FAILED)
    assert str(failure(first.get())["type"]).endswith("HardTimeLimitExceeded")
    assert worker.seen().abandoned == 1
    second = quick.enqueue()
    assert second.result(PATIENCE) == "done"
    release.set()
    assert eventually(lambda: worker.seen().abandoned == 0)
    assert first.get().state is State.FAILED


def test_a_thread_that_comes_back_after_its_hard_limit_is_not_used_again(
    app: Tasques, start: Start
) -> None:
    """Its place is taken: used again, it would be one more than there are slots."""
    release, threads = threading.Event(), []

    @app.task(hard_limit=LIMIT, retries=0)
    def stubborn() -> None:
        threads.append(threading.current_thread())
        release.wait(PATIENCE)

    @app.task()
    def quick() -> None:
        threads.append(threading.current_thread())

    first = stubborn.enqueue()
    worker = start(concurrency=1)
    assert first.wait(PATIENCE).state is State.DEAD
    quick.enqueue().wait(PATIENCE)
    release.set()
    abandoned = threads[0]
    assert eventually(lambda: worker.seen().abandoned == 0)
    for _ in range(10):
        quick.enqueue().wait(PATIENCE)
    abandoned.join(PATIENCE)
    assert not abandoned.is_alive()
    assert len(threads) == 12
    assert set(threads[1:]) == {threads[1]}
    assert threads[1] is not abandoned


def test_the_limits_of_a_kind_count_before_those_of_the_worker(app: Tasques) -> None:
    """Both ways: a kind may have shorter ones, and longer ones."""

    @app.task(soft_limit=LIMIT)
    def hasty() -> str:
        with contextlib.suppress(SoftTimeLimitExceeded):
            while True:
                time.sleep(0.005)
        return "stopped"

    @app.task(soft_limit="10m")
    def patient(seconds: float) -> str:
        time.sleep(seconds)
        return "whole"

    slow = patient.enqueue(3)
    fast = hasty.enqueue()
    burst(app, soft_limit="2s")
    assert (fast.result(0), slow.result(0)) == ("stopped", "whole")


# -------------------------------------------------------------------------------- stopping


def test_a_stop_lets_what_runs_finish(app: Tasques, start: Start) -> None:
    """Within the grace; nothing else is begun."""
    begun, release = threading.Event(), threading.Event()

    @app.task(pass_context=True)
    def slow(context: Context) -> bool:
        begun.set()
        release.wait(PATIENCE)
        return context.shutting_down

    handle = slow.enqueue()
    worker = start(concurrency=1)
    assert begun.wait(PATIENCE)
    worker.stop()
    other = slow.enqueue()
    release.set()
    assert worker.join(PATIENCE)
    assert handle.result(0) is True
    assert other.get().state is State.QUEUED


@pytest.mark.parametrize("is_async", [False, True])
def test_after_the_grace_the_rest_is_given_back(app: Tasques, start: Start, is_async: bool) -> None:
    """The attempt does not count; the worker is gone although a body may still run."""
    begun, release = threading.Event(), threading.Event()

    @app.task()
    def thread() -> None:
        begun.set()
        release.wait(PATIENCE)

    @app.task()
    async def coroutine() -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    handle = (coroutine if is_async else thread).enqueue()
    worker = start()
    assert begun.wait(PATIENCE)
    worker.stop(grace=worker.options.last_look)
    assert worker.join(PATIENCE)
    task = handle.get()
    assert (task.state, task.attempted) == (State.QUEUED, 0)
    # Twice, if a claim that waited when the stop came was handed it.
    assert worker.seen().counters.returned in (1, 2)
    release.set()


def test_it_is_a_context_manager(app: Tasques) -> None:
    """Works within, and has stopped after it."""

    @app.task()
    def quick() -> int:
        return 1

    with Worker(app) as worker:
        assert quick.enqueue().result(PATIENCE) == 1
    assert worker.ended.is_set()
