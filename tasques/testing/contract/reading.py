"""G6 and G7: what is read is what was written, at once and unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tasques.core.documents import Stored
from tasques.core.json_object import MAX_DEPTH, MAX_DIGITS, JsonObject
from tasques.core.ports import Create, Missing, Replace, TaskStore, Written
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import State, StoredTask, Task, TaskKey
from tasques.testing import strategies
from tasques.testing.contract.store_fixtures import (
    SHARED_STORE,
    Settle,
    StoreFixtures,
    claimable,
    must,
    put_away,
    replaced,
    the_task,
    written,
)
from tasques.testing.examples import NOW, queued


def _deep(levels: int) -> JsonObject:
    return JsonObject('{"a":' * (levels - 1) + "{}" + "}" * (levels - 1))


FREE_FORM: Final = (
    JsonObject("{}"),
    JsonObject.of({"n": [2**53 + 1, -(2**64), 10**MAX_DIGITS - 1]}),
    JsonObject.of({"n": [1.0, -0.0, 1e300, 5e-324, 0.1]}),
    JsonObject.of({"": "", "a.b": "\x00\u2028\U0001f71a", "..": "<&>", '"': "\\\n"}),
    JsonObject.of({"a": [1, "1", None, {"a": {}}, [[]]]}),
    JsonObject.of({"text": "é" * 500_000}),
    _deep(MAX_DEPTH),
)

AWKWARD_IDS: Final = [
    "a", "a b", "a%20b", "a?b#c", "a+b&c=d", "*", "_all", "-1", "null", "日本", "🜚", "e\u0301",
    "\u00e9", "\x00", "\x7f", '"', "\\", "\n", "..a", "A", "i" * 512, "é" * 256,
]  # fmt: skip

AWKWARD_QUEUES: Final = [
    "a", "a%20b", "a=b", "a@b", "日本", "...", ".a", "a'b", "a&b", "q" * 200,
]  # fmt: skip


class ReadingContract(StoreFixtures):
    """Reads by key, and whether anything gets lost on the way."""

    def test_a_get_sees_the_last_write(self, store: TaskStore) -> None:
        """G6: at once after each ``Written``, without any settling."""
        [stored] = written(store, queued())
        assert the_task(store, stored.document) == stored
        for priority in range(20):
            stored = replaced(store, stored, attrs.evolve(stored.document, priority=priority))
            assert the_task(store, stored.document) == stored

    def test_reads_come_in_the_order_asked_for(self, store: TaskStore) -> None:
        """G1: one outcome for each key, what is missing included, as often as it is asked for."""
        one, other = written(store, queued("a"), queued("b"))
        nowhere = TaskKey(QueueName("never-used"), one.document.id)
        keys = [other.document.key, nowhere, one.document.key, other.document.key, queued("a").key]
        assert list(store.get(keys)) == [other, Missing(), one, other, Missing()]

    def test_what_no_task_can_be_called_is_missing(self, store: TaskStore) -> None:
        """G6: names that no store would take are those of nothing, and spoil no other read."""
        [stored] = written(store, queued("a"))
        keys = [("a", "i" * 513), ("a", "a/b"), ("A", "t"), ("a#b", "t"), ("a,a", "t"), ("*", "t")]
        keys += [("..", "t"), ("_a", "t"), ("q" * 300, "t"), ("a\n", "t")]
        nobody = [TaskKey(QueueName(queue), TaskId(id)) for queue, id in keys]
        outcomes = store.get([*nobody, stored.document.key])
        assert list(outcomes) == [Missing()] * len(nobody) + [stored]

    def test_many_are_read_at_once(self, store: TaskStore) -> None:
        """G1, G6: five hundred, of several queues."""
        stored = written(store, *(queued("abc"[number % 3]) for number in range(500)))
        assert list(store.get([one.document.key for one in stored])) == stored

    @settings(max_examples=20, suppress_health_check=SHARED_STORE)
    @given(
        tasks=strategies.lists_of_distinct_tasks(
            strategies.tasks(queues=st.sampled_from([QueueName("a"), QueueName("b")])),
            max_size=20,
        )
    )
    def test_what_is_written_reads_back_equal(
        self, store: TaskStore, tasks: Sequence[Task]
    ) -> None:
        """G7: every field, of any task in any state, with any history, id and content."""
        # An id may have been drawn for an earlier example: then this one takes its place.
        before = store.get([task.key for task in tasks])
        writes = [
            Replace(document=task, expected=there.version)
            if isinstance(there, Stored)
            else Create(document=task)
            for task, there in zip(tasks, before, strict=True)
        ]
        outcomes = [must(outcome) for outcome in store.write(writes)]
        assert [stored.document for stored in outcomes] == list(tasks)
        assert list(store.get([task.key for task in tasks])) == outcomes

    def test_free_form_objects_read_back_equal(self, store: TaskStore) -> None:
        """G7: to the letter, whatever is inside, wherever a task carries them."""
        for value in FREE_FORM:
            task = queued(args=value)
            [stored] = written(store, attrs.evolve(task, context=value))
            assert the_task(store, task) == stored

    def test_every_id_names_itself(self, store: TaskStore) -> None:
        """G7: no character means anything, and none is changed into another."""
        stored = written(store, *(queued(id=TaskId(id)) for id in AWKWARD_IDS))
        assert [one.document.id for one in stored] == AWKWARD_IDS
        assert list(store.get([one.document.key for one in stored])) == stored

    def test_every_queue_is_its_own(self, store: TaskStore, settle: Settle) -> None:
        """G7, G8: whatever its name, tasks are written, read and found there and nowhere else."""
        stored = written(store, *(queued(name) for name in AWKWARD_QUEUES))
        settle()
        for one in stored:
            assert the_task(store, one.document) == one
            assert list(claimable(store, one.document.queue, now=NOW)) == [one]

    @settings(max_examples=8, suppress_health_check=SHARED_STORE)
    @given(
        tasks=strategies.lists_of_distinct_tasks(
            strategies.tasks(
                states=[State.QUEUED, State.FAILED, State.CLAIMED],
                queues=st.sampled_from([QueueName("a"), QueueName("b")]),
                times=strategies.instants(latest=NOW),
            )
        )
    )
    def test_what_is_found_is_what_was_written(
        self, store: TaskStore, settle: Settle, tasks: Sequence[Task]
    ) -> None:
        """G7: a search gives whole tasks with their versions, as a read by key does."""
        put_away(store, settle)
        outcomes: list[StoredTask] = []
        for task in tasks:
            [outcome] = store.write([Create(document=task)])
            outcomes += [outcome.stored] if isinstance(outcome, Written) else []
        settle()
        found = {stored.document.key: stored for stored in claimable(store, now=NOW)}
        over = store.find_timed_out(before=NOW, limit=1000)
        found |= {stored.document.key: stored for stored in over}
        assert found == {stored.document.key: stored for stored in outcomes}
