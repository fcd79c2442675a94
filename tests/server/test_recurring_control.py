"""What owners can do with recurring tasks beyond the original: catch up, pause, run, preview."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core.documents import Version
from tasques.core.ports import Replace
from tasques.core.recurring import Decision, RecurringTask, SlotOutcome
from tasques.core.values import Duration, Instant
from tests.server.conftest import START, Api, HandClock, World

PATH = "/recurring_tasques/r"
TERM = Version(1, 1)
SLOT = Instant.parse("2026-11-22T04:01:00Z")


def fault(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 400, answer.text
    (found,) = answer.json["faults"]
    return found["path"], found["rule"]


def write(world: World, change: Any) -> RecurringTask:
    """Change the one recurring task that there is, as the leading server would."""
    store = world.backend.recurring_tasks
    (stored,) = store.find_all()
    changed: RecurringTask = change(stored.document)
    store.write([Replace(document=changed, expected=stored.version)])
    return changed


# -------------------------------------------------------------------------------- catch_up


@pytest.mark.parametrize("catch_up", ["skip", "all"])
def test_how_to_catch_up_may_be_said(api: Api, catch_up: str) -> None:
    """On create and on update; it stays until it is changed."""
    assert api.repeat(catch_up=catch_up)["catch_up"] == catch_up
    assert api.call("PUT", PATH, {}).json["catch_up"] == catch_up
    assert "catch_up" not in api.call("PUT", PATH, {"catch_up": "last"}).json
    assert api.call("PUT", PATH, {"catch_up": catch_up}).json["catch_up"] == catch_up


def test_the_latest_is_not_worth_a_word(api: Api) -> None:
    """Who does not use it sees the answers of the original."""
    assert "catch_up" not in api.repeat(catch_up="last")
    assert "catch_up" not in api.repeat(id="s")


# --------------------------------------------------------------------------- pause and resume


def test_pause_and_resume(api: Api, clock: HandClock) -> None:
    """Without a body; since when it is paused is told, and everything else is as it was."""
    before = api.repeat()
    clock.forward("1s")
    paused = api.call("POST", f"{PATH}/pause")
    assert paused.status_code == 200
    since = str(clock.now)
    assert paused.json["paused_at"] == paused.json["metadata"]["modified_at"] == since
    clock.forward("1s")
    again = api.call("POST", f"{PATH}/pause").json
    assert again["paused_at"] == since
    assert api.call("GET", PATH).json == again
    assert [each["paused_at"] for each in api.call("GET", "/recurring_tasques").json] == [since]
    for _ in range(2):
        resumed = api.call("POST", f"{PATH}/resume")
        assert resumed.status_code == 200
        assert {**resumed.json, "metadata": 0} == {**before, "metadata": 0}


def test_an_update_does_not_resume(api: Api) -> None:
    """Nor does a new schedule."""
    api.repeat()
    since = api.call("POST", f"{PATH}/pause").json["paused_at"]
    assert api.call("PUT", PATH, {"schedule_expression": "@daily"}).json["paused_at"] == since


@pytest.mark.parametrize("verb", ["pause", "resume", "run"])
@pytest.mark.parametrize("raw", [b"", b"{}", b"nonsense"])
def test_no_body_is_read(api: Api, verb: str, raw: bytes) -> None:
    """None is needed, and none is looked at."""
    api.repeat()
    assert api.call("POST", f"{PATH}/{verb}", raw=raw).status_code in (200, 201)


# --------------------------------------------------------------------------------- last_slot


def test_the_latest_slot_is_shown(api: Api, world: World) -> None:
    """What became of it, and the task if one was made."""
    assert "last_slot" not in api.repeat()

    def fire(task: RecurringTask) -> RecurringTask:
        due = Decision(slot=SLOT, outcome=SlotOutcome.FIRED)
        published = task.publishing(due, term=TERM)
        assert published.recurrence.pending is not None
        return published.fired(published.recurrence.pending, term=TERM)

    fired = write(world, fire)
    assert api.call("GET", PATH).json["last_slot"] == {
        "at": str(SLOT),
        "outcome": "fired",
        "task_id": fired.task_id_for(SLOT),
    }


@pytest.mark.parametrize("outcome", [each for each in SlotOutcome if each is not SlotOutcome.FIRED])
def test_a_slot_without_a_task_is_shown(api: Api, world: World, outcome: SlotOutcome) -> None:
    """And how many before it came to nothing."""
    api.repeat()
    decision = Decision(slot=SLOT, outcome=outcome, left_out=3)
    write(world, lambda task: task.leaving_out(decision, term=TERM))
    (listed,) = api.call("GET", "/recurring_tasques").json
    assert listed["last_slot"] == {"at": str(SLOT), "outcome": outcome.value, "left_out": 3}


# --------------------------------------------------------------------------------------- run


def test_a_run_by_hand(api: Api, clock: HandClock) -> None:
    """A task of the definition, due now; each request makes another, paused or not."""
    definition = {"queue": "mail", "kind": "send", "priority": 5, "args": {"to": "ann"}}
    api.repeat(task_definition=definition)
    clock.forward("1s")
    first = api.call("POST", f"{PATH}/run")
    assert first.status_code == 201
    made = first.json
    assert (made["state"], made["run_at"]) == ("queued", str(clock.now))
    assert made["recurring_task_id"] == "r"
    assert {name: made[name] for name in definition} == definition
    assert api.call("GET", f"/tasques/mail/{made['id']}").json == made
    api.call("POST", f"{PATH}/pause")
    second = api.call("POST", f"{PATH}/run").json
    assert second["id"] != made["id"]
    assert {task["id"] for task in api.claim(amount=5)} == {made["id"], second["id"]}


def test_a_run_by_hand_counts_as_outstanding(api: Api, world: World) -> None:
    """The leader finds it noted, so that no slot is fired beside it."""
    api.repeat(skip_if_outstanding_tasks_exist=True)
    made = api.call("POST", f"{PATH}/run").json
    (stored,) = world.backend.recurring_tasks.find_all()
    launched = stored.document.recurrence.launched
    assert launched is not None
    assert [task.id for task in launched] == [made["id"]]


# ----------------------------------------------------------------------------------- preview


def preview(api: Api, query: str = "") -> list[str]:
    answer = api.call("GET", f"{PATH}/preview{query}")
    assert answer.status_code == 200, answer.text
    assert set(answer.json) == {"slots"}
    slots: list[str] = answer.json["slots"]
    return slots


def test_the_next_five_times(api: Api) -> None:
    """``@every`` counts from the creation, cut to the second."""
    api.repeat()
    assert preview(api) == [f"2026-11-22T04:0{minute}:00Z" for minute in range(1, 6)]


def test_as_many_as_are_wanted(api: Api) -> None:
    """Up to a hundred; in UTC, whatever the zone of the schedule."""
    api.repeat(schedule_expression="TZ=Asia/Tokyo 30 9 * * MON-FRI")
    assert preview(api, "?count=2") == ["2026-11-23T00:30:00Z", "2026-11-24T00:30:00Z"]
    assert len(preview(api, "?count=100")) == 100
    assert preview(api, "?count=1") == preview(api, "?count=100")[:1]


def test_a_schedule_may_end(api: Api) -> None:
    """30 February does not come."""
    api.repeat(schedule_expression="0 0 30 2 *")
    assert preview(api) == []


def test_a_preview_begins_now(api: Api, clock: HandClock) -> None:
    """However long nobody led; and as if it were not paused."""
    api.repeat(schedule_expression="@hourly")
    api.call("POST", f"{PATH}/pause")
    clock.now = START.plus(Duration.parse("48h"))
    assert preview(api, "?count=1") == ["2026-11-24T05:00:00Z"]


@pytest.mark.parametrize(
    ("count", "rule"),
    [
        ("0", "minimum"),
        ("-1", "minimum"),
        ("101", "maximum"),
        ("1" * 19, "maximum"),
        ("", "integer"),
        ("five", "integer"),
        ("5.0", "integer"),
        ("1e1", "integer"),
        ("05", "integer"),
        ("%2B5", "integer"),
        ("+5", "integer"),
        ("5%20", "integer"),
        ("5_0", "integer"),
        ("%D9%A5", "integer"),
        ("1" * 5000, "integer"),
        ("5%0A", "integer"),
    ],
)
def test_how_many_is_a_number(api: Api, count: str, rule: str) -> None:
    """From 1 to 100, in the notation of JSON; looked at before the recurring task is."""
    assert fault(api.call("GET", f"{PATH}/preview?count={count}")) == ("count", rule)
