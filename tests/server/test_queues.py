"""What operators see of queues and their tasks, and pausing: ``/queues``."""

from __future__ import annotations

import base64
import threading
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.listing import Position
from tasques.core.queues import TaskId
from tasques.core.values import Instant
from tasques.schemas.positions import MAX_POSITION, parse_position, position_text
from tasques.server.app import create_app
from tasques.server.options import ServerOptions
from tasques.settings.kinds import User
from tasques.testing import strategies as some
from tests.server.conftest import START, Api, HandClock, World
from tests.server.test_archived import archive, finish

TASKS = "/queues/mail/tasks"


def listed(api: Api, path: str = TASKS, **query: Any) -> tuple[list[str], str | None]:
    """The ids of a page, and where it goes on."""
    answer = api.call("GET", f"{path}?{urlencode(query, doseq=True)}")
    assert answer.status_code == 200, answer.text
    assert set(answer.json) <= {"tasks", "next"}
    return [task["id"] for task in answer.json["tasks"]], answer.json.get("next")


def ids(api: Api, **query: Any) -> list[str]:
    return listed(api, **query)[0]


def faults(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 400, answer.text
    return [(fault["path"], fault["rule"]) for fault in answer.json["faults"]]


# ------------------------------------------------------------------------------------ queues


def test_how_the_queues_stand(api: Api, clock: HandClock) -> None:
    """By name; states that no task has are absent, and so is a time that there is not."""
    for id in ("a", "b"):
        api.create(id=id)
    api.create_and_claim(queue="mail", id="c", priority=1)
    api.create(queue="later", run_at="2030-01-01T00:00:00Z")
    clock.forward("1s")
    answer = api.call("GET", "/queues")
    assert answer.status_code == 200
    assert answer.json == {
        "as_of": str(clock.now),
        "queues": [
            {"queue": "later", "counts": {"queued": 1}, "ready": 0},
            {
                "queue": "mail",
                "counts": {"queued": 2, "claimed": 1},
                "ready": 2,
                "oldest_ready_at": "2026-11-22T04:00:00.123Z",
            },
        ],
    }


def test_no_queue_is_no_fault(api: Api) -> None:
    """A new server has none, and a queue that there is not has no tasks."""
    assert api.call("GET", "/queues").json["queues"] == []
    assert api.call("GET", "/queues/never/tasks").json == {"tasks": []}


def test_a_queue_that_was_only_paused_is_listed(api: Api) -> None:
    """Among the others by name, also once it is resumed."""
    api.create()
    for queue in ("a", "z"):
        api.call("POST", f"/queues/{queue}/pause")
    api.call("POST", "/queues/a/resume")
    found = api.call("GET", "/queues").json["queues"]
    assert [queue["queue"] for queue in found] == ["a", "mail", "z"]
    assert found[0] == {"queue": "a", "counts": {}, "ready": 0}
    assert found[2] == {"queue": "z", "counts": {}, "ready": 0, "paused_at": str(START)}


# --------------------------------------------------------------------------------- pausing


def test_pause_and_resume(api: Api, clock: HandClock) -> None:
    """Done twice it is no fault, and keeps the time of the first; no body is read."""
    clock.forward("1s")
    since = str(clock.now)
    paused = api.call("POST", "/queues/mail/pause", raw=b"nonsense")
    assert paused.status_code == 200
    assert paused.json == {"queue": "mail", "modified_at": since, "paused_at": since}
    clock.forward("1s")
    again = api.call("POST", "/queues/mail/pause").json
    assert again == {"queue": "mail", "modified_at": str(clock.now), "paused_at": since}
    for _ in range(2):
        resumed = api.call("POST", "/queues/mail/resume", raw=b"{")
        assert resumed.status_code == 200
        assert resumed.json == {"queue": "mail", "modified_at": str(clock.now)}


def test_nothing_is_handed_out_from_a_paused_queue(api: Api) -> None:
    """By whichever claim; tasks can be created, what was handed out goes on, so do other queues."""
    held = api.create_and_claim(id="held")
    api.call("POST", "/queues/mail/pause")
    api.create(id="x")
    api.create(id="y", queue="other")
    assert api.claim(amount=5) == []
    assert [task["id"] for task in api.claim(queues=[], amount=5)] == ["y"]
    done = api.call("PUT", f"/tasques/done/mail/{held['id']}", {}, worker="w1")
    assert done.json["state"] == "done"
    api.call("POST", "/queues/mail/resume")
    assert [task["id"] for task in api.claim(amount=5)] == ["x"]


def test_a_claim_that_waits_gets_its_task_soon_after_the_resumption(api: Api) -> None:
    """It need not ask again."""
    api.create(id="x")
    api.call("POST", "/queues/mail/pause")
    claimed: list[Any] = []
    waiting = threading.Thread(target=lambda: claimed.extend(api.claim(block_for="60s")))
    waiting.start()
    api.call("POST", "/queues/mail/resume")
    waiting.join(60)
    assert [task["id"] for task in claimed] == ["x"]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_name_that_no_queue_can_have(api: Api, verb: str) -> None:
    """Is refused, before anything is laid down for it."""
    assert faults(api.call("POST", f"/queues/MAIL/{verb}")) == [("queue", "queueName")]
    assert faults(api.call("GET", "/queues/MAIL/tasks?limit=x")) == [("queue", "queueName")]
    assert api.call("GET", "/queues").json["queues"] == []


# --------------------------------------------------------------------------------- listing


def test_the_newest_tasks_of_a_queue(api: Api, clock: HandClock) -> None:
    """As they are answered one by one; of others nothing."""
    for id in ("a", "b", "c"):
        api.create(id=id)
        clock.forward("1s")
    api.create(queue="other")
    answer = api.call("GET", TASKS)
    assert answer.json == {"tasks": [api.call("GET", f"/tasques/mail/{id}").json for id in "cba"]}
    assert ids(api, order="oldest") == ["a", "b", "c"]
    assert ids(api, order="newest", limit=2) == ["c", "b"]


def test_a_filter_means_what_it_says(api: Api, clock: HandClock) -> None:
    """Several states, a kind, a worker, times of creation; together they narrow."""
    api.create(id="old", kind="print")
    clock.forward("1h")
    since = str(clock.now)
    api.create(id="young")
    api.create_and_claim("ann", id="held", priority=5)
    assert ids(api, state="claimed") == ["held"]
    assert set(ids(api, state=["claimed", "queued", "queued"])) == {"old", "young", "held"}
    assert ids(api, state=["failed", "done", "dead"]) == []
    assert ids(api, kind="print") == ["old"]
    assert ids(api, worker="ann") == ["held"]
    assert ids(api, worker="Ann") == []
    assert ids(api, created_before=since) == ["old"]
    assert set(ids(api, created_from=since)) == {"young", "held"}
    assert ids(api, created_from=since, state="queued", kind="send") == ["young"]
    assert ids(api, created_from=str(START), created_before=str(START)) == []


def test_a_task_is_met_once_while_others_change(api: Api, clock: HandClock) -> None:
    """To the end, page by page; what is created meanwhile is met at the end, or not at all."""
    for number in range(7):
        # Some in the same millisecond, so that the id decides.
        api.create(id=f"t{number}")
        if number % 3 == 0:
            clock.forward("1s")
    met: list[str] = []
    page, next = listed(api, order="oldest", limit=2)
    while next is not None:
        met += page
        clock.forward("1s")
        api.claim()
        if len(met) < 6:
            api.create(id=f"late{len(met)}")
        page, next = listed(api, order="oldest", limit=2, after=next)
    met += page
    assert met == [*(f"t{number}" for number in range(7)), "late2", "late4"]
    back: list[str] = []
    next = None
    while True:
        page, next = listed(api, limit=3, **({"after": next} if next else {}))
        back += page
        if next is None:
            break
        api.create(id=f"later{len(back)}")
    assert back == met[::-1]


def test_the_end_may_be_a_page_of_its_own(api: Api) -> None:
    """A full page goes on, perhaps with nothing."""
    api.create(id="a")
    page, next = listed(api, limit=1)
    assert (page, next is None) == (["a"], False)
    assert listed(api, limit=1, after=next) == ([], None)


def test_a_listing_of_the_archive(api: Api, world: World) -> None:
    """In place of the queue's; each says that it is archived."""
    done = finish(api)
    archive(world)
    api.create(id="y")
    assert ids(api) == ids(api, archived="false") == ["y"]
    (found,) = api.call("GET", f"{TASKS}?archived=true").json["tasks"]
    assert {**found, "metadata": 0} == {**done, "metadata": 0, "archived": True}
    assert ids(api, archived="true", state="dead") == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("state=gone", ("state", "enum")),
        ("state=queued&state=Dead", ("state", "enum")),
        ("state=queued,dead", ("state", "enum")),
        ("state=", ("state", "enum")),
        ("kind=", ("kind", "required")),
        ("worker=", ("worker", "required")),
        ("created_from=yesterday", ("created_from", "time")),
        ("created_before=2026-11-22", ("created_before", "time")),
        ("created_before=2026-11-22T04:00:00+01:00", ("created_before", "time")),
        ("order=up", ("order", "enum")),
        ("limit=0", ("limit", "minimum")),
        ("limit=1001", ("limit", "maximum")),
        ("limit=" + "9" * 5000, ("limit", "integer")),
        ("limit=1e2", ("limit", "integer")),
        ("limit=", ("limit", "integer")),
        ("archived=1", ("archived", "boolean")),
        ("after=", ("after", "position")),
    ],
)
def test_a_query_is_read_strictly(api: Api, query: str, fault: tuple[str, str]) -> None:
    """A fault names its parameter."""
    assert faults(api.call("GET", f"{TASKS}?{query}")) == [fault]


def test_every_fault_of_a_query_is_named(api: Api) -> None:
    """Together, in the order of the parameters."""
    answer = api.call("GET", f"{TASKS}?archived=x&limit=x&state=x&state=y&kind=&after=*")
    assert [path for path, _ in faults(answer)] == ["state", "kind", "limit", "after", "archived"]
    assert all(path in answer.json["message"] for path, _ in faults(answer))


def test_what_a_limit_may_be(api: Api) -> None:
    """From 1 to 1000; a hundred if nobody says."""
    for number in range(101):
        api.create(id=f"t{number}")
    assert [len(ids(api, limit=limit)) for limit in (1, 1000)] == [1, 101]
    page, next = listed(api)
    assert (len(page), next is None) == (100, False)


# -------------------------------------------------------------------------------- positions


def text(plain: str | bytes) -> str:
    raw = plain.encode() if isinstance(plain, str) else plain
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_position_as_text() -> None:
    """Unpadded base64url of the millisecond and the id."""
    assert position_text(Position(1795320000000, TaskId("invoice-4711"))) == text(
        "1795320000000:invoice-4711"
    )


@given(some.instants(), some.task_ids())
def test_a_position_comes_back(created_at: Instant, id: TaskId) -> None:
    """Whatever the task is called, however old it is; and it fits in a query as it is."""
    position = Position(created_at.milliseconds, id)
    written = position_text(position)
    assert parse_position(written) == position
    assert quote(written, safe="") == written
    assert len(written) <= MAX_POSITION


@given(st.text() | st.binary().map(text) | st.from_regex(r"-?\d{1,20}:.*").map(text))
def test_no_other_text_is_a_position(given: str) -> None:
    """A text is either what is written for a position, to the letter, or refused."""
    try:
        position = parse_position(given)
    except ValueError:
        return
    assert position_text(position) == given


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "*",
        "é",
        text("5:a") + "=",
        text("5:a") + "\n",
        text(""),
        text("5"),
        text("5:"),
        text(":a"),
        text("05:a"),
        text("-0:a"),
        text("5.0:a"),
        text("٥:a"),
        text(f"{10**14 * 9}:a"),
        text("9" * 400 + ":a"),
        text(b"5:\xff"),
        text("5:" + "i" * 513),
        "A" * 100_000,
    ],
)
def test_a_malformed_position_is_refused(api: Api, after: str) -> None:
    """By name, in the query and in a body."""
    assert faults(api.call("GET", f"{TASKS}?{urlencode({'after': after})}")) == [
        ("after", "position")
    ]
    assert faults(api.call("POST", f"{TASKS}/cancel", {"after": after})) == [("after", "position")]


# ------------------------------------------------------------------------------ credentials


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/queues"), ("GET", "/queues/x/y"), ("PATCH", "/queues/mail/tasks")],
)
def test_credentials_are_wanted_under_queues(world: World, method: str, path: str) -> None:
    """Whether or not there is such a route."""
    options = ServerOptions(users=(User(name="ann", password="secret"),))
    assert Api(create_app(world.services, options)).call(method, path).status_code == 401
