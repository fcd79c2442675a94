"""The parts of the application that are pure: answers, failures, endings, conversion, periodic tasks."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given

from tasques import GiveUp, Retry, Snooze, Tasques
from tasques.app import Failure, Synced, conversion, for_original, outcome_of_error
from tasques.app.answers import task_answer
from tasques.app.failures import MAX_MESSAGE, MAX_TRACEBACK
from tasques.app.options import KindOptions
from tasques.app.periodic import MARK, Origin, Periodic, prune, undeclared, wanted
from tasques.client import Done, Failed, Unclaim
from tasques.client.commands.recurring import ListRecurringTasks
from tasques.core.errors import InvalidInput
from tasques.core.json_object import JsonObject
from tasques.core.tasks import State, StoredTask
from tasques.core.values import Duration
from tasques.schemas.answers import TaskAnswer
from tasques.schemas.converter import read
from tasques.schemas.task_json import encode_task
from tasques.testing import strategies


class Color(Enum):
    RED = "red"


@attrs.frozen
class Point:
    x: int
    at: datetime


@dataclasses.dataclass
class Line:
    points: list[Point]
    color: Color = Color.RED


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@given(strategies.stored_tasks(strategies.tasks()))
def test_answers_are_those_of_the_server(stored: StoredTask) -> None:
    """Made directly, they are what a client reads of what a server writes."""
    assert task_answer(stored) == read(TaskAnswer, encode_task(stored))
    archived = task_answer(stored, is_archived=True)
    assert archived == read(TaskAnswer, encode_task(stored, is_archived=True))


def _short(value: object) -> str:
    # Without the address of an object, which differs between the workers of one run.
    return str(value).partition(" at 0x")[0][:30]


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        (Line([Point(1, NOW)]), Line),
        ({"a": [Point(1, NOW)]}, dict[str, list[Point]]),
        (Point(1, NOW), Point | Line),
        (None, int | None),
        ("5", int | str),
        (date(2026, 1, 2), date | None),
        (timedelta(hours=1), timedelta),
        (uuid.UUID(int=5), uuid.UUID),
        (Decimal("1.50"), Decimal),
        ((1, "a"), tuple[int, str]),
        ({1, 2}, set[int]),
        (b"\x00\xff", bytes),
        ("red", Literal["red", "blue"]),
        ({"any": [1, None, "x"]}, Any),
        (1.5, float),
    ],
    ids=_short,
)
def test_values_come_back_as_they_were(value: object, declared: Any) -> None:
    """Of every type that is promised."""
    plain = conversion.dump(value, declared, "x")
    again = JsonObject.of({"x": plain}).value()["x"]
    assert conversion.load(again, declared, "x") == value


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        (5, str),
        ("5", int),
        (True, int),
        (1, bool),
        (None, str),
        ("red", Color),
        ("2026-01-02", date),
        ("green", Literal["red", "blue"]),
        (float("nan"), float),
        (object(), object),
        (Line([Point("1", NOW)]), Line),  # type: ignore[arg-type]
        ({1: 2}, dict[int, int]),
    ],
    ids=_short,
)
def test_what_is_of_another_type_is_refused(value: object, declared: Any) -> None:
    """Where it is given, with the name of the argument."""
    with pytest.raises(InvalidInput) as refused:
        conversion.dump(value, declared, "x")
    assert all(fault.path.startswith("x") for fault in refused.value.faults)


def test_failures_are_bounded() -> None:
    """Whatever an exception does, and however deep it was raised."""

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        raise ValueError("\ud800" + "x" * 10_000_000)

    class Nasty(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(ValueError) as raised:
        deep(200)
    failure = Failure.of(raised.value)
    assert len(failure.message) <= MAX_MESSAGE
    assert len(failure.traceback) <= MAX_TRACEBACK
    assert "cut" in failure.traceback
    document = JsonObject.of(failure.document())
    assert Failure.read(document) == failure
    assert Failure.of(Nasty()).message == "(its message cannot be shown)"
    assert Failure.read(JsonObject.of({"error": "no answer"})).message == '{"error":"no answer"}'


def test_an_original_server_is_told_what_it_knows() -> None:
    """Giving up is a failure, and so is snoozing; giving back at once it knows."""
    given_up = outcome_of_error(GiveUp("no"), attempt=1)
    assert isinstance(given_up, Failed)
    assert given_up.give_up
    original = for_original(given_up)
    assert isinstance(original, Failed)
    assert not original.give_up
    assert original.data == given_up.data
    assert isinstance(for_original(outcome_of_error(Snooze("5s"), attempt=1)), Failed)
    assert for_original(Unclaim()) == Unclaim()
    assert for_original(Done()) == Done()
    assert outcome_of_error(Retry(in_="5s"), attempt=1) == Failed(
        data={"type": "tasques.app.signals.Retry"}, retry_in=Duration.parse("5s")
    )


def declared(schedule: str = "@daily", **args: object) -> Periodic:
    return Periodic.of("p", schedule, KindOptions(kind="send", queue="mail"), args, {})


@pytest.mark.parametrize(
    ("other", "there", "here", "becomes"),
    [
        (declared(), 0, 0, Synced.UNCHANGED),
        (declared(), 9, 1, Synced.UNCHANGED),
        (declared("@weekly"), 0, 0, Synced.UPDATED),
        (declared(to="ann"), 1, 2, Synced.UPDATED),
        (declared(to="ann"), 2, 2, Synced.UPDATED),
        (declared(to="ann"), 3, 2, Synced.NEWER_THERE),
    ],
)
def test_declarations_do_not_fight(other: Periodic, there: int, here: int, becomes: Synced) -> None:
    """What is on the server, declared by *other* in the release *there*, against ours."""
    with Tasques("memory:") as app:
        app.do(other.creation(Origin(release=there)))
        assert wanted(declared(), app.get_recurring("p"), Origin(release=here)) is becomes


@pytest.mark.parametrize(
    ("there", "here", "becomes"),
    [
        (Origin(app="shop"), Origin(app="shop"), Synced.UNCHANGED),
        (Origin(app="shop"), Origin(), Synced.UNCHANGED),
        (Origin(), Origin(app="shop"), Synced.UPDATED),
        (Origin(app="mill"), Origin(app="shop"), Synced.UPDATED),
        (Origin(app="mill", release=2), Origin(app="shop", release=1), Synced.NEWER_THERE),
    ],
)
def test_a_name_is_put_on_what_is_declared(there: Origin, here: Origin, becomes: Synced) -> None:
    """Also where nothing else has changed; one without a name takes none away."""
    with Tasques("memory:") as app:
        app.do(declared().creation(there))
        assert wanted(declared(), app.get_recurring("p"), here) is becomes


@pytest.mark.parametrize(
    ("there", "is_pruned"),
    [
        (Origin(app="shop", release=2), True),
        (Origin(app="shop", release=1), True),
        (Origin(app="shop"), True),
        (Origin(app="shop", release=3), False),
        (Origin(app="mill", release=2), False),
        (Origin(release=2), False),
        (None, False),
    ],
    ids=repr,
)
def test_only_what_is_an_application_s_own_is_pruned(there: Origin | None, is_pruned: bool) -> None:
    """Not another's, not a newer release's, and not what somebody made by hand."""
    here = Origin(app="shop", release=2)
    with Tasques("memory:") as app:
        if there is None:
            app.create_recurring(
                "p", "@daily", app.definition("mail", "x", context={"app": "shop"})
            )
        else:
            app.do(declared().creation(there))
        assert undeclared(app.list_recurring(), (), here) == (["p"] if is_pruned else [])
        assert undeclared(app.list_recurring(), ("p",), here) == []


def test_what_is_deleted_meanwhile_is_pruned_too() -> None:
    """Of several processes that prune, each says so."""
    with Tasques("memory:", name="shop") as app:
        app.do(declared().creation(Origin(app="shop")))
        inner = app.operations

        class Late:
            """Another is faster to delete what it has listed."""

            def do(self, command: Any) -> Any:
                answer = inner.do(command)
                if isinstance(command, ListRecurringTasks):
                    app.delete_recurring("p")
                return answer

        late: Any = Late()
        assert prune(late, (), Origin(app="shop")) == {"p": Synced.PRUNED}
        assert app.list_recurring() == ()


def test_without_a_name_nothing_is_pruned() -> None:
    """It is said before anything is done."""
    with Tasques("memory:") as app:

        @app.task(queue="mail", schedule="@daily")
        def clean() -> None: ...

        with pytest.raises(ValueError, match="name"):
            app.sync_periodic(prune=True)
        with pytest.raises(ValueError, match="name"):
            asyncio.run(app.sync_periodic_async(prune=True))
        assert app.list_recurring() == ()


def test_what_nobody_has_declared_is_taken_over() -> None:
    """A recurring task that was made by hand, of an id that code declares."""
    with Tasques("memory:", release=3) as app:
        app.create_recurring("clean", "@yearly", app.definition("mail", "x", context={"a": 1}))

        @app.task(queue="mail", schedule="@daily")
        def clean() -> None: ...

        assert app.sync_periodic() == {"clean": Synced.UPDATED}
        assert app.sync_periodic() == {"clean": Synced.UNCHANGED}
        found = app.get_recurring("clean")
        assert (found.schedule_expression, found.task_definition.kind) == ("@daily", "clean")
        context = found.task_definition.context
        assert context is not None
        mark = context.value()[MARK]
        assert isinstance(mark, dict)
        assert mark["release"] == 3


def test_waiting_claims_hold_no_threads() -> None:
    """Fifty of them wait over two threads, and each gets its task."""
    before = set(threading.enumerate())

    async def go() -> None:
        async with Tasques("memory:", threads=2) as app:
            waiting = [
                asyncio.create_task(app.claim_async(f"w{n}", ["mail"], block_for="120s"))
                for n in range(50)
            ]
            claims = app.operations.node.services.claims  # type: ignore[attr-defined]
            while claims.waiting < 50:
                await asyncio.sleep(0.01)
            assert len(set(threading.enumerate()) - before) < 10
            for n in range(50):
                await app.create_async("mail", "send", id=f"t{n}")
            claimed = await asyncio.gather(*waiting)
            assert {task.id for (task,) in claimed} == {f"t{n}" for n in range(50)}

    asyncio.run(go())


@pytest.mark.parametrize("is_read", [False, True], ids=["under-way", "delivered"])
def test_a_claim_that_is_cancelled_takes_nothing(is_read: bool) -> None:
    """A task that was on its way to it, or had arrived, is given back at no cost of an attempt."""

    async def go() -> None:
        async with Tasques("memory:") as app:
            claim = asyncio.create_task(app.claim_async("gone", ["mail"], block_for="120s"))
            claims = app.operations.node.services.claims  # type: ignore[attr-defined]
            while claims.waiting < 1:
                await asyncio.sleep(0.01)
            # Most likely it waits by now; if not, what is demanded holds all the same.
            await asyncio.sleep(0.2)
            made = app.create("mail", "send")
            # The loop is kept from running, so what was delivered waits in it.
            give_up_at = time.monotonic() + 60
            while app.get("mail", made.id).state is not State.CLAIMED:
                assert time.monotonic() < give_up_at
                time.sleep(0.01)
            asyncio.get_running_loop().call_soon(claim.cancel) if is_read else claim.cancel()
            with pytest.raises(asyncio.CancelledError):
                await claim
            while (found := await app.get_async("mail", made.id)).state is not State.QUEUED:
                assert time.monotonic() < give_up_at
                await asyncio.sleep(0.01)
            assert found.attempted == 0

    asyncio.run(go())


def test_memory_needs_no_thread() -> None:
    """Neither to be ready nor to do what is asked without waiting."""
    before = set(threading.enumerate())
    with Tasques("memory:") as app:
        app.create("mail", "send")
        (task,) = app.claim("w1", ["mail"], block_for=0)
        app.done(task)
        # What earlier tests left may end at any time.
        assert set(threading.enumerate()) <= before
