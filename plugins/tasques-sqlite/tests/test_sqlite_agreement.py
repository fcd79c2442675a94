"""A file and memory, asked the same through the services, give the same answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tasques_sqlite import SqliteBackend

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core.ports import Runtime
from tasques.testing.machines import LockstepMachine, Opened


def in_memory(runtime: Runtime) -> Opened:
    """A new store for each example."""
    return Opened(store=MemoryBackend(runtime).tasks)


@pytest.fixture
def in_a_file(tmp_path: Path) -> Callable[[Runtime], Opened]:
    """A new file for each example."""
    numbers = count()

    def open_file(runtime: Runtime) -> Opened:
        return Opened(store=SqliteBackend(tmp_path / f"{next(numbers)}.db", runtime).tasks)

    return open_file


def test_a_file_agrees_with_memory(in_a_file: Callable[[Runtime], Opened]) -> None:
    """What is tried out in memory is true of a file."""
    machine: Any = partial(LockstepMachine, in_memory, in_a_file)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
