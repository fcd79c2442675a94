"""What is known and not handed out yet: in claim order, bounded, and never more than a hint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.documents import Stored, Version
from tasques.core.queues import QueueName, TaskId
from tasques.core.service.candidates import Candidates
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration
from tests.service.conftest import START, make_task

KEEP = 2.0
MAIL = QueueName("mail")


def stored(id: str, *, seq_no: int = 1, **more: Any) -> StoredTask:
    return Stored(document=make_task(id, **more), version=Version(1, seq_no))


@attrs.frozen
class Others:
    """To whom some tasks fall, and who may leave some of them."""

    falls: Callable[[str], bool] = lambda id: True
    left: int = 100

    def falls_to_others(self, queue: QueueName, id: TaskId) -> bool:
        return self.falls(id)

    def leftovers(self, queue: QueueName) -> int:
        return self.left


def put(candidates: Candidates, *tasks: StoredTask, at: float = 0.0) -> list[bool]:
    return [candidates.put(task, now=START, at=at) for task in tasks]


def drawn(candidates: Candidates, *queues: str, at: float = 0.0) -> list[str]:
    names = tuple(QueueName(queue) for queue in queues)
    return [c.stored.document.id for c in candidates.draw(names, at=at)]


def test_candidates_of_several_queues_come_in_one_order() -> None:
    """The order of claims knows no queues, and a queue that was not asked for keeps its own."""
    candidates = Candidates(keep_seconds=KEEP)
    put(candidates, stored("a1", queue="a", priority=1), stored("b9", queue="b", priority=9))
    put(candidates, stored("a5", queue="a", priority=5), stored("c", queue="c", priority=7))
    assert drawn(candidates, "a", "b") == ["b9", "a5", "a1"]
    assert drawn(candidates) == ["c"]
    assert len(candidates) == 0
    assert candidates.approximate_bytes == 0


def test_only_what_is_new_is_news() -> None:
    """So that whoever pays for seeing everything can tell whether it was worth it."""
    candidates = Candidates(keep_seconds=KEEP)
    assert put(candidates, stored("t"), stored("t"), stored("t", seq_no=2)) == [True, False, True]
    candidates.settle(stored("t").document.key, Version(1, 2), at=0.0)
    assert put(candidates, stored("t", seq_no=2), stored("t", seq_no=3)) == [False, True]
    assert put(candidates, stored("later", run_at=START.plus(Duration(1)))) == [False]


def test_what_no_search_shows_any_more_is_forgotten() -> None:
    """It was taken elsewhere, or a search shows it again."""
    candidates = Candidates(keep_seconds=KEEP)
    put(candidates, stored("seen-once"), stored("seen-again"))
    put(candidates, stored("seen-again"), at=1.5)
    assert candidates.has_any((MAIL,), at=3.0)
    assert drawn(candidates, at=3.0) == ["seen-again"]
    assert not candidates.has_any((MAIL,), at=3.0)


def test_what_nobody_asks_for_is_forgotten_as_others_come() -> None:
    """A server where tasks are only made keeps those of the last seconds, not all it has room for."""
    candidates = Candidates(keep_seconds=KEEP)
    for number in range(1000):
        put(candidates, stored(f"t{number}", queue=f"q{number % 7}"), at=number / 10)
        assert len(candidates) <= 2 * KEEP * 10 + 1
    assert sum(len(pool.own) for pool in candidates._pools.values()) <= 2 * KEEP * 10 + 1
    put(candidates, stored("last"), at=1000.0)
    assert drawn(candidates, at=1000.0) == ["last"]
    assert not candidates._pools.keys() - {MAIL}


def test_what_a_search_shows_is_not_forgotten_with_the_rest() -> None:
    """However long ago it was first seen."""
    candidates = Candidates(keep_seconds=KEEP)
    for at in range(100):
        put(candidates, stored("old"), stored(f"t{at}"), at=at)
    assert drawn(candidates, at=99.0)[0] == "old"


def test_a_search_forgets_what_is_stale() -> None:
    """Where nothing new comes, too."""
    candidates = Candidates(keep_seconds=KEEP)
    put(candidates, stored("mine"), stored("for-later", run_at=START.plus(Duration(1))))
    candidates.prune(at=1000.0)
    assert len(candidates) == 1
    assert candidates.next_due is not None


def test_what_is_shown_again_and_again_takes_no_more_room() -> None:
    """A claim that waits for more than there is sees the same tasks in every search."""
    candidates = Candidates(keep_seconds=KEEP)
    for at in range(100):
        for seq_no in range(3):
            put(candidates, *(stored(f"t{n}", seq_no=3 * at + seq_no) for n in range(10)), at=at)
    assert len(candidates) == 10
    pool = candidates._pools[MAIL]
    assert len(pool.own) < 100


def test_a_buffer_that_is_full_keeps_the_best() -> None:
    """However many of low priority were handed in, one of high priority finds room."""
    candidates = Candidates(keep_seconds=KEEP, limit=100)
    put(candidates, *(stored(f"low{n:05}") for n in range(1000)))
    put(candidates, stored("high", priority=9))
    assert len(candidates) <= 100
    first, *others = drawn(candidates)
    assert first == "high"
    assert others[0] == "low00000"


def test_a_buffer_is_bounded_over_all_queues() -> None:
    """With one task in each of ever so many queues, too; and what came last is kept."""
    candidates = Candidates(keep_seconds=KEEP, limit=100)
    for number in range(1000):
        put(candidates, stored("t", queue=f"q{number}"))
        assert len(candidates) <= 100
    assert drawn(candidates, "q999") == ["t"]


def test_what_is_for_later_counts_too_and_the_soonest_stays() -> None:
    """A server that makes a million tasks for tomorrow remembers few of them."""
    candidates = Candidates(keep_seconds=KEEP, limit=100)
    order = [(n * 7919) % 1000 + 1 for n in range(1000)]
    put(candidates, *(stored(f"t{n}", run_at=START.plus(Duration(n))) for n in order))
    assert len(candidates) <= 100
    assert candidates.next_due == START.plus(Duration(1))


def test_a_task_larger_than_all_the_room_can_be_claimed_all_the_same() -> None:
    """Else nobody would ever get it."""
    candidates = Candidates(keep_seconds=KEEP, max_bytes=100)
    for number in range(5):
        put(candidates, stored("t", queue=f"q{number}"))
        assert drawn(candidates, f"q{number}") == ["t"]
    put(candidates, stored("first", queue="a"), stored("second", queue="b"))
    assert drawn(candidates) == ["second"]


def test_versions_that_are_over_are_forgotten_as_others_come() -> None:
    """However fast tasks are taken, no more are remembered than a search could show."""
    candidates = Candidates(keep_seconds=KEEP)
    tasks = [stored(f"t{number}") for number in range(1000)]
    for number, task in enumerate(tasks):
        candidates.settle(task.document.key, task.version, at=number / 10)
    assert candidates.is_over(tasks[-1])
    assert sum(candidates.is_over(task) for task in tasks) <= 25
    candidates.prune(at=1000.0)
    assert not any(candidates.is_over(task) for task in tasks)


def test_what_falls_to_others_is_left_to_them_for_a_while() -> None:
    """Whatever its priority, until it is shown for so long that they cannot be taking it."""
    candidates = Candidates(
        keep_seconds=KEEP,
        patience_seconds=1.0,
        shares=Others(lambda id: id.startswith("theirs")),
    )
    tasks = [stored("theirs"), stored("own", run_at=START), stored("theirs-high", priority=9)]
    put(candidates, *tasks)
    assert drawn(candidates, at=0.5) == ["own"]
    assert not candidates.has_any((MAIL,), at=0.5)
    assert drawn(candidates, at=1.0) == []
    candidates.prune(at=1.0)
    assert put(candidates, *tasks, at=1.0) == [False, True, False]
    assert drawn(candidates, at=1.0) == ["theirs-high", "own", "theirs"]


def test_no_more_is_taken_of_what_others_leave_than_they_seem_not_to_want() -> None:
    """Who is slow would lose most of it to a greedy one, and the greedy one much of it to them."""
    candidates = Candidates(keep_seconds=KEEP, patience_seconds=1.0, shares=Others(left=2))
    tasks = [stored(f"t{number}") for number in range(5)]
    for at in (0.0, 1.0):
        candidates.prune(at=at)
        put(candidates, *tasks, at=at)
    assert drawn(candidates, at=1.0) == ["t0", "t1"]


def test_what_others_cannot_know_is_not_left_to_them() -> None:
    """A task that was just made here goes to whoever waits here."""
    candidates = Candidates(keep_seconds=KEEP, shares=Others())
    candidates.put(stored("made-here"), now=START, at=0.0, is_ours=True)
    assert drawn(candidates) == ["made-here"]


def test_what_others_have_taken_is_forgotten() -> None:
    """No search shows it any more."""
    candidates = Candidates(keep_seconds=KEEP, shares=Others())
    put(candidates, *(stored(f"t{number}") for number in range(10)))
    candidates.prune(at=KEEP + 1)
    assert len(candidates) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "draw", "restore", "settle", "clear", "prune"]),
            st.integers(0, 12),
            st.integers(1, 4),
            st.integers(-1, 1),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_bookkeeping_never_drifts(steps: list[tuple[str, int, int, int]], shares: bool) -> None:
    """Whatever is done in whatever order: bounds hold, sums are right, and the order is kept."""
    candidates = Candidates(
        keep_seconds=KEEP,
        patience_seconds=0.5,
        limit=8,
        shares=Others(lambda id: shares and id[-1] in "02468"),
    )
    for at, (step, number, seq_no, priority) in enumerate(steps):
        task = stored(f"t{number}", seq_no=seq_no, priority=priority, queue="ab"[number % 2])
        now = at / 4
        match step:
            case "put":
                candidates.put(task, now=START, at=now)
            case "settle":
                candidates.settle(task.document.key, task.version, at=now)
            case "clear":
                candidates.clear(task.document.queue)
            case "prune":
                candidates.prune(at=now)
            case _:
                taken = list(candidates.draw((), at=now))
                assert [c.place for c in taken] == sorted(c.place for c in taken)
                orders = [c.stored.document.claim_order for c in taken]
                assert shares or orders == sorted(orders)
                if step == "restore":
                    candidates.restore(taken)
                    again = list(candidates.draw((), at=now))
                    assert [attrs.astuple(c) for c in again] == [attrs.astuple(c) for c in taken]
        live = [c for pool in candidates._pools.values() for c in pool.live.values()]
        assert len(candidates) == len(live) <= 8
        sizes = sum(c.stored.document.approximate_bytes for c in live)
        assert candidates.approximate_bytes == sizes
