"""G13: queues that are out of reach while others are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tasques.core.ports import TaskStore, Unreadable
from tasques.core.queues import QueueName
from tasques.core.tasks import TaskKey
from tasques.testing.contract.store_fixtures import StoreFixtures, written
from tasques.testing.examples import fresh_id, queued

#: Takes a queue out of reach; see :class:`UnreadableContract`.
Lose: TypeAlias = Callable[[QueueName], None]


class UnreadableContract(StoreFixtures):
    """
    G13, for backends of which a part may be out of reach.

    Beside ``backend`` it needs the fixture ``lose``: a callable that takes the name of a queue that
    was not used yet, and has nothing there be read until the test is over.
    """

    def test_what_is_out_of_reach_hinders_no_other(self, store: TaskStore, lose: Lose) -> None:
        """G13, G1: it is unreadable with a reason, wherever it stands; the others are read."""
        one, other = written(store, queued("a"), queued("b"))
        lost = TaskKey(QueueName("lost"), fresh_id())
        lose(lost.queue)
        first, unread, second, again = store.get([one.document.key, lost, other.document.key, lost])
        assert (first, second) == (one, other)
        assert isinstance(unread, Unreadable)
        assert unread.reason
        assert isinstance(again, Unreadable)

    def test_nothing_but_what_is_out_of_reach(self, store: TaskStore, lose: Lose) -> None:
        """G13: it is neither missing nor an error where it is asked for alone."""
        lost = TaskKey(QueueName("lost"), fresh_id())
        lose(lost.queue)
        [outcome] = store.get([lost])
        assert isinstance(outcome, Unreadable)
