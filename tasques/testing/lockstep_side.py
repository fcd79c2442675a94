"""One of the stores that a machine drives in lockstep, with the services of a server over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core import errors
from tasques.core.documents import Stored, Version
from tasques.core.ports import Runtime, TaskStore
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.operator_service import OperatorService
from tasques.core.service.reaper import Reaper
from tasques.core.service.task_service import TaskService
from tasques.core.tasks import StoredTask, TaskKey
from tasques.testing.contract.store_fixtures import Settle
from tasques.testing.fake_runtime import FakeRuntime


@attrs.frozen(kw_only=True)
class Opened:
    """
    A store for one example.

    Attributes:
        settle: Makes what was written so far visible to searches.
        close: Called when the example is over.
    """

    store: TaskStore
    settle: Settle = lambda: None
    close: Callable[[], None] = lambda: None


Open: TypeAlias = Callable[[Runtime], Opened]


class _ExampleRuntime(FakeRuntime):
    """Gives ids that no other example has had, and that sort alike in each."""

    def __init__(self, example: int) -> None:
        super().__init__()
        self._example = example

    def new_id(self) -> str:
        return f"{self._example:012x}{super().new_id()[12:]}"


class Side:
    """One store with the services of a server over it."""

    def __init__(self, open_store: Open, example: int) -> None:
        self.runtime = _ExampleRuntime(example)
        self.opened = open_store(self.runtime)
        self.store = self.opened.store
        self.claims = ClaimDispatcher(self.store, self.runtime)
        offer = self.claims.offer
        self.tasks = TaskService(self.store, self.runtime, on_waiting=offer)
        self.operators = OperatorService(
            self.store, MemoryBackend(self.runtime).archive, self.runtime, on_waiting=offer
        )
        self.reaper = Reaper(self.store, self.runtime, on_waiting=offer)
        self._versions: dict[TaskKey, Version] = {}

    def answer(self, operation: Callable[[Side], object]) -> object:
        """What *operation* gives here, in words that do not depend on the store."""
        try:
            return self._comparable(operation(self))
        except errors.TasquesError as error:
            return self._comparable(error)

    def _comparable(self, value: object) -> object:
        if isinstance(value, errors.TasquesError):
            return type(value), str(value)
        if isinstance(value, Stored):
            return value.document, self._has_moved(value)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self._comparable(item) for item in value]
        return value

    def _has_moved(self, stored: StoredTask) -> bool:
        before = self._versions.get(stored.document.key)
        self._versions[stored.document.key] = stored.version
        assert before is None or before <= stored.version
        return before != stored.version
