"""A recurring task as a document: what is written, what of others' is read, what is refused."""

import json
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.adapters.elasticsearch import recurring_documents
from tasques.adapters.elasticsearch.parts import MalformedDocument
from tasques.core.documents import Operation, Version
from tasques.core.json_object import JsonObject
from tasques.core.queues import QueueName, TaskId
from tasques.core.recurring import (
    CatchUp,
    Pending,
    Recurrence,
    RecurringTask,
    RecurringTaskId,
    Slot,
    SlotOutcome,
)
from tasques.core.tasks import TaskKey
from tasques.core.values import Duration, Instant
from tasques.testing import strategies

ID = RecurringTaskId("repeat-every-minute")
NOW = Instant.parse("2026-11-22T04:02:13.298593455Z")

#: Written by an original server, word for word (wire contract, section 7).
ORIGINAL: dict[str, Any] = {
    "schedule_expression": "@every 1s",
    "skip_if_outstanding_tasks_exist": True,
    "task_definition": {
        "queue": "run-later",
        "retry_times": 25,
        "kind": "sayHello",
        "processing_timeout": 1800000000000,
        "priority": 0,
    },
    "is_deleted": False,
    "loaded_at": "2026-11-22T04:02:13.298593455Z",
    "metadata": {
        "created_at": "2026-11-22T04:02:08.210623052Z",
        "modified_at": "2026-11-22T04:02:13.298593455Z",
    },
}


def decode(source: bytes) -> RecurringTask:
    """The recurring task in *source*."""
    return recurring_documents.decode(source, id=ID)


def read(**changes: object) -> RecurringTask:
    """The recurring task in the original's document with *changes*; None takes a field away."""
    changed = {name: value for name, value in {**ORIGINAL, **changes}.items() if value is not None}
    return decode(msgspec.json.encode(changed))


def definition(**changes: object) -> dict[str, object]:
    """The original's definition with *changes*; None takes a field away."""
    changed = {**ORIGINAL["task_definition"], **changes}
    return {name: value for name, value in changed.items() if value is not None}


def written(recurring: RecurringTask) -> dict[str, Any]:
    """The document of *recurring*."""
    document = json.loads(recurring_documents.encode(recurring))
    assert isinstance(document, dict)
    return document


def test_an_original_s_document_is_read() -> None:
    """Every field arrives where it belongs; of what it does not say, nobody knows."""
    recurring = read()
    assert recurring.id == ID
    assert recurring.schedule_expression == "@every 1s"
    assert recurring.skip_if_outstanding_tasks_exist
    assert not recurring.is_deleted
    assert recurring.loaded_at == recurring.modified_at == NOW
    assert recurring.created_at == Instant.parse("2026-11-22T04:02:08.210623052Z")
    assert recurring.definition.queue == "run-later"
    assert recurring.definition.processing_timeout == Duration.parse("30m")
    assert recurring.definition.args is None
    assert recurring.recurrence == Recurrence()
    assert recurring.recurrence.decided_until is None
    assert recurring.recurrence.launched is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loaded_at": None},
        {"is_deleted": True, "loaded_at": None},
        {"task_definition": definition(args={"name": "Ann"}, context={})},
        {"task_definition": definition(processing_timeout=-1, priority=-7)},
    ],
)
def test_an_original_s_document_is_written_back_as_it_was(changes: dict[str, object]) -> None:
    """To the field: nothing of ours is in it until there is something to say."""
    expected = {name: value for name, value in {**ORIGINAL, **changes}.items() if value is not None}
    assert written(read(**changes)) == expected


def test_what_only_tasques_for_python_knows_is_under_ext() -> None:
    """One object with a version, so that an original drops it whole and a later one may grow."""
    recurring = read(task_definition=definition(args={"name": "Ann"}))
    recurrence = Recurrence(
        operation=Operation(token="00ff", verb="publish", digest="d1"),
        catch_up=CatchUp.ALL,
        paused_at=NOW,
        decided_until=NOW,
        last_slot=Slot(at=NOW, outcome=SlotOutcome.FIRED, task_id=TaskId("t1"), left_out=3),
        pending=Pending(
            slot=NOW, task_id=TaskId("t2"), definition=recurring.definition, left_out=1
        ),
        launched=(TaskKey(QueueName("run-later"), TaskId("t1")),),
        term=Version(2, 7),
    )
    document = written(attrs.evolve(recurring, recurrence=recurrence))
    assert document.pop("ext") == {
        "op": {"token": "00ff", "verb": "publish", "digest": "d1"},
        "catch_up": "all",
        "paused_at": str(NOW),
        "decided_until": str(NOW),
        "last_slot": {"at": str(NOW), "outcome": "fired", "task_id": "t1", "left_out": 3},
        "pending": {
            "slot": str(NOW),
            "task_id": "t2",
            "definition": definition(args={"name": "Ann"}),
            "left_out": 1,
        },
        "launched": [{"queue": "run-later", "id": "t1"}],
        "term": {"primary_term": 2, "seq_no": 7},
        "v": 1,
    }
    assert document == {**ORIGINAL, "task_definition": definition(args={"name": "Ann"})}


def test_nothing_launched_is_not_the_same_as_nobody_knows() -> None:
    """The one lets the next slot fire without counting, the other does not."""
    recurring = read()
    for launched in ((), None):
        recurrence = Recurrence(decided_until=NOW, launched=launched)
        known = attrs.evolve(recurring, recurrence=recurrence)
        again = decode(recurring_documents.encode(known))
        assert again.recurrence.launched == launched


def test_keys_of_a_later_ext_are_passed_over() -> None:
    """A newer server beside us may keep more under ext; what is known here is read."""
    recurring = read(ext={"v": 2, "decided_until": str(NOW), "more": [1]})
    assert recurring.recurrence == Recurrence(decided_until=NOW)


def test_white_space_in_others_objects_goes_and_nothing_else() -> None:
    """A JsonObject is compact; numbers and escapes stay as they were written."""
    args = msgspec.Raw(b'{ "a" : [1.10, 1e5, "\\u003c x"] }')
    assert read(task_definition=definition(args=args)).definition.args == JsonObject(
        '{"a":[1.10,1e5,"\\u003c x"]}'
    )


def test_free_form_objects_pass_untouched_wherever_they_are() -> None:
    """Integers of a thousand digits, in the definition and in that of a slot under way."""
    recurring = read(task_definition=definition(args={}))
    args = JsonObject.of({"n": 10**999 + 7})
    recurring = attrs.evolve(recurring, definition=attrs.evolve(recurring.definition, args=args))
    pending = Pending(slot=NOW, task_id=TaskId("t"), definition=recurring.definition)
    recurring = attrs.evolve(recurring, recurrence=Recurrence(pending=pending))
    assert decode(recurring_documents.encode(recurring)) == recurring


def test_a_line_break_in_an_object_s_text_cannot_split_a_request() -> None:
    """A bulk request is read line by line, and the text of a JsonObject is taken on trust."""
    recurring = read()
    definition = attrs.evolve(recurring.definition, args=JsonObject('{"a":\n1}'))
    assert b"\n" not in recurring_documents.encode(attrs.evolve(recurring, definition=definition))


@given(strategies.recurring_tasks())
def test_every_recurring_task_reads_back_equal(recurring: RecurringTask) -> None:
    """Whatever the core can hold, in every field."""
    encoded = recurring_documents.encode(recurring)
    assert recurring_documents.decode(encoded, id=recurring.id) == recurring


POISON: dict[str, dict[str, object]] = {
    "no expression": {"schedule_expression": None},
    "an expression that is no text": {"schedule_expression": 5},
    "no definition": {"task_definition": None},
    "no metadata": {"metadata": None},
    "neither deleted nor not": {"is_deleted": None},
    "a truth in quotes": {"is_deleted": "true"},
    "no queue": {"task_definition": definition(queue=None)},
    "no kind": {"task_definition": definition(kind="")},
    "no priority": {"task_definition": definition(priority=None)},
    "a priority beyond 64 bits": {"task_definition": definition(priority=2**63)},
    "negative retries": {"task_definition": definition(retry_times=-1)},
    "a fraction": {"task_definition": definition(retry_times=1.5)},
    "a time-out beyond 64 bits": {"task_definition": definition(processing_timeout=2**63)},
    "arguments that are no object": {"task_definition": definition(args=[1])},
    "a time without a zone": {"loaded_at": "2020-01-02T00:00:00"},
    "ext that is none of ours": {"ext": {"v": 1, "op": "publish"}},
    "a way to catch up that nobody knows": {"ext": {"v": 1, "catch_up": "?"}},
    "an outcome that nobody knows": {"ext": {"last_slot": {"at": str(NOW), "outcome": "?"}}},
    "a slot under way without its task": {"ext": {"pending": {"slot": str(NOW)}}},
    "a task launched nowhere": {"ext": {"launched": [{"id": "t"}]}},
    "half a term": {"ext": {"term": {"seq_no": 1}}},
}


@pytest.mark.parametrize("changes", POISON.values(), ids=POISON.keys())
def test_what_is_no_recurring_task_is_malformed(changes: dict[str, object]) -> None:
    """One error for all of it, with a reason; never another exception."""
    with pytest.raises(MalformedDocument):
        read(**changes)


@pytest.mark.parametrize("levels", [501, 980, 5_000])
def test_what_is_nested_too_deeply_is_malformed(levels: int) -> None:
    """Elasticsearch takes 1000 levels, Tasques 500; neither ends in a RecursionError."""
    nested = msgspec.Raw(b'{"a":' * levels + b"1" + b"}" * levels)
    with pytest.raises(MalformedDocument, match="nested"):
        read(task_definition=definition(context=nested))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_recurring_task_or_malformed(source: bytes) -> None:
    """A document of any content hurts itself only."""
    with pytest.raises(MalformedDocument):
        decode(source)


def test_what_json_cannot_say_is_refused() -> None:
    """Half of a surrogate pair has no UTF-8."""
    with pytest.raises(ValueError):
        recurring_documents.encode(attrs.evolve(read(), schedule_expression="\ud800"))
