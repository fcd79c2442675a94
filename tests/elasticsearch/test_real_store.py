"""The store on a real Elasticsearch: what reliability 1.2 says of it, and design section 6."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.adapters.elasticsearch.documents import encode
from tasques.core import lifecycle
from tasques.core.documents import Operation, Stored, Version
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    Blocked,
    ClaimableQuery,
    Conflict,
    Create,
    Invalid,
    Malformed,
    Missing,
    Rejected,
    Replace,
    Unknown,
    Unreadable,
    Write,
    Written,
)
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.tasks import Extensions, StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant
from tests.elasticsearch.conftest import Real
from tests.elasticsearch.stub import NOW, a_task
from tools.elasticsearch_node import call

EXTENSIONS = Extensions(operation=Operation(token="00ff", verb="create"), expires_at=NOW)
LATER = NOW.plus(Duration.of_seconds(60))

#: Legal names that would break, or name something else, where they are not escaped.
ODD_QUEUES = ["a%b", "a%20b", "日本", "a&b=c", "a+b", "a;b'`{}$!^()[]~", ".a", "@"]
ODD_IDS = [
    "a%20b",
    "a?b=c",
    "a#b",
    "a b",
    "日本",
    '"quoted"',
    "\\",
    "\n",
    "a+b",
    "*",
    "_id",
    "é" * 256,
]


def write(backend: ElasticsearchBackend, *tasks: Task) -> list[StoredTask]:
    """Create *tasks*, which must go well."""
    outcomes = backend.tasks.write([Create(document=task) for task in tasks])
    stored = [outcome.stored for outcome in outcomes if isinstance(outcome, Written)]
    assert len(stored) == len(tasks), outcomes
    return stored


def kinds(backend: ElasticsearchBackend, *writes: Write[Task]) -> list[type]:
    """What became of *writes*, without the reasons."""
    return [type(outcome) for outcome in backend.tasks.write(writes)]


def proposed(backend: ElasticsearchBackend, *queues: str, limit: int = 100) -> list[str]:
    """The ids proposed for a claim, in their order."""
    names = tuple(QueueName(queue) for queue in queues)
    (found,) = backend.tasks.find_claimable([ClaimableQuery(queues=names, now=LATER, limit=limit)])
    return [stored.document.id for stored in found]


def original(id: str, **changes: Any) -> dict[str, Any]:
    """A document as an original server writes it into the queue ``q``: no rank, no ext."""
    document = json.loads(encode(a_task(id)))
    return {**{k: v for k, v in document.items() if k not in ("rank", "ext")}, **changes}


def claimed(stored: StoredTask, worker: str = "w") -> Replace[Task]:
    """The write that claims *stored*."""
    task = lifecycle.claim(stored.document, worker=WorkerId(worker), now=LATER)
    return Replace(document=task, expected=stored.version)


# ----------------------------------------------------------------------- names and contents


def test_every_legal_name_names_itself(real: Real, backend: ElasticsearchBackend) -> None:
    """Queues and ids with any character are written, read, found and replaced."""
    tasks = [a_task(id, queue) for queue in ODD_QUEUES for id in ODD_IDS]
    stored = write(backend, *tasks)
    assert backend.tasks.get([task.key for task in tasks]) == stored
    real.refresh()
    for queue in ODD_QUEUES:
        assert sorted(proposed(backend, queue)) == sorted(ODD_IDS)
    assert len(proposed(backend, limit=1000)) == len(tasks)
    assert kinds(backend, *(claimed(each) for each in stored)) == [Written] * len(tasks)


def test_what_was_written_reads_back_to_the_last_digit(backend: ElasticsearchBackend) -> None:
    """By id and by search: integers of 1000 digits, numbers as they were written, any text."""
    args = JsonObject('{"n":%s,"f":[1.10,1e5,-0.0,1E+2],"":{"a..b":"\\u0000"}}' % ("9" * 1000))
    (stored,) = write(backend, a_task(args=args, context=JsonObject("{}")))
    assert backend.tasks.get([stored.document.key]) == [stored]


def test_a_search_gives_documents_as_they_were_written(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """Not as Elasticsearch would write them: its numbers are doubles."""
    args = JsonObject('{"n":%s,"f":[1.10,1e5]}' % ("9" * 1000))
    stored = write(backend, a_task(args=args))
    real.refresh()
    query = ClaimableQuery(queues=(), now=LATER, limit=5)
    assert backend.tasks.find_claimable([query]) == [stored]


@pytest.mark.parametrize("what", ["id", "kind"])
def test_what_elasticsearch_cannot_store_is_invalid_alone(
    backend: ElasticsearchBackend, what: str
) -> None:
    """An id of 513 bytes spoils the whole request; its neighbours are written all the same."""
    bad = a_task("i" * 513) if what == "id" else a_task("x", priority=2**63)
    writes = [Create(document=task) for task in (a_task("a"), bad, a_task("b"))]
    assert kinds(backend, *writes) == [Written, Invalid, Written]


# -------------------------------------------------------------------------- compare-and-set


def test_of_many_creates_of_a_key_one_is_written(backend: ElasticsearchBackend) -> None:
    """Whoever races, and while the index itself is being made."""
    together = threading.Barrier(8)
    outcomes: list[type] = []

    def create(number: int) -> None:
        together.wait()
        outcomes.extend(kinds(backend, Create(document=a_task("t", retry_times=number))))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kind.__name__ for kind in outcomes) == ["Exists"] * 7 + ["Written"]


def test_a_replace_is_written_once(backend: ElasticsearchBackend) -> None:
    """The same compare-and-set sent twice conflicts with itself; each version is greater."""
    (stored,) = write(backend, a_task())
    (outcome,) = backend.tasks.write([claimed(stored)])
    assert isinstance(outcome, Written)
    assert outcome.stored.version > stored.version
    assert backend.tasks.get([stored.document.key]) == [outcome.stored]
    assert kinds(backend, claimed(stored)) == [Conflict]


def test_a_replace_of_what_is_not_there_conflicts(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """Of a document, and of an index; the index is then made, and from our template."""
    write(backend, a_task("other"))
    nothing = Version(1, 0)
    assert kinds(backend, Replace(document=a_task(), expected=nothing)) == [Conflict]
    assert kinds(backend, Replace(document=a_task("t", "new"), expected=nothing)) == [Conflict]
    assert real.mapping("new")["dynamic"] == "false"
    assert kinds(backend, Create(document=a_task("t", "new"))) == [Written]


def test_reading_sees_the_last_write_and_searching_the_last_refresh(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """So a search proposes, and the compare-and-set decides."""
    (stored,) = write(backend, a_task())
    # Searched once, so that the index is no longer idle, which would make a search refresh it.
    real.refresh()
    proposed(backend, "q")
    backend.tasks.write([claimed(stored)])
    write(backend, a_task("u"))
    assert proposed(backend, "q") == ["t0"]
    assert isinstance(backend.tasks.get([a_task("u").key])[0], Stored)
    real.refresh()
    assert proposed(backend, "q") == ["u"]


def test_what_was_never_used_holds_nothing(backend: ElasticsearchBackend) -> None:
    """A queue without an index is no error."""
    assert backend.tasks.get([a_task("t", "never").key]) == [Missing()]
    assert proposed(backend, "never") == []
    assert proposed(backend) == []
    assert list(backend.tasks.find_timed_out(before=LATER, limit=5)) == []


# -------------------------------------------------------------------------------- searching


def test_candidates_come_in_the_order_of_claims(real: Real, backend: ElasticsearchBackend) -> None:
    """With ties in everything, outside the range of ranks too, and whatever the limit cuts off."""
    dice = random.Random(7)
    times = [NOW, NOW.plus(Duration.of_seconds(1)), Instant.parse("1969-07-20T20:17:40Z")]
    tasks = [
        a_task(
            f"t{i:02}",
            dice.choice(["a", "b"]),
            priority=dice.choice([0, 1, -1, 32767, 32768, -40000]),
            run_at=dice.choice(times),
            attempted=dice.choice([0, 1]),
        )
        for i in dice.sample(range(80), 80)
    ]
    write(backend, *tasks)
    # Without a rank, as an original writes.
    for i in range(10):
        real.put("a", original(f"o{i}", queue="a", priority=dice.choice([0, 1])))
        tasks.append(a_task(f"o{i}", "a"))
    real.refresh()
    query = ClaimableQuery(queues=(QueueName("a"), QueueName("b")), now=LATER, limit=100)
    (found,) = backend.tasks.find_claimable([query])
    assert len(found) == 90
    assert list(found) == sorted(found, key=lambda stored: stored.document.claim_order)
    for limit in (1, 7, 30):
        (first,) = backend.tasks.find_claimable([attrs.evolve(query, limit=limit)])
        assert list(first) == list(found[:limit])


def test_only_what_is_due_and_has_attempts_is_proposed(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """To the nanosecond, though the index knows milliseconds."""
    (held,) = write(backend, a_task("held"))
    backend.tasks.write([claimed(held)])
    write(
        backend,
        a_task("due", run_at=LATER),
        a_task("soon", run_at=LATER.plus(Duration(1))),
        a_task("spent", attempted=3),
    )
    real.refresh()
    assert proposed(backend, "q") == ["due"]


def test_timed_out_tasks_are_proposed_the_longest_over_first(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """Of every queue, and only those whose time is over to the nanosecond."""
    tasks = [
        a_task(f"t{seconds}", f"q{seconds}", processing_timeout=Duration.of_seconds(seconds))
        for seconds in (3, 1, 2)
    ]
    stored = write(backend, *tasks)
    backend.tasks.write([claimed(each) for each in stored])
    real.refresh()
    over = LATER.plus(Duration.of_seconds(2))
    found = backend.tasks.find_timed_out(before=over, limit=10)
    assert [each.document.id for each in found] == ["t1", "t2"]
    just_before = backend.tasks.find_timed_out(before=over.plus(Duration(-1)), limit=10)
    assert [each.document.id for each in just_before] == ["t1"]
    assert len(backend.tasks.find_timed_out(before=over, limit=1)) == 1


# ----------------------------------------------------------------------------------- poison


def test_any_number_of_bad_documents_hides_no_good_one(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """600 that come first, and two that cannot be passed over when an answer is parsed."""
    write(backend, a_task("good1"), a_task("good2"))
    deep = b'{"a":' * 990 + b"1" + b"}" * 990
    for id, args in (("deep", deep), ("half", b'{"\\ud800":1}')):
        document = json.dumps(original(id, priority=9, args="?")).encode()
        path = f"/{real.index('q')}/_doc/{id}"
        assert backend.client.request("PUT", path, document.replace(b'"?"', args)).is_ok
    bad = [original(f"bad{i}", kind=None, priority=9) for i in range(600)]
    lines = [
        line
        for document in bad
        for line in (
            {"index": {"_index": f"{real.prefix}queue-q", "_id": document["id"]}},
            document,
        )
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    answer = backend.client.request("POST", "/_bulk?refresh=true", body)
    assert answer.is_ok
    for _ in range(3):
        assert proposed(backend, "q", limit=1) == ["good1"]
        assert proposed(backend, limit=2) == ["good1", "good2"]
    assert backend.quarantine.met == 602
    read = backend.tasks.get([a_task(id).key for id in ("bad7", "deep", "half", "good1")])
    assert [type(outcome) for outcome in read] == [Malformed, Malformed, Malformed, Stored]


def test_a_repaired_document_is_found_again(real: Real, backend: ElasticsearchBackend) -> None:
    """Quarantine is for a version, not for an id."""
    real.put("q", original("t", kind=None))
    real.refresh()
    assert proposed(backend, "q") == []
    assert proposed(backend, "q") == []
    real.put("q", original("t"))
    real.refresh()
    assert proposed(backend, "q") == ["t"]


# --------------------------------------------------------------------------------- adoption


def test_an_original_s_index_is_adopted_before_the_first_write(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """Made from the legacy templates alone, dynamic; ext would be taken apart field by field."""
    backend = connect(bare)
    backend.setup(apply=True)
    name = f"{bare.prefix}queues_index_template"
    bare("DELETE", f"/_index_template/{name}")
    bare.put("q", original("theirs"))
    assert bare.mapping("q")["dynamic"] == "true"
    assert "rank" not in bare.mapping("q")["properties"]
    write(backend, a_task("ours", priority=1, extensions=EXTENSIONS))
    fields = bare.mapping("q")["properties"]
    assert fields["rank"] == {"type": "long"}
    assert fields["ext"] == {"type": "object", "enabled": False}
    bare.refresh()
    assert proposed(backend, "q") == ["ours", "theirs"]
    (theirs,) = backend.tasks.get([a_task("theirs").key])
    assert isinstance(theirs, Stored)
    assert kinds(backend, claimed(theirs)) == [Written]


def test_an_index_made_without_any_template_works(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """Guessed by Elasticsearch: ``state`` is a text there; health calls it drift, work goes on."""
    backend = connect(bare)
    backend.setup(apply=True)
    for kind in ("_index_template", "_template"):
        bare("DELETE", f"/{kind}/{bare.prefix}queues_index_template")
    bare.put("q", original("theirs", last_claimed={"times_out_at": "2020-01-01T00:00:00Z"}))
    bare.put("q", original("theirs"))
    stored = write(backend, a_task("ours", extensions=EXTENSIONS))
    bare.refresh()
    assert proposed(backend, "q") == ["ours", "theirs"]
    backend.tasks.write([claimed(stored[0])])
    bare.refresh()
    over = LATER.plus(Duration.of_seconds(60))
    assert [t.document.id for t in backend.tasks.find_timed_out(before=over, limit=5)] == ["ours"]


def test_without_templates_no_index_is_made(
    bare: Real, connect: Callable[..., ElasticsearchBackend]
) -> None:
    """A queue with a guessed mapping would be with us for ever."""
    backend = connect(bare)
    (outcome,) = backend.tasks.write([Create(document=a_task())])
    assert isinstance(outcome, Rejected)
    assert "tasques setup" in outcome.reason
    assert call(bare.url, "HEAD", f"/{bare.index('q')}")[0] == 404


def test_names_with_a_dot_warn_only_where_an_original_makes_the_index(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """Ours are hidden, which is what Elasticsearch asks of such names."""
    write(backend, a_task())
    assert backend.client.dot_warnings == 0
    body = json.dumps({}).encode()
    backend.client.request("PUT", f"/{real.prefix}unhidden", body)
    assert backend.client.dot_warnings == 1


# --------------------------------------------------------------------- what goes wrong there


@pytest.mark.parametrize("block", ["read_only_allow_delete", "write", "read_only"])
def test_a_blocked_index_refuses_writes_and_is_read(
    real: Real, backend: ElasticsearchBackend, block: str
) -> None:
    """Definitely not written, until somebody acts; other queues go on."""
    (stored,) = write(backend, a_task())
    settings = f"/{real.index('q')}/_settings"
    real("PUT", settings, {f"index.blocks.{block}": True})
    other = Create(document=a_task("t", "other"))
    outcomes = kinds(backend, Create(document=a_task("new")), other, claimed(stored))
    assert outcomes == [Blocked, Written, Blocked]
    assert backend.tasks.get([stored.document.key]) == [stored]
    real("PUT", settings, {f"index.blocks.{block}": None})
    assert kinds(backend, claimed(stored)) == [Written]


def test_a_closed_index_is_blocked_and_holds_nothing_to_find(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """An operator closed it, and has to open it."""
    write(backend, a_task(), a_task("t", "other"))
    real.refresh()
    real("POST", f"/{real.index('q')}/_close")
    assert kinds(backend, Create(document=a_task("new"))) == [Blocked]
    assert proposed(backend, "q") == []
    assert proposed(backend) == ["t"]


def test_a_queue_without_its_shard_delays_others_by_a_second_at_most(
    real: Real, backend: ElasticsearchBackend
) -> None:
    """Its own writes are unknown, its search finds nothing, and reading it says so (P21)."""
    write(backend, a_task("t", "well"))
    real(
        "PUT",
        f"/{real.index('q')}?wait_for_active_shards=0&timeout=1ms",
        {"settings": {"index.routing.allocation.require._name": "nobody"}},
    )
    started = time.monotonic()
    outcomes = kinds(backend, Create(document=a_task()), Create(document=a_task("u", "well")))
    assert time.monotonic() - started < 20
    assert outcomes == [Unknown, Written]
    # By its name: a refresh that meets the missing shard takes a minute.
    real("POST", f"/{real.index('well')}/_refresh")
    assert proposed(backend, "q") == []
    assert proposed(backend) == ["t", "u"]
    lost, well = (TaskKey(QueueName(queue), TaskId("t")) for queue in ("q", "well"))
    unread, read = backend.tasks.get([lost, well])
    assert isinstance(unread, Unreadable)
    assert isinstance(read, Stored)
    assert "shards_missing" in [problem.code for problem in backend.check()]
