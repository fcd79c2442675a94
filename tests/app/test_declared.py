"""Declared tasks: enqueued, run as a worker runs them, and their results."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest

from tasques import Blueprint, Context, GiveUp, Retry, RetryOn, Snooze, TaskFailed, Tasques
from tasques.app import NotIncluded, StillUnfinished, current_context, exponential
from tasques.client import Failed, Finish, Unclaim
from tasques.core.errors import InvalidInput, TaskAlreadyExists
from tasques.core.tasks import EndReason, State
from tasques.core.values import Duration
from tests.app.working import work


class Size(enum.Enum):
    SMALL = "small"


@attrs.frozen
class Receipt:
    number: int
    at: datetime


@dataclasses.dataclass
class Parcel:
    size: Size
    due: date | None = None


@pytest.fixture
def app() -> Tasques:
    return Tasques("memory:", queue="mail")


def test_a_task_is_enqueued_run_and_its_result_read(app: Tasques) -> None:
    """Arguments and results are of the declared types, at both ends."""
    got = []

    @app.task(retries=8, timeout="60s")
    def send(to: str, parcels: list[Parcel], when: datetime) -> Receipt:
        got.append((to, parcels, when))
        return Receipt(number=len(parcels), at=when)

    when = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    parcels = [Parcel(Size.SMALL, date(2026, 1, 2)), Parcel(Size.SMALL)]
    handle = send.enqueue("ann", parcels=parcels, when=when)
    task = handle.get()
    assert (task.kind, task.queue, task.retry_times) == ("send", "mail", 8)
    assert task.processing_timeout == Duration.parse("60s")
    work(app, "mail")
    assert got == [("ann", parcels, when)]
    assert handle.result(timeout=0) == Receipt(number=2, at=when)


def test_the_function_itself_can_be_called(app: Tasques) -> None:
    """Here and now, synchronous or not, with a context nobody listens to."""

    @app.task()
    def double(number: int) -> int:
        return 2 * number

    @app.task(pass_context=True)
    async def told(context: Context, word: str) -> str:
        context.report(50)
        return f"{word} {context.attempt} {context.is_last}"

    assert double(4) == 8
    assert asyncio.run(told("hi")) == "hi 1 True"
    assert double.function.__name__ == "double"


def test_what_is_not_of_its_type_is_refused_where_it_is_enqueued(app: Tasques) -> None:
    """Every argument at fault is named, and nothing is created."""

    @app.task()
    def send(to: str, count: int, size: Size | None = None) -> None: ...

    with pytest.raises(InvalidInput) as refused:
        send.enqueue(5, count="3", size="small")  # type: ignore[arg-type]
    assert [fault.path for fault in refused.value.faults] == ["to", "count", "size"]
    with pytest.raises(TypeError, match="count"):
        send.enqueue("ann")  # type: ignore[call-arg]
    assert app.queues().queues == ()


def test_options_are_those_of_one_task(app: Tasques) -> None:
    """They win over what is said of the kind, and the next task has none of them."""

    @app.task(priority=1, retries=2, expires_in="1h")
    def send(to: str) -> None: ...

    special = send.options(priority=5, run_in="10m", id="welcome-42", queue="bulk", retries=0)
    task = special.enqueue(to="ann").get()
    assert (task.queue, task.id, task.priority, task.retry_times) == ("bulk", "welcome-42", 5, 0)
    assert task.run_at > task.metadata.created_at
    assert task.expires_at is not None
    assert send.enqueue("bob").get().priority == 1
    with pytest.raises(TaskAlreadyExists):
        special.enqueue(to="ann")


def test_many_have_one_outcome_each(app: Tasques) -> None:
    """In their order; what cannot be created keeps no other from it."""

    @app.task()
    def send(to: str) -> str:
        return to

    handles = app.enqueue_many(
        [
            send.options(id="a").prepare("ann"),
            send.options(id="a").prepare("bob"),
            send.prepare("eve"),
        ]
    )
    assert isinstance(handles[1], TaskAlreadyExists)
    work(app, "mail")
    first, _, last = handles
    assert not isinstance(first, Exception)
    assert not isinstance(last, Exception)
    assert (first.result(timeout=30), last.result()) == ("ann", "eve")


def test_a_kind_is_enqueued_by_name(app: Tasques) -> None:
    """Without the worker's code; the result comes as JSON has it."""
    with pytest.raises(ValueError, match="queue"):
        Tasques("memory:").enqueue("mail.send")
    handle = app.enqueue("mail.send", args={"to": "ann"}, priority=3)

    @app.task(kind="mail.send")
    def send(to: str) -> dict[str, str]:
        return {"sent": to}

    work(app, "mail")
    assert handle.result(timeout=30) == {"sent": "ann"}


def test_failures_carry_type_message_and_traceback(app: Tasques) -> None:
    """To whoever asks for the result."""

    @app.task(retries=0)
    def send(to: str) -> None:
        raise LookupError(f"nobody called {to}")

    handle = send.enqueue("ann")
    with pytest.raises(StillUnfinished):
        handle.result(timeout=0)
    work(app, "mail")
    with pytest.raises(TaskFailed, match="nobody called ann") as failed:
        handle.result(timeout=30)
    assert failed.value.failure.type == "LookupError"
    assert "in send" in failed.value.failure.traceback
    assert "in send" in str(failed.value)


def test_a_task_says_how_its_attempt_ends(app: Tasques) -> None:
    """``Retry``, ``Snooze`` and ``GiveUp``; and what its kind's policy makes of other errors."""

    @app.task(retries=3)
    def steered(how: str) -> None:
        raise {"retry": Retry("later", in_="1h"), "snooze": Snooze("2h"), "up": GiveUp("no")}[how]

    later, asleep, given_up = (steered.enqueue(how) for how in ("retry", "snooze", "up"))
    work(app, "mail")
    assert (later.get().state, later.get().attempted) == (State.FAILED, 1)
    assert (asleep.get().state, asleep.get().attempted) == (State.QUEUED, 0)
    assert asleep.get().run_at > later.get().run_at > later.get().metadata.created_at
    with pytest.raises(TaskFailed, match="no") as failed:
        given_up.result(timeout=30)
    assert failed.value.reason is EndReason.GAVE_UP


def test_policies_see_the_error() -> None:
    """By class, with the attempt's number for the pause; one that fails counts for nothing."""
    policy = RetryOn(give_up_on=(ValueError,), backoff=exponential("10s", most="1m"))
    app = Tasques("memory:", queue="mail")

    @app.task(retry=policy)
    def send() -> None: ...

    assert send.ending_of_error(ValueError(), attempt=1) == Failed(
        data={"type": "ValueError"}, give_up=True
    )
    paused = send.ending_of_error(OSError("x"), attempt=3)
    assert isinstance(paused, Failed)
    assert paused.retry_in == Duration.parse("40s")
    assert send.ending_of_error(Snooze(5), attempt=1) == Unclaim(run_in=Duration.parse("5s"))

    def broken(error: BaseException, attempt: int) -> Retry:
        raise RuntimeError

    @app.task(kind="other", retry=broken)
    def other() -> None: ...

    assert other.ending_of_error(OSError(), attempt=1) == Failed(data={"type": "OSError"})


def test_a_result_that_is_not_of_its_type_is_a_failure(app: Tasques) -> None:
    """It would not be readable, so it is told at once."""

    @app.task(retries=0)
    def send() -> int:
        return "five"  # type: ignore[return-value]

    handle = send.enqueue()
    work(app, "mail")
    with pytest.raises(TaskFailed, match="str is not int"):
        handle.result(timeout=30)


def test_the_context_is_that_of_the_attempt(app: Tasques) -> None:
    """As the first argument where it is asked for, and by ``current_context`` everywhere."""
    seen = []

    @app.task(retries=1, pass_context=True)
    def send(context: Context, to: str) -> None:
        assert current_context() is context
        seen.append((context.id, context.attempt, context.is_last, to))

    handle = send.enqueue("ann")
    work(app, "mail")
    assert seen == [(handle.id, 1, False, "ann")]
    assert current_context().task is None


@pytest.mark.parametrize(
    ("said", "seconds"), [({}, 60), ({"task_timeout": "5s"}, 5), ({"task_timeout": None}, 1800)]
)
def test_a_task_of_which_no_timeout_is_said_has_the_applications(
    said: dict[str, Any], seconds: int
) -> None:
    """
    A minute if that says none either, so that what a killed worker held comes back soon; the
    server's if the application wants that.
    """
    app = Tasques("memory:", queue="mail", **said)
    blueprint = Blueprint(queue="mail")

    @app.task()
    def send() -> None: ...

    @app.task(timeout="7s")
    def quick() -> None: ...

    @blueprint.task(schedule="@daily")
    def digest() -> None: ...

    app.include(blueprint)
    handles = [send.enqueue(), digest.enqueue(), app.enqueue("send")]
    assert {each.get().processing_timeout.seconds for each in handles} == {seconds}
    assert quick.enqueue().get().processing_timeout.seconds == 7
    assert send.options(timeout="9s").enqueue().get().processing_timeout.seconds == 9
    # Whoever runs this may not report.
    assert app.enqueue("unheard-of").get().processing_timeout.seconds == 1800
    app.sync_periodic()
    assert app.run_recurring("digest").processing_timeout.seconds == seconds


def test_blueprints_are_declared_apart() -> None:
    """They work once an application has included them, and belong to one alone."""
    blueprint = Blueprint(queue="mail", prefix="mail.")

    @blueprint.task()
    def send(to: str) -> str:
        return to

    with pytest.raises(NotIncluded):
        send.enqueue("ann")
    app = Tasques("memory:")
    app.include(blueprint)

    @blueprint.task()
    async def later(to: str) -> str:
        return to

    assert set(app.tasks) == {"mail.send", "mail.later"}
    handles = [send.enqueue("ann"), later.enqueue("bob")]
    work(app, "mail")
    assert [handle.result(timeout=30) for handle in handles] == ["ann", "bob"]
    with pytest.raises(ValueError, match="one application"):
        Tasques("memory:").include(blueprint)


def test_a_kind_is_declared_once(app: Tasques) -> None:
    """Two functions of one kind would take each other's tasks."""

    @app.task()
    def send() -> None: ...

    with pytest.raises(ValueError, match="send"):
        app.task(kind="send")(lambda: None)
    with pytest.raises(ValueError, match="queue"):
        Tasques("memory:").task()(lambda: None)
    with pytest.raises(TypeError, match="names"):
        app.task(kind="a")(lambda *args: None)


def test_arguments_that_do_not_fit_are_a_failure(app: Tasques) -> None:
    """A task that another release has enqueued: every fault is told."""

    @app.task(retries=0)
    def send(to: str) -> None: ...

    handle = app.enqueue("send", args={"too": "ann"})
    work(app, "mail")
    with pytest.raises(TaskFailed, match="is required"):
        handle.result(timeout=30)


def test_the_asynchronous_twins_do_the_same(app: Tasques) -> None:
    """Enqueue, many, wait and result, in an event loop."""

    @app.task()
    def send(to: str) -> str:
        return to

    async def go() -> list[object]:
        one = await send.enqueue_async("ann")
        (two,) = await app.enqueue_many_async([send.prepare("bob")])
        assert not isinstance(two, Exception)
        named = await app.enqueue_async("send", args={"to": "eve"})
        with pytest.raises(StillUnfinished):
            await one.wait_async(timeout=0)
        tasks = await app.claim_async("w1", ["mail"], amount=3)
        await app.finish_many_async(
            [
                Finish(task, send.ending(send.invoke(Context(task=task), task.args)))
                for task in tasks
            ]
        )
        return [await each.result_async(timeout=60) for each in (one, two, named)]

    assert asyncio.run(go()) == ["ann", "bob", "eve"]
