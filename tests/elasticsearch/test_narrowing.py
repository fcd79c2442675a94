"""Looking only where most likely enough is due: exact, and never the last word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.adapters.elasticsearch import narrowing
from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.adapters.elasticsearch.documents import rank
from tasques.adapters.elasticsearch.narrowing import Narrowing, ranges
from tasques.core import lifecycle
from tasques.core.ports import ClaimableQuery, Create, Replace, Written
from tasques.core.queues import QueueName, WorkerId
from tasques.core.values import Duration, Instant
from tasques.runtime import ThreadRuntime
from tests.elasticsearch.conftest import Real
from tests.elasticsearch.stub import NOW, StubCluster, a_task, document, found, hit

ONE = ("t_queue-q",)
PRIORITIES = st.integers(-3, 3)
MILLISECONDS = st.integers(-20, 20)


def near(milliseconds: int) -> Instant:
    return NOW.plus(Duration(milliseconds * 1_000_000))


def is_within(place: int, found: Sequence[tuple[int | None, int]]) -> bool:
    return any((first is None or first <= place) and place <= last for first, last in found)


@given(
    later=st.lists(PRIORITIES, max_size=5),
    tasks=st.lists(st.tuples(PRIORITIES, MILLISECONDS), max_size=30),
    end=st.tuples(PRIORITIES, MILLISECONDS),
)
def test_nothing_that_is_due_is_left_out(
    later: list[int], tasks: list[tuple[int, int]], end: tuple[int, int]
) -> None:
    """Up to the end, whatever is believed to be for later; and what is there for later is."""
    last = rank(end[0], near(end[1]))
    assert last is not None
    found = ranges(later, NOW, last)
    for priority, milliseconds in tasks:
        place = rank(priority, near(milliseconds))
        assert place is not None
        if milliseconds <= 0:
            assert is_within(place, found) == (place <= last)
        elif priority in later:
            assert not is_within(place, found)
    edges = [edge for each in found for edge in each if edge is not None]
    assert edges == sorted(edges)


def narrowed(*tasks: tuple[int, int], limit: int) -> Narrowing:
    known = Narrowing(ThreadRuntime())
    known.learn(ONE, [9])
    documents = [a_task(priority=priority, run_at=near(at)) for priority, at in tasks]
    known.note(ONE, documents, limit)
    return known


def test_the_window_reaches_as_far_as_twice_as_many_lay_apart() -> None:
    """And a second further, since what is taken is taken at the front."""
    known = narrowed((1, -60_000), (0, -5_000), (0, -4_000), (0, -3_000), limit=4)
    window = known.window(ONE, NOW, 30)
    last = rank(0, near(-3_000))
    assert last is not None
    assert str(last + 2 * 30 * 2_000 // 3 + 1_000) in str(window)


def test_who_found_less_than_wanted_searches_everything_the_next_time() -> None:
    """There is no telling where the next one will be."""
    assert narrowed((0, -1), limit=2).window(ONE, NOW, 1) is None
    assert narrowed(limit=0).window(ONE, NOW, 1) is None


def test_only_slow_searches_are_narrowed_and_not_every_one_asks_why() -> None:
    """A small index needs no such care."""
    known = Narrowing(ThreadRuntime())
    assert not known.is_worth_asking(ONE, 9)
    assert known.is_worth_asking(ONE, 10)
    known.learn(ONE, [])
    assert not known.is_worth_asking(ONE, 10)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets of queues can be named at will."""
    monkeypatch.setattr(narrowing, "_MAX_PLACES", 3)
    known = Narrowing(ThreadRuntime())
    for number in range(10):
        known.learn((f"t_queue-{number}",), [])
    assert len(known._places) == 3


QUERY = ClaimableQuery(queues=(QueueName("q"),), now=NOW, limit=1)
LATER = {"aggregations": {"later": {"buckets": [{"key": 9, "doc_count": 5}]}}}


def slow(result: dict[str, object]) -> dict[str, object]:
    return {**result, "took": 50}


def test_after_a_slow_search_the_next_one_is_narrow(cluster: StubCluster) -> None:
    """One question about what is for later in between, and one request for each search."""
    cluster.answer("POST /_msearch", {"responses": [slow(found(hit(document("t1")))), found()]})
    cluster.answer("POST /t_queue-q/_search", LATER)
    tasks = cluster.backend().tasks
    for _ in range(3):
        ((one,),) = tasks.find_claimable([QUERY])
        assert one.document.id == "t1"
    first, asked, second, third = cluster.requests
    assert {"exists": {"field": "rank"}} in first.lines[1]["query"]["bool"]["filter"]
    assert asked.path == "/t_queue-q/_search"
    for narrow in (second, third):
        *due, window = narrow.lines[1]["query"]["bool"]["filter"]
        assert len(due) == 3
        assert len(window["bool"]["should"]) == 2


def test_a_narrow_search_that_finds_too_little_is_followed_by_one_of_everything(
    cluster: StubCluster,
) -> None:
    """What is there is found, wherever it is."""
    responses = [slow(found(hit(document("t1")))), found()]
    cluster.answer("POST /_msearch", {"responses": responses})
    cluster.answer("POST /t_queue-q/_search", LATER)
    cluster.answer("POST /_msearch", {"responses": [found(), found()]})
    cluster.answer("POST /_msearch", {"responses": [found(hit(document("t2")))]})
    tasks = cluster.backend().tasks
    tasks.find_claimable([QUERY])
    ((one,),) = tasks.find_claimable([QUERY])
    assert one.document.id == "t2"
    last = cluster.requests[-1]
    assert {"exists": {"field": "rank"}} in last.lines[1]["query"]["bool"]["filter"]


def test_where_it_cannot_be_said_what_is_for_later_tasks_are_found_all_the_same(
    cluster: StubCluster,
) -> None:
    """The question is for speed alone, and is not asked again for a while."""
    cluster.answer("POST /_msearch", {"responses": [slow(found(hit(document("t1")))), found()]})
    cluster.answer("POST /t_queue-q/_search", {"error": "no"}, status=500)
    tasks = cluster.backend().tasks
    for _ in range(2):
        ((one,),) = tasks.find_claimable([attrs.evolve(QUERY)])
        assert one.document.id == "t1"
    assert len(cluster.asked("POST /t_queue-q/_search")) == 1


def test_narrow_searches_find_what_others_do(
    real: Real,
    backend: ElasticsearchBackend,
    connect: Callable[..., ElasticsearchBackend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a real one, with much for later and much done, while tasks are taken and others come."""
    monkeypatch.setattr(narrowing, "SLOW_MILLISECONDS", 0)
    monkeypatch.setattr(narrowing, "_SPARE_MILLISECONDS", 0)
    dice = Random(7)
    tasks, plain = backend.tasks, connect(real).tasks
    monkeypatch.setattr(plain._claimable._narrowing, "window", lambda *_: None)

    def make(*names: str) -> None:
        writes = [
            Create(
                document=a_task(
                    name,
                    priority=dice.choice([0, 1, 2, 32768]),
                    run_at=near(dice.choice([-50, -20, -1, 0, 1, 600_000])),
                )
            )
            for name in names
        ]
        assert all(isinstance(outcome, Written) for outcome in tasks.write(writes))
        real.refresh()

    make(*(f"t{number:03}" for number in range(200)))
    narrow = 0
    for number in range(12):
        everything = attrs.evolve(QUERY, limit=1000)
        (expected,) = plain.find_claimable([everything])
        limit = dice.choice([1, 3, 10])
        narrow += (
            tasks._claimable._narrowing.window((f"{real.prefix}queue-q",), NOW, limit) is not None
        )
        (found_now,) = tasks.find_claimable([attrs.evolve(QUERY, limit=limit)])
        assert list(found_now) == list(expected[:limit])
        taken = [
            Replace(
                document=lifecycle.claim(one.document, worker=WorkerId("w"), now=NOW),
                expected=one.version,
            )
            for one in found_now
        ]
        tasks.write(taken)
        make(f"n{number}")
    assert narrow > 6
