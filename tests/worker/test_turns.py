"""From which queue a worker claims first: strict order, and proportions by weight."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.app import Tasques
from tasques.core.errors import InvalidInput
from tasques.worker import Worker, WorkerOptions
from tasques.worker.turns import Strict, Together, Turn, Turns, Weighted, turns_of
from tests.worker.conftest import burst

NAMES = ["a", "b", "c", "d"]


def claim(turns: Turns, wanted: int, stock: Counter[str]) -> Counter[str]:
    """A claim as a worker makes it, from queues that have so much each; gives what it took."""
    empty: list[str] = []
    took: Counter[str] = Counter()
    for turn in turns.next(wanted):
        took[turn.queue] = min(turn.amount, stock[turn.queue])
        if took[turn.queue]:
            break
        empty.append(turn.queue)
    turns.taken(empty, +took)
    stock.subtract(took)
    return +took


def test_three_to_one() -> None:
    """Of the first eight tasks six and two, though they are asked for at once."""
    turns, stock = Weighted({"mail": 3, "bulk": 1}), Counter(mail=100, bulk=100)
    assert next(iter(turns.next(8))) == Turn("mail", 6)
    assert claim(turns, 8, stock) == {"mail": 6}
    assert claim(turns, 2, stock) == {"bulk": 2}
    took = [claim(turns, 1, stock) for _ in range(40)]
    assert sum(took, Counter()) == {"mail": 30, "bulk": 10}


@given(
    weights=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9), min_size=2),
    phases=st.lists(
        st.tuples(
            st.sets(st.sampled_from(NAMES), min_size=1),
            st.lists(st.integers(1, 8), min_size=5, max_size=60),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_shares_tend_to_the_weights_of_the_queues_that_have_work(
    weights: Mapping[str, int], phases: Sequence[tuple[set[str], list[int]]]
) -> None:
    """
    At any time, whatever went before: a queue that had nothing has no claim to more afterwards, and
    none waits for longer than its share says. Something is taken while any queue has something.
    """
    turns = Weighted(weights)
    for names, wishes in phases:
        full = names & weights.keys()
        took: Counter[str] = Counter()
        for wanted in wishes:
            stock = Counter(dict.fromkeys(full, 10_000))
            came = claim(turns, wanted, stock)
            assert bool(came) == bool(full)
            took += came
        for queue in full:
            share = took.total() * weights[queue] / sum(weights[each] for each in full)
            # One claim ahead or behind, and for each other queue a task for the tie.
            assert abs(took[queue] - share) <= 2 * max(wishes) + len(full)


@given(
    stocks=st.lists(
        st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3)), min_size=1, max_size=30
    ),
    wanted=st.integers(1, 4),
)
def test_strict_order_holds(stocks: Sequence[Mapping[str, int]], wanted: int) -> None:
    """Whatever is taken, nothing was left in the queues named before."""
    turns, stock = Strict(NAMES), Counter[str]()
    for more in stocks:
        stock.update(more)
        took = claim(turns, wanted, stock)
        assert bool(took) == bool(+(stock + took))
        for queue in took:
            before = NAMES[: NAMES.index(queue)]
            assert not any(stock[each] for each in before)


def test_who_says_nothing_leaves_it_to_the_server() -> None:
    """As is, where there is nothing to choose from."""
    assert isinstance(turns_of(WorkerOptions(queues=["a", "b"])), Together)
    assert isinstance(turns_of(WorkerOptions(queues=["a"], strict=True)), Together)
    assert isinstance(turns_of(WorkerOptions(queues=["a", "b"], strict=True)), Strict)
    assert isinstance(turns_of(WorkerOptions(queues=["a", "b"], weights={"a": 2})), Weighted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"queues": ["a"], "weights": {"a": 0}},
        {"queues": ["a"], "weights": {"b": 1}},
        {"queues": ["a", "b"], "weights": {"a": 1}, "strict": True},
        {"strict": True},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """Before anything is claimed."""
    with pytest.raises(InvalidInput):
        WorkerOptions(**wrong)  # type: ignore[arg-type]


def _enqueued(app: Tasques) -> list[str]:
    """Tasks in two queues, the wrong way round by priority; what ran is noted in the list."""
    ran: list[str] = []

    @app.task()
    def note(name: str) -> None:
        ran.append(name)

    for _ in range(12):
        note.options(queue="bulk", priority=9).enqueue("bulk")
        note.options(queue="mail").enqueue("mail")
    return ran


def test_a_worker_keeps_a_strict_order(app: Tasques) -> None:
    """Although the other queue's tasks have the higher priority."""
    ran = _enqueued(app)
    burst(app, queues=["mail", "bulk"], strict=True, concurrency=1)
    assert ran == ["mail"] * 12 + ["bulk"] * 12


def test_a_worker_keeps_the_proportion(app: Tasques) -> None:
    """While both have something; and it does the rest of the other one."""
    ran = _enqueued(app)
    burst(app, queues=["mail", "bulk"], weights={"mail": 3}, concurrency=1)
    assert Counter(ran[:16]) == {"mail": 12, "bulk": 4}
    assert Counter(ran) == {"mail": 12, "bulk": 12}


def test_a_worker_that_waits_takes_from_any_queue(app: Tasques) -> None:
    """With nothing anywhere it waits for all of them."""
    done = threading.Event()

    @app.task()
    def note() -> None:
        done.set()

    settings = WorkerOptions(queues=["mail", "bulk"], strict=True, claim_wait="10m")
    worker = Worker(app, settings)
    with worker:
        note.options(queue="bulk").enqueue().wait(60)
        # Its claim waits for ten minutes more, unless something comes.
        worker.stop()
        note.options(queue="bulk").enqueue()
    assert done.is_set()
