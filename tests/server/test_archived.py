"""Looking into the archive: ``GET /tasques/{queue}/{id}?archived=true``."""

from __future__ import annotations

from typing import Any

import pytest

from tasques.core.archive import ArchivedTask
from tasques.core.documents import Stored
from tasques.core.ports import Create, Delete
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import TaskKey
from tests.server.conftest import Api, World

PATH = "/tasques/mail/x"


def archive(world: World, id: str = "x") -> None:
    """Move a finished task, as the archiver does."""
    backend = world.backend
    (stored,) = backend.tasks.get([TaskKey(QueueName("mail"), TaskId(id))])
    assert isinstance(stored, Stored)
    copy = ArchivedTask(task=stored.document, origin=stored.version)
    backend.archive.write([Create(document=copy)])
    backend.tasks.write([Delete(document=stored.document, expected=stored.version)])


def finish(api: Api, **fields: Any) -> dict[str, Any]:
    """A task that was done, as it is answered."""
    api.create_and_claim(id="x", **fields)
    answer = api.call("PUT", "/tasques/done/mail/x", {"data": {"ok": True}}, worker="w1")
    done: dict[str, Any] = answer.json
    return done


def test_an_archived_task_is_found_by_those_who_ask_for_it(api: Api, world: World) -> None:
    """As it was in its queue, and it says where it was found; for all others it is gone."""
    done = finish(api, args={"n": 1})
    archive(world)
    found = api.call("GET", f"{PATH}?archived=true")
    assert found.status_code == 200
    # The version is the copy's.
    assert {**found.json, "metadata": 0} == {**done, "metadata": 0, "archived": True}
    for query in ("", "?archived=false", "?other=true"):
        answer = api.call("GET", PATH + query)
        assert answer.status_code == 404
        assert answer.json == {"message": "Could not find [x] in queue [mail]"}


def test_the_task_of_the_queue_is_preferred(api: Api, world: World) -> None:
    """The id is used again: its latest life is what is asked for."""
    finish(api, args={"life": 1})
    archive(world)
    second = api.create(id="x", args={"life": 2})
    found = api.call("GET", f"{PATH}?archived=true").json
    assert found == second
    assert "archived" not in found


def test_of_several_lives_the_last_is_shown(api: Api, world: World) -> None:
    """All of them are archived; the id names the youngest."""
    for life in (1, 2):
        world.clock.forward("1h")
        finish(api, args={"life": life})
        archive(world)
    assert api.call("GET", f"{PATH}?archived=true").json["args"] == {"life": 2}


def test_what_is_nowhere_is_404(api: Api) -> None:
    """In the words that are used for the queue."""
    answer = api.call("GET", f"{PATH}?archived=true")
    assert answer.status_code == 404
    assert answer.json == {"message": "Could not find [x] in queue [mail]"}


@pytest.mark.parametrize("text", ["", "1", "True", "TRUE", "yes", "on", "true%20", "truefalse"])
def test_it_is_true_or_false(api: Api, text: str) -> None:
    """In the words of JSON; what else was meant nobody can know."""
    api.create(id="x")
    answer = api.call("GET", f"{PATH}?archived={text}")
    assert answer.status_code == 400
    assert answer.json["faults"] == [
        {"path": "archived", "rule": "boolean", "message": "must be true or false"}
    ]


def test_the_names_are_looked_at_first(api: Api) -> None:
    """As without the question."""
    answer = api.call("GET", "/tasques/MAIL/x?archived=perhaps")
    assert answer.json["message"].startswith("Illegal Queue name")


def test_a_finished_task_stays_where_it_is_for_workers(api: Api, world: World) -> None:
    """What is archived cannot be reported on or finished again."""
    finish(api)
    archive(world)
    assert api.call("PUT", "/tasques/done/mail/x", {}, worker="w1").status_code == 404
