"""Who is turned away first when the room fills up."""

from __future__ import annotations

import attrs
import pytest

from tasques.core.documents import Operation, Version
from tasques.core.ports import Create, Delete, Rejected, Replace, Write, Written
from tasques.core.service.batch_limits import BatchLimits, Urgency, urgency
from tasques.core.service.group_commit import GroupCommit
from tasques.core.tasks import Task
from tests.service.actors import Actors
from tests.service.conftest import make_task


def change(verb: str, id: str = "t") -> Write[Task]:
    """The write of an operation."""
    task = make_task(id).stamped(Operation(token="t", verb=verb))
    if verb == "create":
        return Create(document=task)
    if verb == "archive":
        return Delete(document=task, expected=Version(1, 1))
    return Replace(document=task, expected=Version(1, 1))


@pytest.mark.parametrize(
    ("verbs", "expected"),
    [
        (["create"], Urgency.CREATION),
        (["claim"], Urgency.CLAIM),
        (["time_out"], Urgency.CLAIM),
        (["expire"], Urgency.CLAIM),
        (["archive"], Urgency.CLAIM),
        (["done"], Urgency.COMPLETION),
        (["failed"], Urgency.COMPLETION),
        (["report"], Urgency.COMPLETION),
        (["unclaim"], Urgency.COMPLETION),
        (["cancel"], Urgency.COMPLETION),
        (["create", "done", "claim"], Urgency.COMPLETION),
        (["create", "claim"], Urgency.CLAIM),
        ([], Urgency.CREATION),
    ],
)
def test_urgency_is_that_of_the_most_urgent(verbs: list[str], expected: Urgency) -> None:
    """Creations can be asked for again, claims come again, completions are lost work."""
    assert urgency([change(verb) for verb in verbs]) is expected


def test_an_unmarked_write_is_taken_for_a_completion() -> None:
    """In doubt nobody's work is thrown away."""
    task = make_task()
    unmarked = attrs.evolve(task, extensions=attrs.evolve(task.extensions, operation=None))
    assert urgency([Replace(document=unmarked, expected=Version(1, 1))]) is Urgency.COMPLETION


@pytest.mark.parametrize("bound", ["items", "size"])
def test_a_room_that_fills_turns_away_in_order(bound: str) -> None:
    """Creations up to a half of it, claims up to three quarters, completions to the full."""
    size = change("done").approximate_bytes
    limits = (
        BatchLimits(in_flight=1, waiting_items=100)
        if bound == "items"
        else BatchLimits(in_flight=1, waiting_size=100 * size)
    )
    world = Actors(1)
    commit = GroupCommit(world.store, world.runtime, limits)
    world.start(0.0, _write, commit, "create", "before")
    taken: dict[str, int] = {}

    def fill() -> None:
        world.start(world.now, _write, commit, "done", "first")
        world.scheduler.block(0.001)
        for verb in ("create", "claim", "done"):
            for number in range(120):
                world.start(world.now, _write, commit, verb, f"{verb}{number}")
            world.scheduler.block(0.5)
            taken[verb] = commit._waiting_items

    # What is under way takes its time, so that all the rest waits.
    world.store.is_silent = False
    world.scheduler.at(0.9, lambda: setattr(world.store, "is_silent", True))
    world.start(1.0, fill)
    world.scheduler.at(4.0, lambda: setattr(world.store, "is_silent", False))
    world.run(until=60.0)
    exact = bound == "items"
    for verb, share in (("create", 50), ("claim", 75), ("done", 100)):
        assert taken[verb] == share if exact else abs(taken[verb] - share) <= 5
    written = [write.document for batch in world.store.batches for write in batch]
    verbs = [task.operation.verb for task in written if task.operation is not None]
    assert len(verbs) <= 102


def _write(commit: GroupCommit, verb: str, id: str) -> None:
    [outcome] = commit.write([change(verb, id)])
    if isinstance(outcome, Rejected):
        assert "too many" in outcome.reason
    elif isinstance(outcome, Written):
        assert outcome.stored.document.id == id
