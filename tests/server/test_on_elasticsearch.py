"""The API over a real Elasticsearch, where what it answers depends on what documents can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from tasques.adapters.elasticsearch import settings
from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.bootstrap import build
from tasques.core.archive import ArchivedTask
from tasques.core.documents import Stored
from tasques.core.ports import Create, Delete, Replace
from tasques.core.queues import QueueName, TaskId
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import Extensions, TaskKey
from tasques.runtime import ThreadRuntime
from tasques.server.app import create_app
from tasques.server.options import ServerOptions
from tasques.settings import Settings
from tests.server.conftest import Api
from tools.elasticsearch_node import call

KEY = TaskKey(QueueName("mail"), TaskId("x"))


@attrs.frozen
class Served:
    """A server without background work, and what lies behind it."""

    api: Api
    backend: ElasticsearchBackend
    url: str
    prefix: str

    def refresh(self) -> None:
        """Let searches see what was written."""
        call(self.url, "POST", f"/{self.prefix}*/_refresh?expand_wildcards=all")


@pytest.fixture
def served(elasticsearch_url: str, prefix: str) -> Iterator[Served]:
    runtime = ThreadRuntime()
    options = {"elasticsearch.addresses": elasticsearch_url, "elasticsearch.prefix": prefix}
    backend = ElasticsearchBackend.connect(settings.parse("elasticsearch:", options), runtime)
    backend.setup(apply=True)
    node = build(Settings(), backend, runtime)
    yield Served(
        Api(create_app(node.services, ServerOptions())), backend, elasticsearch_url, prefix
    )
    node.services.claims.close()
    node.stop()


def test_the_life_of_a_recurring_task(served: Served) -> None:
    """Every field comes back from the document, and each change is seen at once, in the list too."""
    api = served.api
    assert api.call("GET", "/recurring_tasques").json == []
    definition = {"queue": "mail", "kind": "send", "args": {"n": 2**70 + 1}, "retry_times": 0}
    for id in ("b", "é", "a b#c?"):
        created = api.repeat(id=id, catch_up="skip", task_definition=definition)
        path = f"/recurring_tasques/{quote(id, safe='')}"
        assert api.call("GET", path).json == created
        paused = api.call("POST", f"{path}/pause").json
        assert paused["paused_at"]
        assert paused["task_definition"]["args"] == {"n": 2**70 + 1}
    listed = api.call("GET", "/recurring_tasques").json
    assert [each["id"] for each in listed] == ["a b#c?", "b", "é"]
    assert api.call("POST", "/recurring_tasques/b/run").json["recurring_task_id"] == "b"
    deleted = api.call("DELETE", "/recurring_tasques/b").json
    assert deleted["metadata"]["version"]["seq_num"] > created["metadata"]["version"]["seq_num"]
    assert api.call("GET", "/recurring_tasques/b").status_code == 404
    again = api.repeat(id="b")
    assert "catch_up" not in again
    (stored,) = served.backend.recurring_tasks.get([RecurringTaskId("b")])
    assert isinstance(stored, Stored)
    assert str(stored.document.created_at) == again["metadata"]["created_at"]


def test_the_id_of_a_claim_is_stored(served: Served) -> None:
    """Another server knows it; where it was lost the worker alone decides."""
    api, store = served.api, served.backend.tasks
    api.create(id="x")
    (claimed,) = api.claim(block_for="60s")
    assert api.call("GET", "/tasques/mail/x").json == claimed
    other = {"X-TASQUES-CLAIM-ID": "other"}
    path = "/tasques/reports/mail/x"
    assert api.call("PUT", path, {}, worker="w1", headers=other).status_code == 403
    (stored,) = store.get([KEY])
    assert isinstance(stored, Stored)
    rewritten = attrs.evolve(stored.document, extensions=Extensions())
    store.write([Replace(document=rewritten, expected=stored.version)])
    assert api.call("PUT", path, {}, worker="w1", headers=other).status_code == 200


def test_an_archived_task_is_found(served: Served) -> None:
    """About a second after it was archived; before, and by those who do not ask, it is not."""
    api, backend = served.api, served.backend
    assert api.call("GET", "/tasques/mail/x?archived=true").status_code == 404
    api.create(id="x")
    api.claim(block_for="60s")
    done = api.call("PUT", "/tasques/done/mail/x", {"data": {"ok": True}}, worker="w1").json
    (stored,) = backend.tasks.get([KEY])
    assert isinstance(stored, Stored)
    copy = ArchivedTask(task=stored.document, origin=stored.version)
    backend.archive.write([Create(document=copy)])
    backend.tasks.write([Delete(document=stored.document, expected=stored.version)])
    served.refresh()
    found = api.call("GET", "/tasques/mail/x?archived=true").json
    assert {**found, "metadata": 0} == {**done, "metadata": 0, "archived": True}
    assert api.call("GET", "/tasques/mail/x").status_code == 404


def test_operators_on_queues(served: Served) -> None:
    """What they see is there after a refresh, what they do is there at once."""
    api = served.api
    for number in range(3):
        api.create(id=f"t{number}", expires_at="2999-01-01T00:00:00Z")
    served.refresh()
    (queue,) = api.call("GET", "/queues").json["queues"]
    assert (queue["queue"], queue["counts"], queue["ready"]) == ("mail", {"queued": 3}, 3)
    paused = api.call("POST", "/queues/mail/pause").json
    assert api.call("GET", "/queues").json["queues"][0]["paused_at"] == paused["paused_at"]
    assert api.claim() == []
    first = api.call("GET", "/queues/mail/tasks?order=oldest&limit=2").json
    assert [task["id"] for task in first["tasks"]] == ["t0", "t1"]
    assert first["tasks"][0] == api.call("GET", "/tasques/mail/t0").json
    assert first["tasks"][0]["expires_at"] == "2999-01-01T00:00:00Z"
    body = {"states": ["queued"], "limit": 2, "after": first["next"]}
    swept = api.call("POST", "/queues/mail/tasks/cancel", body).json
    assert swept == {"outcomes": [{"id": "t2", "outcome": "changed"}]}
    assert api.call("GET", "/tasques/mail/t2").json["ended"]["reason"] == "cancelled"
    assert api.call("POST", "/queues/mail/tasks/t1/delay", {"run_in": "1h"}).status_code == 200
    assert api.call("POST", "/queues/mail/tasks/t2/retry").json["state"] == "queued"
    assert (
        api.call("POST", "/queues/mail/tasks/t2/reprioritise", {"priority": 9}).status_code == 200
    )
    assert "paused_at" not in api.call("POST", "/queues/mail/resume").json
    claimed = api.claim(amount=3, min_amount=2, block_for="60s")
    assert [task["id"] for task in claimed] == ["t2", "t0"]
    served.refresh()
    (queue,) = api.call("GET", "/queues").json["queues"]
    assert (queue["counts"], queue["ready"]) == ({"queued": 1, "claimed": 2}, 0)
    assert api.call("GET", "/queues/mail/tasks?archived=true").json == {"tasks": []}
    assert api.call("GET", "/queues/never/tasks").json == {"tasks": []}


def test_many_at_once(served: Served) -> None:
    """In several queues, some new; each item as it would be alone, and so again when repeated."""
    api = served.api
    api.create(id="old")
    new = [
        {"queue": queue, "kind": "send", "args": {"n": 2**70 + n}}
        for n, queue in enumerate(["mail", "post", "mail", "fresh"])
    ]
    items = [*new, {"queue": "mail", "kind": "send", "id": "old"}, {"queue": "mail"}]
    key = {"Idempotency-Key": "import"}
    path = "/tasques/create-many"
    made = api.call("POST", path, {"items": items}, headers=key).json["items"]
    assert [each["status"] for each in made] == [201, 201, 201, 201, 409, 400]
    again = api.call("POST", path, {"items": items}, headers=key).json["items"]
    assert [each["status"] for each in again] == [201, 201, 201, 201, 409, 400]
    for one, other in zip(made[:4], again[:4], strict=True):
        task = api.call("GET", f"/tasques/{one['task']['queue']}/{one['task']['id']}").json
        assert task == other["task"]
        assert {**task, "metadata": 0} == {**one["task"], "metadata": 0}
    claimed: list[dict[str, Any]] = []
    while len(claimed) < 5:
        # What was written meanwhile is lost to the claim that met it, and there for the next.
        claimed += api.claim(queues=[], amount=5, block_for="60s")
    ends = [
        {"queue": task["queue"], "id": task["id"], "action": action, "claim_id": task["claim_id"]}
        for task, action in zip(
            claimed, ["done", "failed", "report", "unclaim", "done"], strict=True
        )
    ]
    ends += [{**ends[2], "action": "done"}, {**ends[0], "id": "gone"}]
    for expected in ([200, 200, 200, 200, 200, 200, 404], [200, 200, 400, 200, 200, 200, 404]):
        answer = api.call("POST", "/tasques/finish-many", {"items": ends}, worker="w1").json
        assert [each["status"] for each in answer["items"]] == expected
    for each in answer["items"][3:6]:
        task = each["task"]
        assert api.call("GET", f"/tasques/{task['queue']}/{task['id']}").json == task
