"""What is copied where, and which of several copies stays."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from tasques.core.archive import (
    ArchivedTask,
    StoredCopy,
    archive_key,
    finished_at,
    plan_copy,
    surplus,
)
from tasques.core.documents import Operation, Stored, Version
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import State, StoredTask, Task
from tasques.core.values import Duration
from tasques.testing.examples import NOW, at, in_state


def finished(id: str = "t", seq_no: int = 5) -> StoredTask:
    task = attrs.evolve(in_state(State.DONE), id=TaskId(id))
    return Stored(document=task, version=Version(1, seq_no))


def copy_of(stored: StoredTask, place: str, version: int, origin: int | None = None) -> StoredCopy:
    from_version = stored.version if origin is None else Version(1, origin)
    copy = ArchivedTask(task=stored.document, origin=from_version, place=place)
    return Stored(document=copy, version=Version(1, version))


def test_a_copy_is_named_by_queue_id_and_life() -> None:
    """What happens to the task is of no account; a reused id is another task."""
    task = finished().document
    same = attrs.evolve(task, state=State.DEAD, modified_at=at(99))
    assert archive_key(same) == archive_key(task)
    others = [
        attrs.evolve(task, queue=QueueName("other")),
        attrs.evolve(task, id=TaskId("u")),
        attrs.evolve(task, created_at=task.created_at.plus(Duration(1))),
        attrs.evolve(task, queue=QueueName(task.queue + task.id), id=TaskId("")),
    ]
    assert len({archive_key(other) for other in [task, *others]}) == 5


def test_a_copy_is_a_document() -> None:
    """Its mark is that of the task."""
    copy = copy_of(finished(), "a", 1).document
    operation = Operation(token="t", verb="archive")
    assert copy.key == archive_key(copy.task)
    assert copy.stamped(operation).operation == operation
    assert copy.approximate_bytes > copy.task.approximate_bytes


def test_a_task_without_a_copy_is_copied_to_the_newest_place() -> None:
    """Whole, with the version that it is of."""
    stored = finished()
    plan = plan_copy(stored, [])
    assert plan.copy == ArchivedTask(task=stored.document, origin=stored.version)
    assert (plan.copy.place, plan.over, plan.surplus) == ("", None, ())


@pytest.mark.parametrize("origin", [3, 5])
def test_a_copy_that_is_there_is_written_again(origin: int) -> None:
    """In its own place, whether it is of this version or of an earlier one."""
    stored = finished(seq_no=5)
    there = copy_of(stored, "a", 8, origin=origin)
    plan = plan_copy(stored, [there])
    assert plan.copy == ArchivedTask(task=stored.document, origin=Version(1, 5), place="a")
    assert (plan.over, plan.surplus) == (Version(1, 8), ())


def test_of_several_copies_the_oldest_place_is_written_and_the_others_go() -> None:
    """Whichever of them is of the latest version: the one written is."""
    stored = finished()
    copies = [copy_of(stored, "a", 8, origin=3), copy_of(stored, "b", 9), copy_of(stored, "c", 2)]
    plan = plan_copy(stored, copies)
    assert (plan.copy.place, plan.over) == ("a", Version(1, 8))
    assert plan.surplus == tuple(copies[1:])


@pytest.mark.parametrize(
    ("origins", "kept"),
    [([], None), ([5], 0), ([5, 5], 0), ([3, 5], 1), ([5, 3, 5], 0), ([3, 4, 5], 2)],
)
def test_of_a_task_that_is_gone_the_copy_of_the_latest_version_stays(
    origins: Sequence[int], kept: int | None
) -> None:
    """Of equal ones that in the oldest place."""
    copies = [
        copy_of(finished(), place, 1, origin=origin)
        for place, origin in zip("abc", origins, strict=False)
    ]
    expected = tuple(copy for number, copy in enumerate(copies) if number != kept)
    assert surplus(copies) == expected


def test_a_task_is_finished_with_its_last_result_or_else_its_last_change() -> None:
    """One that nobody ever claimed has no result."""
    task = finished().document
    assert task.last_claim is not None
    assert task.last_claim.result is not None
    assert finished_at(attrs.evolve(task, modified_at=at(99))) == task.last_claim.result.at == NOW
    cancelled: Task = attrs.evolve(task, last_claim=None, modified_at=at(99))
    assert finished_at(cancelled) == at(99)
    unfinished = attrs.evolve(task.last_claim, result=None)
    assert finished_at(attrs.evolve(task, last_claim=unfinished, modified_at=at(99))) == at(99)
