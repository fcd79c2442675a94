"""G10: documents that are no tasks ("poison")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from tasques.core.ports import Create, Exists, Malformed, TaskStore, Written
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import TaskKey
from tasques.testing.contract.store_fixtures import Settle, StoreFixtures, claimable, written
from tasques.testing.examples import NOW, claimed, fresh_id, queued

#: Puts a document that is no task under a key; see :class:`MalformedContract`.
PlantMalformed: TypeAlias = Callable[[TaskKey, int], None]

#: So many kinds of damage are asked for.
VARIETIES: Final = 10


class MalformedContract(StoreFixtures):
    """
    G10, for backends whose documents can be written by others too.

    Beside ``backend`` and ``settle`` it needs the fixture ``plant_malformed``: a callable that takes
    a key and a number, and puts there a document that is no task. As far as its damage allows, it
    should look claimable and timed out at :data:`tasques.testing.examples.NOW`, before all others.
    Different numbers, from 0 on, may give different kinds of damage.
    """

    def test_a_malformed_document_is_named_so(
        self, store: TaskStore, plant_malformed: PlantMalformed
    ) -> None:
        """G10: to a get, with a reason; those read with it are not affected."""
        one, other = written(store, queued("a"), queued("a"))
        for variety in range(VARIETIES):
            key = TaskKey(QueueName("a"), fresh_id())
            plant_malformed(key, variety)
            first, bad, second = store.get([one.document.key, key, other.document.key])
            assert (first, second) == (one, other)
            assert isinstance(bad, Malformed), variety
            assert bad.reason

    def test_malformed_documents_are_left_out_of_searches(
        self, store: TaskStore, settle: Settle, plant_malformed: PlantMalformed
    ) -> None:
        """G10: the good ones are found, as if they were not there, the first time and the second."""
        waits, over = written(store, queued("a"), claimed("a"))
        for variety in range(VARIETIES):
            plant_malformed(TaskKey(QueueName("a"), TaskId(f"!bad{variety}")), variety)
        settle()
        for _ in range(2):
            assert list(claimable(store, QueueName("a"), now=NOW)) == [waits]
            assert list(claimable(store, now=NOW)) == [waits]
            assert list(store.find_timed_out(before=NOW, limit=10)) == [over]

    def test_no_number_of_bad_ones_hides_a_good_one(
        self, store: TaskStore, settle: Settle, plant_malformed: PlantMalformed
    ) -> None:
        """G10: where *limit* good ones wait behind a hundred bad ones, they are found."""
        waiting = written(store, *(queued("a") for _ in range(3)))
        over = written(store, *(claimed("a") for _ in range(3)))
        for number in range(100):
            plant_malformed(TaskKey(QueueName("a"), TaskId(f"!bad{number}")), number)
        settle()
        for _ in range(2):
            assert list(claimable(store, QueueName("a"), now=NOW, limit=3)) == waiting
            found = store.find_timed_out(before=NOW, limit=3)
            assert {stored.document.id for stored in found} == {
                stored.document.id for stored in over
            }

    def test_a_bad_one_keeps_its_id(
        self, store: TaskStore, plant_malformed: PlantMalformed
    ) -> None:
        """G2, G10: a create does not take its place, and its neighbours are written."""
        key = TaskKey(QueueName("a"), fresh_id())
        written(store, queued("a"))
        plant_malformed(key, 0)
        outcomes = store.write(
            [Create(document=queued("a", id=key.id)), Create(document=queued("a"))]
        )
        assert outcomes[0] == Exists()
        assert isinstance(outcomes[1], Written)
        assert isinstance(store.get([key])[0], Malformed)
