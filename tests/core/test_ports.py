"""The values that pass through the ports."""

from __future__ import annotations

import pytest
from hypothesis import given

from tasques.core.documents import Version
from tasques.core.ports import Create, Replace, SetupStep
from tasques.core.tasks import Task
from tasques.testing import strategies


@given(strategies.tasks(), strategies.versions())
def test_a_write_is_about_its_tasks_document(task: Task, version: Version) -> None:
    """Batches tell writes apart by their key."""
    assert Create(document=task).key == Replace(document=task, expected=version).key == task.key


@pytest.mark.parametrize(
    ("state", "is_done"),
    [
        ("present", True),
        ("installed", True),
        ("updated", True),
        ("tolerated", True),
        ("skipped", True),
        ("missing", False),
        ("different", False),
    ],
)
def test_a_step_of_setup_says_whether_something_is_left_to_do(state: str, is_done: bool) -> None:
    """Only what is missing or different waits for somebody."""
    assert SetupStep(what="index template", state=state).is_done is is_done
