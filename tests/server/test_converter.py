"""Wire models and the converter: what the table of a field says is what is enforced."""

from __future__ import annotations

import json
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.documents import Stored, Version
from tasques.core.errors import InvalidInput
from tasques.core.json_object import JsonObject
from tasques.core.queues import QueueName
from tasques.core.recurring import CatchUp
from tasques.core.tasks import EndReason, Task
from tasques.core.values import Duration, Instant
from tasques.schemas import (
    answers,
    batch_answers,
    batch_requests,
    queue_answers,
    queue_requests,
    recurring_answers,
    recurring_requests,
    requests,
)
from tasques.schemas.answers import EndedAnswer, TaskAnswer
from tasques.schemas.converter import encode, read, structure, unstructure
from tasques.schemas.definitions import BODY_NAMES, DEFINITION_NAMES
from tasques.schemas.fields import about_of, is_required
from tasques.schemas.recurring_requests import RecurringTaskUpdateBody
from tasques.schemas.requests import ClaimBody, FailureBody, NewTaskBody
from tasques.schemas.task_json import encode_task, encode_tasks
from tasques.server.routes import ROUTES
from tasques.testing import strategies as some

MODELS = sorted(DEFINITION_NAMES, key=lambda model: model.__name__)


def test_a_body_as_a_model() -> None:
    """The example a reader begins with: JSON in, domain values out."""
    body = read(
        NewTaskBody, b'{"queue": "mail", "kind": "send", "processing_timeout": "1h", "args": {}}'
    )
    assert body == NewTaskBody(
        queue=QueueName("mail"),
        kind="send",
        processing_timeout=Duration.parse("1h"),
        args=JsonObject.of({}),
    )


def test_every_fault_has_its_path() -> None:
    """Relative to the top of the body."""
    with pytest.raises(InvalidInput) as caught:
        structure(ClaimBody, {"queues": ["a", 5], "amount": True})
    assert [(f.path, f.rule) for f in caught.value.faults] == [
        ("queues[1]", "string"),
        ("amount", "integer"),
    ]


def test_every_model_has_a_name_and_every_name_a_model() -> None:
    """In the API descriptions."""
    defined = {
        model
        for module in (
            *(answers, recurring_answers, queue_answers, batch_answers),
            *(requests, recurring_requests, queue_requests, batch_requests),
        )
        for model in vars(module).values()
        if isinstance(model, type) and attrs.has(model) and model.__module__ == module.__name__
    }
    assert defined == set(DEFINITION_NAMES)
    assert len(set(DEFINITION_NAMES.values())) == len(DEFINITION_NAMES)
    assert set(BODY_NAMES) == {route.request for route in ROUTES if route.request}


def test_a_word_is_one_of_those_that_there_are() -> None:
    """Where only some are; in bodies and, for those who read them, in answers."""
    update = read(RecurringTaskUpdateBody, b'{"catch_up": "all"}')
    assert update.catch_up is CatchUp.ALL
    ended = structure(EndedAnswer, {"reason": "expired", "at": "2026-11-22T04:01:05Z"})
    assert ended.reason is EndReason.EXPIRED
    with pytest.raises(InvalidInput) as caught:
        read(RecurringTaskUpdateBody, b'{"catch_up": "ALL"}')
    assert [(f.path, f.rule) for f in caught.value.faults] == [("catch_up", "enum")]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_says_what_it_is(model: type) -> None:
    """With an example that the model itself accepts, if it is no model."""
    attrs.resolve_types(model)
    for attribute in attrs.fields(model):
        about = about_of(attribute)
        assert about.description.endswith(".")
        if about.example is not None:
            others: Any = {
                a.name: about_of(a).example or {} for a in attrs.fields(model) if is_required(a)
            }
            if all(value != {} for value in others.values()):
                given: Any = {**others, attribute.name: about.example}
                structure(model, given)


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (NewTaskBody, "retry_times", "minimum"),
        (NewTaskBody, "retry_times", "maximum"),
        (NewTaskBody, "priority", "minimum"),
        (NewTaskBody, "priority", "maximum"),
        (NewTaskBody, "processing_timeout", "minimum"),
        (ClaimBody, "amount", "minimum"),
        (ClaimBody, "amount", "maximum"),
        (ClaimBody, "min_amount", "minimum"),
        (FailureBody, "retry_in", "minimum"),
    ],
)
def test_bounds_are_where_the_field_says(model: type, field: str, value: str) -> None:
    """The bound itself is accepted, the next one beyond is not."""
    bound = getattr(about_of(getattr(attrs.fields(model), field)), value)
    required: Any = {"queue": "a", "kind": "b", "queues": []}
    structure(model, {**required, field: bound})
    with pytest.raises(InvalidInput) as caught:
        structure(model, {**required, field: bound + (1 if value == "maximum" else -1)})
    assert [(f.path, f.rule) for f in caught.value.faults] == [(field, value)]


@given(some.tasks(), st.integers(0, 2**63 - 1), st.integers(1, 2**31))
def test_an_encoded_task_has_the_shape_of_its_model(task: Task, seq: int, term: int) -> None:
    """Every field that the model names, in its order, and no other; and nothing gets lost."""
    stored = Stored(document=task, version=Version(term, seq))
    parsed = json.loads(encode_task(stored))
    answer = structure(TaskAnswer, parsed)
    assert json.loads(encode(unstructure(answer))) == parsed
    order = [attribute.name for attribute in attrs.fields(TaskAnswer)]
    assert list(parsed) == [name for name in order if name in parsed]
    assert (answer.id, answer.queue, answer.state) == (task.id, task.queue, task.state)
    assert answer.args == task.args
    assert answer.run_at == task.run_at


@given(some.tasks())
def test_an_array_of_tasks_is_their_encodings(task: Task) -> None:
    """One line for all."""
    stored = Stored(document=task, version=Version(1, 1))
    one = encode_task(stored).rstrip(b"\n")
    assert encode_tasks([stored, stored]) == b"[" + one + b"," + one + b"]\n"
    assert encode_tasks([]) == b"[]\n"


@given(st.text())
def test_escaping_changes_bytes_and_no_meaning(text: str) -> None:
    """What is escaped reads the same."""
    encoded = encode({text: [text]})
    assert json.loads(encoded) == {text: [text]}
    assert not {"<", ">", "&", "\u2028", "\u2029"} & set(encoded.decode())


def test_a_free_form_object_goes_out_as_it_is() -> None:
    """No number of it is looked at."""
    text = '{"n":1e22,"m":12345678901234567890123}'
    assert encode({"args": msgspec.Raw(text.encode())}) == f'{{"args":{text}}}\n'.encode()
    assert unstructure(FailureBody(data=JsonObject(text)))["data"] == msgspec.Raw(text.encode())


def test_a_model_goes_out_without_what_is_not_given() -> None:
    """Absent rather than null; durations and times in the contract's notation."""
    body = NewTaskBody(
        queue=QueueName("a"), kind="b", run_at=Instant(0), processing_timeout=Duration(1)
    )
    assert json.loads(encode(unstructure(body))) == {
        "queue": "a",
        "kind": "b",
        "processing_timeout": "1ns",
        "run_at": "1970-01-01T00:00:00Z",
    }
