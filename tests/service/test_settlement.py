"""Settlement: every write is followed until it is known what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
import pytest

from tasques.core import errors
from tasques.core.documents import Operation, Stored, Version
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    Blocked,
    Conflict,
    Create,
    Exists,
    Invalid,
    Missing,
    ReadOutcome,
    Rejected,
    Replace,
    Unknown,
    Unreadable,
    Write,
    WriteOutcome,
)
from tasques.core.service.meter import Meter
from tasques.core.service.settlement import Overtaken, Settlement, digest
from tasques.core.tasks import Task, TaskKey
from tests.service.conftest import QuickRuntime, ScriptedStore, make_task

Script = Callable[[Write[Task], int], WriteOutcome[Task] | None]


def marked(token: str, task: Task | None = None) -> Task:
    return (task or make_task()).stamped(Operation(token=token, verb="test"))


def settle(
    store: ScriptedStore,
    write: Create[Task] | Replace[Task],
    runtime: QuickRuntime,
    *,
    seconds: float = 10,
    hold: bool = False,
) -> object:
    deadline = runtime.monotonic() + seconds
    return Settlement(store, runtime).settle(write, deadline=deadline, hold=hold)


def sent(store: ScriptedStore) -> list[Write[Task]]:
    return [write for batch in store.batches for write in batch]


def test_what_succeeds_at_once_is_answered_at_once(runtime: QuickRuntime) -> None:
    """One write, no read."""
    store = ScriptedStore()
    settled = settle(store, Create(document=marked("a")), runtime)
    assert isinstance(settled, Stored)
    assert len(sent(store)) == 1


def test_a_definite_no_is_repeated_until_it_works(runtime: QuickRuntime) -> None:
    """Rejected means that nothing happened, so the same write may be sent again."""
    store = ScriptedStore(lambda write, n: Rejected("busy") if n < 4 else None)
    assert isinstance(settle(store, Create(document=marked("a")), runtime), Stored)
    assert len(sent(store)) == 4


def test_a_definite_no_until_the_deadline_is_unavailable(runtime: QuickRuntime) -> None:
    """The caller learns that it did not happen, and why."""
    store = ScriptedStore(lambda write, n: Rejected("busy"))
    with pytest.raises(errors.StoreUnavailable, match="busy"):
        settle(store, Create(document=marked("a")), runtime)


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "lost"])
def test_an_unknown_create_ends_as_one_task(applied: bool, runtime: QuickRuntime) -> None:
    """Applied or not, sending it again and looking for our token gives one task and success."""
    store = ScriptedStore()

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number == 1:
            if applied:
                store.put(write.document)
            return Unknown("timeout")
        if isinstance(write, Create) and write.document.key in store.stored:
            return Exists()
        return None

    store._script = script
    settled = settle(store, Create(document=marked("a")), runtime)
    assert isinstance(settled, Stored)
    assert settled.document == marked("a")
    assert list(store.stored) == [make_task().key]


def test_our_own_token_is_confirmed_by_one_more_compare_and_set(runtime: QuickRuntime) -> None:
    """A read may show a write that is lost later; only an acknowledged write is a promise."""
    store = ScriptedStore()
    store.put(marked("a"))
    store._script = lambda write, n: Exists() if isinstance(write, Create) else None

    settled = settle(store, Create(document=marked("a")), runtime)

    confirming = sent(store)[-1]
    assert isinstance(confirming, Replace)
    assert confirming.expected == Version(1, 1)
    assert confirming.document == marked("a")
    assert isinstance(settled, Stored)
    assert settled.version == Version(1, 2)


def test_another_token_means_that_we_were_overtaken(runtime: QuickRuntime) -> None:
    """A definite no, with what is there now."""
    store = ScriptedStore(lambda write, n: Exists())
    store.put(marked("theirs"))
    settled = settle(store, Create(document=marked("ours")), runtime)
    assert isinstance(settled, Overtaken)
    assert settled.current == store.stored[make_task().key]


@pytest.mark.parametrize("first", [Conflict(), Unknown("reset")], ids=["conflict", "unknown"])
def test_a_replace_that_was_overtaken_says_by_what(
    first: WriteOutcome[Task], runtime: QuickRuntime
) -> None:
    """
    A higher version with another token: our write will never take place any more.

    After a conflict it did not; after a doubt it may have, and have been replaced since.
    """
    store = ScriptedStore(lambda write, n: first)
    store.put(marked("old"))
    store.put(marked("theirs"))
    settled = settle(store, Replace(document=marked("ours"), expected=Version(1, 1)), runtime)
    assert isinstance(settled, Overtaken)
    assert settled.doubtful is isinstance(first, Unknown)


@pytest.mark.parametrize("takes", [0.1, 1.0], ids=["prompt", "late"])
def test_a_conflict_that_is_looked_at_late_leaves_a_doubt(
    takes: float, runtime: QuickRuntime
) -> None:
    """It may have been with our own write, and others may have replaced that by now."""

    def get(keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        runtime.sleep(takes)
        return [store.stored.get(key, Missing()) for key in keys]

    store = ScriptedStore(lambda write, number: Conflict())
    store.put(marked("old"))
    store.put(marked("theirs"))
    store.get = get  # type: ignore[method-assign]
    write = Replace(document=marked("ours"), expected=Version(1, 1))
    settled = settle(store, write, runtime)
    assert isinstance(settled, Overtaken)
    assert settled.doubtful is (takes == 1.0)


def test_a_replace_of_what_is_gone_is_overtaken_by_nothing(runtime: QuickRuntime) -> None:
    """
    A document that is not there conflicts, and the read says that it is missing.

    It was there, so an isolated primary may say so that does not know it yet: a doubt is left.
    """
    store = ScriptedStore(lambda write, n: Conflict())
    settled = settle(store, Replace(document=marked("ours"), expected=Version(1, 1)), runtime)
    assert settled == Overtaken(Missing(), doubtful=True)


def test_a_doubt_that_a_look_leaves_is_counted(runtime: QuickRuntime) -> None:
    """As one that a write left."""
    meter = Meter(runtime)
    settlement = Settlement(ScriptedStore(lambda write, n: Conflict()), runtime, meter)
    write = Replace(document=marked("ours"), expected=Version(1, 1))
    settlement.settle(write, deadline=runtime.monotonic() + 10)
    (doubts,) = (each for each in meter.collect() if each.name == "tasques_doubtful_writes_total")
    counted = {dict(each.labels)["resolution"]: each.value for each in doubts.samples}
    assert counted == {"confirmed": 0, "written": 0, "overtaken": 1, "given_up": 0}


def test_an_unknown_replace_on_an_unchanged_version_is_sent_again(runtime: QuickRuntime) -> None:
    """It may still land; of two equal compare-and-sets only one can, and both are ours."""
    store = ScriptedStore(lambda write, n: Unknown("timeout") if n == 1 else None)
    store.put(marked("old"))
    write = Replace(document=marked("ours"), expected=Version(1, 1))
    settled = settle(store, write, runtime)
    assert isinstance(settled, Stored)
    assert sent(store) == [write, write]


def test_what_stays_unknown_is_never_called_a_success_or_a_no(runtime: QuickRuntime) -> None:
    """At the deadline the caller learns that nobody knows."""
    store = ScriptedStore(lambda write, n: Unknown("timeout"))
    store.put(marked("old"))
    with pytest.raises(errors.OutcomeUnknown):
        settle(store, Replace(document=marked("ours"), expected=Version(1, 1)), runtime)


def test_a_doubt_outlives_later_definite_noes(runtime: QuickRuntime) -> None:
    """The first try may have landed, whatever became of the second."""
    store = ScriptedStore(lambda w, n: Unknown("timeout") if n == 1 else Rejected("busy"))
    store.put(marked("old"))
    with pytest.raises(errors.OutcomeUnknown):
        settle(store, Replace(document=marked("ours"), expected=Version(1, 1)), runtime)


def test_a_block_is_told_at_once_or_waited_for(runtime: QuickRuntime) -> None:
    """Creations fail at once; completions are held, since their workers would die of it."""
    store = ScriptedStore(lambda write, n: Blocked("disk full"))
    with pytest.raises(errors.StoreBlocked):
        settle(store, Create(document=marked("a")), runtime)
    assert len(sent(store)) == 1

    store = ScriptedStore(lambda write, n: Blocked("disk full") if n < 3 else None)
    assert isinstance(settle(store, Create(document=marked("a")), runtime, hold=True), Stored)


def test_what_the_store_will_never_take_is_the_callers_mistake(runtime: QuickRuntime) -> None:
    """It is not repeated."""
    store = ScriptedStore(lambda write, n: Invalid("id too long"))
    with pytest.raises(errors.InvalidInput, match="id too long"):
        settle(store, Create(document=marked("a")), runtime)
    assert len(sent(store)) == 1


def test_a_store_that_cannot_be_read_is_asked_again(runtime: QuickRuntime) -> None:
    """A conflict while reads fail is followed until they work."""
    store = ScriptedStore(lambda write, n: Conflict())
    store.put(marked("theirs"))
    store.put(marked("theirs-2"))
    reads = iter([errors.StoreUnavailable("down"), errors.StoreUnavailable("down")])
    get = store.get

    def failing(keys: object) -> object:
        for error in reads:
            raise error
        return get(keys)  # type: ignore[arg-type]

    store.get = failing  # type: ignore[method-assign, assignment]
    settled = settle(store, Replace(document=marked("ours"), expected=Version(1, 1)), runtime)
    assert isinstance(settled, Overtaken)


def test_a_document_that_cannot_be_read_is_asked_for_again(runtime: QuickRuntime) -> None:
    """It is neither missing nor there until it was read; at the deadline it is unavailable."""
    store = ScriptedStore(lambda write, n: Conflict())
    store.put(marked("theirs"))
    answers: Iterator[ReadOutcome[Task]] = iter([Unreadable("gone"), Unreadable("gone")])
    get = store.get
    store.get = lambda keys: [next(answers, get(keys)[0])]  # type: ignore[method-assign]
    settled = settle(store, Replace(document=marked("ours"), expected=Version(0, 1)), runtime)
    assert settled == Overtaken(get([make_task().key])[0])  # type: ignore[arg-type]

    store.get = lambda keys: [Unreadable("gone") for _ in keys]  # type: ignore[method-assign]
    settlement: Settlement[TaskKey, Task] = Settlement(store, runtime)
    with pytest.raises(errors.StoreUnavailable, match="gone"):
        settlement.read(make_task().key, deadline=runtime.monotonic())


def test_a_digest_tells_every_difference() -> None:
    """No two different lists of parts have the same digest, however their texts join."""
    parts: list[tuple[str | None | bool | int | JsonObject, ...]] = [
        ("a", "b"),
        ("ab",),
        ("", "ab"),
        ("a", None, "b"),
        ("a", "", "b"),
        ("1:b",),
        (JsonObject.of({"a": 1}),),
        (JsonObject.of({"a": 1.0}),),
    ]
    digests = [digest(*each) for each in parts]
    assert len(set(digests)) == len(parts)
    assert digest("a", "b") == digests[0]


def test_a_stamp_changes_nothing_else() -> None:
    """Only the mark of the operation differs."""
    task = make_task()
    unmarked = attrs.evolve(
        marked("x"), extensions=attrs.evolve(marked("x").extensions, operation=None)
    )
    assert unmarked == task
