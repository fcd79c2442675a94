"""What an application has done around its enqueues and the attempts of its tasks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import attrs
import pytest

from tasques.app import Blueprint, Enqueue, Middleware, Tasques, current_context
from tasques.client import NewTask, Task
from tasques.client.commands.tasks import CreateTask
from tasques.core.errors import TaskAlreadyExists
from tasques.core.json_object import JsonObject
from tests.app.working import work


class Stamping(Middleware):
    """Puts its name into the context of whatever is enqueued, and notes what it sees."""

    def __init__(self, name: str = "stamp", seen: list[Any] | None = None) -> None:
        self.name = name
        self.seen: list[Any] = [] if seen is None else seen

    @contextlib.contextmanager
    def enqueuing(self, enqueue: Enqueue) -> Iterator[None]:
        enqueue.commands = tuple(map(self.stamped, enqueue.commands))
        try:
            yield
        finally:
            self.seen.append((self.name, [type(each).__name__ for each in enqueue.outcomes]))

    def stamped(self, command: CreateTask) -> CreateTask:
        before = {} if command.new.context is None else command.new.context.value()
        context = JsonObject.of({**before, self.name: len(before)})
        return attrs.evolve(command, new=attrs.evolve(command.new, context=context))

    @contextlib.contextmanager
    def attempting(self, task: Task) -> Iterator[None]:
        assert current_context().task == task
        try:
            yield
        except BaseException as error:
            self.seen.append((self.name, task.attempted, type(error).__name__))
            raise
        self.seen.append((self.name, task.attempted, "returned"))


@pytest.fixture
def app() -> Iterator[Tasques]:
    with Tasques("memory:", queue="mail") as made:
        yield made


def contexts(app: Tasques) -> list[object]:
    """Of all tasks."""
    return [
        None if task.context is None else task.context.value()
        for task in app.claim("w", ["mail"], amount=10, block_for="0s")
    ]


def test_every_way_to_enqueue_is_surrounded(app: Tasques) -> None:
    """Declared or by name, one or many, synchronous or not, from a blueprint; the context is kept."""
    blueprint = Blueprint(queue="mail")

    @blueprint.task()
    def send(to: str) -> None:
        """Nothing."""

    app.include(blueprint)
    stamping = Stamping()
    app.use(stamping)
    send.options(context={"user": 1.50}).enqueue(to="a")
    app.enqueue("send", args={"to": "b"})
    app.enqueue_many([send.prepare(to="c"), send.prepare(to="d")])
    app.create("mail", "send", {"to": "e"})
    app.create_many([NewTask.of("mail", "send")])

    async def others() -> None:
        await send.enqueue_async(to="f")
        await app.enqueue_many_async([send.prepare(to="g")])

    asyncio.run(others())
    assert contexts(app) == [{"user": 1.5, "stamp": 1}, *[{"stamp": 0}] * 7]
    told = [names for name, names in stamping.seen]
    assert [len(each) for each in told] == [1, 1, 2, 1, 1, 1, 1]
    assert {name for each in told for name in each} == {"TaskAnswer"}


def test_refusals_are_seen(app: Tasques) -> None:
    """Of one task the error is raised; of many each has its own outcome. Nothing else is surrounded."""
    stamping = Stamping()
    app.use(stamping)
    app.create("mail", "send", id="a")
    with pytest.raises(TaskAlreadyExists):
        app.create("mail", "send", id="a")
    first, second = app.create_many([NewTask.of("mail", "send", id=name) for name in "ab"])
    assert isinstance(first, TaskAlreadyExists)
    app.get("mail", "b")
    assert second == app.get("mail", "b")
    refused = "TaskAlreadyExists"
    assert [names for _, names in stamping.seen] == [
        ["TaskAnswer"],
        [refused],
        [refused, "TaskAnswer"],
    ]


@pytest.mark.parametrize("is_async", [False, True])
def test_every_attempt_is_surrounded(app: Tasques, is_async: bool) -> None:
    """The first that is installed is the outermost; what the body raises is seen and told all the same."""
    seen: list[Any] = []

    def fail(to: str) -> None:
        seen.append("body")
        raise LookupError(to)

    async def fail_later(to: str) -> None:
        fail(to)

    declared = app.task(kind="fail")(fail_later if is_async else fail)
    app.use(Stamping("outer", seen))
    app.use(Stamping("inner", seen))
    handle = declared.enqueue("nobody")
    seen.clear()
    work(app, "mail")
    assert seen == ["body", ("inner", 1, "LookupError"), ("outer", 1, "LookupError")]
    assert handle.get().state == "failed"


def test_a_body_that_cannot_be_called_is_an_attempt_too(app: Tasques) -> None:
    """Arguments that do not fit are read within."""
    stamping = Stamping()

    @app.task()
    def send(to: str) -> None:
        """Nothing."""

    app.use(stamping)
    app.create("mail", "send", {"from": 1})
    work(app, "mail")
    assert stamping.seen[-1] == ("stamp", 1, "InvalidInput")


class Broken(Middleware):
    """Fails wherever it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where

    def enqueuing(self, enqueue: Enqueue) -> AbstractContextManager[object]:
        if self.where == "change":
            enqueue.commands = ()
        return self.broken()

    def attempting(self, task: Task) -> AbstractContextManager[object]:
        return self.broken()

    @contextlib.contextmanager
    def broken(self) -> Iterator[None]:
        if self.where == "before":
            raise OSError("before")
        try:
            yield
        except LookupError:
            if self.where != "swallow":
                raise
        if self.where == "after":
            raise OSError("after")


@pytest.mark.parametrize("where", ["before", "after", "change", "swallow"])
@pytest.mark.parametrize("raised", [None, LookupError("why")])
def test_a_middleware_harms_nobody(
    app: Tasques,
    where: str,
    raised: Exception | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its own errors are logged, an error of the body is not swallowed, and others see everything."""
    stamping = Stamping()
    app.use(Broken(where))
    app.use(stamping)

    @app.task(retries=0)
    def send() -> None:
        if raised is not None:
            raise raised

    handle = send.enqueue()
    work(app, "mail")
    ended = handle.get()
    assert (ended.context and ended.context.value()) == {"stamp": 0}
    assert ended.state == ("done" if raised is None else "dead")
    assert ("stamp", 1, "returned" if raised is None else "LookupError") in stamping.seen
    told: Callable[[str], bool] = lambda text: any(text in each for each in caplog.messages)  # noqa: E731
    assert told("middleware failed") == (where != "swallow")
