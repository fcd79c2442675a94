"""What may name a queue and a task."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.errors import InvalidInput
from tasques.core.queues import QueueName, TaskId, queue_name, task_id
from tasques.testing import strategies


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "1",
        "a.b",
        ".a",
        "...",
        "a+b",
        "a=b",
        "a@b",
        "日本",
        "a_b",
        "a-",
        "a%20b",
        "run-later",
        "q" * 240,
        "日" * 80,
    ],
)
def test_queue_names_that_are_accepted(name: str) -> None:
    """A name is taken as it is, in any script that has no capitals."""
    assert name == queue_name(name)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("ABC", "not lower case [ABC]"),
        ("É", "not lower case [É]"),
        ("_a", "starts with [_]"),
        ("-a", "starts with [-]"),
        ("+a", "starts with [+]"),
        (".", "is [.]"),
        ("..", "is [..]"),
        ("a\nb", "contains control characters"),
        ("a\u0085b", "contains control characters"),
        ("\x00", "contains control characters"),
        ("q" * 241, "is longer than 240 bytes"),
        ("日" * 81, "is longer than 240 bytes"),
        ("\ud800", "is not valid Unicode"),
    ]
    + [(f"a{c}b", f"contains illegal characters [{c}]") for c in '\\/*?"<>| ,#:'],
)
def test_queue_names_that_are_refused(name: str, problem: str) -> None:
    """What an index's name cannot hold is refused, in the original's words."""
    with pytest.raises(InvalidInput) as caught:
        queue_name(name)
    assert f"Illegal Queue name: [[{problem}]]" == str(caught.value)


def test_every_fault_of_a_queue_name_is_told() -> None:
    """One answer names all that is wrong, so that nobody has to try four times."""
    with pytest.raises(InvalidInput) as caught:
        queue_name("_A b\n")
    assert [(fault.path, fault.rule, fault.message) for fault in caught.value.faults] == [
        ("queue", "queueName", "contains illegal characters [ ]"),
        ("queue", "queueName", "contains control characters"),
        ("queue", "queueName", "starts with [_]"),
        ("queue", "queueName", "not lower case [_A b\n]"),
    ]


@given(strategies.queue_names())
def test_every_legal_queue_name_is_accepted(name: QueueName) -> None:
    """The strategy and the rule agree on what is legal."""
    assert name == queue_name(name)


@given(st.text() | st.text('aA_-+.\\/*?"<>| ,#:\n', max_size=4))
def test_an_accepted_queue_name_keeps_every_rule(text: str) -> None:
    """Whatever is accepted would be taken by Elasticsearch as a part of an index's name."""
    try:
        name = queue_name(text)
    except InvalidInput:
        return
    assert name == text == text.lower()
    assert 0 < len(text.encode()) <= 240
    assert not set(text) & set('\\/*?"<>| ,#:\n\r\t\x00')
    assert text[0] not in "_-+"
    assert text not in (".", "..")


@pytest.mark.parametrize(
    "text", ["a", "a b", "a%20b", "a?b#c", "..a", "...", "A", "日本", "i" * 512, "é" * 256, "\n"]
)
def test_task_ids_that_are_accepted(text: str) -> None:
    """Whatever can be stored and addressed may be an id."""
    assert text == task_id(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("i" * 513, "is longer than 512 bytes"),
        ("é" * 257, "is longer than 512 bytes"),
        ("a/b", "contains a [/]"),
        (".", "is [.]"),
        ("..", "is [..]"),
        ("\udfff", "is not valid Unicode"),
    ],
)
def test_task_ids_that_are_refused(text: str, problem: str) -> None:
    """An id that could not be stored, or never be addressed, is refused."""
    with pytest.raises(InvalidInput) as caught:
        task_id(text)
    assert f"Illegal Task id: {problem}" == str(caught.value)
    assert [(fault.path, fault.rule) for fault in caught.value.faults] == [("id", "taskId")]


@given(strategies.task_ids())
def test_every_legal_task_id_is_accepted(text: TaskId) -> None:
    """The strategy and the rule agree on what is legal."""
    assert text == task_id(text)
