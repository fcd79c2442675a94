"""What tests of others rely on: time by hand, tasks that are done when they say so, and what is seen."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import attrs
import pytest

from tasques import Context, GiveUp, Retry, Snooze, Tasques
from tasques.core.errors import InvalidInput, TaskAlreadyExists
from tasques.testing.app import TestingApp


@attrs.frozen
class Receipt:
    number: int
    on: date


def shop() -> Tasques:
    """An application as somebody would write it."""
    app = Tasques("http://nobody.invalid:9", queue="mail")

    @app.task(kind="mail.send", retries=2)
    def send(to: str, on: date = date(2026, 1, 1)) -> Receipt:
        if to == "nobody":
            raise LookupError("no such person")
        return Receipt(7, on)

    @app.task(kind="mail.digest", queue="slow")
    async def digest(count: int) -> int:
        await asyncio.sleep(0)
        for number in range(count):
            await send.enqueue_async(f"p{number}")
        return count

    @app.task(kind="mail.moody", pass_context=True, retries=5)
    def moody(context: Context, mood: str) -> str:
        context.report(50, {"mood": mood})
        match mood:
            case "later" if context.attempt == 1:
                raise Snooze("10m")
            case "again" if context.attempt == 1:
                raise Retry(in_="1h")
            case "never":
                raise GiveUp
        return mood

    return app


@pytest.fixture
def tasques_application() -> Tasques:
    return shop()


def test_what_is_enqueued_can_be_asked_for(tasques_app: TestingApp) -> None:
    """By the declared task or its kind, and by any of its arguments, as they are in Python."""
    send = tasques_app.app.tasks["mail.send"]
    send.enqueue("ann", on=date(2026, 11, 22))
    task = tasques_app.assert_enqueued(send, to="ann")
    assert (task.queue, task.kind, task.state) == ("mail", "mail.send", "queued")
    tasques_app.assert_enqueued("mail.send", on=date(2026, 11, 22))
    tasques_app.refute_enqueued(send, to="bob")
    tasques_app.refute_enqueued("mail.digest")
    assert len(tasques_app.enqueued()) == 1
    with pytest.raises(AssertionError, match=r"\[mail.send\] with .*bob.* was enqueued, but .*ann"):
        tasques_app.assert_enqueued(send, to="bob")
    with pytest.raises(AssertionError, match=r"1 of .* were enqueued"):
        tasques_app.refute_enqueued(send)


def test_nothing_was_enqueued_is_said_so(tasques_app: TestingApp) -> None:
    """Not an empty list."""
    with pytest.raises(AssertionError, match="nothing was"):
        tasques_app.assert_enqueued("mail.send")


def test_draining_does_what_is_ready_and_what_comes_of_it(tasques_app: TestingApp) -> None:
    """Asynchronous bodies too; results come back as they are declared."""
    handle = tasques_app.app.tasks["mail.digest"].enqueue(3)
    drained = tasques_app.drain()
    assert len(drained) == 4
    assert [task.kind for task in drained.done] == ["mail.digest", *["mail.send"] * 3]
    assert handle.result() == 3
    assert len(tasques_app.drain()) == 0


async def _drain_within(tasques_app: TestingApp) -> int:
    await tasques_app.app.tasks["mail.digest"].enqueue_async(1)
    return len(tasques_app.drain())


def test_draining_within_a_loop(tasques_app: TestingApp) -> None:
    """A test may be asynchronous itself."""
    assert asyncio.run(_drain_within(tasques_app)) == 2


def test_one_queue_alone(tasques_app: TestingApp) -> None:
    """What is in others stays."""
    tasques_app.app.tasks["mail.send"].enqueue("ann")
    tasques_app.app.tasks["mail.digest"].enqueue(0)
    assert [task.kind for task in tasques_app.drain("slow").done] == ["mail.digest"]
    assert len(tasques_app.drain("mail")) == 1


def test_a_failure_waits_for_its_retry(tasques_app: TestingApp) -> None:
    """The real backoff, which passes at once; after the last attempt the task is dead."""
    send = tasques_app.app.tasks["mail.send"]
    send.enqueue("nobody")
    task = tasques_app.assert_enqueued(send)
    first = tasques_app.drain()
    assert [type(error) for error in first.errors] == [LookupError]
    assert len(tasques_app.drain()) == 0
    for _ in range(2):
        assert tasques_app.task(task).state == "failed"
        tasques_app.clock.advance("1h")
        assert len(tasques_app.drain().failed) == 1
    assert tasques_app.task(task).state == "dead"
    tasques_app.clock.advance("1h")
    assert len(tasques_app.drain()) == 0


def test_a_drain_can_raise(tasques_app: TestingApp) -> None:
    """For tests that expect no failure."""
    tasques_app.app.tasks["mail.send"].enqueue("nobody")
    with pytest.raises(LookupError, match="no such person"):
        tasques_app.drain(raises=True)


def test_a_task_that_asks_for_another_time_gets_it(tasques_app: TestingApp) -> None:
    """``Snooze`` costs no attempt, ``Retry`` does; neither is ready before."""
    moody = tasques_app.app.tasks["mail.moody"]
    moody.enqueue("later")
    moody.enqueue("again")
    drained = tasques_app.drain()
    assert [task.attempted for task in drained.returned] == [0]
    assert [task.attempted for task in drained.failed] == [1]
    tasques_app.clock.advance("10m")
    assert len(tasques_app.drain().returned) == 1
    tasques_app.clock.advance("50m")
    drained = tasques_app.drain()
    assert [task.attempted for task in drained.done] == [2]
    assert len(drained.returned) == 1


def test_giving_up_is_the_end(tasques_app: TestingApp) -> None:
    """However many attempts were left."""
    tasques_app.app.tasks["mail.moody"].enqueue("never")
    (dead,) = tasques_app.drain().failed
    assert dead.state == "dead"


def test_options_count_from_the_clock(tasques_app: TestingApp) -> None:
    """``run_in`` and ``expires_in`` by the hand's time; ``run_at`` of the machine's own is due now."""
    send = tasques_app.app.tasks["mail.send"]
    tasques_app.clock.advance("48h")
    send.options(run_in="10m").enqueue("later")
    send.options(expires_in="5m", run_in="6m").enqueue("never")
    send.options(run_at=datetime.now(UTC)).enqueue("now")
    assert len(tasques_app.drain().done) == 1
    tasques_app.clock.advance("9m59s")
    assert len(tasques_app.drain()) == 0
    tasques_app.clock.advance(1)
    assert len(tasques_app.drain().done) == 1
    [never] = tasques_app.enqueued(send, to="never")
    assert tasques_app.task(never).state == "dead"


def test_a_claim_that_nobody_ends_times_out(tasques_app: TestingApp) -> None:
    """By the clock alone, and at once."""
    tasques_app.app.tasks["mail.send"].options(timeout="1m").enqueue("ann")
    (held,) = tasques_app.app.claim("lazy", ["mail"], block_for=0)
    tasques_app.clock.advance("59.999s")
    assert tasques_app.task(held).state == "claimed"
    tasques_app.clock.advance("1ms")
    assert tasques_app.task(held).state == "failed"


def test_each_slot_of_a_schedule_fires() -> None:
    """However far the clock is moved, and whichever are declared."""
    app = Tasques("memory:", queue="reports")

    @app.task(kind="hourly", schedule="@hourly")
    def hourly() -> None: ...

    @app.task(kind="daily", schedule="30 2 * * *")
    def daily() -> None: ...

    with TestingApp(app, start="2026-03-01T00:00:00Z") as testing:
        testing.clock.advance("24h")
        assert len(testing.enqueued(hourly)) == 24
        [report] = testing.enqueued(daily)
        assert str(report.metadata.created_at) == "2026-03-01T02:30:00Z"
        testing.clock.advance_to("2026-03-03T00:00:00Z")
        assert (len(testing.enqueued(hourly)), len(testing.enqueued(daily))) == (48, 2)


def test_time_does_not_go_back(tasques_app: TestingApp) -> None:
    """Neither by a negative duration nor to a past moment; nonsense is named."""
    with pytest.raises(ValueError, match="time does not go back"):
        tasques_app.clock.advance("-1s")
    with pytest.raises(ValueError, match="time does not go back"):
        tasques_app.clock.advance_to("2020-01-01T00:00:00Z")
    with pytest.raises(InvalidInput):
        tasques_app.clock.advance("soon")


def test_what_is_strict_on_a_server_is_strict_here(tasques_app: TestingApp) -> None:
    """The same refusals."""
    send = tasques_app.app.tasks["mail.send"]
    with pytest.raises(InvalidInput, match="to"):
        send.enqueue(7)
    send.options(id="one").enqueue("ann")
    with pytest.raises(TaskAlreadyExists):
        send.options(id="one").enqueue("ann")


def test_a_kind_without_a_function_fails(tasques_app: TestingApp) -> None:
    """As in a worker that does not know it."""
    tasques_app.app.enqueue("elsewhere", queue="mail", retries=0)
    (failed,) = tasques_app.drain().failed
    assert failed.state == "dead"


def test_an_endless_chain_is_noticed(tasques_app: TestingApp) -> None:
    """A task that enqueues itself would be drained for ever."""

    @tasques_app.app.task(kind="chain")
    def chain() -> None:
        chain.enqueue()

    chain.enqueue()
    with pytest.raises(AssertionError, match="more than 50 attempts, and still not empty"):
        tasques_app.drain(limit=50)


def test_the_same_test_sees_the_same_twice() -> None:
    """Ids, and the jitter of retries."""

    def run() -> str:
        with TestingApp(shop(), start="2026-03-01T00:00:00Z") as testing:
            testing.app.tasks["mail.send"].enqueue("nobody")
            testing.drain()
            return testing.history()

    assert run() == run()


def test_tests_do_not_see_each_other() -> None:
    """Each has a memory of its own, and the application its server again in the end."""
    app = shop()
    before = app.operations
    for _ in range(2):
        with TestingApp(app) as testing:
            assert testing.enqueued() == []
            app.tasks["mail.send"].enqueue("ann")
            assert len(testing.enqueued()) == 1
    assert app.operations is before


def test_a_history_tells_it_all() -> None:
    """Task by task, with times since the beginning."""
    with TestingApp(shop(), start="2026-03-01T00:00:00Z") as testing:
        testing.app.tasks["mail.moody"].options(id="m").enqueue("later")
        testing.drain()
        testing.clock.advance("10m")
        testing.drain()
        lines = [" ".join(line.split()) for line in testing.history().splitlines()]
    assert lines[0] == 'mail.moody m in mail, {"mood":"later"}'
    assert lines[1:] == [
        "+0s created",
        "+0s claimed by test-worker, attempt 1",
        '+0s reported {"mood":"later","percent":50}',
        "+0s returned, due at +10m0s",
        "+10m0s claimed by test-worker, attempt 1",
        '+10m0s reported {"mood":"later","percent":50}',
        "+10m0s returned, due at +20m0s",
    ]
