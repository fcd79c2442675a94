"""The scheduler: who may write, what is taken up when, and what is decided without a task."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest

from tasques.core import errors
from tasques.core.documents import Version
from tasques.core.ports import Create, Replace
from tasques.core.recurring import CatchUp, Recurrence, RecurringTaskId, SlotOutcome
from tasques.testing.faulty import WriteFault
from tests.service.recurring_world import (
    LEASE,
    World,
    at,
    change_document,
    noting,
    recurring,
    seconds,
)


@pytest.fixture
def world() -> World:
    return World()


# -------------------------------------------------------------------------------- leading


def test_who_does_not_lead_writes_and_reads_nothing(world: World) -> None:
    """However much is due."""
    world.add(recurring())
    leader, other = world.server(), world.server()
    leader.lead()
    other.election.step()
    world.runtime.advance(seconds(2))
    world.recurring.is_down = lambda method: True
    for _ in range(3):
        assert other.scheduler.step() == seconds(1)
    assert world.recurring.batches == world.tasks.batches == []


def test_a_leader_marks_every_recurring_task_with_its_term(world: World) -> None:
    """So that whatever a former leader has under way conflicts."""
    world.add(recurring("a"))
    world.add(noting(recurring("b"), term=Version(0, 0)).taken_up(now=at(0), term=Version(0, 1)))
    server = world.server().lead()
    server.scheduler.step()
    for id in "ab":
        assert world.one(id).recurrence.term == server.election.term()
        assert world.one(id).loaded_at == at(0)
    server.scheduler.step()
    assert len(world.recurring.sent) == 2


def test_a_former_leaders_write_conflicts(world: World) -> None:
    """Since its successor has written to each; the former leader then gives up."""
    world.add(recurring())
    former = world.server()
    former.run(world.runtime, 2)
    stale = world.one()
    [before] = world.recurring.store.get([stale.id])
    world.runtime.advance(LEASE)
    successor = world.server()
    successor.election.step()
    world.runtime.advance(LEASE)
    successor.step()
    outcomes = world.recurring.write([Replace(document=stale, expected=before.version)])
    assert "Conflict" in str(outcomes)
    assert world.one().recurrence.term == successor.election.term()


def test_who_meets_a_later_leader_writes_nothing(world: World) -> None:
    """It has been replaced, whatever it believes."""
    world.add(recurring())
    server = world.server()
    server.run(world.runtime, 9)
    world.change(lambda task: noting(task, term=Version(9, 9)))
    world.runtime.advance(seconds(1))
    server.election.step()
    sent = len(world.recurring.sent)
    server.scheduler.step()  # Its publication conflicts, ...
    assert len(world.recurring.sent) == sent + 1
    server.scheduler.step()  # ... and what it reads then says why.
    server.scheduler.step()
    assert len(world.recurring.sent) == sent + 1
    assert world.tasks.batches == []


def test_terms_that_begin_anew_keep_nobody_from_leading(world: World) -> None:
    """The lock's index was deleted: a renewal shows that the later leader is none."""
    world.add(recurring().taken_up(now=at(0), term=Version(9, 9)))
    server = world.server()
    server.run(world.runtime, 12)
    assert world.one().recurrence.term == server.election.term() == Version(1, 1)
    assert world.last() == (at(10), SlotOutcome.FIRED, 0)


def test_a_gate_that_is_shut_lets_nothing_happen(world: World) -> None:
    """A clock that is hours off decides no slot."""
    world.add(recurring())
    server = world.server().lead()

    def gate() -> None:
        raise errors.ClockUntrusted("hours off")

    server.scheduler._gate = gate
    with pytest.raises(errors.ClockUntrusted):
        server.scheduler.step()
    assert world.recurring.batches == []


@pytest.mark.parametrize("method", ["find_all", "find_changed"])
def test_a_clock_that_jumps_during_a_step_decides_nothing_in_it(world: World, method: str) -> None:
    """Else the slots of six hours would be decided at once, and none fired until they have passed."""
    world.add(recurring(catch_up=CatchUp.ALL))
    server = world.server().lead()
    jumped: list[str] = []

    def gate() -> None:
        if jumped:
            raise errors.ClockUntrusted("six hours ahead")

    def jump(reading: str) -> bool:
        if reading == method and not jumped:
            world.runtime.jump(seconds(6 * 3600))
            jumped.append(reading)
        return False

    server.scheduler._gate = gate
    world.recurring.is_down = jump
    with pytest.raises(errors.ClockUntrusted):
        server.scheduler.step()
    assert jumped
    assert world.one().recurrence.decided_until == at(0)
    assert world.made() == []


# ---------------------------------------------------------------------- taking up changes


def test_a_change_is_taken_up_within_the_interval(world: World) -> None:
    """A new one, a changed one, and one that is deleted, which is marked and forgotten."""
    server = world.server()
    server.run(world.runtime, 2)
    world.add(recurring(now=at(2)))
    server.run(world.runtime, 6)
    assert world.one().loaded_at is not None
    world.change(lambda task: task.updated(now=at(8), schedule_expression="@every 100s"))
    server.run(world.runtime, 6)
    assert world.one().loaded_at is not None
    world.change(lambda task: task.deleted(now=at(14)))
    server.run(world.runtime, 6)
    assert world.one().loaded_at is not None
    sent = len(world.recurring.sent)
    server.run(world.runtime, 200)
    assert len(world.recurring.sent) == sent
    assert world.there() == []


def test_what_a_search_does_not_show_is_found_when_all_are_looked_at(world: World) -> None:
    """As is what went without a trace."""
    world.add(recurring("gone", every="@every 300s"))
    world.recurring.store.find_changed = list
    server = world.server()
    server.run(world.runtime, 2)
    world.add(recurring("unseen", now=at(2)))
    del world.recurring.store._documents[RecurringTaskId("gone")]
    server.run(world.runtime, 62)
    assert world.one("unseen").loaded_at is not None
    server.run(world.runtime, 300)
    assert {task.recurring_task_id for task in world.there()} == {"unseen"}
    slots = [write.document.id for write in world.recurring.sent if write.document.loaded_at]
    assert slots.count("gone") == 1, "it was taken up once, and nothing else was tried"


def test_a_search_that_shows_what_was_before_changes_nothing(world: World) -> None:
    """What is known is later."""
    stored = world.add(recurring())
    server = world.server()
    world.recurring.store.find_changed = lambda: [stored]
    server.run(world.runtime, 35)
    assert [task.created_at for task in world.there()] == [at(10), at(20), at(30)]
    assert len(world.recurring.sent) == 1 + 2 * 3


def test_a_leader_that_cannot_read_says_so_and_begins_again(world: World) -> None:
    """Nothing is fired before all were taken up."""
    world.add(recurring())
    world.recurring.is_down = lambda method: method == "find_all"
    server = world.server()
    with pytest.raises(errors.StoreUnavailable):
        server.step()
    world.recurring.is_down = lambda method: False
    server.run(world.runtime, 11)
    assert len(world.there()) == 1


def test_what_was_in_doubt_is_read_until_it_is_known_again(world: World) -> None:
    """And no longer."""
    world.add(recurring(every="@every 1m"))
    server = world.server(patience=seconds(0.5))
    world.tasks.script = lambda write, number: (
        WriteFault.REJECTED if world.runtime.monotonic() < 64 else None
    )
    read: list[float] = []
    world.recurring.is_down = lambda method: (
        read.append(world.runtime.monotonic()) if method == "get" else False
    )
    server.run(world.runtime, 90)
    assert len(world.there()) == 1
    assert 60 < max(read) < 70


def test_an_expression_that_is_none_is_logged_once_and_left_out(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """An original may have stored it; nobody else suffers."""
    world.add(recurring("bad", every="every now and then"))
    world.add(recurring("good"))
    with caplog.at_level(logging.ERROR):
        world.server().run(world.runtime, 130)
    assert [r.getMessage()[:43] for r in caplog.records] == [
        "the recurring task [bad] never fires: [ever"
    ]
    assert len(world.there()) == 13


def test_a_slot_in_another_age_hinders_nobody(world: World) -> None:
    """It is further off than a duration can say."""
    far = attrs.evolve(recurring("far"), created_at=at(0).parse("9000-01-01T00:00:00Z"))
    world.add(far)
    world.add(recurring("near"))
    world.server().run(world.runtime, 11)
    assert [task.recurring_task_id for task in world.there()] == ["near"]


def test_one_that_an_original_led_begins_with_the_takeover(world: World) -> None:
    """Nobody knows what was fired before; what is outstanding is counted."""
    task = recurring(skip_if_outstanding_tasks_exist=True)
    world.add(attrs.evolve(task, recurrence=Recurrence()))
    world.runtime.advance(seconds(25))
    server = world.server()
    server.run(world.runtime, 6)
    assert [task.created_at for task in world.there()] == [at(30)]


# ------------------------------------------------------------------------------ catching up


@pytest.mark.parametrize(
    ("catch_up", "created", "outcome"),
    [
        (CatchUp.LAST, [130], SlotOutcome.FIRED),
        (CatchUp.ALL, list(range(10, 131, 10)), SlotOutcome.FIRED),
        (CatchUp.SKIP, [], SlotOutcome.MISSED),
    ],
)
def test_slots_that_came_while_nobody_led(
    world: World, catch_up: CatchUp, created: list[int], outcome: SlotOutcome
) -> None:
    """Each policy in its way; the leader does not wait between them."""
    world.add(recurring(catch_up=catch_up))
    world.runtime.advance(seconds(138))
    server = world.server(on_time=seconds(5)).lead()
    for _ in range(len(created) + 2):
        server.scheduler.step()
    slots = [int(task.id.rpartition("-")[2]) - at(0).nanoseconds // 10**9 for task in world.there()]
    assert slots == created
    expected_left_out = 0 if catch_up is CatchUp.ALL else 12
    assert world.last() == (at(130), outcome, expected_left_out)
    assert server.scheduler.left_out + server.scheduler.fired == 13


def test_a_paused_one_fires_nothing_and_resumes_with_the_next_slot(world: World) -> None:
    """What came meanwhile is recorded."""
    world.add(recurring(catch_up=CatchUp.ALL))
    server = world.server()
    server.run(world.runtime, 12)
    world.change(lambda task: task.paused(now=at(12)))
    server.run(world.runtime, 23)
    assert world.last() == (at(30), SlotOutcome.PAUSED, 0)
    world.change(lambda task: task.resumed(now=at(35)))
    server.run(world.runtime, 10)
    assert [task.created_at for task in world.there()] == [at(10), at(40)]


# ------------------------------------------------------------------------------ many at once


def test_a_thousand_at_once_go_in_batches(world: World) -> None:
    """A few requests for each hundred, and all are fired in one step."""
    for number in range(1000):
        world.add(recurring(f"r{number}", skip_if_outstanding_tasks_exist=True))
    server = world.server()
    server.run(world.runtime, 9)
    assert [len(batch) for batch in world.recurring.batches] == [100] * 10
    world.recurring.batches.clear()
    world.runtime.advance(seconds(1))
    server.step()
    assert [len(batch) for batch in world.recurring.batches] == [100] * 20
    assert [len(batch) for batch in world.tasks.batches] == [100] * 10
    assert server.scheduler.fired == 1000
    assert all(isinstance(write, Create) for write in world.tasks.sent)


def test_a_batch_in_trouble_does_not_stand_still(world: World) -> None:
    """However long each look takes, it is given up after the patience for all of it."""
    for number in range(100):
        world.add(recurring(f"r{number}"))
    server = world.server()
    server.run(world.runtime, 9)
    world.runtime.advance(seconds(1))
    server.election.step()
    get = world.recurring.store.get

    def slow(keys: Any) -> Any:
        world.runtime.sleep(1.0)
        return get(keys)

    world.recurring.store.get = slow
    world.recurring.script = lambda write, number: WriteFault.LOST_REQUEST
    begun = world.runtime.monotonic()
    server.scheduler.step()
    assert world.runtime.monotonic() - begun < 5


def test_the_pause_ends_with_the_next_slot(world: World) -> None:
    """And is no longer than a second, in which something may change."""
    world.add(recurring(every="@every 1s", now=at(0.25)))
    server = world.server().lead()
    world.runtime.advance(seconds(0.5))
    assert server.scheduler.step() == seconds(0.5)
    change_document(
        world.recurring.store,
        RecurringTaskId("r"),
        lambda task: task.updated(now=at(1), schedule_expression="@every 1h"),
    )
    server = world.server()
    world.runtime.advance(LEASE)
    server.election.step()
    world.runtime.advance(LEASE)
    assert server.lead().scheduler.step() == seconds(1)
