"""The archive in memory: what it does beyond the contract of tests/contract/test_archive.py."""

from __future__ import annotations

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.archive import ArchivedTask
from tasques.core.documents import Stored, Version
from tasques.core.ports import Create, Written
from tasques.core.tasks import State, Task
from tasques.testing.examples import in_state
from tasques.testing.fake_runtime import FakeRuntime


def place_of(backend: MemoryBackend, task: Task) -> str:
    """Where a new copy of *task* goes."""
    copy = ArchivedTask(task=task, origin=Version(1, 1))
    (outcome,) = backend.archive.write([Create(document=copy)])
    assert isinstance(outcome, Written)
    return outcome.stored.document.place


def test_a_new_place_is_begun_by_hand_only() -> None:
    """Memory needs none; a test of what needs several asks for it, and is told the name."""
    backend = MemoryBackend(FakeRuntime())
    first = place_of(backend, in_state(State.DONE))
    assert place_of(backend, in_state(State.DEAD)) == first
    second = backend.archive.roll_over()
    assert place_of(backend, in_state(State.DONE)) == second != first


def test_a_copy_is_found_at_once() -> None:
    """There is nothing to wait for, as with the tasks themselves."""
    backend = MemoryBackend(FakeRuntime())
    task = in_state(State.DONE)
    place_of(backend, task)
    assert isinstance(backend.archive.find_task(task.key), Stored)
