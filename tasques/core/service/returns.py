"""Returning what was claimed for somebody who has gone by now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tasques.core import errors
from tasques.core.documents import Stored
from tasques.core.ports import Conflict, Runtime, TaskStore, WriteOutcome, Written
from tasques.core.service.allotment import giving_back
from tasques.core.service.group_commit import HandIn
from tasques.core.tasks import StoredTask, Task


class Returns:
    """
    Gives tasks back at no cost of an attempt.

    That is an effort, not a promise: what cannot be returned now comes back by its time-out, and that
    costs one.

    Args:
        hand_in: Has writes done that nobody waits for; None if they have to be waited for.
        on_waiting: Told of each that was returned; must not block.
    """

    def __init__(
        self,
        store: TaskStore,
        runtime: Runtime,
        *,
        hand_in: HandIn | None,
        on_waiting: Callable[[StoredTask], None],
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._hand_in = hand_in
        self._on_waiting = on_waiting

    def give_back(self, claimed: Sequence[StoredTask]) -> None:
        """Return tasks whose delivery definitely failed; blocks only without *hand_in*."""
        writes = [giving_back(stored, self._runtime) for stored in claimed]
        if not writes:
            return
        if self._hand_in is None:
            self._give_back_again(self._returned(claimed, self._store.write(writes)))
        else:
            self._hand_in(writes, partial(self._note, claimed))

    def _note(self, claimed: Sequence[StoredTask], outcomes: Sequence[WriteOutcome[Task]]) -> None:
        overtaken = self._returned(claimed, outcomes)
        if overtaken:
            # It has to read, and whoever tells of outcomes must not wait.
            self._runtime.spawn("give back", partial(self._give_back_again, overtaken))

    def _returned(
        self, claimed: Sequence[StoredTask], outcomes: Sequence[WriteOutcome[Task]]
    ) -> list[StoredTask]:
        """Tell of those that were returned; gives those that another write was faster with."""
        overtaken = []
        for stored, outcome in zip(claimed, outcomes, strict=True):
            if isinstance(outcome, Written):
                self._on_waiting(outcome.stored)
            elif isinstance(outcome, Conflict):
                overtaken.append(stored)
        return overtaken

    def _give_back_again(self, overtaken: Sequence[StoredTask]) -> None:
        """
        Return those that were merely written over themselves, as whoever confirms what was read does.

        Once: a second time it would be strange.
        """
        if not overtaken:
            return
        try:
            read = self._store.get([stored.document.key for stored in overtaken])
        except errors.StoreUnavailable:
            return
        unchanged = [
            current
            for stored, current in zip(overtaken, read, strict=True)
            if isinstance(current, Stored) and current.document == stored.document
        ]
        if unchanged:
            writes = [giving_back(stored, self._runtime) for stored in unchanged]
            self._returned(unchanged, self._store.write(writes))
